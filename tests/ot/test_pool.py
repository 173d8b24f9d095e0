"""Eq. 13–14 and the ablations O1, O2, by closed forms and laws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from otmel.ot import LearnedPool, MaxPool, MeanPool, Pool, SoftPool
from otmel.ot.pool import is_weighted

POOLS = {
    "soft": SoftPool(),
    "mean": MeanPool(),
    "max": MaxPool(),
    "learned": LearnedPool(),
    "learned without norm": LearnedPool(norm=False),
}


@pytest.fixture(params=POOLS)
def pool(request):
    torch.manual_seed(0)
    return POOLS[request.param].build(4).double()


def tokens_and_mask(seed=0, batch=3, length=5):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch, length, 4, generator=generator, dtype=torch.float64)
    mask = torch.ones(batch, length, dtype=torch.bool)
    for row in range(batch):
        mask[row, length - row :] = False
    return tokens, mask


@given(seed=st.integers(0, 10**6), length=st.integers(1, 8), scale=st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_softpool_lies_between_mean_and_max_in_every_channel(seed, length, scale):
    tokens, mask = tokens_and_mask(seed, 1, length)
    tokens = tokens * scale
    mean, soft, largest = (POOLS[name].build(4)(tokens, mask) for name in ("mean", "soft", "max"))
    slack = 1e-12 * scale
    assert (mean <= soft + slack).all()
    assert (soft <= largest + slack).all()


def test_softpool_is_eq_14():
    tokens, mask = tokens_and_mask(batch=1)
    weights = tokens.exp() / tokens.exp().sum(1, keepdim=True)
    torch.testing.assert_close(SoftPool().build(4)(tokens, mask), (weights * tokens).sum(1))


def test_softpool_of_two_numbers_in_closed_form():
    tokens = torch.tensor([[[0.0], [2.0]]], dtype=torch.float64)
    expected = 2 * torch.tensor(2.0, dtype=torch.float64).sigmoid()
    assert SoftPool().build(1)(tokens, torch.ones(1, 2, dtype=torch.bool)).item() == pytest.approx(expected.item())


def test_softpool_tends_to_mean_for_small_and_to_max_for_large_tokens():
    tokens, mask = tokens_and_mask(batch=1)
    soft = SoftPool().build(4)
    torch.testing.assert_close(soft(tokens * 1e-7, mask) * 1e7, tokens.mean(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(soft(tokens * 1e4, mask) / 1e4, tokens.amax(1), atol=1e-5, rtol=0)


def test_mean_and_max_are_mean_and_max_over_content():
    tokens, mask = tokens_and_mask()
    for row in range(3):
        content = tokens[row][mask[row]]
        torch.testing.assert_close(MeanPool().build(4)(tokens, mask)[row], content.mean(0))
        torch.testing.assert_close(MaxPool().build(4)(tokens, mask)[row], content.amax(0))


@pytest.mark.parametrize("norm", [True, False])
def test_the_learned_pool_is_one_softmax_weight_per_token(norm):
    tokens, mask = tokens_and_mask(batch=1)
    pool = LearnedPool(norm=norm).build(4).double()
    weights = (tokens[0] @ pool.direction).softmax(0)
    expected = weights @ tokens[0]
    if norm:
        expected = torch.nn.functional.layer_norm(expected, (4,))
    torch.testing.assert_close(pool(tokens, mask)[0], expected)
    assert sum(p.numel() for p in pool.parameters()) == (12 if norm else 4)


def test_a_constant_set_pools_to_itself():
    token = torch.tensor([0.3, -2.0, 5.0, 0.0], dtype=torch.float64)
    for name in ("soft", "mean", "max", "learned without norm"):
        pooled = POOLS[name].build(4).double()(token.expand(1, 6, 4), torch.ones(1, 6, dtype=torch.bool))
        torch.testing.assert_close(pooled[0], token)


def test_the_order_of_tokens_does_not_matter(pool):
    tokens, mask = tokens_and_mask()
    order = torch.randperm(5)
    torch.testing.assert_close(pool(tokens[:, order], mask[:, order]), pool(tokens, mask), atol=1e-12, rtol=0)


def test_padding_does_not_matter(pool):
    tokens, mask = tokens_and_mask()
    changed = torch.where(mask.unsqueeze(-1), tokens, 1e3)
    torch.testing.assert_close(pool(changed, mask), pool(tokens, mask), atol=1e-12, rtol=0)
    for row in range(3):
        alone = pool(tokens[row][mask[row]][None], mask[row][mask[row]][None])
        torch.testing.assert_close(pool(tokens, mask)[row], alone[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", POOLS)
def test_an_empty_set_pools_to_zeros_with_finite_gradients(name, dtype):
    tokens, mask = tokens_and_mask()
    pool, tokens = POOLS[name].build(4).to(dtype), tokens.to(dtype).requires_grad_()
    mask[1] = False
    pooled = pool(tokens, mask)
    assert pooled.dtype == dtype
    assert (pooled[1] == 0).all()
    assert pooled.isfinite().all()
    pooled.square().sum().backward()
    assert tokens.grad.isfinite().all()
    assert (tokens.grad[1] == 0).all()
    assert all(weight.grad.isfinite().all() for weight in pool.parameters())


def test_gradients(pool):
    tokens, mask = tokens_and_mask()
    assert torch.autograd.gradcheck(lambda given: pool(given, mask), (tokens.requires_grad_(),))


def test_only_pools_that_are_weighted_sums_say_so():
    assert [name for name, pool in POOLS.items() if is_weighted(pool.build(4))] == ["mean", "learned without norm"]


@pytest.mark.parametrize("pool_settings", POOLS.values(), ids=POOLS)
def test_settings_come_back_by_their_kind(pool_settings):
    assert TypeAdapter(Pool).validate_python(pool_settings.model_dump()) == pool_settings
