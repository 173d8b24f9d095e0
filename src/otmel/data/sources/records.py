"""What every source gives, whatever its format."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

from pydantic import Field, field_validator

from otmel.data.byte_files import ByteFile, whole
from otmel.data.fields import RowError
from otmel.data.raw_rows import RawRow
from otmel.data.records import Entity
from otmel.data.tables import Reader
from otmel.errors import DataError
from otmel.settings import Settings

Format: TypeAlias = Literal["auto", "jsonl", "csv", "parquet", "mimic", "wikidata"]
Built: TypeAlias = tuple[Entity, dict[str, Any]]

NO_ENTITY: Final = frozenset({"a property, no item", "a lexeme, no item", "a media file, no item", "a redirect"})
"""Reasons of rows that are sound but not meant to be entities of a graph."""


class SourceOptions(Settings):
    """How a file of entities is read.

    Attributes:
        format: of the file; ``auto`` goes by its name and its first rows.
        language: of labels, descriptions and aliases of Wikidata.
        claims: the properties of Wikidata (``P106``) that become the attribute text, in this order.
        labels: id of Wikidata → the name that stands for it in the attribute text; an id without one stands for itself.
        image_root: the folder that image names are relative to; the file's own (for Wikidata, none) if not given.
    """

    format: Format = "auto"
    language: str = Field("en", pattern=r"^[a-z]{2,}(-[a-z0-9]+)*$")
    claims: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    image_root: Path | None = None

    @field_validator("claims")
    @classmethod
    def _properties(cls, claims: tuple[str, ...]) -> tuple[str, ...]:
        for claim in claims:
            if not re.fullmatch(r"P[1-9][0-9]*", claim):
                raise ValueError(f"{claim!r} is no property of Wikidata (such as P106)")
        return tuple(dict.fromkeys(claims))


@dataclass(frozen=True, slots=True)
class EntityRow:
    """One row of a file: an entity, or the reason for which it is none.

    Attributes:
        number: of the row in its file, from 1; blank lines, a header and brackets around all rows do not count.
        where: file and line (or place in its list), for people.
        entity: what the row says; ``None`` when it is rejected.
        extra: its other columns as values of JSON, under names that no column of an entity has.
        reason: why it is rejected; ``None`` when it is not.
    """

    number: int
    where: str
    entity: Entity | None
    extra: Mapping[str, Any]
    reason: str | None

    @property
    def foreign(self) -> bool:
        """Whether the row is rejected although nothing is wrong with it: it was not meant to be an entity."""
        return self.reason in NO_ENTITY


class EntitySource(Protocol):
    """A file of entities, of which one row at a time is in memory."""

    @property
    def path(self) -> Path:
        """The file that is read."""
        ...

    @property
    def total_bytes(self) -> int:
        """Its size on the disk."""
        ...

    @property
    def position(self) -> int:
        """How many of these bytes have been read."""
        ...

    def rows(self, start: int = 0) -> Iterator[EntityRow]:
        """The rows after the first ``start``, with their numbers in the file; one iterator at a time.

        What is repaired, missing or odd about an entity that is kept goes to the findings; rejected rows do not.

        Raises:
            DataError: the file breaks off or is none of its format; every row before that has been given.
        """
        ...


def _as_they_come(rows: Iterable[RawRow]) -> Generator[RawRow]:
    yield from rows


@dataclass(frozen=True)
class RowSource:
    """An ``EntitySource`` made of a reader of raw rows and of what makes an entity of each.

    Attributes:
        file: the file.
        read: gives its raw rows.
        build: entity and other columns of a row; raises ``RowError`` or ``DataError`` when there is none in it.
        ahead: the same rows, read so far ahead that the images that they name are on their way (``ImageRoot.ahead``).
    """

    file: ByteFile
    read: Reader
    build: Callable[[RawRow], Built]
    ahead: Callable[[Iterable[RawRow]], Generator[RawRow]] = _as_they_come

    @property
    def path(self) -> Path:
        """The file that is read."""
        return self.file.path

    @property
    def total_bytes(self) -> int:
        """Its size on the disk."""
        return self.file.total_bytes

    @property
    def position(self) -> int:
        """How many of these bytes have been read."""
        return self.file.position

    def rows(self, start: int = 0) -> Iterator[EntityRow]:
        """See ``EntitySource``."""
        raw_rows = whole(self.read(self.file, start), self.path, start)
        with closing(self.ahead(raw_rows)) as ready:
            for number, raw in enumerate(ready, start + 1):
                yield self._row(number, raw)

    def _row(self, number: int, raw: RawRow) -> EntityRow:
        reason = raw.fault
        if reason is None:
            try:
                return EntityRow(number, raw.where, *self.build(raw), None)
            except RowError as fault:
                reason = f"{fault.reason}: {fault.detail}" if fault.detail else fault.reason
            except DataError as fault:
                reason = fault.problem
        return EntityRow(number, raw.where, None, {}, reason)
