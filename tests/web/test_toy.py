"""The toy on the page solves the problem that the library solves."""

from __future__ import annotations

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


@pytest.mark.parametrize("epsilon", [0.01, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("iterations", [1, 3, 100])
def test_its_plan_is_the_librarys(visit: Callable[..., Any], epsilon: float, iterations: int) -> None:
    cost = np.random.default_rng(3).uniform(0, 1, (4, 5))
    page = visit("#/method")
    found = page.evaluate(SOLVED, [cost.tolist(), epsilon, iterations])
    rows, columns = torch.full((4,), 1 / 4, dtype=torch.float64), torch.full((5,), 1 / 5, dtype=torch.float64)
    solver = Sinkhorn(epsilon=epsilon, iterations=iterations, domain="log")
    plan = solve(Problem(torch.from_numpy(cost), rows, columns), solver)
    np.testing.assert_allclose(found["plan"], plan.matrix.numpy(), rtol=1e-8, atol=1e-14)
    assert found["error"] == pytest.approx(float(plan.marginal_error), abs=1e-9)
    assert found["share"] == pytest.approx(float(plan.entropy) / np.log(20), rel=1e-8)
    softmax = Sinkhorn(epsilon=epsilon, relax=(1, 0), domain="log")
    one_sided = solve(Problem(torch.from_numpy(cost), rows, columns), softmax)
    np.testing.assert_allclose(found["attention"], one_sided.matrix.numpy(), rtol=1e-8, atol=1e-14)


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
