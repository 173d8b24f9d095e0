"""How far an import came: enough to go on with it after a crash, and to know when that would be wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray
from pydantic import ValidationError

from otmel.checksums import CHUNK, FileSum
from otmel.data.store.report import Tally
from otmel.data.store.seen import Seen
from otmel.errors import DataError
from otmel.settings import Settings
from otmel.storage import atomic_path, atomic_write_json, json_text

STATE: Final = "state.json"
IDS: Final = "ids.bin"
REJECTS: Final = "rejects.jsonl"


class State(Settings):
    """What stands in ``import/state.json``.

    Attributes:
        identity: the source, and how it is read (see ``identity_of``).
        number: the snapshot that the import will make.
        lance_version: the table's version that holds the rows read so far.
        files: checksums of the files that hold them.
        counts: the ``Tally`` so far; its ``read`` rows are passed over.
        checksum: what the rows add to the content's checksum, in hexadecimal digits.
        keys: likewise for the keys.
        ids_bytes: how much of ``ids.bin`` counts; ``rejects_bytes``, of ``rejects.jsonl``.
        findings: kind → count and examples.
    """

    identity: dict[str, Any]
    number: int
    lance_version: int
    files: dict[str, dict[str, Any]]
    counts: dict[str, int]
    checksum: str
    keys: str
    ids_bytes: int
    rejects_bytes: int
    findings: dict[str, dict[str, Any]]

    @property
    def tally(self) -> Tally:
        """``counts`` as a tally."""
        return Tally(**self.counts)

    @property
    def sums(self) -> dict[str, FileSum]:
        """``files`` as checksums."""
        return {name: FileSum.from_json(value, name) for name, value in self.files.items()}


def identity_of(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a source from another: path, size, time, its beginning, and the settings it is read with."""
    status = path.stat()
    with path.open("rb") as file:
        beginning = xxhash.xxh3_128_hexdigest(file.read(CHUNK))
    settings = json.loads(json_text(settings))
    return {
        "path": str(path.absolute()),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "beginning": beginning,
        **settings,
    }


class Progress:
    """The files of an import in the folder ``import/``: appended to batch by batch, cut back when it goes on.

    Args:
        folder: made when absent; whatever a ``state`` does not vouch for is cut off.
    """

    def __init__(self, folder: Path, state: State | None) -> None:
        self.folder, self.seen = folder, Seen()
        if state is None:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        if state is not None:
            self.seen = Seen.read(folder / IDS, state.ids_bytes)
        self._ids = _cut(folder / IDS, state.ids_bytes if state else 0)
        self._rejects = _cut(folder / REJECTS, state.rejects_bytes if state else 0)

    def met(self, records: NDArray[np.void]) -> None:
        """Keep ids that were accepted."""
        self._ids.write(records.tobytes())

    def reject(self, row: Mapping[str, Any]) -> None:
        """Keep a row that was rejected."""
        self._rejects.write((json_text(row, indent=None) + "\n").encode())

    def sizes(self) -> tuple[int, int]:
        """Bytes of ids and of rejects, once they are with the system."""
        for file in (self._ids, self._rejects):
            file.flush()
        return self._ids.tell(), self._rejects.tell()

    def save(self, state: State) -> None:
        """From here on the import can go on. Raises ``StorageError``."""
        atomic_write_json(self.folder / STATE, state.model_dump(mode="json"))

    def publish(self, place: Path) -> str | None:
        """Put the rejected rows at ``place``, instead of those of an earlier import. Returns where they are, if any."""
        if not self.sizes()[1]:
            place.unlink(missing_ok=True)
            return None
        with atomic_path(place) as temporary:
            shutil.copyfile(self.folder / REJECTS, temporary)
        return str(place)

    def first_reject(self) -> str:
        """The first rejected row as JSON; empty when there is none."""
        self.sizes()
        with (self.folder / REJECTS).open(encoding="utf-8") as file:
            return file.readline().strip()

    def close(self) -> None:
        """Close the files; they stay."""
        self._ids.close()
        self._rejects.close()

    @staticmethod
    def discard(folder: Path) -> None:
        """Forget an import."""
        shutil.rmtree(folder, ignore_errors=True)


def read_state(folder: Path) -> State | None:
    """The state of an unfinished import; ``None`` when there is none, or it is damaged and so cannot go on."""
    try:
        return State.model_validate(json.loads((folder / STATE).read_bytes()))
    except (OSError, ValueError, RecursionError, ValidationError, DataError):
        return None


def _cut(path: Path, size: int) -> IO[bytes]:
    file = path.open("ab")
    file.truncate(size)
    file.seek(0, 2)
    return file
