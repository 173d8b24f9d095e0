"""What of a graph in a store is needed, and what makes a commit of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otmel.checksums import FileSum
from otmel.data.store.folder import TABLE, Folder
from otmel.data.store.manifest import files_of, manifest_name
from otmel.data.store.opening import chosen
from otmel.data.store.snapshots import Ledger
from otmel.remote.layouts import TREE, Needs, Read
from otmel.remote.store import Listing

FORMAT_FILE: Final = "format.json"
TABLE_FOLDER: Final = f"{TABLE}.lance/"
RECORDS: Final = "snapshots/"


@dataclass(frozen=True)
class GraphLayout:
    """A stored graph: its records, and the files of one snapshot. A record makes a commit.

    Attributes:
        snapshot: id or number of the snapshot; the newest if not given.
        whole: the files of all snapshots.
        tables: what is no stored graph is read as a folder of files: a data set, or tables of entities.
    """

    snapshot: str | int | None = None
    whole: bool = False
    tables: bool = False

    def committed(self, listed: Listing) -> bool:
        """Whether there is a snapshot; or tables."""
        return (FORMAT_FILE in listed and bool(_records(listed))) or (self._are_tables(listed) and bool(listed))

    def owns(self, name: str) -> bool:
        """Whether a file can be part of a graph."""
        return name in (FORMAT_FILE, "lock", "rejects.jsonl") or name.startswith((TABLE_FOLDER, RECORDS, "import/"))

    def stamp(self, listed: Listing, read: Read) -> str:
        """A hash of the newest record and of the names of all others."""
        if self._are_tables(listed):
            return TREE.stamp(listed, read)
        records = _records(listed)
        digest = hashlib.sha256(repr((self.snapshot, self.whole)).encode())
        digest.update(read(FORMAT_FILE) + read(records[-1]))
        digest.update(repr([(name, listed[name].size) for name in records]).encode())
        return digest.hexdigest()[:16]

    def rounds(self, listed: Listing, folder: Path) -> Iterator[Needs]:
        """The records, then the table's manifest, then its files. Raises ``DataError``."""
        if self._are_tables(listed):
            yield from TREE.rounds(listed, folder)
            return
        records = _records(listed)
        yield dict.fromkeys([FORMAT_FILE, *records])
        place = Folder(folder)
        place.images()
        ledger = Ledger.read(place.snapshots)
        wanted = list(ledger.records.values()) if self.whole else [chosen(place, ledger, self.snapshot)]
        manifests = [manifest_name(one.lance_version) for one in wanted]
        sums = ledger.sums
        yield _stated(sums, manifests)
        yield _stated(sums, [name for one in wanted for name in files_of(place.table, one.lance_version)])

    def content(self, here: Listing, folder: Path) -> set[str]:
        """The records, and of the files that they name those that are here."""
        sums = Ledger.read(Folder(folder).snapshots).sums
        return {FORMAT_FILE, *_records(here), *(name for name in here if _in_table(name) in sums)}

    def heads(self, changed: Collection[str], known: Collection[str]) -> list[str]:
        """The records that were not there before, oldest first."""
        return sorted(name for name in changed if name.startswith(RECORDS) and name not in known)

    def garbage(self, names: Iterable[str], folder: Path) -> list[str]:
        """What no record names."""
        place = Folder(folder)
        sums = Ledger.read(place.snapshots).sums
        return [name for name in names if self._left(name, place, set(sums))]

    def _are_tables(self, listed: Listing) -> bool:
        return self.tables and not any(name == FORMAT_FILE or name.startswith(TABLE_FOLDER) for name in listed)

    def _left(self, name: str, place: Folder, sums: set[str]) -> bool:
        if name.startswith(RECORDS):
            return not (place.root / name).exists()
        return name.startswith("import/") or (name.startswith(TABLE_FOLDER) and _in_table(name) not in sums)


GRAPH: Final = GraphLayout()
ENTITIES: Final = GraphLayout(tables=True)
"""A stored graph, or any other folder of entities."""


def _records(listed: Iterable[str]) -> list[str]:
    """The names of the snapshots' records, oldest first."""
    names = (name for name in listed if name.startswith(RECORDS) and name.endswith(".json"))
    return sorted(name for name in names if name.removeprefix(RECORDS).removesuffix(".json").isdigit())


def _in_table(name: str) -> str:
    return name.removeprefix(TABLE_FOLDER) if name.startswith(TABLE_FOLDER) else ""


def _stated(sums: Mapping[str, FileSum], names: Iterable[str]) -> Needs:
    return {f"{TABLE_FOLDER}{name}": sums.get(name) for name in names}
