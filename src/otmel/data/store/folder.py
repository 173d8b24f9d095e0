"""The folder of a graph: what lies where, and the file that names its format.

my.kg/format.json               name and version of the format; whether images are stored or referred to
entities.lance/           the table (see ``schema``)
snapshots/000007.json     one record per commit, written last
lock                      taken by a writer
import/                   how far an unfinished import came
rejects.jsonl             the rows that the last import could not use
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from otmel.errors import DataError, StorageError
from otmel.storage import atomic_write_json

FORMAT: Final = "otmel-graph"
VERSION: Final = 1
TABLE: Final = "entities"
MAX_HEADER: Final = 64_000
"""Bytes above which ``format.json`` is none."""

Images: TypeAlias = Literal["store", "path"]
"""Whether a graph holds its images' bytes, or their paths."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The places in a graph's folder ``root``."""

    root: Path

    @property
    def format(self) -> Path:
        """Name and version of the format."""
        return self.root / "format.json"

    @property
    def table(self) -> Path:
        """The Lance table."""
        return self.root / f"{TABLE}.lance"

    @property
    def snapshots(self) -> Path:
        """The records of the commits."""
        return self.root / "snapshots"

    @property
    def lock(self) -> Path:
        """What a writer takes."""
        return self.root / "lock"

    @property
    def importing(self) -> Path:
        """How far an unfinished import came."""
        return self.root / "import"

    @property
    def rejects(self) -> Path:
        """The rows that the last import could not use."""
        return self.root / "rejects.jsonl"

    def create(self, images: Images) -> None:
        """Make the folder, without a snapshot. Raises ``StorageError`` where something else stands."""
        if self.root.exists() and (not self.root.is_dir() or not self._is_empty()):
            problem = "something else stands here" if not self.format.exists() else "a graph stands here already"
            raise StorageError(problem, where=str(self.root), cure="choose another path")
        atomic_write_json(self.format, {"format": FORMAT, "version": VERSION, "images": images})

    def _is_empty(self) -> bool:
        """Whether nothing is here, or only what one that died while it began to make a graph left."""
        names = [path.name for path in self.root.iterdir()]
        return all(name == self.lock.name or (name.startswith(".") and ".tmp" in name) for name in names)

    def images(self) -> Images:
        """How the graph keeps its images.

        Raises:
            DataError: this is no graph, its format file is damaged, or it is of another version; both are named.
        """
        header = self._header()
        if header.get("format") != FORMAT:
            problem = f"this is a folder of {header.get('format')!r}, not of {FORMAT!r}"
            raise DataError(problem, where=str(self.format))
        if header.get("version") != VERSION:
            problem = f"the graph has version {header.get('version')!r} of the format, this otmel reads {VERSION}"
            raise DataError(problem, where=str(self.format), cure="use the otmel that wrote it, or build it again")
        if header.get("images") not in ("store", "path"):
            problem = f"images is {header.get('images')!r}, neither 'store' nor 'path'"
            raise DataError(problem, where=str(self.format), cure=f"restore the file: {self._sound}")
        return header["images"]

    def sweep_temporaries(self) -> None:
        """Remove what a killed writer left half written. For the holder of the lock."""
        for place in (self.root, self.snapshots):
            for path in place.glob(".*.tmp*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _header(self) -> dict[str, Any]:
        if not self.format.is_file():
            cure = "make one: otmel graph build SOURCE --out GRAPH"
            raise DataError("this is no graph folder: it has no format.json", where=str(self.root), cure=cure)
        with self.format.open("rb") as file:
            text = file.read(MAX_HEADER + 1)
        try:
            header = json.loads(text) if len(text) <= MAX_HEADER else None
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            raise DataError("the file is damaged", where=str(self.format), cure=f"restore it: {self._sound}")
        return header

    @property
    def _sound(self) -> str:
        return json.dumps({"format": FORMAT, "version": VERSION, "images": "store"})


def is_store(path: str | Path) -> bool:
    """Whether ``path`` is the folder of a stored graph."""
    return (Path(path) / "format.json").is_file()
