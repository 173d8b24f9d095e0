"""Sinkhorn against POT, closed forms and laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import ot
from otmel.errors import ConfigurationError
from otmel.ot import Plan, Problem, Sides, Sinkhorn, Transport, cosine_cost, solve
from otmel.ot.transport import SMALLEST_EXP_EPSILON
from otmel.settings import validated

CONVERGED = {"iterations": 5_000, "tolerance": 1e-13}
DOMAINS = ("exp", "log")


def uniform_problem(cost: Tensor) -> Problem:
    *batch, n, m = cost.shape
    return Problem(cost, cost.new_full((*batch, n), 1 / n), cost.new_full((*batch, m), 1 / m))


def with_pot(problem: Problem, item: int, epsilon: float) -> np.ndarray:
    a, b, cost = (t[item].double().numpy() for t in (problem.row_weights, problem.column_weights, problem.cost))
    return ot.sinkhorn(a, b, cost, epsilon, method="sinkhorn_log", numItermax=20_000, stopThr=1e-9)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("epsilon", [0.03, 0.05, 0.2, 0.6, 5.0])
def test_the_plan_is_pot_s(make_problem, domain, epsilon):
    problem = make_problem(batch=4, n=6, m=5)
    plan = solve(problem, Sinkhorn(epsilon=epsilon, domain=domain, **CONVERGED))
    for item in range(4):
        np.testing.assert_allclose(plan.matrix[item].numpy(), with_pot(problem, item, epsilon), atol=1e-6, rtol=0)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 7),
    m=st.integers(1, 7),
    epsilon=st.floats(0.05, 10),
    domain=st.sampled_from(DOMAINS),
)
@settings(max_examples=40, deadline=None)
def test_rows_and_columns_sum_to_the_marginals(seed, n, m, epsilon, domain):
    torch.manual_seed(seed)
    cost = torch.rand(2, n, m, dtype=torch.float64)
    a, b = torch.rand(2, n, dtype=torch.float64) + 0.1, torch.rand(2, m, dtype=torch.float64) + 0.1
    problem = Problem(cost, a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True))
    plan = solve(problem, Sinkhorn(epsilon=epsilon, domain=domain, iterations=3_000, tolerance=1e-12))
    torch.testing.assert_close(plan.matrix.sum(-1), problem.row_weights, atol=1e-12, rtol=0)
    torch.testing.assert_close(plan.matrix.sum(-2), problem.column_weights, atol=1e-9, rtol=0)
    assert plan.marginal_error.max() < 1e-8
    assert (plan.matrix >= 0).all()


@pytest.mark.parametrize("iterations", [1, 3, 20])
def test_rows_are_exact_whenever_it_stops(make_problem, iterations):
    """The last half-step is on the receivers, so rescaling rows is exact."""
    problem = make_problem(n=9, m=7)
    plan = solve(problem, Sinkhorn(iterations=iterations))
    torch.testing.assert_close(plan.matrix.sum(-1), problem.row_weights, atol=1e-14, rtol=0)
    if iterations == 1:
        assert plan.marginal_error.min() > 1e-3  # and is reported honestly


@pytest.mark.parametrize("domain", DOMAINS)
def test_permuted_tokens_give_the_permuted_plan(make_problem, domain):
    problem = make_problem(n=6, m=5)
    rows, columns = torch.randperm(6), torch.randperm(5)
    permuted = Problem(
        problem.cost[:, rows][:, :, columns], problem.row_weights[:, rows], problem.column_weights[:, columns]
    )
    solver = Sinkhorn(iterations=7, domain=domain)
    expected = solve(problem, solver).matrix[:, rows][:, :, columns]
    torch.testing.assert_close(solve(permuted, solver).matrix, expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("shift", [-0.7, 0.3, 2.0])
def test_a_constant_added_to_the_cost_changes_nothing(make_problem, domain, shift):
    problem = make_problem()
    shifted = Problem(problem.cost + shift, problem.row_weights, problem.column_weights)
    solver = Sinkhorn(iterations=9, domain=domain)
    torch.testing.assert_close(solve(shifted, solver).matrix, solve(problem, solver).matrix, atol=1e-13, rtol=0)


def test_a_constant_per_row_and_per_column_changes_nothing_either(make_problem):
    problem = make_problem()
    lines = torch.rand(3, 4, 1, dtype=torch.float64) + torch.rand(3, 1, 5, dtype=torch.float64)
    shifted = Problem(problem.cost + lines, problem.row_weights, problem.column_weights)
    solver = Sinkhorn(epsilon=0.2, **CONVERGED)
    torch.testing.assert_close(solve(shifted, solver).matrix, solve(problem, solver).matrix, atol=1e-10, rtol=0)


@pytest.mark.parametrize("domain", DOMAINS)
def test_at_high_temperature_the_plan_is_the_outer_product(make_problem, domain):
    problem = make_problem()
    plan = solve(problem, Sinkhorn(epsilon=1e7, iterations=2, domain=domain)).matrix
    outer = problem.row_weights.unsqueeze(-1) * problem.column_weights.unsqueeze(-2)
    torch.testing.assert_close(plan, outer, atol=1e-7, rtol=0)


def test_at_low_temperature_the_plan_is_the_assignment():
    torch.manual_seed(3)
    cost = torch.rand(3, 6, 6, dtype=torch.float64)
    problem = uniform_problem(cost)
    plan = solve(problem, Sinkhorn(epsilon=2e-3, iterations=4_000, tolerance=1e-8)).matrix
    for item in range(3):
        exact = ot.emd(problem.row_weights[item].numpy(), problem.column_weights[item].numpy(), cost[item].numpy())
        assert (exact > 0).sum() == 6  # a permutation
        np.testing.assert_allclose(plan[item].numpy(), exact, atol=1e-4)


def test_lower_temperatures_cost_less_and_have_less_entropy(make_problem):
    problem = make_problem(n=6, m=6)
    plans = [solve(problem, Sinkhorn(epsilon=epsilon, **CONVERGED)) for epsilon in (2.0, 0.5, 0.1, 0.05)]
    costs = torch.stack([(plan.matrix * problem.cost).sum((-1, -2)) for plan in plans])
    entropies = torch.stack([plan.entropy for plan in plans])
    assert (costs.diff(dim=0) < 0).all()
    assert (entropies.diff(dim=0) < 0).all()


def test_one_to_zero_is_softmax_attention_over_cosines(make_sides):
    """relax = (1, 0): columns never pull, so each row shares its mass out by itself."""
    sides = make_sides(ragged=True)
    problem = Problem(cosine_cost(sides), sides.row_weights, sides.column_weights)
    epsilon = 0.1
    weights = Transport(solver=Sinkhorn(epsilon=epsilon, relax=(1, 0)), row_norm="sum").weights(sides)[0]
    cosines = torch.nn.functional.cosine_similarity(sides.rows.unsqueeze(2), sides.columns.unsqueeze(1), dim=-1)
    far = (cosines / (2 * epsilon)).masked_fill(~sides.column_mask.unsqueeze(1), -torch.inf)
    attention = far.softmax(-1) * sides.row_mask.unsqueeze(-1)
    torch.testing.assert_close(weights, attention, atol=1e-12, rtol=0)
    swapped = solve(problem, Sinkhorn(epsilon=epsilon, relax=(0, 1))).matrix
    far = (cosines / (2 * epsilon)).masked_fill(~sides.row_mask.unsqueeze(-1), -torch.inf)
    attention = far.softmax(-2) * sides.column_weights.unsqueeze(-2)
    torch.testing.assert_close(swapped, attention, atol=1e-12, rtol=0)


@pytest.mark.parametrize("relax", [(0.0, 0.0), (0.0, 0.5), (1.0, 0.0)])
@pytest.mark.parametrize("domain", DOMAINS)
def test_where_one_side_is_free_one_step_is_the_answer(make_problem, relax, domain):
    problem = make_problem()
    once, often = (solve(problem, Sinkhorn(relax=relax, iterations=n, domain=domain)).matrix for n in (2, 9))
    torch.testing.assert_close(once, often, atol=1e-14, rtol=0)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("relax", [(0.5, 0.5), (0.9, 0.3), (0.25, 0.75)])
def test_the_relaxed_plan_is_pot_s(make_problem, domain, relax):
    problem, epsilon = make_problem(batch=2, n=5, m=4), 0.1
    plan = solve(problem, Sinkhorn(epsilon=epsilon, relax=relax, domain=domain, **CONVERGED))
    rho = tuple(epsilon * power / (1 - power) for power in relax)
    for item in range(2):
        a, b, cost = (t[item].numpy() for t in (problem.row_weights, problem.column_weights, problem.cost))
        options = {"reg_type": "kl", "numItermax": 5_000, "stopThr": 1e-14}
        expected = ot.unbalanced.sinkhorn_unbalanced(a, b, cost, epsilon, rho, **options)
        np.testing.assert_allclose(plan.matrix[item].numpy(), expected, atol=1e-6, rtol=0)
    assert plan.matrix.sum((-1, -2)).max() < 1 - 1e-3  # mass may stay unmoved


@pytest.mark.parametrize("relax", [(1.0, 1.0), (1.0, 0.0), (0.6, 0.9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_domains_agree(make_problem, relax, dtype):
    problem = make_problem(n=9, m=8, dtype=dtype)
    exp, log = (solve(problem, Sinkhorn(relax=relax, domain=domain)).matrix for domain in DOMAINS)
    assert exp.dtype == log.dtype == dtype
    torch.testing.assert_close(exp, log, atol=2e-7 if dtype == torch.float32 else 1e-13, rtol=0)


def test_the_domain_is_chosen_by_temperature():
    assert Sinkhorn(epsilon=SMALLEST_EXP_EPSILON / 2).in_log_domain
    assert not Sinkhorn(epsilon=SMALLEST_EXP_EPSILON).in_log_domain
    assert Sinkhorn(epsilon=1, domain="log").in_log_domain
    assert not Sinkhorn(epsilon=1e-3, domain="exp").in_log_domain


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5])
def test_each_problem_stops_by_itself(make_problem, domain, tolerance):
    """Temperature differs between problems through the scale of the cost: easy ones stop early."""
    problem = make_problem(batch=6, n=5, m=5)
    scale = torch.tensor([0.01, 0.1, 0.3, 0.5, 0.8, 1.0], dtype=torch.float64)[:, None, None]
    problem = Problem(problem.cost * scale, problem.row_weights, problem.column_weights)
    solver = Sinkhorn(iterations=400, tolerance=tolerance, domain=domain)
    together = solve(problem, solver)
    assert len(set(together.iterations.tolist())) >= 3
    for item in range(6):
        alone = solve(Problem(problem.cost[item], problem.row_weights[item], problem.column_weights[item]), solver)
        assert alone.iterations == together.iterations[item]
        torch.testing.assert_close(alone.matrix, together.matrix[item], atol=1e-14, rtol=0)
    relative = ((together.matrix.sum(-2) - problem.column_weights) / problem.column_weights).abs().amax(-1)
    assert (relative <= tolerance * (1 + 1e-9)).all()


def test_without_a_tolerance_every_iteration_is_done(make_problem):
    assert solve(make_problem(), Sinkhorn(iterations=7)).iterations.tolist() == [7, 7, 7]


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("tolerance", [None, 1e-4])
def test_padding_changes_nothing(make_sides, domain, tolerance):
    sides = make_sides(batch=4, n=5, m=6, dtype=torch.float32, ragged=True)
    solver = Sinkhorn(iterations=50, tolerance=tolerance, domain=domain)
    padded = solve(Problem(cosine_cost(sides), sides.row_weights, sides.column_weights), solver)
    for item in range(4):
        rows, columns = sides.rows[item][sides.row_mask[item]], sides.columns[item][sides.column_mask[item]]
        full = torch.ones(len(rows), dtype=torch.bool), torch.ones(len(columns), dtype=torch.bool)
        bare = Sides(rows, columns, *full)
        plan = solve(Problem(cosine_cost(bare), bare.row_weights, bare.column_weights), solver).matrix
        torch.testing.assert_close(padded.matrix[item, : len(rows), : len(columns)], plan, atol=1e-6, rtol=0)
        assert (padded.matrix[item, len(rows) :] == 0).all()
        assert (padded.matrix[item, :, len(columns) :] == 0).all()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("relax", [(1.0, 1.0), (1.0, 0.0), (0.5, 0.8)])
@pytest.mark.parametrize("epsilon", [0.03, 1.0])
def test_gradients_are_those_of_the_iteration(make_problem, domain, relax, epsilon):
    problem = make_problem(batch=2, n=3, m=4)
    rows, columns = problem.row_weights.clone(), problem.column_weights.clone()
    rows[1, 2] = columns[1, 3] = 0  # padding
    solver = Sinkhorn(epsilon=epsilon, iterations=4, relax=relax, domain=domain)

    def plan(cost: Tensor) -> Tensor:
        return solve(Problem(cost, rows, columns), solver).matrix

    assert torch.autograd.gradcheck(plan, (problem.cost.requires_grad_(),))


def test_the_gradient_of_the_transport_cost_is_the_plan(make_problem):
    """Envelope theorem: d/dC of the converged regularised objective is the plan itself."""
    problem, epsilon = make_problem(), 0.1
    cost = problem.cost.clone().requires_grad_()
    plan = solve(Problem(cost, problem.row_weights, problem.column_weights), Sinkhorn(epsilon=epsilon, **CONVERGED))
    outer = problem.row_weights.unsqueeze(-1) * problem.column_weights.unsqueeze(-2)
    objective = (plan.matrix * cost).sum() + epsilon * torch.special.xlogy(plan.matrix, plan.matrix / outer).sum()
    objective.backward()
    torch.testing.assert_close(cost.grad, plan.matrix.detach(), atol=1e-8, rtol=0)


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_hub_law(n):
    """n noisy pairs and a shared component, which a few columns carry strongly: a softmax falls for these columns."""
    true, items = torch.arange(n), 400
    softmax, transport = hub_argmax(n, items)
    assert (transport == true).float().mean() == 1.0
    floor, ceiling = {2: (0.95, 0.99), 4: (0.88, 0.95), 8: (0.83, 0.91), 16: (0.78, 0.87)}[n]
    assert floor < (softmax == true).float().mean() < ceiling


def hub_argmax(n: int, items: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(items, n, 32, generator=generator) for _ in range(2))
    hub = torch.randn(items, 1, 32, generator=generator)
    share = 2 * torch.rand(items, n, 1, generator=generator) ** 2
    content = torch.ones(items, n, dtype=torch.bool)
    sides = Sides(x + hub, x + 0.55 * noise + share * hub, content, content)
    cost = cosine_cost(sides)
    plan = solve(Problem(cost, sides.row_weights, sides.column_weights), Sinkhorn(iterations=200)).matrix
    return (-cost / 0.05).softmax(-1).argmax(-1), plan.argmax(-1)


def test_the_marginal_error_and_entropy_are_as_defined():
    matrix = torch.tensor([[0.5, 0.0], [0.1, 0.2]])
    plan = Plan(matrix, torch.tensor(1), torch.tensor([0.5, 0.5]), torch.tensor([0.7, 0.3]))
    assert plan.marginal_error.item() == pytest.approx(0.2 + 0.1 + 0.1)
    expected = -(0.5 * np.log(0.5) + 0.1 * np.log(0.1) + 0.2 * np.log(0.2))
    assert plan.entropy.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("empty", ["rows", "columns", "both"])
@pytest.mark.parametrize("relax", [(1.0, 1.0), (0.5, 0.0)])
def test_an_empty_side_gives_zeros_with_finite_gradients(make_problem, domain, empty, relax):
    problem = make_problem()
    rows, columns = problem.row_weights.clone(), problem.column_weights.clone()
    for side, weights in (("rows", rows), ("columns", columns)):
        if empty in (side, "both"):
            weights[1] = 0
    cost = problem.cost.clone().requires_grad_()
    solver = Sinkhorn(relax=relax, domain=domain, iterations=30, tolerance=1e-6)
    plan = solve(Problem(cost, rows, columns), solver)
    assert (plan.matrix[1] == 0).all()
    assert plan.marginal_error.isfinite().all()
    plan.matrix.square().sum().backward()
    assert cost.grad.isfinite().all()
    assert (cost.grad[1] == 0).all()
    alone = solve(Problem(problem.cost[:1], rows[:1], columns[:1]), solver).matrix
    torch.testing.assert_close(plan.matrix[:1], alone, atol=1e-14, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [1e-4, 1e-3, 0.01, 0.05, 1.0, 10.0])
def test_at_every_temperature_and_precision_the_plan_is_finite_and_right(dtype, epsilon):
    """Against POT in float64 on the very costs that were given (half precision rounds its answer, not the solving)."""
    torch.manual_seed(5)
    cost = 0.5 * torch.rand(3, 5, 5)
    if epsilon < 0.05:  # the iteration needs about 1/ε steps unless the assignment is clear
        cost = torch.where(torch.eye(5)[torch.randperm(5)] > 0, cost / 2, 0.5 + cost)
    cost = cost.to(dtype).requires_grad_()
    problem = uniform_problem(cost)
    plan = solve(problem, Sinkhorn(epsilon=epsilon, iterations=2_000, tolerance=1e-7))
    assert plan.matrix.dtype == dtype
    assert plan.marginal_error.isfinite().all()
    (plan.matrix.float() * torch.rand(3, 5, 5)).sum().backward()
    assert cost.grad.isfinite().all()
    tolerance = {torch.float16: 2e-4, torch.bfloat16: 2e-3}.get(dtype, 1e-5)
    for item in range(3):
        exact = Problem(*(tensor.detach().double() for tensor in (cost, problem.row_weights, problem.column_weights)))
        a, b = (weights / weights.sum(-1, keepdim=True) for weights in (exact.row_weights, exact.column_weights))
        reference = with_pot(Problem(exact.cost, a, b), item, epsilon)
        np.testing.assert_allclose(plan.matrix[item].detach().float().numpy(), reference, atol=tolerance, rtol=0)


@pytest.mark.parametrize("epsilon", [1e-4, 1e-3, 0.01])
def test_an_exp_domain_forced_below_its_range_stays_finite_and_says_that_it_is_off(epsilon):
    cost = torch.linspace(0.2, 1, 25).view(5, 5).requires_grad_()
    plan = solve(uniform_problem(cost), Sinkhorn(epsilon=epsilon, domain="exp"))
    assert plan.matrix.isfinite().all()
    assert plan.marginal_error.isfinite().all()
    if epsilon == 1e-4:
        assert plan.marginal_error > 0.5


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"epsilon": 0}, "greater than 0"),
        ({"epsilon": float("nan")}, "finite"),
        ({"iterations": 0}, "greater than or equal to 1"),
        ({"tolerance": 0}, "greater than 0"),
        ({"relax": (1.2, 1)}, "between 0 and 1"),
        ({"relax": (1,)}, "missing"),
        ({"epsilonn": 1}, "no setting 'epsilonn'"),
    ],
)
def test_wrong_settings_are_refused_with_their_name(values, problem):
    with pytest.raises(ConfigurationError, match=problem):
        validated(Sinkhorn, values)
