"""Columns of products and sums, alone and in company."""

from __future__ import annotations

import pytest
import torch

from otmel.kernels import alike


@pytest.fixture
def slow_way(monkeypatch):
    """As if BLAS and sums treated columns differently."""
    monkeypatch.setattr(alike, "_product_alike", lambda *shape: False)
    monkeypatch.setattr(alike, "_sums_alike", lambda: False)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 16, 17, 40, 77, 1000])
def test_halving_adds_everything_and_zeros_change_no_bit(rows):
    terms = torch.randn(rows, 3, 64, generator=torch.Generator().manual_seed(rows))
    total = alike.halved(terms.clone(), 0)
    assert torch.allclose(total, terms.double().sum(0).float(), atol=1e-4)
    for after in (1, 5, 70):
        padded = torch.cat([terms, torch.zeros(after, 3, 64)])
        assert torch.equal(alike.halved(padded, 0), total)
    assert torch.equal(alike.halved(terms.movedim(0, 1).clone(), 1), total)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (40, 96), (96, 40), (7, 33)])
def test_a_column_has_the_same_product_wherever_it_stands(shape):
    draw = torch.Generator().manual_seed(1)
    left, right = torch.randn(*shape, generator=draw), torch.randn(shape[1], 64 * 6, generator=draw)
    whole = alike.product(left, right, "test").clone()
    assert torch.allclose(whole, left @ right, atol=1e-4)
    order = torch.randperm(right.shape[1], generator=draw)
    assert torch.equal(alike.product(left, right[:, order].contiguous(), "test"), whole[:, order])
    assert torch.equal(alike.product(left, right[:, 64:128].contiguous(), "test"), whole[:, 64:128])


def test_the_slow_way_computes_the_same(slow_way):
    draw = torch.Generator().manual_seed(2)
    left, right = torch.randn(5, 9, generator=draw), torch.randn(9, 192, generator=draw)
    assert torch.allclose(alike.product(left, right, "test"), left @ right, atol=1e-5)
    before = right.clone()
    assert torch.allclose(alike.total(right, 0), right.sum(0), atol=1e-5)
    assert torch.equal(right, before)


def test_what_is_not_treated_alike_is_said(caplog):
    with caplog.at_level("INFO"):
        assert alike._refused("sums") is False
    assert "sums" in caplog.text


def test_room_is_kept_and_grows():
    room = alike.Room()
    first = room("a", 4, 5)
    assert room("a", 10).data_ptr() == first.data_ptr()
    assert room("b", 4, 5).data_ptr() != first.data_ptr()
    assert room("a", 9, 9).shape == (9, 9)
