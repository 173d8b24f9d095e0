"""Rows of mentions in, rows of answers out: a batch at a time, in order, with an answer for bad rows too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from otmel.data.fields import Fields, RowError
from otmel.data.findings import Findings
from otmel.data.image_root import ImageRoot, stated
from otmel.data.mention_checks import as_answer
from otmel.data.records import Mention
from otmel.data.tables import RawRow
from otmel.errors import DataError
from otmel.linking.linker import BATCH, Linker
from otmel.linking.mentions import prepared

NUMBER = re.compile(r"(?:line|row) (\d+)(?:, column \d+)?$")


@dataclass
class Tally:
    """How many rows were linked, and how many could not be."""

    linked: int = 0
    bad: int = 0


@dataclass(frozen=True)
class RowLinker:
    """Links rows that hold ``mention, sentence, image, id, answer, candidates``.

    Attributes:
        linker: the linker.
        k: how many entities an answer holds.
        image_root: the folder that image names are relative to and may not leave.
        tally: counts what was done.
    """

    linker: Linker
    k: int
    image_root: Path | ImageRoot
    tally: Tally

    def answers(self, rows: Iterable[RawRow]) -> Iterator[list[dict[str, Any]]]:
        """The answers in the order of the rows, in batches; ``{"line", "error"}`` for a row that cannot be linked."""
        with closing(self._root.ahead(rows, stated)) as waiting:
            while batch := list(islice(waiting, BATCH)):
                yield self._batch(batch)

    @cached_property
    def _root(self) -> ImageRoot:
        return ImageRoot.of(self.image_root)

    def _batch(self, rows: list[RawRow]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        mentions: dict[int, Mention] = {}
        notes: dict[int, tuple[str, ...]] = {}
        for place, row in enumerate(rows):
            try:
                mentions[place], notes[place] = self._mention(row)
                answers.append({})
            except (RowError, DataError) as fault:
                answers.append({"line": line_of(row), "error": said(fault)})
        links = self.linker.link(list(mentions.values()), self.k, places=[rows[place].where for place in mentions])
        for place, link in zip(mentions, links, strict=True):
            answers[place] = link.as_json()
            answers[place]["notes"] = list(dict.fromkeys((*notes[place], *link.notes)))
        self.tally.linked += len(links)
        self.tally.bad += len(rows) - len(links)
        return answers

    def _mention(self, row: RawRow) -> tuple[Mention, tuple[str, ...]]:
        """The mention of a row and what was odd about its image. Raises ``RowError`` and ``DataError``."""
        if row.fault:
            raise RowError(row.fault)
        findings = Findings()
        fields = Fields(row.values, row.where, findings)
        images = fields.images(self._root)
        mention = Mention(
            name=fields.text("mention" if "mention" in row.values else "name"),
            context=fields.text("sentence" if "sentence" in row.values else "context"),
            image=images[0] if images else None,
            id=fields.identifier("id") or None,
            answer=as_answer(fields.identifier("answer")),
            candidates=fields.texts("candidates"),
        )
        if not (row.values.get("image") or row.values.get("images")):
            findings = Findings()  # no image was meant: that is nothing odd
        scratch = Findings()  # what the text is like will be counted when the mention is linked
        scratch.merge(findings)
        prepared(mention, row.where, None, scratch)
        self.linker.findings.merge(findings)
        return mention, tuple(findings.counts)


def line_of(row: RawRow) -> int:
    """The number of a row's line in its file."""
    found = NUMBER.search(row.where)
    assert found is not None, f"a row says where it stands: {row.where}"
    return int(found[1])


def said(fault: RowError | DataError) -> str:
    """Why a row cannot be linked."""
    if isinstance(fault, DataError):
        return fault.problem
    return f"{fault.reason}: {fault.detail}" if fault.detail else fault.reason
