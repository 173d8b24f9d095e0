"""What a transport learns: where it starts, how far it can go, and that gradients reach it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from otmel.ot import Correlation, Marginals, Shape, Sides, Sinkhorn, Transport
from otmel.ot.learned import WIDEST_FACTOR, Adjustment

NULL = Transport(
    solver=Sinkhorn(epsilon=0.1, relax=(1, 0)), threshold=0.4, row_norm="marginal", learn=("epsilon", "threshold")
)


def correlation(assignment: Transport, seed: int = 0) -> Correlation:
    torch.manual_seed(seed)
    return Correlation(assignment, 8, Shape()).double()


def shifted(module: Correlation, by: float) -> Correlation:
    assert module.adjustment is not None
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in module.adjustment.parameters():
            weight += by * torch.randn(weight.shape, generator=draw, dtype=weight.dtype)
    return module


def test_it_begins_where_it_is_set(make_sides):
    tokens = make_sides(ragged=True)
    given = tokens.rows, tokens.row_mask, tokens.columns, tokens.column_mask
    for plain in (NULL.model_copy(update={"learn": ()}), Transport(solver=Sinkhorn(relax=(0.8, 0.5)))):
        learn = ("epsilon", "threshold") if plain.threshold else ("epsilon",)
        learning = plain.model_copy(update={"learn": learn, "marginals": "learned"})
        found = correlation(learning).between(*given).tokens
        torch.testing.assert_close(found, correlation(plain).between(*given).tokens, atol=1e-6, rtol=0)


@torch.no_grad()
def test_it_stays_within_bounds():
    module = Adjustment(NULL, 8)
    for value in (-1e3, 1e3):
        for weight in module.parameters():
            weight.data.fill_(value)
        numbers = module.numbers
        assert float(numbers.epsilon) == pytest.approx(0.1 * WIDEST_FACTOR ** (1 if value > 0 else -1))
        assert abs(float(numbers.threshold)) <= 1


def test_a_transport_that_learns_nothing_has_no_parameters_and_draws_the_same_projections():
    plain, learning = (correlation(t) for t in (Transport(), Transport(learn=("epsilon",), marginals="learned")))
    assert plain.adjustment is None
    own = {"adjustment.log_epsilon", "adjustment.rows", "adjustment.columns"}
    assert set(learning.state_dict()) - set(plain.state_dict()) == own
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, learning.state_dict()[name])


class Between(torch.nn.Module):
    """``Correlation.between`` as a module's forward pass."""

    def __init__(self, inner: Correlation) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *given: Tensor) -> Tensor:
        return self.inner.between(*given).tokens


@pytest.mark.parametrize(
    "transport",
    [
        NULL,
        Transport(solver=Sinkhorn(epsilon=0.1, iterations=4, relax=(0.9, 0.6)), row_norm="none", learn=("epsilon",)),
    ],
    ids=["null key", "unbalanced"],
)
def test_gradients_of_every_learned_number(make_sides, transport):
    sides = make_sides(batch=2, ragged=True)
    module = Between(shifted(correlation(transport.model_copy(update={"marginals": "learned"})), 0.3))
    names, weights = zip(*module.inner.adjustment.named_parameters(prefix="inner.adjustment"), strict=True)

    def transported(*weights: Tensor) -> Tensor:
        given = dict(zip(names, weights, strict=True))
        tokens = sides.rows, sides.row_mask, sides.columns, sides.column_mask
        return torch.func.functional_call(module, given, tokens)

    assert len(names) == 3 + (transport.threshold is not None)
    assert torch.autograd.gradcheck(transported, weights)


def test_settled_it_is_a_transport_of_plain_numbers_with_the_same_plan(make_sides):
    module = shifted(correlation(NULL), 0.5)
    settled = module.settled
    assert isinstance(settled, Transport)
    assert settled.learn == ()
    assert settled.solver.epsilon != 0.1
    assert settled.threshold != 0.4
    torch.testing.assert_close(settled.plan(make_sides()).matrix, module.plan(make_sides()).matrix, atol=1e-12, rtol=0)


def test_a_temperature_that_falls_below_the_exp_domain_is_still_right(make_sides):
    transport = Transport(solver=Sinkhorn(epsilon=0.05, iterations=4), learn=("epsilon",), row_norm="none")
    module = correlation(transport)
    module.adjustment.log_epsilon.data.fill_(-9.0)
    colder = Transport(solver=Sinkhorn(epsilon=0.05 / WIDEST_FACTOR, iterations=4, domain="log"), row_norm="none")
    torch.testing.assert_close(module.plan(make_sides()).matrix, colder.plan(make_sides()).matrix, atol=1e-7, rtol=0)


def test_learned_marginals_reach_the_plan_from_both_sides(make_sides):
    module = shifted(correlation(Transport(marginals="learned")), 1.0)
    sides = make_sides()
    made = module.sides(sides.rows, sides.row_mask, sides.columns, sides.column_mask, "aligned")
    assert isinstance(made.marginals, Marginals)
    for side, weights in ((sides.rows, made.row_weights), (sides.columns, made.column_weights)):
        direction = made.marginals.rows if side is sides.rows else made.marginals.columns
        torch.testing.assert_close(weights, (side @ direction).softmax(-1))
    assert isinstance(made, Sides)
