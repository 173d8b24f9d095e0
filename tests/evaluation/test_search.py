"""Ranks through an index are those of scoring every pair, and the record says how they were found."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from otmel.encoders import Widths
from otmel.evaluation.scan import encoded, scanned
from otmel.evaluation.search import Query, found, searched
from otmel.index.index import EntityIndex
from otmel.models.registry import new_model
from otmel.models.tables import Table
from otmel.training.settings import preset
from otmel.types import Elements, Views

MENTIONS, ENTITIES = 12, 90
GOLD = [row * 7 - 1 for row in range(MENTIONS)]  # the first has none


def views(items: int, seed: int) -> Views:
    generator = torch.Generator().manual_seed(seed)

    def side(length: int, share: float) -> Elements:
        there = torch.rand(items, 1, generator=generator) < share
        mask = (torch.arange(length) < torch.randint(1, length + 1, (items, 1), generator=generator)) & there
        tokens = torch.randn(items, length, 6, generator=generator)
        return Elements(tokens, mask, torch.randn(items, 6, generator=generator))

    return Views(side(9, 1.0), side(5, 0.6))


@pytest.fixture(params=["PAPER", "RELEASED", "default"])
def parts(request):
    settings = preset(request.param).model.model_copy(update={"hidden": 8, "name_match": False})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = new_model(settings, widths=Widths(6, 6, 6, 6)).eval()
    device = torch.device("cpu")
    mentions = encoded(model.encode_mentions, Table(views(MENTIONS, 1), None), device=device)
    return model, mentions, encoded(model.encode_entities, Table(views(ENTITIES, 2), None), device=device)


@pytest.mark.parametrize("method", ["auto", "bounds", "scan"])
def test_the_figures_are_those_of_the_plain_evaluation(parts, method):
    model, mentions, entities = parts
    plain, alone = scanned(model, mentions, entities, GOLD, k=5, parts=True)
    told: list[int] = []
    index = EntityIndex.of(entities, model.composition())
    seen = searched(index, mentions, Query(5, GOLD, ("F", "T", "V"), method), advance=told.append)
    assert sum(told) == MENTIONS
    assert seen.found.rows.tolist() == plain.rows.tolist()
    np.testing.assert_allclose(seen.found.scores, plain.scores, rtol=1e-4, atol=1e-5)
    assert np.isnan(seen.found.gold_scores[0])
    np.testing.assert_allclose(seen.found.gold_scores[1:], plain.gold_scores[1:], rtol=1e-4, atol=1e-5)
    for own, other in [(seen.found.ranks, plain.ranks), *((seen.alone[part], alone[part]) for part in alone)]:
        assert own.optimistic.tolist() == other.optimistic.tolist()
        assert own.pessimistic.tolist() == other.pessimistic.tolist()


def test_the_record_counts_pairs(parts):
    model, mentions, entities = parts
    index = EntityIndex.of(entities, model.composition())
    scan = searched(index, mentions, Query(3, GOLD, method="scan")).record
    assert (scan.pairs, scan.scored, scan.scanned) == (MENTIONS * ENTITIES, MENTIONS * ENTITIES, MENTIONS)
    bounds = searched(index, mentions, Query(3, GOLD, method="bounds")).record
    assert (bounds.pairs, bounds.scanned) == (MENTIONS * ENTITIES, 0)
    assert 0 < bounds.scored <= bounds.pairs
    assert set(bounds.kernels) == {"T", "V"}
    assert bounds.precision == "float32"


def test_no_mention_has_no_answer():
    nothing = found([])
    assert len(nothing.ranks) == 0
    assert nothing.rows.shape == (0, 0)


def test_a_certificate_as_plain_values(parts):
    model, mentions, entities = parts
    index = EntityIndex.of(entities, model.composition())
    for method in ("scan", "bounds", "candidates"):
        (answer,) = index.search(mentions[:1], Query(3, method=method))
        values = json.loads(json.dumps(answer.certificate.as_json(), allow_nan=False))
        assert values["method"] == method
        assert values["exact"] == (method != "candidates")
        assert ("recall" in values) == (method == "candidates")
