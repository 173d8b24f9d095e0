"""The baseline computes what it says: the released form of the definition, and the paper's."""

from __future__ import annotations

import pytest
import torch
from benchmarks._features import World
from benchmarks._operands import Operands, formula
from benchmarks._released import SHAPES, Released

from otmel.kernels.definition import late_scores


def in_float64(form, part):
    sent, received = part.sent(), part.received()
    mentions = (sent[0].double(), sent[1].double(), sent[2])
    return late_scores(form, mentions, (received[0].double(), received[1], received[2].double()))


@pytest.mark.parametrize("kind", ["random", "clustered"])
@pytest.mark.parametrize(("name", "iterations"), [("RELEASED", None), ("RELEASED", 10), ("PAPER", 3), ("default", 3)])
def test_it_is_the_definition_in_float32(kind, name, iterations):
    form = formula(name, iterations)
    for part in Operands.of(World(kind), 3, 5).values():
        (keys, values, _), (queries, _, target) = part.sent(), part.received()
        scores = Released(form).scores((keys, values), (queries, target))
        exact = in_float64(form, part)
        plain = late_scores(form, part.sent(), part.received())
        error, own = (scores - exact).abs().max(), (plain - exact).abs().max()
        assert error <= 4 * own + 1e-6 * exact.std()


def test_its_rows_may_also_stay_as_they_are():
    form = formula("PAPER")
    assert form.assignment.row_norm == "none"
    part = Operands.of(World("clustered"), 2, 3)["T"]
    (keys, values, _), (queries, _, target) = part.sent(), part.received()
    torch.testing.assert_close(
        Released(form).scores((keys, values), (queries, target)).double(), in_float64(form, part), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_its_batches_do_not_change_what_it_computes(shape):
    form = formula("RELEASED", width=8)
    part = Operands.of(World(width=8), 5, 37)["V"]
    (keys, values, _), (queries, _, target) = part.sent(), part.received()
    whole, cut = (Released(form, one).scores((keys, values), (queries, target)) for one in ((5, 37), shape))
    torch.testing.assert_close(whole, cut, atol=2e-5, rtol=1e-5)
