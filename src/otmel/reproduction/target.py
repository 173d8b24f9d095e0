"""``Target`` and ``Row``: a table or figure of the paper, and one line of it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otmel.reproduction.paper import MEASURES, Printed

Analysis = Literal[
    "systems", "variants", "objects", "timing", "counts", "generative", "entropy", "matrices", "length", "shares"
]
OT, KD, ATT = "OT-MEL (OT)", "OT-MEL (KD)", "ATT"


@dataclass(frozen=True)
class Row:
    """One line: what is trained.

    Attributes:
        key: its folder; rows of one key are one run in all targets, and have the same settings.
        label: in tables, as the paper calls it where it does.
        system: name in the registry.
        variant: row of Table 2, for OT-MEL.
        set: settings on top of the scale's, as ``--set`` takes them.
        base: label of the row that it is a change of, where the target has several such.
        described: whether entities must have a description.
    """

    key: str
    label: str
    system: str = "ot-mel"
    variant: str = "ot"
    set: tuple[str, ...] = ()
    base: str = OT
    described: bool = False


@dataclass(frozen=True)
class Target:
    """One table or figure.

    Attributes:
        name: what to type.
        title: what it shows.
        place: where the paper has it; empty where it does not.
        analysis: how its runs become tables and pictures.
        rows: what is trained; none where the data are looked at and no more.
        measures: of the tables.
        printed: the paper's own figures.
        deviations: in what it differs from the paper at every scale.
    """

    name: str
    title: str
    place: str
    analysis: Analysis
    rows: tuple[Row, ...] = ()
    measures: tuple[str, ...] = MEASURES
    printed: tuple[Printed, ...] = ()
    deviations: tuple[str, ...] = ()
