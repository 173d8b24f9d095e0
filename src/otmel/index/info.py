"""``index_info``: what an index is, from its records alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otmel.index.layout import INDEX
from otmel.index.manifest import Manifest
from otmel.index.places import Places
from otmel.index.store import open_index
from otmel.remote import Place, local

KINDS: Final = {
    "tokens": (".tokens",),
    "vectors": (".numbers", ".norms"),
    "targets": (".target", ".lanes"),
    "bounds": (".described",),
    "scales": (".scales",),
    "names": ("names.",),
    "ids": ("ids.", "digests"),
}
"""What the bytes of an index are for, told from an array's name."""


@dataclass(frozen=True)
class Info:
    """What an index is.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
        masked: entries that are no entities any more.
        bytes: use → bytes.
        machines: what encoded it.
        leftovers: what is no part of it; the next writer removes it.
    """

    folder: Path
    manifest: Manifest
    masked: int
    bytes: dict[str, int]
    machines: tuple[str, ...]
    leftovers: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        keys = ("graph", "entities", "generation", "time", "widths")
        says = self.manifest.model_dump(mode="json")
        return {
            "folder": str(self.folder),
            **{key: says[key] for key in keys},
            **says["made"],
            "segments": len(self.manifest.segments),
            "entries": self.manifest.entries,
            "masked": self.masked,
            "bytes": {**self.bytes, "total": sum(self.bytes.values())},
            "machines": list(self.machines),
            "leftovers": [str(path) for path in self.leftovers],
        }


def index_info(folder: Place) -> Info:
    """What an index is, from its records alone. Raises ``CheckpointError`` where there is none, or it is damaged."""
    places = Places(local(folder, INDEX))
    opened = open_index(places.root, check="ends")
    sizes: dict[str, int] = defaultdict(int, {"rows": opened.manifest.rows.size})
    for record in opened.records:
        for name, array in record.arrays.items():
            sizes[_use(name)] += array.size
    masked = sum(int((~segment.alive).sum()) for segment in opened.segments)
    machines = sorted({record.machine for record in opened.records})
    leftovers = tuple(places.leftovers(opened.manifest))
    return Info(places.root, opened.manifest, masked, dict(sizes), tuple(machines), leftovers)


def _use(array: str) -> str:
    for use, marks in KINDS.items():
        if any(array.endswith(mark) or array.startswith(mark) for mark in marks):
            return use
    return "offsets"
