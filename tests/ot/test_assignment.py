"""Assignments, and ``Correlation`` that applies them with its projections."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter

from otmel.ot import (
    Assignment,
    Attention,
    Correlation,
    Distilled,
    Problem,
    Shape,
    Sides,
    Sinkhorn,
    Transport,
    cosine_cost,
    solve,
)
from otmel.ot.assignment import normalised_rows

ASSIGNMENTS = {
    "attention": Attention(),
    "transport": Transport(),
    "detached": Transport(gradient="detached"),
    "relaxed": Transport(solver=Sinkhorn(relax=(1, 0.5))),
    "distilled": Distilled(),
}
EXTREMES = ("random", "identical", "orthogonal", "zero")
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def test_rows_are_scaled_as_their_name_says():
    plan = torch.tensor([[0.3, 0.1], [0.0, 0.0]])
    assert normalised_rows(plan, "none") is plan
    torch.testing.assert_close(normalised_rows(plan, "sum"), torch.tensor([[0.75, 0.25], [0.0, 0.0]]))
    torch.testing.assert_close(normalised_rows(plan, "l2").norm(dim=-1), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(normalised_rows(plan, "l2")[0], torch.tensor([3.0, 1.0]) / 10**0.5)


@pytest.mark.parametrize("norm", ["none", "sum", "l2"])
def test_gradients_of_row_scaling(norm):
    plan = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: normalised_rows(given, norm), (plan,))


def test_transport_is_the_solver_on_cosine_cost_and_uniform_marginals(make_sides):
    sides = make_sides(ragged=True)
    transport = Transport(row_norm="none")
    problem = Problem(cosine_cost(sides), sides.row_weights, sides.column_weights)
    assert torch.equal(transport.weights(sides)[0], solve(problem, transport.solver).matrix)
    assert torch.equal(transport.plan(sides).matrix, solve(problem, transport.solver).matrix)


def test_a_detached_plan_carries_no_gradient_and_an_unrolled_one_does(make_sides):
    rows = make_sides().rows.requires_grad_()
    sides = Sides(rows, make_sides().columns, make_sides().row_mask, make_sides().column_mask)
    assert Transport(gradient="unrolled").weights(sides)[0].requires_grad
    assert not Transport(gradient="detached").weights(sides)[0].requires_grad


def test_distilled_is_its_student_and_asks_for_the_divergence_only_while_gradients_are_on(make_sides):
    sides = make_sides(ragged=True)
    distilled = Distilled()
    weights, loss = distilled.weights(sides)
    assert torch.equal(weights, Attention().weights(sides)[0])
    assert loss is not None
    assert loss.value() > 0
    with torch.no_grad():
        assert distilled.weights(sides)[1] is None
    assert torch.equal(distilled.plan(sides).matrix, Attention().plan(sides).matrix)


def test_the_attention_map_as_a_plan_has_no_marginal_error(make_sides):
    plan = Attention().plan(make_sides(ragged=True))
    assert plan.marginal_error.max() == 0
    assert plan.iterations.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_settings_come_back_by_their_kind(name):
    assignment = ASSIGNMENTS[name]
    assert TypeAdapter(Assignment).validate_python(assignment.model_dump(mode="json")) == assignment


def extreme_sides(kind: str, dtype: torch.dtype) -> Sides:
    """Six items: full, one token a side, ragged, no rows, no columns, nothing at all."""
    torch.manual_seed(0)
    rows, columns = {
        "random": lambda: (torch.randn(6, 4, 8), torch.randn(6, 5, 8)),
        "identical": lambda: (torch.ones(6, 4, 8), torch.ones(6, 5, 8)),
        "orthogonal": lambda: (torch.eye(8)[:4].expand(6, 4, 8), torch.eye(8)[3:].expand(6, 5, 8)),
        "zero": lambda: (torch.zeros(6, 4, 8), torch.zeros(6, 5, 8)),
    }[kind]()
    row_mask, column_mask = torch.ones(6, 4, dtype=torch.bool), torch.ones(6, 5, dtype=torch.bool)
    row_mask[1, 1:] = column_mask[1, 1:] = False
    row_mask[2, 2:] = column_mask[2, 3:] = False
    row_mask[3] = column_mask[4] = row_mask[5] = column_mask[5] = False
    return Sides(
        rows.to(dtype).clone().requires_grad_(), columns.to(dtype).clone().requires_grad_(), row_mask, column_mask
    )


@pytest.mark.parametrize("epsilon", [1e-4, 1e-3, 0.05, 10.0])
@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("norm", ["none", "sum", "l2"])
def test_no_extreme_gives_nan_in_value_or_gradient(kind, dtype, epsilon, norm):
    sides = extreme_sides(kind, dtype)
    transport = Transport(solver=Sinkhorn(epsilon=epsilon, iterations=10), row_norm=norm)
    weights = transport.weights(sides)[0]
    assert weights.dtype == dtype
    assert weights.isfinite().all()
    assert (weights[3:] == 0).all()
    assert transport.plan(sides).marginal_error.isfinite().all()
    (weights * torch.rand_like(weights)).sum().backward()
    assert sides.rows.grad.isfinite().all()
    assert sides.columns.grad.isfinite().all()
    if kind in ("identical", "zero"):  # nothing tells the tokens apart: the plan is the outer product
        plan = Transport(solver=transport.solver).plan(sides).matrix
        outer = sides.row_weights.unsqueeze(-1) * sides.column_weights.unsqueeze(-2)
        torch.testing.assert_close(plan, outer, atol=1e-6 if dtype == torch.float32 else 3e-3, rtol=0)


@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["attention", "distilled"])
def test_nor_do_attention_and_distillation(kind, dtype, name):
    sides = extreme_sides(kind, dtype)
    weights, loss = ASSIGNMENTS[name].weights(sides)
    assert weights.isfinite().all()
    assert (weights[3:] == 0).all()
    total = (weights * torch.rand_like(weights)).sum() + (0 if loss is None else loss.value())
    assert total.isfinite()
    total.backward()
    assert sides.rows.grad.isfinite().all()
    assert sides.columns.grad.isfinite().all()


def correlation(assignment, **shape) -> Correlation:
    torch.manual_seed(0)
    return Correlation(assignment, 8, Shape(**shape)).double().eval()


@pytest.mark.parametrize("name", ASSIGNMENTS)
@pytest.mark.parametrize("shape", [{}, {"bias": True, "residual": True, "layer_norm": True}], ids=["bare", "full"])
def test_correlation_is_its_formula(make_sides, name, shape):
    """G = A H with Q = X W_q, K = Y W_k, H = Y W_h; then + Q and LayerNorm where they are asked for."""
    tokens = make_sides(ragged=True)
    module = correlation(ASSIGNMENTS[name], **shape)
    got = module.between(tokens.rows, tokens.row_mask, tokens.columns, tokens.column_mask).tokens
    Q, K, H = module.query(tokens.rows), module.key(tokens.columns), module.value(tokens.columns)
    sides = Sides(Q, K, tokens.row_mask, tokens.column_mask)
    expected = ASSIGNMENTS[name].weights(sides)[0] @ H
    if shape:
        expected = torch.nn.functional.layer_norm(expected + Q, (8,))
    torch.testing.assert_close(got, expected)
    assert (module.query.bias is not None) == bool(shape)


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_pair_of_two_sets_is_as_the_pair_alone(make_sides, name):
    rows, columns = make_sides(batch=3, seed=1, ragged=True), make_sides(batch=2, seed=2, ragged=True)
    module = correlation(ASSIGNMENTS[name], residual=True)
    values = torch.randn(2, 5, 8, dtype=torch.float64)
    crossed = Sides(rows.rows, columns.columns, rows.row_mask, columns.column_mask, "crossed")
    tokens = module(crossed, values).tokens
    for m in range(2):
        for e in range(3):
            pair = Sides(rows.rows[[e]], columns.columns[[m]], rows.row_mask[[e]], columns.column_mask[[m]])
            torch.testing.assert_close(tokens[m, e], module(pair, values[[m]]).tokens[0], atol=1e-12, rtol=0)


def test_dropout_falls_on_the_plan_in_training_alone(make_sides):
    tokens = make_sides()
    module = correlation(Attention(), dropout=0.5)
    sides = Sides(tokens.rows, tokens.columns, tokens.row_mask, tokens.column_mask)
    kept = module.weights(sides)[0]
    dropped = module.train().weights(sides)[0]
    zeros = dropped == 0
    assert zeros.any()
    assert not zeros.all()
    torch.testing.assert_close(dropped[~zeros], 2 * kept[~zeros])
