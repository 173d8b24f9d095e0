"""``Detector``: what finds the mentions of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from otmel.data.documents import Span


class Detector(Protocol):
    """Finds mentions. The same text gives the same spans, or an interrupted run could not go on.

    Attributes:
        name: what it is called on the command line.
    """

    name: str

    def detect(self, text: str) -> list[Span]:
        """The mentions of a text: within it, not empty, in the order of the text and without overlap."""
        ...


def without_overlap(spans: Iterable[Span]) -> Iterator[Span]:
    """Of overlapping spans the one that begins first, of those that begin together the longest."""
    end = 0
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if span.start >= end:
            end = span.end
            yield span
