"""JMEL's equations, item by item, and the laws of one vector per side."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otmel.errors import ConfigurationError
from otmel.models.base import Side
from otmel.models.baselines.jmel import FACTOR, JmelSettings, bigrams
from otmel.training.settings import RunSettings

SETTINGS = JmelSettings(hidden=8, vocabulary=30, buckets=50)


@pytest.fixture
def make_views(make_views):
    def with_ids(items, seed=0, **kwargs):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(30, (items, 6), generator=generator)
        return replace(make_views(items, seed, **kwargs), ids=ids)

    return with_ids


def test_it_obeys_the_laws(build, obeys_the_laws):
    obeys_the_laws(build(SETTINGS))


@torch.no_grad()
def test_its_equations_item_by_item(build, make_views):
    model, views = build(SETTINGS), make_views(6, 3, absent=(1, 4))
    found = model.encode_mentions(Side(views)).dense["F"]
    for row in range(6):
        ids = views.ids[row][views.text.mask[row]].tolist()
        u = torch.stack([model.unigrams.weight[i] for i in ids]).mean(0)
        pairs = [(a * FACTOR + b) % 50 for a, b in pairwise(ids)]
        b = torch.stack([model.bigrams.weight[i] for i in pairs]).mean(0) if pairs else torch.zeros_like(u)
        image = model.norms["V"](views.image.cls[row]) * (row not in (1, 4))
        z = torch.cat([u, b, model.norms["T"](views.text.cls[row]), image])
        torch.testing.assert_close(found[row], torch.tanh(model.join(z)))


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=9), st.integers(1, 2**20))
def test_a_pair_has_one_bucket_wherever_it_stands(ids, buckets):
    found = bigrams(torch.tensor([ids]), buckets)[0].tolist()
    assert found == [bigrams(torch.tensor([[a, b]]), buckets).item() for a, b in pairwise(ids)]
    assert all(0 <= bucket < buckets for bucket in found)


def test_pairs_of_a_vocabulary_spread_evenly():
    grid = torch.cartesian_prod(torch.arange(200), torch.arange(200))
    counts = bigrams(grid, 2**15).flatten().bincount(minlength=2**15)
    assert counts.max() <= 4  # 40,000 pairs in 32,768 buckets
    assert (counts > 0).float().mean() > 0.6


def test_the_order_of_the_words_counts(build, make_views):
    model, views = build(SETTINGS), make_views(2, 4)
    turned = views.ids.clone()
    turned[0, :4] = views.ids[0, :4].flip(0)
    found = [model.encode_mentions(Side(replace(views, ids=ids))).dense["F"] for ids in (views.ids, turned)]
    assert not torch.allclose(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_without_ids_it_says_what_is_missing(build, make_views):
    with pytest.raises(ConfigurationError, match="jmel embeds tokens itself"):
        build(SETTINGS).encode_mentions(Side(replace(make_views(2), ids=None)))


def test_its_settings_are_found_by_kind():
    assert RunSettings.model_validate({"model": {"kind": "jmel"}}).model == JmelSettings()
