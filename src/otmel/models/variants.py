"""The rows of Table 2 (= Table 6) as values: each names the parts it puts in place of the full model's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from otmel.errors import ConfigurationError, nearest
from otmel.models.settings import ModelSettings
from otmel.ot import (
    Assignment,
    Attention,
    Distilled,
    Divergence,
    MaxPool,
    MeanPool,
    MeanSquared,
    RowKL,
    SymmetricKL,
    Transport,
)
from otmel.settings import validated

Change = Callable[[ModelSettings], ModelSettings]


def _parts(**parts: object) -> Change:
    return lambda base: base.model_copy(update=parts)


def distilled(divergence: Divergence) -> Change:
    """§3.4 over any preset: each transport becomes the teacher of an attention."""

    def teach(assignment: Assignment | None) -> Assignment | None:
        if not isinstance(assignment, Transport):
            return assignment
        teacher = assignment.model_copy(update={"gradient": "detached"})
        return Distilled(teacher=teacher, divergence=divergence)

    return lambda base: base.model_copy(update={"fusion": teach(base.fusion), "matching": teach(base.matching)})


ATT = _parts(fusion=Attention(), matching=Attention())

VARIANTS: Mapping[str, Change] = MappingProxyType(
    {
        "ot": _parts(),
        "kd": distilled(SymmetricKL()),
        "f1": _parts(fusion=Attention()),
        "f2": _parts(fusion=None),
        "m1": _parts(matching=Attention()),
        "m2": _parts(matching=None),
        "a1": ATT,
        "k3": ATT,  # the paper's rows A1 and K3 are the same numbers
        "o1": _parts(pool=MeanPool()),
        "o2": _parts(pool=MaxPool()),
        "k1": distilled(MeanSquared()),
        "k2": distilled(RowKL()),
    }
)

VARIANT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "ot": "OT-MEL (OT)",
        "kd": "OT-MEL (KD), Eq. 28",
        "f1": "F1: attention in fusion",
        "f2": "F2: without fusion",
        "m1": "M1: attention in matching",
        "m2": "M2: without unimodal matching",
        "a1": "A1: ATT, without OT",
        "k3": "K3: ATT, without distillation",
        "o1": "O1: mean pooling",
        "o2": "O2: max pooling",
        "k1": "K1: distilled by squared error",
        "k2": "K2: distilled by row-wise KL",
    }
)


def variant(name: str, base: ModelSettings) -> ModelSettings:
    """A preset's model with the parts of one row of Table 2.

    Raises:
        ConfigurationError: there is no such row.
    """
    if name not in VARIANTS:
        raise ConfigurationError(f"there is no variant {name!r}", cure=nearest(name, VARIANTS))
    return validated(ModelSettings, VARIANTS[name](base).model_dump(), where=f"variant {name}")
