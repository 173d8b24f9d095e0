"""METER: the laws of one vector per side; its stack written out; text and image meet in the same state."""

from __future__ import annotations

import torch

from otmel.models.base import Side
from otmel.models.baselines.meter import MeterSettings
from otmel.models.projection import Projection

SETTINGS = MeterSettings(hidden=8, heads=2, layers=2)


def test_padding_neighbours_and_absent_images(build, obeys_the_laws):
    obeys_the_laws(build(SETTINGS))


def entered(projection: Projection, elements, row: int) -> torch.Tensor:
    """Summary and tokens of one row, without padding."""
    kept = elements.tokens[row][elements.mask[row]]
    return torch.cat([projection.cls(elements.cls[row : row + 1]), projection.tokens(kept)]).unsqueeze(0)


@torch.no_grad()
def test_the_stack_is_the_papers(build, make_views):
    """Both modalities of a layer read what the other was before it."""
    model, views = build(SETTINGS), make_views(3, 1, absent=(1,))
    vectors = model.encode_mentions(Side(views)).dense["F"]
    for row in range(3):
        x = entered(model.text, views.text, row)
        y = entered(model.image, views.image, row) if views.image.present[row] else x[:, :0]
        for read, see in zip(model.text_layers, model.image_layers, strict=True):
            x_mask, y_mask = torch.ones(x.shape[:2]).bool(), torch.ones(y.shape[:2]).bool()
            new_x, new_y = read((x, x_mask), (y, y_mask)) if y.shape[1] else alone(read, x), y
            if y.shape[1]:
                new_y = see((y, y_mask), (x, x_mask))
            x, y = new_x, new_y
        p_x = torch.tanh(model.text_pooler[0](x[0, 0]))
        p_y = torch.tanh(model.image_pooler[0](y[0, 0])) if y.shape[1] else torch.zeros_like(p_x)
        torch.testing.assert_close(vectors[row], model.project(torch.cat([p_x, p_y])))


def alone(layer, x: torch.Tensor) -> torch.Tensor:
    """A layer without its cross-attention."""
    x = layer.norms[1](layer.norms[0](x + layer.own(x, (x, torch.ones(x.shape[:2]).bool()))))
    return layer.norms[2](x + layer.feed(x))


def test_gradients_reach_every_layer_even_beside_absent_images(build, make_views):
    model = build(SETTINGS).train()
    state = model.encode(Side(make_views(4, 1, absent=(2,))), receives=True).state
    state.dense["F"].square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
