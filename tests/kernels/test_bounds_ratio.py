"""What weights of bounded ratio can do: against every extreme point, random weights and real Sinkhorn iterations."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.kernels.bounds_ratio import Sorted, drift, euclidean, extremes, tilted
from otmel.ot import Problem, Sinkhorn, solve

RATIOS = st.sampled_from([0.0, 0.01, 0.5, 2.0, 8.0, 40.0, math.inf])
numbers = st.lists(st.floats(-10, 10), min_size=1, max_size=7)


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def vertices(count: int, log_ratio: float) -> torch.Tensor:
    """Every weight 1 or ``e^−ℓ``, at least one of them 1."""
    chosen = [w for w in itertools.product([1.0, math.exp(-log_ratio)], repeat=count) if max(w) == 1]
    return tensor(*chosen).reshape(-1, count)


@given(numbers=numbers, ratio=RATIOS)
@settings(max_examples=150, deadline=None)
def test_extremes_are_those_of_all_vertices(numbers, ratio):
    values = tensor(*numbers)
    low, high = extremes(Sorted.of(values[None, :, None], torch.tensor([len(numbers)])), tensor(ratio))
    weights = vertices(len(numbers), ratio)
    means = weights @ values / weights.sum(1)
    assert low.item() == pytest.approx(means.min().item(), abs=1e-9)
    assert high.item() == pytest.approx(means.max().item(), abs=1e-9)
    assert low.item() <= means.min().item()
    assert means.max().item() <= high.item()


def test_extremes_of_equal_weights_are_the_mean_and_of_free_weights_the_hull():
    values = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lengths = torch.tensor([9, 4, 1])
    low, high = extremes(Sorted.of(values, lengths), tensor(0.0, 0.0, 0.0))
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(low[row], values[row, :length].mean(0))
    torch.testing.assert_close(low, high)
    low, high = extremes(Sorted.of(values, lengths), tensor(math.inf, math.inf, math.inf))
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(low[row], values[row, :length].amin(0))
        torch.testing.assert_close(high[row], values[row, :length].amax(0))


def test_a_set_without_tokens_has_zeros_whatever_lies_in_its_padding():
    low, high = extremes(Sorted.of(torch.full((1, 3, 2), 7.0, dtype=torch.float64), torch.tensor([0])), tensor(1.0))
    assert low.tolist() == high.tolist() == [[0.0, 0.0]]


@given(numbers=numbers, seed=st.integers(0, 10**6), ratio=st.floats(0, 12))
@settings(max_examples=150, deadline=None)
def test_no_weights_of_the_ratio_and_no_numbers_with_the_mean_exceed_the_two_point_law(numbers, seed, ratio):
    values = tensor(*numbers)
    weights = torch.exp(ratio * torch.rand(len(values), generator=torch.Generator().manual_seed(seed)).double())
    weights[values.argmax()], weights[values.argmin()] = math.exp(ratio), 1.0
    low, high, mean = values.min() - 0.1, values.max() + 0.1, values.mean()
    law = tilted(low, high, mean, tensor(ratio)[0])
    assert ((weights * values).sum() / weights.sum()).item() <= law.item() <= high.item()


@given(numbers=numbers, slack=st.floats(0, 3))
@settings(max_examples=150, deadline=None)
def test_softpool_never_exceeds_the_two_point_law(numbers, slack):
    values = tensor(*numbers)
    low, high = values.min() - slack, values.max() + slack
    soft = (values.softmax(0) * values).sum()
    assert soft.item() <= tilted(low, high, values.mean(), high - low).item() + 1e-12


@pytest.mark.parametrize("high_count", [1, 3, 6])
def test_the_two_point_law_is_attained_by_numbers_at_the_two_ends(high_count):
    values = tensor(*[2.5] * high_count, *[-1.0] * (7 - high_count))
    soft = (values.softmax(0) * values).sum()
    law = tilted(values.min(), values.max(), values.mean(), values.max() - values.min())
    assert law.item() == pytest.approx(soft.item(), abs=1e-9)


def test_the_two_point_law_is_the_mean_for_equal_weights_and_the_greatest_for_free_ones():
    assert tilted(*tensor(-1.0, 3.0, 0.5, 0.0)).item() == pytest.approx(0.5)
    assert tilted(*tensor(-1.0, 3.0, 0.5, math.inf)).item() == 3.0
    assert tilted(*tensor(2.0, 2.0, 2.0, 1.0)).item() == 2.0


@given(count=st.integers(1, 7), ratio=RATIOS)
@settings(max_examples=60, deadline=None)
def test_a_row_of_euclidean_length_one_sums_to_no_less_than_its_extreme_points(count, ratio):
    least, most = euclidean(tensor(float(count)), tensor(ratio), 7)
    weights = vertices(count, ratio)
    sums = weights.sum(1) / weights.norm(dim=1)
    assert least.item() == pytest.approx(sums.min().item())
    assert sums.max().item() <= most.item()


@pytest.mark.parametrize("tolerance", [None, 1e-4, 1e-2])
@pytest.mark.parametrize("iterations", [1, 2, 3, 20])
def test_masses_of_columns_drift_no_further_than_birkhoff_allows(iterations, tolerance):
    generator = torch.Generator().manual_seed(iterations)
    for scale in (0.05, 0.5, 2.0):
        cosine = scale * torch.rand(40, 4, 5, generator=generator, dtype=torch.float64)
        weights = torch.full((40, 4), 0.25, dtype=torch.float64), torch.full((40, 5), 0.2, dtype=torch.float64)
        solver = Sinkhorn(epsilon=0.5, iterations=iterations, tolerance=tolerance)
        plan = solve(Problem((1 - cosine) / 2, *weights), solver).matrix
        crossed = cosine[:, :, None, :, None] - cosine[:, :, None, None, :]
        spread = (crossed - crossed.transpose(1, 2)).flatten(1).amax(1)
        push = (cosine.unsqueeze(1) - cosine.unsqueeze(2)).abs().amax().item()
        masses = plan.sum(1).log()
        found = masses.amax(1) - masses.amin(1)
        assert (found <= drift(solver, spread, push) + 1e-12).all()


def test_drift_vanishes_with_the_spread_and_is_the_tolerances_where_many_iterations_are_allowed():
    assert drift(Sinkhorn(iterations=1), tensor(0.0), 20.0).item() == 0
    many = drift(Sinkhorn(epsilon=0.6, iterations=100, tolerance=1e-4), tensor(10 / 3), 10 / 3)
    assert many.item() == pytest.approx(2e-4, rel=1e-3)
