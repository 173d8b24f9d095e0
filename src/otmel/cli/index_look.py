"""``otmel index info`` and ``verify``: verbs that leave an index as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otmel.cli.console import Json, emit
from otmel.cli.places import Where

if TYPE_CHECKING:
    from otmel.index.info import Info
    from otmel.index.verify import Verified


@dataclass(frozen=True)
class Described:
    """What ``otmel index info`` prints."""

    info: Info

    def as_json(self) -> dict[str, Any]:
        """Everything."""
        return self.info.as_json()

    def as_text(self) -> str:
        """What it is, of what it was made, and what takes how much."""
        info, manifest = self.info, self.info.manifest
        share = self.info.masked / max(manifest.entries, 1)
        lines = [
            f"{info.folder}: {manifest.entities:,} entities in {len(manifest.segments):,} segments",
            f"  model {manifest.made.model}, inputs {manifest.made.inputs}, graph {manifest.graph}",
            f"  {manifest.made.precision}, generation {manifest.generation} of {manifest.time}",
            f"  masked: {info.masked:,} of {manifest.entries:,} entries ({100 * share:.1f} %)",
        ]
        parts = [*self.info.bytes.items(), ("total", sum(self.info.bytes.values()))]
        lines += [f"  {use:<8} {size:>16,} bytes" for use, size in parts]
        lines += [f"  encoded by {machine}" for machine in info.machines]
        lines += [f"  left over, removed by the next build or update: {path}" for path in info.leftovers]
        return "\n".join(lines)


@dataclass(frozen=True)
class Checked:
    """What ``otmel index verify`` prints."""

    verified: Verified

    def as_json(self) -> dict[str, Any]:
        """Every fault with file and offset."""
        found = self.verified
        return {
            "folder": str(found.folder),
            "sound": found.sound,
            "files": found.files,
            "bytes": found.size,
            "faults": [{"file": one.file, "offset": one.offset, "problem": one.problem} for one in found.faults],
            "leftovers": [str(path) for path in found.leftovers],
        }

    def as_text(self) -> str:
        """A line for every fault."""
        found = self.verified
        lines = [
            f"{found.folder}: {found.files:,} files, {found.size:,} bytes: {'sound' if found.sound else 'DAMAGED'}"
        ]
        lines += [f"  {fault}" for fault in found.faults]
        lines += [f"  left over, removed by the next build or update: {path}" for path in found.leftovers]
        if not found.sound:
            lines.append("next: otmel index build RUN --graph GRAPH encodes anew what is damaged, and nothing else")
        return "\n".join(lines)


def index_info(index: Where, *, json: Json = False) -> None:
    """Say what an index holds.

    Args:
        index: the index's folder, or its address (s3://…).
        json: print JSON.
    """
    from otmel.index.info import index_info

    emit(Described(index_info(index)), json)


def index_verify(index: Where, *, json: Json = False) -> int:
    """Find damage.

    Args:
        index: the index's folder.
        json: print JSON.

    Returns:
        0 when the index is sound, 1 when it is damaged.
    """
    from otmel.index.verify import verify_index

    found = verify_index(index)
    emit(Checked(found), json)
    return 0 if found.sound else 1
