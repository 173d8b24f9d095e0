"""The registry: every system that can be trained, by name, in the order of the paper's tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeAlias, Union

from pydantic import Field
from transformers import CLIPConfig

from otmel.encoders import TwoTowerEncoder, Widths
from otmel.errors import CheckpointError, ConfigurationError, nearest
from otmel.models.baselines import (
    albef,
    bert,
    blink,
    clip,
    drin,
    dzmned,
    gemel,
    ghmfc,
    jmel,
    meter,
    mimic,
    roberta,
    velml,
    vilt,
)
from otmel.models.config import LinkerConfig, config_of
from otmel.models.model import LinkerModel
from otmel.models.otmel import OTMEL
from otmel.models.plugged import with_plugged
from otmel.models.settings import ModelSettings
from otmel.models.systems import System

OURS = System(
    name="ot-mel",
    title="OT-MEL",
    year=2024,
    citation="Zhang, Sheng, Zhang, Liang, Zhang, Wang, Liu. Optimal Transport Guided Correlation Assignment for "
    "Multimodal Entity Linking. Findings of ACL 2024.",
    settings=ModelSettings,
    model=OTMEL,
    reads=("text", "image"),
    encoder="openai/clip-vit-base-patch32",
    published=CLIPConfig,
    group="ours",
)

OWN = (
    blink.SYSTEM,
    bert.SYSTEM,
    roberta.SYSTEM,
    clip.SYSTEM,
    vilt.SYSTEM,
    albef.SYSTEM,
    meter.SYSTEM,
    dzmned.SYSTEM,
    jmel.SYSTEM,
    velml.SYSTEM,
    ghmfc.SYSTEM,
    mimic.SYSTEM,
    gemel.SYSTEM,
    drin.SYSTEM,
    OURS,
)
"""The systems that come with otmel."""

SYSTEMS: Mapping[str, System] = MappingProxyType(with_plugged(OWN))
"""These, and those of other packages."""

if TYPE_CHECKING:  # type checkers need to know no more than that there are others beside ours
    AnySettings: TypeAlias = ModelSettings | bert.BertSettings
else:
    AnySettings = Annotated[Union[tuple(one.settings for one in SYSTEMS.values())], Field(discriminator="kind")]  # noqa: UP007
"""The settings of any system; ``kind`` says which."""


def system(name: str) -> System:
    """The system of that name. Raises ``ConfigurationError``."""
    if name not in SYSTEMS:
        raise ConfigurationError(f"there is no system {name!r}", cure=nearest(name, SYSTEMS))
    return SYSTEMS[name]


def new_model(
    settings: AnySettings, *, encoder: TwoTowerEncoder | None = None, widths: Widths | None = None
) -> LinkerModel:
    """A system with fresh layers over a pretrained encoder, or over features of the given widths."""
    return system(settings.kind).model(config_of(settings, encoder, widths), encoder)


def model_class(config: LinkerConfig) -> type[LinkerModel]:
    """The class of a saved model. Raises ``CheckpointError`` when its system is not known here."""
    kind = config.settings.get("kind", OURS.name)
    if kind not in SYSTEMS:
        problem, cure = f"the run is of a system that is not known here: {kind!r}", nearest(str(kind), SYSTEMS)
        raise CheckpointError(problem, cure=cure)
    return SYSTEMS[kind].model
