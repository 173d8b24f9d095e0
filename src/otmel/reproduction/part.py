"""What an analysis gives: tables, plain values, pictures and remarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otmel.evaluation.grid import Grid

Draw = Callable[[Path], None]
"""Draws a picture to a path whose suffix says the format."""


@dataclass(frozen=True)
class Part:
    """A part of a report.

    Attributes:
        grids: tables, in the order of reading.
        values: the same as plain values, unrounded.
        pictures: name → what draws it.
        notes: remarks that follow from the figures.
    """

    grids: tuple[Grid, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Draw] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
