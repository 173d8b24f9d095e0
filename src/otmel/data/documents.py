"""``Document``: a text with the places of its mentions, and an image for all of them or one for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from otmel.data.fields import Fields, RowError
from otmel.data.findings import Findings
from otmel.data.image_root import ImageRoot, stated_in
from otmel.data.mention_checks import as_answer
from otmel.data.records import ImageSource
from otmel.data.tables import RawRow

BY_TEXT = "mention given by its text: its first occurrence was taken"
SHOWN = 40
"""Characters of a text that an error shows."""


@dataclass(frozen=True, slots=True)
class Span:
    """A mention's place in a text.

    Attributes:
        start: code points before it.
        end: the code point after its last one.
        image: the mention's own image; without one, the document's goes with it.
        id: the mention's identifier.
        answer: the true entity's id, or ``NIL``; ``None`` when unknown.
        label: what a detector calls it.
        notes: what was odd about it.
    """

    start: int
    end: int
    image: ImageSource | None = None
    id: str | None = None
    answer: str | None = None
    label: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A text whose mentions are to be linked.

    Attributes:
        text: the text.
        spans: its mentions, in any order and overlapping at will; ``None``: they are still to be found.
        image: goes with every mention that has no image of its own.
        id: the document's identifier.
        notes: what was odd about its image.
    """

    text: str
    spans: tuple[Span, ...] | None = None
    image: ImageSource | None = None
    id: str | None = None
    notes: tuple[str, ...] = ()


def document_of(row: RawRow, folder: Path | ImageRoot, findings: Findings) -> Document:
    """The document of a row with the columns ``text`` and, where there are any, ``id, image, mentions``.

    ``mentions`` is a list (in CSV: as JSON) of ``[start, end]`` or of ``{"start", "end", "text"?, "image"?, "id"?,
    "answer"?}``. A ``text`` must be what stands at that place; alone, it means its first occurrence.

    Args:
        row: as it was read.
        folder: image names are relative to it and may not leave it.
        findings: takes what is odd about the images.

    Raises:
        RowError: the row cannot be used; one bad mention is enough.
    """
    if row.fault:
        raise RowError(row.fault)
    own, root = Findings(), ImageRoot.of(folder)
    fields = Fields(row.values, row.where, own)
    if row.values.get("text") is None:
        raise RowError("text missing")
    text, image = fields.text("text"), _image(fields, root)
    document = Document(text, None, image, fields.identifier("id") or None, tuple(own.counts))
    spans = _spans(row, text, root, own)
    findings.merge(own)
    if spans is None:
        return document
    # A mention whose own image was refused has none: it must not get the document's instead.
    given = (
        span if has_own else replace(span, image=image, notes=(*span.notes, *document.notes)) for span, has_own in spans
    )
    return replace(document, spans=tuple(given), image=None, notes=())


def _image(fields: Fields, root: ImageRoot) -> ImageSource | None:
    if not _names_image(fields.values):
        return None  # none was meant: that is nothing odd
    images = fields.images(root)
    return images[0] if images else None


def _names_image(values: Mapping[str, Any]) -> bool:
    return bool(values.get("image") or values.get("images"))


def _spans(row: RawRow, text: str, root: ImageRoot, findings: Findings) -> list[tuple[Span, bool]] | None:
    """The spans, and whether each names an image of its own; ``None`` where the row says nothing of mentions."""
    given = _given(row)
    if given is None:
        return None
    found = []
    for number, one in enumerate(given, 1):
        try:
            found.append(_span(one, f"{row.where}, mention {number}", (text, root, findings)))
        except RowError as fault:
            raise RowError(fault.reason, f"mention {number}{fault.detail and ', '}{fault.detail}") from None
    return found


def _given(row: RawRow) -> Sequence[Any] | None:
    """What a row says of mentions, if anything."""
    given = row.values.get("mentions")
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else None
        except ValueError:
            raise RowError("mentions are no JSON list") from None
    if given is not None and not isinstance(given, (list, tuple)):
        raise RowError("mentions are no list")
    return given


def image_names(row: RawRow) -> Iterator[tuple[str]]:
    """The names of the images of a row and of its mentions; what is wrong with them ``document_of`` tells."""
    yield from stated_in(row.values)
    try:
        given = _given(row) or ()
    except RowError:
        return
    for one in given:
        if isinstance(one, Mapping):
            yield from stated_in(one)


def _span(given: Any, where: str, known: tuple[str, ImageRoot, Findings]) -> tuple[Span, bool]:
    text, root, findings = known
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        if len(given) != 2:
            raise RowError("mention is no [start, end]")
        return Span(*checked(text, given[0], given[1])), False
    if not isinstance(given, Mapping):
        raise RowError("mention is neither [start, end] nor an object")
    own = Findings()
    fields = Fields(given, where, own)
    start, end, by_text = _place(text, fields)
    image = _image(fields, root)
    findings.merge(own)
    notes = (*((BY_TEXT,) if by_text else ()), *own.counts)
    name, answer = fields.identifier("id") or None, as_answer(fields.identifier("answer"))
    return Span(start, end, image, name, answer, notes=notes), _names_image(given)


def _place(text: str, fields: Fields) -> tuple[int, int, bool]:
    """Where a mention stands, and whether that was told by its text alone."""
    words, start, end = fields.text("text"), fields.values.get("start"), fields.values.get("end")
    if words and start is None and end is None:
        return (*_occurrence(text, words), True)
    start, end = checked(text, start, end)
    if words and text[start:end] != words:
        raise RowError(
            "mention is not there", f"at {start}–{end} stands {_short(text[start:end])}, not {_short(words)}"
        )
    return start, end, False


def checked(text: str, start: Any, end: Any) -> tuple[int, int]:
    """Where a mention begins and ends in ``text``. Raises ``RowError`` for a place that holds no mention."""
    if not all(isinstance(place, int) and not isinstance(place, bool) for place in (start, end)):
        raise RowError("mention's start and end are no whole numbers")
    place = f"at {start}–{end}"
    if start < 0 or end > len(text):
        raise RowError("mention outside the text", f"{place} of {len(text):,} characters")
    if start >= end:
        raise RowError("mention empty" if start == end else "mention reversed", place)
    if not text[start:end].strip():
        raise RowError("mention holds nothing but space", place)
    return start, end


def _occurrence(text: str, words: str) -> tuple[int, int]:
    place = text.find(words)
    if place < 0 or not words.strip():
        raise RowError("mention is not there", f"{_short(words)} does not occur in the text")
    return place, place + len(words)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
