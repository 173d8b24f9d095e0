"""Random features, ragged and with missing images, and linkers over them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from otmel.data.token_track import TokenTrack, TokenTrackSettings, token_track
from otmel.encoders import Widths
from otmel.models.base import Side
from otmel.models.otmel import OTMEL
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.training.settings import PRESETS
from otmel.types import Elements, Views

WIDTHS = Widths(text=10, image=12, text_cls=9, image_cls=11)


def random_views(items: int, seed: int = 0, dtype: torch.dtype = torch.float64, absent: tuple[int, ...] = ()) -> Views:
    """Texts of 1 … 5 tokens in 6 columns, images of 3 … 4 in 4; the images of the rows ``absent`` are missing."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    text_mask = torch.arange(6) < torch.tensor([1 + (row + seed) % 5 for row in range(items)]).unsqueeze(1)
    image_mask = torch.arange(4) < torch.tensor([3 + row % 2 for row in range(items)]).unsqueeze(1)
    image_mask[list(absent)] = False
    text = Elements(normal(items, 6, WIDTHS.text), text_mask, normal(items, WIDTHS.text_cls))
    return Views(text, Elements(normal(items, 4, WIDTHS.image), image_mask, normal(items, WIDTHS.image_cls)))


def linker(settings: ModelSettings, dtype: torch.dtype = torch.float64, seed: int = 0) -> OTMEL:
    """A linker over such features, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return new_model(settings, widths=WIDTHS).to(dtype).eval()


def preset_settings(name: str, **changes: object) -> ModelSettings:
    return ModelSettings.model_validate({**PRESETS[name].model.model_dump(), "hidden": 8, **changes})


@pytest.fixture
def make_views() -> Callable[..., Views]:
    return random_views


@pytest.fixture
def make_side() -> Callable[..., Side]:
    return lambda *args, **kwargs: Side(random_views(*args, **kwargs))


@pytest.fixture
def make_linker() -> Callable[..., OTMEL]:
    return linker


@pytest.fixture
def make_settings() -> Callable[..., ModelSettings]:
    return preset_settings


@pytest.fixture(scope="session")
def track() -> TokenTrack:
    """A small token track, some mentions and entities without image."""
    return token_track(
        TokenTrackSettings(entities=24, train=32, dev=8, test=8, dimensions=16, mention_without_image=0.15)
    )


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
