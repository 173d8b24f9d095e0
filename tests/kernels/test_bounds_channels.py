"""From intervals of channels, or from tokens, to intervals of scores: float32 must contain float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.kernels.bounds_channels import UNIT, Channels, interval, rounding
from otmel.kernels.bounds_tokens import Tokens


def random(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(
    seed=st.integers(0, 10**6), width=st.sampled_from([0.0, 1e-9, 1e-3, 10.0]), scale=st.sampled_from([1e-6, 1, 1e4])
)
@settings(max_examples=60, deadline=None)
def test_an_interval_contains_every_choice_within_the_channels(seed, width, scale):
    low = random(seed, 3, 96) * scale
    high = low + width * random(seed + 1, 3, 96).abs()
    targets = random(seed + 2, 50, 96).float()
    channels = Channels.between(low, high, torch.maximum(low.abs(), high.abs()))
    assert (channels.lower <= low).all()
    assert (channels.upper >= high).all()
    least, greatest = interval(channels, targets)
    wide = targets.double()
    assert (least.double() <= low @ wide.clamp_min(0).T + high @ wide.clamp_max(0).T).all()
    assert (greatest.double() >= high @ wide.clamp_min(0).T + low @ wide.clamp_max(0).T).all()


def test_the_tolerance_of_a_kernel_widens_by_what_it_says():
    values, targets = random(0, 2, 8), random(1, 5, 8).float()
    channels = Channels.between(values, values, values.abs())
    plain, wide = interval(channels, targets), interval(channels, targets, 1e-3)
    expected = 1e-3 * values.abs() @ targets.double().abs().T
    torch.testing.assert_close((wide[1] - plain[1]).double(), expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close((plain[0] - wide[0]).double(), expected, rtol=1e-3, atol=1e-6)


def test_a_coarser_product_means_wider_rounding():
    found = torch.get_float32_matmul_precision()
    try:
        widths = []
        for precision in UNIT:
            torch.set_float32_matmul_precision(precision)
            widths.append(rounding(96))
    finally:
        torch.set_float32_matmul_precision(found)
    assert widths == sorted(widths)
    assert widths[0] < 2e-5


def weights(seed, count, log_ratio):
    """Random weights of exactly that log-ratio, in every order; of one token the whole."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.tensor([1.0, math.exp(-log_ratio)], dtype=torch.float64)
    inner = ends[1] + (1 - ends[1]) * torch.rand(200, count, generator=generator, dtype=torch.float64)
    inner[:, : min(count, 2)] = ends[: min(count, 2)]
    order = torch.rand(200, count, generator=generator).argsort(1)
    made = inner.gather(1, order)
    return made / made.sum(1, keepdim=True)


@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), ratio=st.sampled_from([0.0, 0.3, 3.0, math.inf]))
@settings(max_examples=60, deadline=None)
def test_tokens_bound_every_mixture_of_their_ratio(seed, count, ratio):
    values, targets = random(seed, 1, 6, 8), random(seed + 1, 20, 8).float()
    tokens = Tokens.of(values, torch.arange(6)[None] < count)
    one = torch.ones(1, dtype=torch.float64)
    low, high = tokens.between(torch.tensor([ratio], dtype=torch.float64), (0.5 * one, 2 * one), targets, 0.0)
    mixed = weights(seed, count, ratio) @ values[0, :count] @ targets.double().T
    for lift in (0.5, 2.0):
        assert (low.double() <= lift * mixed).all()
        assert (lift * mixed <= high.double()).all()


def test_tokens_of_equal_weight_are_their_mean():
    values, targets = random(0, 2, 6, 8), random(1, 20, 8).float()
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    one = torch.ones(2, dtype=torch.float64)
    low, high = Tokens.of(values, mask).between(0 * one, (one, one), targets, 0.0)
    mean = torch.stack([values[0].mean(0), values[1, :4].mean(0)]) @ targets.double().T
    torch.testing.assert_close(low.double(), mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(high.double(), mean, atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [0, 6])
def test_many_mentions_are_bounded_in_pieces_as_alone(count):
    values, targets = random(0, count, 50, 8), random(1, 3000, 8).float()
    ratio = torch.ones(count, dtype=torch.float64)
    tokens = Tokens.of(values, torch.ones(count, 50, dtype=torch.bool))
    together = tokens.between(ratio, (ratio, ratio), targets, 0.0)[1]
    assert together.shape == (count, 3000)
    for row in range(count):
        alone = tokens[row : row + 1].between(ratio[:1], (ratio[:1], ratio[:1]), targets, 0.0)[1]
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-5)
