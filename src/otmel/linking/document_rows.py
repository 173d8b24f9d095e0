"""Rows of documents in, a line of answers for each out: in order, and a bad document costs itself alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

from otmel.data.documents import Document, document_of, image_names
from otmel.data.fields import RowError
from otmel.data.findings import Findings
from otmel.data.image_root import ImageRoot
from otmel.data.tables import RawRow
from otmel.errors import DataError
from otmel.linking.documents import DocumentLinker
from otmel.linking.rows import line_of, said

AT_ONCE: Final = 16
"""Documents that are linked together. Who goes on after a multiple of it gets what an uninterrupted run gives."""


@dataclass
class DocumentTally:
    """How much was linked, and what could not be.

    Attributes:
        documents: that were linked.
        mentions: in them.
        bad: documents that could not be linked.
        faults: why, counted.
    """

    documents: int = 0
    mentions: int = 0
    bad: int = 0
    faults: Findings = field(default_factory=Findings)


@dataclass(frozen=True)
class DocumentRows:
    """Links rows that hold ``text`` and, where they can, ``id, image, mentions`` (see ``document_of``).

    Attributes:
        linker: links documents.
        image_root: the folder that image names are relative to and may not leave.
        tally: counts what was done.
    """

    linker: DocumentLinker
    image_root: Path | ImageRoot
    tally: DocumentTally = field(default_factory=DocumentTally)

    def answers(self, rows: Iterable[RawRow]) -> Iterator[list[dict[str, Any]]]:
        """``AT_ONCE`` answers at a time: ``{"line", "id", "links"}``, or ``{"line", "id"?, "error"}``."""
        with closing(self._root.ahead(rows, image_names)) as waiting:
            while batch := list(islice(waiting, AT_ONCE)):
                yield self._batch(batch)

    @cached_property
    def _root(self) -> ImageRoot:
        return ImageRoot.of(self.image_root)

    def _batch(self, rows: list[RawRow]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        documents: dict[int, Document] = {}
        for place, row in enumerate(rows):
            try:
                documents[place] = self._document(row)
                answers.append({"line": line_of(row), "id": documents[place].id, "links": []})
            except (RowError, DataError) as fault:
                answers.append(self._refused(row, fault))
        places = [rows[place].where for place in documents]
        linked = self.linker.link(list(documents.values()), places)
        for place, links in zip(documents, linked, strict=True):
            answers[place]["links"] = [one.as_json() for one in links]
            self.tally.mentions += len(links)
        self.tally.documents += len(documents)
        return answers

    def _document(self, row: RawRow) -> Document:
        """A row's document with its spans, given or found."""
        document = document_of(row, self._root, self.linker.linker.findings)
        return replace(document, spans=tuple(self.linker.spans(document)))

    def _refused(self, row: RawRow, fault: RowError | DataError) -> dict[str, Any]:
        self.tally.bad += 1
        self.tally.faults.add(fault.reason if isinstance(fault, RowError) else fault.problem, row.where)
        name = row.values.get("id")
        own = {"id": str(name)} if isinstance(name, (str, int)) else {}
        cure = f" ({fault.cure})" if isinstance(fault, DataError) and fault.cure else ""
        return {"line": line_of(row), **own, "error": said(fault) + cure}
