"""The columns of the table, and entities as rows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otmel.data.digest import digest, file_stats
from otmel.data.records import Entity
from otmel.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS: Final = ("id", "name", "aliases", "description", "attributes", "extra")
CONTENT: Final = (*TEXTS, "images")
ROW: Final = (*CONTENT, "seq", "digest")


@dataclass(frozen=True, slots=True)
class Row:
    """An entity as it is stored.

    Attributes:
        entity: with its images as bytes, or as absolute paths.
        extra: its further columns as JSON text; empty when there are none.
        seq: its place in the order of the graph.
        stats: size and time of each image given by its path.
    """

    entity: Entity
    extra: str
    seq: int
    stats: tuple[tuple[int, int], ...] = ()

    @property
    def digest(self) -> bytes:
        """The digest of the content."""
        return digest(self.entity, self.extra, self.stats)


def schema() -> pa.Schema:
    """The columns. ``seq`` orders the rows, ``born`` is the number of the snapshot that wrote the row."""
    import pyarrow as pa

    image = pa.struct([("data", pa.large_binary()), ("path", pa.string()), ("size", pa.int64()), ("time", pa.int64())])
    return pa.schema(
        [
            *((name, pa.list_(pa.string()) if name == "aliases" else pa.string()) for name in TEXTS),
            ("images", pa.list_(image)),
            ("seq", pa.int64()),
            ("born", pa.int64()),
            ("digest", pa.binary(16)),
        ]
    )


def encoded(rows: Sequence[Row], digests: Sequence[bytes], born: int) -> pa.RecordBatch:
    """Rows as the table takes them."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        name: [getattr(row.entity, name) for row in rows] for name in ("id", "name", "description", "attributes")
    }
    columns["aliases"] = [list(row.entity.aliases) for row in rows]
    columns["extra"] = [row.extra for row in rows]
    columns["images"] = [_images(row) for row in rows]
    columns["seq"] = [row.seq for row in rows]
    columns["born"] = [born] * len(rows)
    columns["digest"] = list(digests)
    wanted = schema()
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in wanted], schema=wanted)


def decoded(table: pa.Table | pa.RecordBatch, where: str) -> list[Row]:
    """Rows as they came from the table.

    Raises:
        DataError: the content of a row does not fit its digest.
    """
    rows: list[Row] = []
    for values in table.select(list(ROW)).to_pylist():
        row = _row(values)
        if row.digest != values["digest"]:
            problem = f"the row of {row.entity.id!r} is damaged: its content does not fit its digest"
            raise DataError(problem, where=where, cure=f"otmel graph verify {where}")
        rows.append(row)
    return rows


def without_images(table: pa.Table | pa.RecordBatch) -> list[tuple[int, Entity]]:
    """Place and entity of rows of which the images were not read."""
    return [(values["seq"], _entity(values, ())) for values in table.to_pylist()]


def _images(row: Row) -> list[dict[str, Any]]:
    stats = iter(row.stats)
    images: list[dict[str, Any]] = []
    for image in row.entity.images:
        if isinstance(image, bytes):
            images.append({"data": image})
        else:
            size, time = next(stats)
            images.append({"path": str(image), "size": size, "time": time})
    return images


def _row(values: dict[str, Any]) -> Row:
    images = values["images"] or []
    kept = tuple(Path(one["path"]) if one["data"] is None else one["data"] for one in images)
    stats = tuple((one["size"], one["time"]) for one in images if one["data"] is None)
    return Row(_entity(values, kept), values["extra"] or "", values["seq"], stats)


def _entity(values: dict[str, Any], images: tuple[Any, ...]) -> Entity:
    return Entity(
        id=values["id"],
        name=values["name"],
        aliases=tuple(values["aliases"] or ()),
        description=values["description"],
        attributes=values["attributes"],
        images=images,
    )


def described(image: str | Path) -> tuple[Path, tuple[int, int]]:
    """An image's absolute path, and the size and time of its file."""
    path = Path(image).absolute()
    return path, file_stats(path)
