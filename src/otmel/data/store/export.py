"""A graph written to a file that it can be built from again: JSONL, CSV or Parquet, images in a folder beside."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from otmel.data.records import Entity, ImageSource
from otmel.data.store.view import StoredEntities
from otmel.errors import ConfigurationError
from otmel.storage import atomic_folder, atomic_path, json_text

Write: TypeAlias = Callable[[list[dict[str, Any]]], Any]
BATCH: Final = 512
ENDINGS: Final = ((b"\xff\xd8\xff", "jpg"), (b"\x89PNG", "png"), (b"GIF8", "gif"), (b"RIFF", "webp"), (b"BM", "bmp"))
COLUMNS: Final = ("id", "name", "aliases", "description", "attributes", "images")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file; ``folder``, that of the images, if there are any.
        snapshot: the snapshot that was written.
        entities: how many; ``images`` likewise.
        losses: what the format could not hold, counted.
    """

    path: str
    folder: str | None
    snapshot: str
    entities: int
    images: int
    losses: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything."""
        return dict(vars(self))

    def as_text(self) -> str:
        """The same in words."""
        beside = f", {self.images:,} images in {self.folder}" if self.folder else ""
        lines = [f"wrote {self.path}: {self.entities:,} entities of snapshot {self.snapshot}{beside}"]
        return "\n".join([*lines, *(f"  lost: {kind}, {count:,} times" for kind, count in self.losses.items())])


def exported(graph: StoredEntities, path: Path, track: Callable[[int, int], Any]) -> Exported:
    """Write a graph. Of CSV, ``losses`` count what it cannot hold; JSONL keeps everything.

    Raises:
        ConfigurationError: the suffix of ``path`` names none of the formats.
        StorageError: the disk refuses; nothing is left behind.
    """
    opener = _FORMATS.get(path.suffix.lower())
    if opener is None:
        raise ConfigurationError(f"{path.name}: the format is unknown", cure=f"use one of: {', '.join(_FORMATS)}")
    folder, done, losses = path.with_name(f"{path.stem}_images"), 0, Counter()
    with ExitStack() as stack:
        write = stack.enter_context(opener(stack.enter_context(atomic_path(path)), losses))
        pictures = _Pictures(folder, stack, losses)
        for entities, extras in _batches(graph):
            write(
                [
                    _row(entity, extra, pictures, done + place)
                    for place, (entity, extra) in enumerate(zip(entities, extras, strict=True))
                ]
            )
            done += len(entities)
            track(done, len(graph))
    kept = str(folder) if pictures.count else None
    return Exported(str(path), kept, graph.snapshot, done, pictures.count, dict(losses))


def _batches(graph: StoredEntities) -> Iterator[tuple[list[Entity], list[str]]]:
    for start in range(0, len(graph), BATCH):
        rows = range(start, min(start + BATCH, len(graph)))
        extras = [str(one["extra"] or "") for one in graph.columns(rows, ["extra"])]
        yield graph.take(rows), extras


class _Pictures:
    """The folder of images: made with the first of them."""

    def __init__(self, folder: Path, stack: ExitStack, losses: Counter[str]) -> None:
        self.folder, self.stack, self.losses, self.count = folder, stack, losses, 0
        self._open: Path | None = None

    def kept(self, images: Iterable[ImageSource], row: int) -> list[str]:
        """Write the images of a row and return their names, relative to the file of entities."""
        names: list[str] = []
        for place, image in enumerate(images):
            try:
                data = image if isinstance(image, bytes) else Path(str(image)).read_bytes()
            except OSError:
                self.losses["image missing"] += 1
                continue
            name = f"{row:07d}{f'-{place}' if place else ''}.{_ending(data)}"
            if self._open is None:
                self._open = self.stack.enter_context(atomic_folder(self.folder))
            (self._open / name).write_bytes(data)
            names.append(f"{self.folder.name}/{name}")
        self.count += len(names)
        return names


def _row(entity: Entity, extra: str, pictures: _Pictures, row: int) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(entity, name) for name in ("id", "name", "description", "attributes")}
    values["aliases"] = list(entity.aliases)
    values["images"] = pictures.kept(entity.images, row)
    values["extra"] = extra
    return values


@contextmanager
def _jsonl(path: Path, losses: Counter[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                extra = json.loads(row.pop("extra") or "{}")
                file.write(json_text({**row, **extra}, indent=None) + "\n")

        yield write


@contextmanager
def _csv(path: Path, losses: Counter[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS[:-1], "image", "extra"])

        def write(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                losses["alias with a | in it (it is read as two)"] += sum("|" in alias for alias in row["aliases"])
                losses["image after an entity's first"] += max(0, len(row["images"]) - 1)
                aliases, images = "|".join(row["aliases"]), row["images"][:1]
                texts = (row["id"], row["name"], aliases, row["description"], row["attributes"])
                writer.writerow([*texts, *(images or [""]), row["extra"]])
            for kind in [kind for kind, count in losses.items() if not count]:
                del losses[kind]

        yield write


@contextmanager
def _parquet(path: Path, losses: Counter[str]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    listed = ("aliases", "images")
    wanted = pa.schema(
        [(name, pa.list_(pa.string()) if name in listed else pa.string()) for name in (*COLUMNS, "extra")]
    )
    with pq.ParquetWriter(path, wanted) as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(rows, wanted))


def _ending(data: bytes) -> str:
    return next((ending for start, ending in ENDINGS if data.startswith(start)), "bin")


_FORMATS: Final = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
