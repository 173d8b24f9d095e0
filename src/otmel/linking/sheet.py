"""A figure laid out in inches, so that it can be known beforehand that no label meets another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otmel.linking.panels import INK, SMALL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, MARGIN, GAP = 10.2, 0.35, 0.12
"""Of the figure, around it, and between its panels."""
BAR_ROOM = 0.5
"""Right of a panel, for its colour bar."""


@dataclass(frozen=True)
class Sheet:
    """A figure whose places are given in inches, from the left and from ``top`` down."""

    figure: Figure
    height: float
    top: float

    def axes(self, left: float, down: float, width: float, height: float) -> Any:
        """Axes at a place."""
        bottom = self.height - self.top - down - height
        return self.figure.add_axes(
            (left / WIDTH, bottom / self.height, width / WIDTH, height / self.height)  # pyright: ignore[reportArgumentType]
        )

    def text(self, left: float, down: float, text: str, **style: Any) -> None:
        """A text whose upper left corner is at a place."""
        place = left / WIDTH, 1 - (self.top + down) / self.height
        self.figure.text(*place, text, **{"va": "top", "ha": "left", "color": INK, "fontsize": SMALL, **style})


@dataclass(frozen=True)
class Row:
    """A strip of the figure: its height in inches and what draws it."""

    height: float
    draw: Callable[[Sheet], None]
