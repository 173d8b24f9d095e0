"""A formula as the kernel triton takes it."""

from __future__ import annotations

import math

import pytest
import torch

from otmel.errors import ConfigurationError
from otmel.kernels.triton_form import UNROLLED, WIDEST, compiled, numbers, parameters, uncovered, warps
from otmel.ot import Transport
from otmel.ot.transport import SMALLEST_EXP_EPSILON


def test_covers_all_but_temperatures_that_need_logarithms(name, make_case):
    formula = make_case(name, 4, 2).formula
    cold = isinstance(formula.assignment, Transport) and formula.assignment.solver.epsilon < SMALLEST_EXP_EPSILON
    others = ("null key", "learned marginals", "over their marginal", "matched")
    assert (uncovered(formula) is not None) == (cold or any(other in name for other in others))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("null key of the columns", "no null key"),
        ("rows over their marginal", "no rows over their marginal"),
        ("learned marginals", "no learned marginals"),
        ("matched, balanced", "no late interaction"),
    ],
)
def test_what_it_does_not_cover_is_refused_by_name(name, reason, make_case):
    assert reason in uncovered(make_case(name, 4, 2).formula)


@pytest.mark.parametrize("width", [1, 16, 17, 96, 128, 129, WIDEST])
def test_channels_are_covered_and_unrolled_while_they_are_few(width, make_case):
    form = compiled(make_case("PAPER", 4, 2).formula, "float32", width)
    assert form.width == width
    assert form.steps == 1 or form.steps * form.depth >= width
    assert (form.steps > 1) == (form.depth < width <= UNROLLED * form.depth)


def test_only_float32_is_split(make_case):
    formula = make_case("RELEASED", 4, 2).formula
    assert compiled(formula, "float32", 4).split
    assert not compiled(formula, "bfloat16", 4).split


def test_too_many_channels_are_refused_with_both_numbers(make_case):
    with pytest.raises(ConfigurationError, match=f"{WIDEST + 1} channels .* {WIDEST}"):
        compiled(make_case("PAPER", 4, 2).formula, "float32", WIDEST + 1)


def test_sharpness_turns_cosines_into_exponents_of_two(make_case):
    transport, attention = (numbers(make_case(name, 9, 2).formula, 9) for name in ("default", "attention"))
    assert 2 ** (transport.sharpness * (0.3 - 1)) == pytest.approx(math.exp(-(1 - 0.3) / 2 / 0.05))
    assert 2 ** (attention.sharpness * 1.7) == pytest.approx(math.exp(1.7 / 3))


def test_parameters_are_the_formulas_own(make_case):
    formula = make_case("RELEASED", 5, 2).formula
    given = parameters(formula, torch.device("cpu"))
    assert torch.equal(given.direction, formula.direction)
    assert torch.equal(given.scale, formula.norm.scale)
    assert torch.equal(given.pool_shift, formula.pool_norm.shift)


def test_a_warp_has_sixteen_tokens(make_case):
    form = compiled(make_case("PAPER", 4, 2).formula, "float32", 4)
    assert [warps(form._replace(rows=rows)) for rows in (16, 32, 64, 128)] == [1, 2, 4, 8]
