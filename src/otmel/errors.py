"""The errors of otmel. Each names the problem, the place and the cure.

OtmelError
├── DataError            a file or a row that cannot be used
│   └── ImageError       an image that cannot be opened (caught and counted by the readers)
├── ConfigurationError   an unknown key, preset, variant or value
├── CheckpointError      a run or an encoder that is missing, broken or of another configuration
├── TrainingError        training that cannot go on (NaN loss, no negatives)
├── StorageError         the disk refused a write; what stood there before is intact
└── MissingExtra         an optional dependency that is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OtmelError(Exception):
    """Base of every error raised on purpose by otmel.

    Args:
        problem: what is wrong, with the numbers or names concerned.
        where: file, row or key at which it was found.
        cure: what the reader can do about it.
    """

    def __init__(self, problem: str, *, where: str | None = None, cure: str | None = None) -> None:
        self.problem, self.where, self.cure = problem, where, cure
        super().__init__(problem)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cure = f"\n  → {self.cure}" if self.cure else ""
        return f"{place}{self.problem}{cure}"


class DataError(OtmelError):
    """A file or a row that cannot be used."""


class ImageError(DataError):
    """An image that cannot be opened; ``reason`` is the short name under which readers count it."""

    def __init__(self, reason: str, problem: str, *, where: str | None = None) -> None:
        self.reason = reason
        super().__init__(problem, where=where)


class ConfigurationError(OtmelError):
    """An unknown key, preset, variant or value."""


class CheckpointError(OtmelError):
    """A run or an encoder that is missing, broken or made with another configuration."""


class TrainingError(OtmelError):
    """Training that cannot go on."""


class StorageError(OtmelError):
    """The disk refused a write; what stood there before is intact."""


class MissingExtra(OtmelError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}", cure=f"pip install 'otmel[{extra}]'")


def nearest(word: str, valid: Iterable[str]) -> str:
    """A cure for a mistyped name: the nearest valid one, and the whole list when it is short."""
    choices = sorted(valid)
    spelled = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), spelled, n=1, cutoff=0.5)
    hint = f"did you mean {spelled[close[0]]!r}? " if close else ""
    listed = ", ".join(choices) if len(choices) <= 40 else f"{len(choices)} names, of which {', '.join(choices[:20])} …"
    return f"{hint}Valid: {listed}"
