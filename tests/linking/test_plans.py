"""Closed forms of what is said about a plan."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.linking.plans import Axis, TokenPlan


def axis(length: int) -> Axis:
    return Axis("mention", "text", tuple(map(str, range(length))))


def plan_of(matrix: np.ndarray, kind: str = "transport") -> TokenPlan:
    return TokenPlan("T", kind, axis(matrix.shape[0]), axis(matrix.shape[1]), matrix, 1, 0.0)  # type: ignore[arg-type]


@given(st.integers(1, 9), st.integers(2, 9))
def test_a_uniform_plan_says_nothing(n: int, m: int) -> None:
    plan, attention = plan_of(np.full((n, m), 1 / (n * m))), plan_of(np.full((n, m), 1 / m), "attention")
    assert plan.entropy == pytest.approx(math.log(n * m))
    assert attention.entropy == pytest.approx(math.log(m))
    for one in (plan, attention):
        assert one.entropy_share == pytest.approx(1)
        np.testing.assert_allclose(one.lift, 1)


@given(st.integers(2, 9))
def test_a_permutation_is_as_sharp_as_can_be(n: int) -> None:
    plan, attention = plan_of(np.eye(n) / n), plan_of(np.eye(n), "attention")
    assert plan.entropy == pytest.approx(math.log(n))
    assert plan.entropy_share == pytest.approx(0.5)
    assert (attention.entropy, attention.entropy_share) == (0, 0)
    np.testing.assert_allclose(plan.lift, np.eye(n) * n)


def test_an_empty_or_single_cell_has_no_entropy_to_lose() -> None:
    assert plan_of(np.ones((1, 1))).entropy_share == 1
    np.testing.assert_array_equal(plan_of(np.zeros((2, 2))).lift, 1)
    assert plan_of(np.zeros((2, 2))).entropy_share == 1
