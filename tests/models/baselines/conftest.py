"""Laws that every system with one vector per side obeys, and models over random features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from otmel.encoders import Widths
from otmel.models.base import Side
from otmel.models.model import LinkerModel
from otmel.models.registry import AnySettings, new_model
from otmel.types import Elements, Views

WIDTHS = Widths(text=10, image=12, text_cls=9, image_cls=11)  # those of ``make_views``


def over_features(settings: AnySettings) -> LinkerModel:
    """A system with random weights over such features, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_model(settings, widths=WIDTHS).double().eval()


def soiled(elements: Elements) -> Elements:
    """The same elements with other content where the mask is ``False``."""
    cls = torch.where(elements.present[:, None], elements.cls, elements.cls + 5)
    return replace(elements, tokens=elements.tokens.masked_fill(~elements.mask[..., None], 3.0), cls=cls)


def soiled_ids(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The same ids as far as the mask goes, others where it is ``False``."""
    wide = torch.nn.functional.pad(ids, (0, mask.shape[1] - ids.shape[1]))
    return wide.masked_fill(~mask, 1)


def longer(elements: Elements) -> Elements:
    """The same elements with two columns more of padding."""
    tokens, mask = (
        torch.nn.functional.pad(x, pad) for x, pad in ((elements.tokens, (0, 0, 0, 2)), (elements.mask, (0, 2)))
    )
    return replace(elements, tokens=tokens, mask=mask)


@torch.no_grad()
def one_vector_laws(model: LinkerModel, make_views: Callable[..., Views]) -> None:
    """Padding, neighbours and absent images have no say; all is finite; a score is an inner product."""
    views = make_views(5, 1, absent=(2, 4))
    vectors = model.encode_mentions(Side(views)).dense["F"]
    assert vectors.isfinite().all()
    assert torch.equal(vectors, model.encode_entities(Side(views)).dense["F"])
    for change in (soiled, longer):
        text = change(views.text)
        other = Views(text, change(views.image), None if views.ids is None else soiled_ids(views.ids, text.mask))
        torch.testing.assert_close(model.encode_mentions(Side(other)).dense["F"], vectors)
    for row in range(5):
        alone = model.encode_mentions(Side(views[row : row + 1])).dense["F"][0]
        torch.testing.assert_close(alone, vectors[row])
    seen = replace(views, image=replace(views.image, tokens=views.image.tokens.flip(-1), cls=views.image.cls.flip(-1)))
    moved = (model.encode_mentions(Side(seen)).dense["F"] - vectors).abs().amax(1) > 1e-6
    assert moved.tolist() == [True, True, False, True, False]
    entities = model.encode_entities(Side(make_views(7, 2, absent=(0,))))
    scores = model.score(model.encode_mentions(Side(views)), entities).total
    torch.testing.assert_close(scores, vectors @ entities.dense["F"].T)


@pytest.fixture
def build() -> Callable[[AnySettings], LinkerModel]:
    return over_features


@pytest.fixture
def obeys_the_laws(make_views: Callable[..., Views]) -> Callable[[LinkerModel], None]:
    return lambda model: one_vector_laws(model, make_views)
