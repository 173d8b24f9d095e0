"""What of an index in a store is needed, and what makes a commit of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otmel.checksums import FileSum
from otmel.index.manifest import MANIFEST, RECORD, Manifest, SegmentRecord, read_record
from otmel.index.npy import file_sum
from otmel.remote.layouts import Needs, Read
from otmel.remote.store import Listing


@dataclass(frozen=True)
class IndexLayout:
    """An index: its manifest, and what that names. The manifest makes the commit."""

    def committed(self, listed: Listing) -> bool:
        """Whether there is a manifest."""
        return MANIFEST in listed

    def owns(self, name: str) -> bool:
        """Whether a file can be part of an index."""
        return name in (MANIFEST, "lock") or name.startswith(("segments/", "rows-"))

    def stamp(self, listed: Listing, read: Read) -> str:
        """A hash of the manifest."""
        return hashlib.sha256(read(MANIFEST)).hexdigest()[:16]

    def rounds(self, listed: Listing, folder: Path) -> Iterator[Needs]:
        """The manifest, then rows and the segments' records, then the segments. Raises ``CheckpointError``."""
        yield {MANIFEST: None}
        manifest = read_record(folder / MANIFEST, Manifest)
        records = {
            f"segments/{one.name}/{RECORD}": file_sum({"size": one.size, "chunks": one.chunks}, one.name)
            for one in manifest.segments
        }
        yield {**records, manifest.rows_name: manifest.rows.sum(manifest.rows_name)}
        arrays: dict[str, FileSum | None] = {}
        for one in manifest.segments:
            record = read_record(folder / "segments" / one.name / RECORD, SegmentRecord)
            arrays |= {
                f"segments/{one.name}/{key}.npy": array.sum(f"{one.name}/{key}") for key, array in record.arrays.items()
            }
        yield arrays

    def content(self, here: Listing, folder: Path) -> set[str]:
        """What the manifest names, and itself."""
        return {name for needs in self.rounds(here, folder) for name in needs}

    def heads(self, changed: Collection[str], known: Collection[str]) -> list[str]:
        """The manifest."""
        return [MANIFEST] if MANIFEST in changed else []

    def garbage(self, names: Iterable[str], folder: Path) -> list[str]:
        """What the manifest does not name."""
        content = self.content({}, folder)
        return [name for name in names if self.owns(name) and name not in content]


INDEX: Final = IndexLayout()
