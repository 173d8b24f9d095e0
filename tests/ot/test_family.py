"""The points of the family of transports against their closed forms; POT has the unbalanced ones, too."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import ot
from otmel.errors import ConfigurationError
from otmel.ot import Marginals, Problem, Sides, Sinkhorn, Transport, cosine_cost, solve
from otmel.settings import validated

DOMAINS = ("exp", "log")


def transport(relax, epsilon=0.1, threshold=None, domain="auto", row_norm="none", **solver) -> Transport:
    solver = Sinkhorn(epsilon=epsilon, relax=relax, domain=domain, **solver)
    return Transport(solver=solver, threshold=threshold, row_norm=row_norm)


def cosines(sides: Sides) -> Tensor:
    unit = torch.nn.functional.normalize
    return unit(sides.rows, dim=-1) @ unit(sides.columns, dim=-1).mT


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_free_column_side_is_cosine_softmax_and_a_free_row_side_the_same_the_other_way(make_sides, domain):
    sides, epsilon = make_sides(), 0.1
    scores = cosines(sides) / (2 * epsilon)
    rows = transport((1, 0), epsilon, domain=domain).plan(sides).matrix
    torch.testing.assert_close(rows, scores.softmax(-1) / 4, atol=1e-13, rtol=0)
    columns = transport((0, 1), epsilon, domain=domain).plan(sides).matrix
    torch.testing.assert_close(columns, scores.softmax(-2) / 5, atol=1e-13, rtol=0)


def test_the_bias_of_a_key_is_the_logarithm_of_its_weight(make_problem):
    problem = make_problem()
    plan = solve(problem, Sinkhorn(epsilon=0.2, relax=(1, 0))).matrix
    logits = -problem.cost / 0.2 + problem.column_weights.log().unsqueeze(-2)
    torch.testing.assert_close(plan, logits.softmax(-1) * problem.row_weights.unsqueeze(-1), atol=1e-13, rtol=0)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("power", [0.0, 0.3, 0.8, 1.0])
def test_one_sided_relaxation_has_its_closed_form_and_takes_one_iteration(make_problem, domain, power):
    """``P = a_i K_ij b_j (Σ_j K_ij b_j)^−l``, and the same for the columns."""
    problem, epsilon = make_problem(), 0.2
    sent = torch.exp(-problem.cost / epsilon) * problem.column_weights.unsqueeze(-2)
    expected = problem.row_weights.unsqueeze(-1) * sent * sent.sum(-1, keepdim=True) ** -power
    found = solve(problem, Sinkhorn(epsilon=epsilon, relax=(power, 0), domain=domain, tolerance=1e-9))
    torch.testing.assert_close(found.matrix, expected, atol=1e-13, rtol=0)
    assert found.iterations.tolist() == [1, 1, 1]
    turned = Problem(problem.cost.mT, problem.column_weights, problem.row_weights)
    other = solve(turned, Sinkhorn(epsilon=epsilon, relax=(0, power), domain=domain)).matrix
    torch.testing.assert_close(other.mT, expected, atol=1e-13, rtol=0)


def test_one_sided_relaxation_is_pot_s(make_problem):
    problem, epsilon, power = make_problem(batch=1, n=5, m=4), 0.1, 0.6
    plan = solve(problem, Sinkhorn(epsilon=epsilon, relax=(power, 0))).matrix[0]
    a, b, cost = (t[0].numpy() for t in (problem.row_weights, problem.column_weights, problem.cost))
    options = {"reg_type": "kl", "numItermax": 5_000, "stopThr": 1e-14}
    rho = (epsilon * power / (1 - power), 1e-9)
    expected = ot.unbalanced.sinkhorn_unbalanced(a, b, cost, epsilon, rho, **options)
    np.testing.assert_allclose(plan.numpy(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("z", [-0.5, 0.1, 0.4, 1.0])
def test_the_null_key_is_its_formula_on_either_side(make_sides, domain, z):
    sides, epsilon = make_sides(), 0.1
    kernel = torch.exp((cosines(sides) - 1) / (2 * epsilon))
    null = np.exp((z - 1) / (2 * epsilon))
    rows = kernel / 5 / ((kernel / 5).sum(-1, keepdim=True) + null) / 4
    torch.testing.assert_close(transport((1, 0), epsilon, z, domain).plan(sides).matrix, rows, atol=1e-13, rtol=0)
    columns = kernel / 4 / ((kernel / 4).sum(-2, keepdim=True) + null) / 5
    torch.testing.assert_close(transport((0, 1), epsilon, z, domain).plan(sides).matrix, columns, atol=1e-13, rtol=0)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_null_key_is_one_more_column_of_cosine_z_and_weight_one(make_problem, domain):
    problem, z = make_problem(), 0.3
    wider = Problem(
        torch.cat([problem.cost, torch.full_like(problem.cost[..., :1], (1 - z) / 2)], -1),
        problem.row_weights,
        torch.cat([problem.column_weights, torch.ones(3, 1, dtype=torch.float64)], -1),
    )
    solver = Sinkhorn(epsilon=0.1, relax=(1, 0), domain=domain)
    null = Problem(problem.cost, problem.row_weights, problem.column_weights, (1 - z) / 2)
    torch.testing.assert_close(solve(null, solver).matrix, solve(wider, solver).matrix[..., :-1], atol=1e-13, rtol=0)


@pytest.mark.parametrize("relax", [(1, 0), (0, 1)])
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_low_threshold_is_none_and_a_higher_one_leaves_more_unmatched(make_sides, relax, domain):
    sides = make_sides(ragged=True)
    softmax = transport(relax).plan(sides).matrix
    torch.testing.assert_close(transport(relax, 0.1, -1e3, domain).plan(sides).matrix, softmax, atol=1e-13, rtol=0)
    masses = [transport(relax, 0.1, z, domain).plan(sides).matrix.sum((-1, -2)) for z in (-1, -0.2, 0.3, 1)]
    for more, less in itertools.pairwise(masses):
        assert (more > less).all()
    assert (masses[0] < 1).all()


POINTS = {
    "balanced": transport((1, 1), iterations=6),
    "unbalanced": transport((0.9, 0.1), iterations=6),
    "one-sided": transport((0.5, 0)),
    "softmax": transport((1, 0)),
    "null key of the rows": transport((1, 0), threshold=0.1),
    "null key of the columns": transport((0, 1), threshold=0.1),
    "rows over their marginal": transport((1, 0), threshold=0.1, row_norm="marginal"),
    "learned marginals": transport((0.7, 0.4), iterations=6).model_copy(update={"marginals": "learned"}),
}


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("layout", ["aligned", "crossed"])
def test_padding_has_no_influence(make_sides, name, layout):
    sides = make_sides(batch=4, n=5, m=6, ragged=True)
    draw = torch.Generator().manual_seed(3)
    marginals = None
    if POINTS[name].marginals == "learned":
        marginals = Marginals(*(torch.randn(8, generator=draw, dtype=torch.float64) for _ in range(2)))
    noisy = [
        t.masked_fill(~m.unsqueeze(-1), 1e3)
        for t, m in ((sides.rows, sides.row_mask), (sides.columns, sides.column_mask))
    ]
    weights = POINTS[name].weights(Sides(*noisy, sides.row_mask, sides.column_mask, layout, marginals))[0]
    for m in range(4):
        for e in [m] if layout == "aligned" else range(4):
            rows, columns = sides.rows[e][sides.row_mask[e]], sides.columns[m][sides.column_mask[m]]
            full = torch.ones(1, len(rows), dtype=torch.bool), torch.ones(1, len(columns), dtype=torch.bool)
            alone = POINTS[name].weights(Sides(rows[None], columns[None], *full, "aligned", marginals))[0][0]
            found = weights[m] if layout == "aligned" else weights[m, e]
            torch.testing.assert_close(found[: len(rows), : len(columns)], alone, atol=1e-12, rtol=0)
            assert not found[len(rows) :].any()
            assert not found[:, len(columns) :].any()


@pytest.mark.parametrize("name", POINTS)
def test_an_empty_side_gives_zeros_with_finite_gradients(make_sides, name):
    sides = make_sides()
    sides.row_mask[0], sides.column_mask[1] = False, False
    rows = sides.rows.clone().requires_grad_()
    weights = POINTS[name].weights(Sides(rows, sides.columns, sides.row_mask, sides.column_mask))[0]
    assert not weights[:2].any()
    weights.square().sum().backward()
    assert rows.grad.isfinite().all()


@pytest.mark.parametrize("name", POINTS)
def test_gradients_of_tokens(make_sides, name):
    sides = make_sides(batch=2, n=3, m=3, d=4, ragged=True)

    def weights(rows: Tensor, columns: Tensor) -> Tensor:
        return POINTS[name].weights(Sides(rows, columns, sides.row_mask, sides.column_mask))[0]

    assert torch.autograd.gradcheck(weights, (sides.rows.requires_grad_(), sides.columns.requires_grad_()))


@pytest.mark.parametrize("domain", DOMAINS)
def test_gradients_of_the_null_key(make_problem, domain):
    problem, unmatched = make_problem(batch=2), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    solver = Sinkhorn(relax=(1, 0), epsilon=0.2, domain=domain)

    def plan(unmatched: Tensor) -> Tensor:
        return solve(Problem(problem.cost, problem.row_weights, problem.column_weights, unmatched), solver).matrix

    assert torch.autograd.gradcheck(plan, (unmatched,))


@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 6), m=st.integers(1, 6), z=st.floats(-3, 1), epsilon=st.floats(0.03, 3)
)
@settings(max_examples=40, deadline=None)
def test_rows_over_their_marginal_sum_to_what_is_matched(seed, n, m, z, epsilon):
    draw = torch.Generator().manual_seed(seed)
    rows, columns = (torch.randn(2, k, 5, generator=draw, dtype=torch.float64) for k in (n, m))
    sides = Sides(rows, columns, torch.ones(2, n, dtype=torch.bool), torch.ones(2, m, dtype=torch.bool))
    sums = transport((1, 0), epsilon, z, row_norm="marginal").weights(sides)[0].sum(-1)
    mass = torch.exp(-cosine_cost(sides) / epsilon).mean(-1)
    torch.testing.assert_close(sums, mass / (mass + np.exp((z - 1) / 2 / epsilon)), atol=1e-12, rtol=0)


def test_learned_marginals_are_a_softmax_over_content(make_sides):
    sides = make_sides(ragged=True)
    directions = Marginals(torch.arange(8.0, dtype=torch.float64) / 4, torch.zeros(8, dtype=torch.float64))
    learned = Sides(sides.rows, sides.columns, sides.row_mask, sides.column_mask, "aligned", directions)
    logits = (sides.rows @ directions.rows).masked_fill(~sides.row_mask, -torch.inf)
    torch.testing.assert_close(learned.row_weights, logits.softmax(-1))
    torch.testing.assert_close(learned.column_weights, sides.column_weights)  # a direction of zero is uniform
    plan = transport((1, 1), iterations=500).plan(learned)
    torch.testing.assert_close(plan.matrix.sum(-1), learned.row_weights)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"threshold": 0.1}, "closed form"),
        ({"threshold": 0.1, "solver": {"relax": (0.5, 0)}}, "closed form"),
        ({"threshold": 1.1, "solver": {"relax": (1, 0)}}, "less than or equal to 1"),
        ({"threshold": 0.1, "solver": {"relax": (1, 0)}, "row_norm": "l2"}, "undoes the rows' threshold"),
        ({"learn": ("threshold",)}, "no threshold to begin from"),
        ({"learn": ("temperature",)}, "learn"),
        ({"gradient": "detached", "learn": ("epsilon",)}, "detached plan teaches"),
        ({"gradient": "detached", "marginals": "learned"}, "detached plan teaches"),
    ],
)
def test_what_does_not_fit_together_is_refused(values, problem):
    with pytest.raises(ConfigurationError, match=problem):
        validated(Transport, values)


def test_a_solver_that_frees_no_side_refuses_a_null_key(make_problem):
    problem = make_problem()
    null = Problem(problem.cost, problem.row_weights, problem.column_weights, 0.3)
    with pytest.raises(ValueError, match="null key goes with relax"):
        solve(null, Sinkhorn())
