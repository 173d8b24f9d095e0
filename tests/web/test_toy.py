"""The toy on the page solves the problem that the library solves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from otmel.ot import Problem, Sinkhorn, solve

SOLVED = """async ([cost, epsilon, iterations]) => {
    const {transport, attention, columnError, entropyShare} = await import('./sinkhorn.js');
    const plan = transport(cost, epsilon, iterations);
    return {plan, attention: attention(cost, epsilon), error: columnError(plan), share: entropyShare(plan)};
}"""


def test_its_plans_are_the_librarys(visit: Callable[..., Any]) -> None:
    page = visit("#/method")
    cost = np.random.default_rng(3).uniform(0, 1, (4, 5))
    rows, columns = torch.full((4,), 1 / 4, dtype=torch.float64), torch.full((5,), 1 / 5, dtype=torch.float64)
    problem = Problem(torch.from_numpy(cost), rows, columns)
    for epsilon, iterations in itertools.product((0.01, 0.05, 0.3, 1.0), (1, 3, 100)):
        found = page.evaluate(SOLVED, [cost.tolist(), epsilon, iterations])
        plan = solve(problem, Sinkhorn(epsilon=epsilon, iterations=iterations, domain="log"))
        np.testing.assert_allclose(found["plan"], plan.matrix.numpy(), rtol=1e-8, atol=1e-14)
        assert found["error"] == pytest.approx(float(plan.marginal_error), abs=1e-9)
        assert found["share"] == pytest.approx(float(plan.entropy) / np.log(20), rel=1e-8)
        softmax = solve(problem, Sinkhorn(epsilon=epsilon, relax=(1, 0), domain="log"))
        np.testing.assert_allclose(found["attention"], softmax.matrix.numpy(), rtol=1e-8, atol=1e-14)


def test_the_slider_leads_from_sharp_to_uniform(visit: Callable[..., Any]) -> None:
    page = visit("#/method")
    slider, cells = page.locator("#epsilon"), page.locator(".toy-table tbody tr:not(:last-child) td:not(.edge)")

    def spread() -> float:
        values = [float(text) for text in cells.all_inner_texts()]
        assert len(values) == 16
        return max(values) - min(values)

    seen = []
    for value in ("-2", "-1", "0"):
        slider.fill(value)
        seen.append(spread())
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 5 < 24 < seen[0]
    slider.fill("-1.3")
    page.locator("#toy label", has_text="Attention").click()
    assert "Nobody asked it" in page.inner_text("#toy .readout")
    assert page.locator("#turns").is_disabled()
    page.locator("#toy label", has_text="Transport").click()
    page.select_option("#turns", "1")
    assert "After 1 turn" in page.inner_text("#toy .readout")
    assert page.locator(".flow-band").count() == 16
