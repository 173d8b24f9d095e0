"""Mentions in parts: fixed ranges of the rows of each file, told by what they hold and not by the order of work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

from otmel.data.lance_rows import LANCE, opened
from otmel.data.line_rows import bounded_lines, read_lines
from otmel.data.tables import ENDINGS, RawRow, ending, read_table
from otmel.errors import DataError
from otmel.linking.linker import BATCH

PART_ROWS: Final = 128 * BATCH
"""Rows of a part. A multiple of what a linker links at once, so that a part's batches are those of the whole file."""
CHUNK: Final = 1 << 20
LINES: Final = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Part:
    """Some rows of one file.

    Attributes:
        file: its name, relative to the input folder.
        digest: what tells its content.
        first: its rows before them.
        last: its rows up to their end.
        offset: bytes before them, of a file of lines; else 0.
        lines: lines before them, of a file of lines.
    """

    file: str
    digest: str
    first: int
    last: int
    offset: int = 0
    lines: int = 0

    @property
    def made_of(self) -> dict[str, Any]:
        """What tells it from every other part, as plain values."""
        return {key: value for key, value in asdict(self).items() if key not in ("offset", "lines")}

    def __len__(self) -> int:
        return self.last - self.first

    def rows(self, path: Path) -> Iterator[RawRow]:
        """The rows. Raises ``DataError`` where the file cannot be read, or has fewer."""
        found = 0
        for row in islice(self._from_first(path), len(self)):
            found += 1
            yield row
        if found < len(self):
            problem = f"rows {self.first + 1:,} to {self.last:,} were to be read, the file has {self.first + found:,}"
            raise DataError(problem, where=str(path), cure="leave the input as it is while it is linked")

    def _from_first(self, path: Path) -> Iterator[RawRow]:
        if not self.offset:
            yield from read_table(path, self.first)
            return
        with path.open("rb") as stream:
            stream.seek(self.offset)
            yield from read_lines(stream, path.name, before=self.lines)


def files_of(place: Path) -> dict[str, Path]:
    """The tables of a folder and below it, or a single one: name → path. Raises ``DataError`` where there are none."""
    if place.is_file() or ending(place) == LANCE:
        return {place.name: place}
    if not place.exists():
        raise DataError("there is no such file or folder", where=str(place))
    found = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if _is_table(place, path)}
    if not found:
        cure = f"it must hold files that end in {', '.join(ENDINGS)}, or tables of Lance"
        raise DataError("there are no mentions in the folder", where=str(place), cure=cure)
    return dict(sorted(found.items()))


def path_of(place: Path, name: str) -> Path:
    """The path of one of ``files_of``."""
    return place / name if place.is_dir() and ending(place) != LANCE else place


def parts_of(name: str, path: Path, rows: int = PART_ROWS) -> list[Part]:
    """The parts of one file, which is read once or twice for it. Raises ``DataError``."""
    digest, starts = digest_of(path), _starts(path, rows)
    return [Part(name, digest, one.row, after.row, one.offset, one.lines) for one, after in pairwise(starts)]


def digest_of(path: Path) -> str:
    """What tells a file's content; of a table of Lance, whose files never change, their names and sizes."""
    import xxhash

    hashed = xxhash.xxh3_128()
    if path.is_dir():
        for one in sorted(path.rglob("*")):
            if one.is_file():
                hashed.update(f"{one.relative_to(path).as_posix()}\0{one.stat().st_size}\n".encode())
        return hashed.hexdigest()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            hashed.update(piece)
    return hashed.hexdigest()


@dataclass(frozen=True)
class _Start:
    """Where a part begins: after so many rows, bytes and lines."""

    row: int
    offset: int = 0
    lines: int = 0


def _starts(path: Path, step: int) -> list[_Start]:
    """Where the parts begin, and where the last one ends."""
    if path.suffix.lower() in LINES and not _packed(path):
        return _starts_of_lines(path, step)
    count = _count(path)
    return [*(_Start(row) for row in range(0, count, step)), _Start(count)]


def _starts_of_lines(path: Path, step: int) -> list[_Start]:
    starts, row, number = [], 0, 0
    with path.open("rb") as stream:
        before = 0
        for number, line in enumerate(bounded_lines(stream), 1):
            if line is None or line.strip():
                if row % step == 0:
                    starts.append(_Start(row, before, number - 1))
                row += 1
            before = stream.tell() if row % step == 0 else before
    return [*starts, _Start(row, 0, number)]


def _count(path: Path) -> int:
    if ending(path) == LANCE:
        return opened(path).count_rows()
    if ending(path) == ".parquet":
        from pyarrow.parquet import read_metadata

        try:
            return read_metadata(path).num_rows
        except (OSError, ValueError):
            pass  # the reader says why
    return sum(1 for _ in read_table(path))


def _packed(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes: its name may not say so."""
    with path.open("rb") as file:
        head = file.read(4)
    return head.startswith((b"\x1f\x8b", b"BZh"))


def _is_table(root: Path, path: Path) -> bool:
    inside = path.relative_to(root)
    if any(part.startswith(".") or part.endswith(LANCE) for part in inside.parts[:-1]) or path.name.startswith("."):
        return False
    return path.name.endswith(LANCE) if path.is_dir() else path.name.lower().endswith(ENDINGS)
