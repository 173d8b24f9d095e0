"""Eq. 6–18."""

from __future__ import annotations

import pytest
import torch

from otmel.models.fusion import Fusion, fusion_plan
from otmel.ot import Distilled, Transport
from otmel.types import Elements, Views


@pytest.fixture
def projected():
    """Ready tokens in the hidden width; the second item has no image."""
    generator = torch.Generator().manual_seed(0)

    def elements(length: int, mask: list[list[bool]]) -> Elements:
        tokens = torch.randn(2, length, 8, generator=generator, dtype=torch.float64)
        return Elements(tokens * torch.tensor(mask).unsqueeze(-1), torch.tensor(mask), tokens[:, 0])

    return Views(elements(3, [[True, True, True], [True, True, False]]), elements(2, [[True] * 2, [False] * 2]))


def fusion(make_settings, **changes) -> Fusion:
    torch.manual_seed(0)
    return Fusion(make_settings("PAPER", **changes)).double()


def test_without_an_image_the_text_is_pooled_alone_and_the_image_half_is_zero(make_settings, projected):
    module = fusion(make_settings)
    joined, auxiliary = module(projected)
    assert auxiliary is None
    assert joined.shape == (2, 16)
    alone = module.text_pool(projected.text.tokens[1:, :2], projected.text.mask[1:, :2])
    torch.testing.assert_close(joined[1, :8], alone[0])
    assert (joined[1, 8:] == 0).all()
    assert (joined[0, 8:] != 0).all()


def test_distillation_asks_for_the_divergence_of_both_directions(make_settings, projected):
    module = fusion(make_settings, fusion=Distilled().model_dump())
    auxiliary = module(projected)[1]
    one = module.image_to_text.between(
        projected.text.tokens, projected.text.mask, projected.image.tokens, projected.image.mask
    ).auxiliary
    other = module.text_to_image.between(
        projected.image.tokens, projected.image.mask, projected.text.tokens, projected.text.mask
    ).auxiliary
    torch.testing.assert_close(auxiliary.value(), one.value() + other.value())


def test_the_plans_for_display_are_those_of_both_directions(make_settings, projected):
    module = fusion(make_settings, fusion=Transport().model_dump())
    to_text = fusion_plan(module, projected, "image_to_text")
    to_image = fusion_plan(module, projected, "text_to_image")
    assert to_text.matrix.shape == (2, 3, 2)
    assert to_image.matrix.shape == (2, 2, 3)
    torch.testing.assert_close(to_text.matrix[0].sum(-1), torch.full((3,), 1 / 3, dtype=torch.float64))
    assert (to_text.matrix[1] == 0).all()
    assert (to_image.matrix[1] == 0).all()
