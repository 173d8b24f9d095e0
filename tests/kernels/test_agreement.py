"""Every kernel against the definition in float64, on every formula; the same bits whatever a pair is scored with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otmel.kernels import definition, pack
from otmel.ot import Transport

LENGTHS = (1, 2, 7, 40, 50, 77)
FROZEN = Path(__file__).parent / "frozen_best.json"
quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def slack(kernel, formula):
    """What an error may be beyond the plain formula's own: the kernel's tolerance, and the solver's where it stops."""
    tolerance = formula.assignment.solver.tolerance if isinstance(formula.assignment, Transport) else None
    return kernel.tolerance + (tolerance or 0.0)


def check(kernel, case, late):
    truth = case.plain(torch.float64)
    own = (case.plain(torch.float32).double() - truth).abs() / case.largest()
    error = (late.double() - truth).abs() / case.largest()
    assert torch.isfinite(late).all()
    assert error.max() <= own.max() + slack(kernel, case.formula)


@pytest.mark.parametrize("length", LENGTHS)
def test_error_is_the_plain_formulas_plus_the_stated_tolerance(kernel, bound, name, length, make_case):
    case = make_case(name, 12, length)
    packed = case.packed
    check(kernel, case, case.rows(packed, bound(case.formula).tile(case.mentions, packed.blocks)))


@pytest.mark.parametrize("name", ["PAPER", "RELEASED", "default"])
def test_agrees_at_full_size(kernel, bound, name, make_case):
    case = make_case(name, 96, 40)
    packed = case.packed
    check(kernel, case, case.rows(packed, bound(case.formula).tile(case.mentions, packed.blocks)))


def test_pairs_tiles_parts_and_threads_give_the_same_bits(bound, name, make_case, every_pair):
    case = make_case(name, 13, 9, entities=70)
    mentions, blocks = case.mentions, case.packed.blocks
    scoring = bound(case.formula)
    late = scoring.tile(mentions, blocks)
    mention, slot = every_pair(mentions, blocks)
    assert torch.equal(scoring.pairs(mentions, blocks, mention, slot), late[mention, slot])
    assert torch.equal(scoring.pairs(mentions, blocks, mention[:1], slot[:1]), late[mention[:1], slot[:1]])
    assert torch.equal(torch.cat([scoring.tile(mentions[m : m + 1], blocks) for m in range(len(mentions))]), late)
    parts = [scoring.tile(mentions, blocks.part(b, b + 1)) for b in range(len(blocks))]
    assert torch.equal(torch.cat(parts, 1), late)
    two = bound(case.formula, 2)
    assert torch.equal(two.tile(mentions, blocks), late)
    assert torch.equal(two.pairs(mentions, blocks, mention, slot), late[mention, slot])


def test_bits_do_not_depend_on_the_neighbours(bound, name, make_case):
    case = make_case(name, 6, 19, entities=40)
    scoring, packed = bound(case.formula), case.packed
    late = case.rows(packed, scoring.tile(case.mentions, packed.blocks))
    queries = case.formula.queries(case.tokens)
    for rows in (torch.arange(0, 40, 3), torch.tensor([17]), torch.arange(40).flip(0)):
        other = pack(queries[rows], case.entity_mask[rows], case.target[rows])
        slots = other.slot_of_row(len(rows))
        again = torch.where(slots >= 0, scoring.tile(case.mentions, other.blocks)[:, slots.clamp_min(0)], 0.0)
        assert torch.equal(again, late[:, rows])


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("name", ["PAPER", "RELEASED", "attention, direct"])
def test_stored_numbers_are_read_as_they_are(bound, name, precision, make_case, every_pair):
    case = make_case(name, 10, 11, entities=35)
    blocks = pack(case.formula.queries(case.tokens), case.entity_mask, case.target, precision).blocks
    plain = [blocks.block(b).reshape(-1) for b in range(len(blocks))]
    widened = type(blocks)(torch.cat(plain), None, blocks.start, blocks.lengths, blocks.target)
    scoring, mentions = bound(case.formula), case.mentions
    late = scoring.tile(mentions, blocks)
    mention, slot = every_pair(mentions, blocks)
    assert torch.equal(late, scoring.tile(mentions, widened))
    assert torch.equal(scoring.pairs(mentions, blocks, mention, slot), late[mention, slot])


def test_the_best_entity_is_the_frozen_one(bound, name, make_case):
    case = make_case(name, 32, 16, mentions=12, entities=100, seed=5)
    packed = case.packed
    late = case.rows(packed, bound(case.formula).tile(case.mentions, packed.blocks))
    assert late.argmax(1).tolist() == json.loads(FROZEN.read_text())[name]


def test_the_frozen_best_are_the_definitions(name, make_case):
    case = make_case(name, 32, 16, mentions=12, entities=100, seed=5)
    packed = case.packed
    scoring = definition.KERNEL.bind(case.formula, 1, "float32")
    late = case.rows(packed, scoring.tile(case.mentions, packed.blocks))
    assert late.argmax(1).tolist() == json.loads(FROZEN.read_text())[name]


@quick
@given(
    width=st.integers(1, 9),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    counts=st.tuples(st.integers(1, 4), st.integers(1, 20)),
    scale=st.sampled_from([1e-3, 1.0, 30.0, 300.0]),
    chosen=st.sampled_from(["PAPER", "RELEASED", "default", "max", "attention", "learned pool"]),
    data=st.data(),
)
def test_any_shape_mask_and_size(kernel, bound, width, shape, counts, scale, chosen, data, make_case):
    case = make_case(chosen, width, max(shape), counts[0] + 1, counts[1] + 2, seed=data.draw(st.integers(0, 99)))
    keys, values = case.keys[:, : shape[0]] * scale, case.values[:, : shape[0]] * scale
    tokens = case.tokens[:, : shape[1]] * scale
    for tensor in (keys, tokens):
        tensor[data.draw(st.integers(0, len(tensor) - 1)), data.draw(st.integers(0, tensor.shape[1] - 1))] = 0
    changed = type(case)(
        case.formula,
        keys,
        values,
        case.mention_mask[:, : shape[0]],
        tokens,
        case.entity_mask[:, : shape[1]],
        case.target,
    )
    packed = changed.packed
    check(kernel, changed, changed.rows(packed, bound(case.formula).tile(changed.mentions, packed.blocks)))


def test_equal_tokens_give_the_score_of_one(kernel, bound, name, make_case):
    case = make_case(name, 8, 5, entities=6)
    case = type(case)(
        case.formula,
        case.keys[:, :1].expand(-1, 5, -1),
        case.values[:, :1].expand(-1, 5, -1),
        case.mention_mask,
        case.tokens[:, :1].expand(-1, 5, -1),
        case.entity_mask,
        case.target,
    )
    packed = case.packed
    check(kernel, case, case.rows(packed, bound(case.formula).tile(case.mentions, packed.blocks)))


def test_nobody_scores_nothing(bound, make_case):
    case = make_case("PAPER", 5, 3)
    scoring, mentions, blocks = bound(case.formula), case.mentions, case.packed.blocks
    none = torch.zeros(0, dtype=torch.long)
    assert scoring.pairs(mentions, blocks, none, none).shape == (0,)
    assert scoring.tile(mentions, blocks.part(0, 0)).shape == (3, 0)
    assert scoring.tile(mentions[:0], blocks).shape == (0, blocks.lengths.numel())
    late = scoring.tile(mentions, blocks)
    assert not late[1].any()  # a mention without tokens
    assert not late[:, blocks.lengths.flatten() == 0].any()
