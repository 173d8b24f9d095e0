"""What is stored of an entity holds for it, and rounding goes outwards."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.kernels import Affine, Formula
from otmel.kernels.bounds_entities import LEVELS, TILE, described, diameters, kinds, own_part, radii, runs, up
from otmel.ot import Attention, LearnedPool, MaxPool, MeanPool, SoftPool, Transport

PLAIN = Formula(Transport(row_norm="none"), SoftPool())


def tokens_and_mask(seed=0, entities=5, length=6, d=8):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(entities, length, d, generator=generator)
    mask = torch.arange(length) < torch.randint(1, length + 1, (entities, 1), generator=generator)
    return tokens * mask.unsqueeze(-1), mask, torch.randn(entities, d, generator=generator)


@given(seed=st.integers(0, 10**6), distance=st.sampled_from([1.0, 1e-3, 1e-6]))
@settings(max_examples=40, deadline=None)
def test_diameters_are_the_greatest_distance_rounded_up(seed, distance):
    tokens, mask, _ = tokens_and_mask(seed)
    tokens = (3 + distance * tokens.double()) * mask.unsqueeze(-1)
    expected = [
        torch.pdist(row[filled]).amax().item() if filled.sum() > 1 else 0
        for row, filled in zip(tokens, mask, strict=True)
    ]
    found = diameters(tokens, mask)
    assert found.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-300)
    assert (found >= torch.tensor(expected, dtype=torch.float64)).all()


def test_one_token_and_equal_tokens_have_no_radius():
    tokens = torch.tensor([0.6, 0.8]).expand(2, 3, 2)
    mask = torch.tensor([[True, False, False], [True, True, True]])
    assert radii(PLAIN, tokens, mask).tolist() == [0.0, 0.0]


def test_attention_needs_the_longest_token():
    tokens, mask, _ = tokens_and_mask()
    found = radii(Formula(Attention(), SoftPool()), tokens, mask)
    torch.testing.assert_close(found, tokens.double().norm(dim=-1).amax(1))


def test_kinds_are_runs_that_cover_everything_and_round_outwards():
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(0, 60, (3 * TILE + 5,), generator=generator).sort().values
    radius = torch.rand(len(lengths), generator=generator)
    for formula in (PLAIN, Formula(Attention(), SoftPool()), Formula(Transport(row_norm="sum"), SoftPool())):
        seen = 0
        for run, kind in runs(kinds(formula, lengths, radius)):
            filled = lengths[run] > 0
            assert run.start == seen
            assert kind.shortest <= lengths[run][filled].min()
            assert kind.radius >= radius[run][filled].max()
            seen = run.stop
        assert seen >= len(lengths)


def test_no_entity_no_kind_and_an_empty_slot_changes_none():
    assert list(runs(kinds(PLAIN, torch.zeros(0, dtype=torch.long), torch.zeros(0)))) == []
    lengths, radius = torch.tensor([0, 4, 5]), torch.tensor([9.0, 0.25, 0.5])
    ((_, kind),) = runs(kinds(PLAIN, lengths, radius))
    assert (kind.shortest, kind.radius) == (4, 0.5)


@pytest.mark.parametrize("pool", ["learned", "mean", "soft", "max"])
def test_the_residuals_part_holds_for_whatever_a_mention_does_to_the_weights(pool):
    tokens, mask, target = tokens_and_mask()
    direction = torch.randn(8, generator=torch.Generator().manual_seed(2)) if pool == "learned" else None
    kind = {"learned": LearnedPool(norm=False), "mean": MeanPool(), "soft": SoftPool(), "max": MaxPool()}[pool]
    formula = Formula(Transport(), kind, residual=True, direction=direction)
    columns = described(formula, tokens, mask, target)
    generator = torch.Generator().manual_seed(3)
    for ratio in (0.0, 0.3, 1.7, 9.0):
        change = ratio * torch.rand(5, 6, 1 if pool == "learned" else 8, generator=generator).double()
        low, high = own_part(columns, torch.tensor([ratio], dtype=torch.float64), 0.0)
        along = tokens.double() @ direction.double().unsqueeze(-1) if direction is not None else tokens.double() * 3
        logits = torch.zeros(5, 6, 1).double() if pool == "mean" else along + change
        weights = logits.masked_fill(~mask.unsqueeze(-1), -torch.inf).softmax(1)
        own = ((weights * tokens).sum(1) * target).sum(1)
        assert (low <= own).all()
        assert (own <= high).all()
        if pool == "mean" or (pool == "learned" and ratio == 0):
            torch.testing.assert_close(low, high, atol=1e-4, rtol=0)


def test_the_residuals_bounds_widen_with_what_a_mention_may_do():
    tokens, mask, target = tokens_and_mask()
    formula = Formula(Transport(), LearnedPool(norm=False), residual=True, direction=torch.ones(8))
    low, high = own_part(described(formula, tokens, mask, target), torch.tensor(LEVELS).double(), 0.0)
    assert (low.diff(dim=0) <= 0).all()
    assert (high.diff(dim=0) >= 0).all()


@given(seed=st.integers(0, 10**6), pool=st.sampled_from([MeanPool(), SoftPool(), MaxPool()]))
@settings(max_examples=40, deadline=None)
def test_normed_tokens_stay_within_their_sphere(seed, pool):
    tokens, mask, target = tokens_and_mask(seed)
    generator = torch.Generator().manual_seed(seed)
    affine = Affine(1 + torch.rand(8, generator=generator), torch.randn(8, generator=generator), 1e-5)
    formula = Formula(Transport(), pool, norm=affine)
    low, high = own_part(described(formula, tokens, mask, target), torch.zeros(1).double(), 0.0)
    normed = torch.nn.functional.layer_norm(tokens.double(), (8,), affine.scale.double(), affine.shift.double(), 1e-5)
    scores = (pool.build(8)(normed, mask) * target).sum(1)
    assert (low <= scores).all()
    assert (scores <= high).all()


def test_rounding_up_is_the_next_float_and_keeps_what_is_exact():
    numbers = torch.tensor([0.1, -0.1, 0.0, 0.5, math.inf], dtype=torch.float64)
    assert (up(numbers).double() >= numbers).all()
    assert up(numbers)[2:].tolist() == [0.0, 0.5, math.inf]
