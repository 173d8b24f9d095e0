"""Closed forms of the contrast and of the ranks."""

import math

import pytest
import torch

from otmel.encoders.contrast import contrast, retrieval


def test_equal_vectors_give_the_logarithm_of_the_batch():
    ones = torch.ones(5, 3)
    assert contrast(ones, ones, torch.arange(5), 7.0).item() == pytest.approx(math.log(5))


def test_orthogonal_pairs_give_the_softmax_in_closed_form():
    scale, count = 3.0, 4
    expected = math.log(1 + (count - 1) * math.exp(-scale))
    assert contrast(torch.eye(count), 2 * torch.eye(count), torch.arange(count), scale).item() == pytest.approx(
        expected
    )


def test_the_same_thing_is_no_negative_of_itself():
    first, second = torch.randn(2, 4, 6)
    things = torch.tensor([0, 1, 1, 1])
    pair = contrast(first[:1], second[:1], things[:1], 5.0)
    assert pair.item() == 0.0
    alone = contrast(first[1:], second[1:], things[1:], 5.0)
    assert alone.item() == 0.0
    assert contrast(first, second, things, 5.0).item() > 0


def test_it_is_symmetric_and_blind_to_length_and_order():
    torch.manual_seed(0)
    first, second, things = torch.randn(6, 4), torch.randn(6, 4), torch.tensor([0, 1, 2, 2, 3, 4])
    value = contrast(first, second, things, 4.0)
    order = torch.randperm(6)
    assert torch.allclose(value, contrast(second, first, things, 4.0))
    assert torch.allclose(value, contrast(3 * first, 0.1 * second, things, 4.0))
    assert torch.allclose(value, contrast(first[order], second[order], things[order], 4.0))


def test_gradcheck():
    first, second = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True).unbind()
    things = torch.tensor([0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda a, b: contrast(a, b, things, 2.0), (first, second))


def test_perfect_and_hopeless_retrieval():
    perfect = retrieval(torch.eye(20), torch.eye(20))
    assert (perfect.hit1, perfect.hit10, perfect.mrr, perfect.chance) == (1.0, 1.0, 1.0, 0.05)
    tied = retrieval(torch.ones(21, 3), torch.ones(21, 3))
    assert (tied.hit1, tied.hit10) == (0.0, 0.0)  # everything ties: rank (1 + 21) / 2
    assert tied.mrr == pytest.approx(1 / 11)
    shifted = retrieval(torch.eye(4), torch.eye(4).roll(1, 0))
    assert shifted.hit1 == 0.0
    assert shifted.as_json()["candidates"] == 4
