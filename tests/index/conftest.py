"""Models over random features, as states: what an index is made of and asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch

from otmel.encoders import Widths
from otmel.models.base import Side, State
from otmel.models.name_rows import NameRows, NameTable
from otmel.models.names import NameVectorizer
from otmel.models.otmel import OTMEL
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.training.settings import preset
from otmel.types import Elements, Views

WIDTHS = Widths(text=10, image=12, text_cls=9, image_cls=11)
WORDS = ("anna", "bell", "carl", "dunn", "émile", "hahn", "ida", "kofi", "mona", "paul", "rosa", "stein")


@dataclass(frozen=True)
class Case:
    """A model, and the states of some mentions and entities."""

    model: OTMEL
    mentions: State
    entities: State


def views(items: int, seed: int, image_share: float = 0.7) -> Views:
    """Ragged texts of 1 … 7 tokens and images of 5, some missing."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    text_mask = torch.arange(7) < torch.randint(1, 8, (items, 1), generator=generator)
    image_mask = (torch.rand(items, 1, generator=generator) < image_share).expand(-1, 5).clone()
    text = Elements(normal(items, 7, WIDTHS.text), text_mask, normal(items, WIDTHS.text_cls))
    return Views(text, Elements(normal(items, 5, WIDTHS.image), image_mask, normal(items, WIDTHS.image_cls)))


def names(items: int, seed: int, most: int = 3) -> NameRows:
    """One to ``most`` names each, many of them shared."""
    generator = torch.Generator().manual_seed(seed)

    def name() -> str:
        return " ".join(WORDS[int(i)] for i in torch.randint(len(WORDS), (2,), generator=generator))

    listed = [[name() for _ in range(1 + row % most)] for row in range(items)]
    vectorizer = NameVectorizer.fit(" ".join(pair) for pair in pairwise(WORDS))
    return NameRows(torch.arange(items), NameTable.of(vectorizer, listed))


def case_of(settings: ModelSettings, mentions: int = 9, entities: int = 70, seed: int = 0) -> Case:
    """Random states under a model with random weights; entities 1 and 2 equal entity 0."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = new_model(settings, widths=WIDTHS).eval()
    entity_views, name_rows = views(entities, seed + 1), names(entities, seed + 2)
    twins = torch.arange(entities)
    twins[1:3] = 0
    with torch.no_grad():
        entity = model.encode_entities(Side(entity_views, name_rows))[twins]
        mention = model.encode_mentions(Side(views(mentions, seed + 3), names(mentions, seed + 4, most=1)))
    return Case(model, mention, entity)


def settings_of(name: str = "default", variant: str = "ot", **changes: object) -> ModelSettings:
    """A preset's model, 8 channels wide."""
    return ModelSettings.model_validate({**preset(name, variant).model.model_dump(), "hidden": 8, **changes})


@pytest.fixture
def make_case() -> Callable[..., Case]:
    return lambda name="default", variant="ot", size=(9, 70), **changes: case_of(
        settings_of(name, variant, **changes), *size
    )


@pytest.fixture(scope="module")
def shard_case() -> Case:
    return case_of(settings_of())
