"""Cross-attention against plain loops; what is absent or padding has no say."""

from __future__ import annotations

import pytest
import torch

from otmel.models.baselines.cross import Attention, CrossLayer, FusionSettings, with_summary
from otmel.types import Elements

SETTINGS = FusionSettings(hidden=8, heads=2, widening=2)


@pytest.fixture
def layer() -> CrossLayer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = CrossLayer(SETTINGS)
        for weight in made.parameters():
            if weight.dim() == 1:
                torch.nn.init.normal_(weight, 0.5, 0.3)
    return made.double().eval()


def tokens(rows: int, length: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, length, 8, generator=generator, dtype=torch.float64)


def looked_up(attention: Attention, query: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """One query over its others, head by head."""
    inner, heads = attention.heads, []
    q, k, v = (
        weight @ vectors.T + bias[:, None]
        for weight, bias, vectors in zip(
            inner.in_proj_weight.chunk(3),
            inner.in_proj_bias.chunk(3),
            (query[None], others, others),
            strict=True,
        )
    )
    for head in range(2):
        own = slice(4 * head, 4 * head + 4)
        weights = (q[own, 0] @ k[own] / 2).exp()  # √4 = 2
        heads.append(v[own] @ weights / weights.sum())
    return inner.out_proj(torch.cat(heads))


@torch.no_grad()
def test_the_layer_is_a_loop_over_queries(layer):
    own, other = tokens(2, 3, 1), tokens(2, 5, 2)
    own_mask = torch.tensor([[True, True, True], [True, True, False]])
    other_mask = torch.tensor([[True, False, True, True, True], [False] * 5])
    answer = layer((own, own_mask), (other, other_mask))
    for row in range(2):
        seen, heard = own[row][own_mask[row]], other[row][other_mask[row]]
        after = torch.stack([layer.norms[0](token + looked_up(layer.own, token, seen)) for token in seen])
        for place, token in enumerate(after):
            there = looked_up(layer.cross, token, heard) if len(heard) else torch.zeros_like(token)
            met = layer.norms[1](token + there)
            wide = torch.nn.functional.gelu(layer.feed[0](met))
            torch.testing.assert_close(answer[row, place], layer.norms[2](met + layer.feed[2](wide)))


def test_training_and_evaluation_agree_without_dropout(layer):
    """PyTorch takes another way through attention where no gradient is asked."""
    own, other = (tokens(2, 3, 1), torch.ones(2, 3).bool()), (tokens(2, 5, 2), torch.ones(2, 5).bool())
    own[1][1, 2] = False
    for drop in layer.modules():
        if isinstance(drop, torch.nn.Dropout):
            drop.p = 0.0
    layer.own.heads.dropout = layer.cross.heads.dropout = 0.0
    trained = layer.train()(own, other)
    with torch.no_grad():
        evaluated = layer.eval()(own, other)
    torch.testing.assert_close(trained[own[1]], evaluated[own[1]])


def test_nothing_to_attend_to_is_zero_and_has_finite_gradients(layer):
    queries = tokens(2, 3, 1).requires_grad_()
    answer = layer.cross(queries, (tokens(2, 5, 2), torch.zeros(2, 5).bool()))
    assert not answer.any()
    layer((queries, torch.zeros(2, 3).bool()), (tokens(2, 5, 2), torch.zeros(2, 5).bool())).sum().backward()
    assert queries.grad is not None
    assert queries.grad.isfinite().all()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in layer.parameters())


@torch.no_grad()
def test_hidden_tokens_have_no_say(layer):
    own, other = tokens(2, 3, 1), tokens(2, 5, 2)
    own_mask, other_mask = torch.ones(2, 3).bool(), torch.tensor([[True, True, False, False, True]] * 2)
    before = layer((own, own_mask), (other, other_mask))
    after = layer((own, own_mask), (other.masked_fill(~other_mask[..., None], 7), other_mask))
    assert torch.equal(before, after)


def test_the_summary_comes_first_and_is_there_where_tokens_are():
    mask = torch.tensor([[True, True], [False, False]])
    elements = Elements(tokens(2, 2, 1), mask, tokens(2, 1, 2).squeeze(1))
    joined, there = with_summary(elements)
    assert torch.equal(joined[:, 0], elements.cls)
    assert torch.equal(joined[:, 1:], elements.tokens)
    assert there.tolist() == [[True] * 3, [False] * 3]


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"hidden \(10\) must be a multiple of heads \(4\)"):
        FusionSettings(hidden=10)
