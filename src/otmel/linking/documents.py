"""``DocumentLinker``: documents in, a link for every mention out; what a document's mentions share is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from otmel.data.documents import Document, Span
from otmel.data.records import Mention
from otmel.data.sentences import Sentences
from otmel.errors import DataError
from otmel.linking.detection import FORMS, Detector
from otmel.linking.link import Link
from otmel.linking.linker import Linker

CHARACTERS_PER_TOKEN: Final = 6
"""A context is cut to this many characters for every token that the model reads: more would be cut off again."""


@dataclass(frozen=True)
class SpanLink:
    """What a span of a document was linked to."""

    span: Span
    link: Link

    def as_json(self) -> dict[str, Any]:
        """The link's values, behind where the mention stands."""
        values: dict[str, Any] = {"start": self.span.start, "end": self.span.end}
        if self.span.label:
            values["label"] = self.span.label
        notes = dict.fromkeys((*self.span.notes, *self.link.notes))
        return {**values, **self.link.as_json(), "notes": list(notes)}


@dataclass(frozen=True)
class DocumentLinker:
    """Links the mentions of documents.

    Attributes:
        linker: the linker.
        detector: finds the mentions of documents that come without; ``None``: such a document is an error.
        k: how many entities a link holds.
    """

    linker: Linker
    detector: Detector | None = None
    k: int = 5

    def link(self, documents: Sequence[Document], places: Sequence[str] | None = None) -> list[list[SpanLink]]:
        """The links of every document, in the order of its spans.

        Args:
            documents: the documents.
            places: what to call them in errors and findings; by default their ids or numbers.

        Raises:
            DataError: mentions are missing and there is no detector; nothing was linked then.
        """
        places = places or [f"document {one.id or number}" for number, one in enumerate(documents, 1)]
        found = [self.spans(one, place) for one, place in zip(documents, places, strict=True)]
        mentions = [self._mentions(one, spans) for one, spans in zip(documents, found, strict=True)]
        flat = [mention for of_one in mentions for mention in of_one]
        called = [
            f"{place}, {span.start}–{span.end}" for place, spans in zip(places, found, strict=True) for span in spans
        ]
        links = iter(self.linker.link(flat, self.k, places=called))
        return [[SpanLink(span, next(links)) for span in spans] for spans in found]

    def spans(self, document: Document, place: str = "") -> Sequence[Span]:
        """The spans of a document, or those that a detector finds. Raises ``DataError`` where there is neither."""
        if document.spans is not None:
            return document.spans
        if self.detector is None:
            cure = f'give them as "mentions", or name a detector: --detect {" | ".join(FORMS)}'
            raise DataError("the document has no mentions", where=place or None, cure=cure)
        found = self.detector.detect(document.text)
        return [replace(span, notes=(*span.notes, *document.notes)) for span in found]

    def _mentions(self, document: Document, spans: Sequence[Span]) -> list[Mention]:
        """Every span as a mention in the sentences around it."""
        sentences, text = Sentences(document.text), document.text
        room = CHARACTERS_PER_TOKEN * self.linker.processor.settings.mention_length
        return [
            Mention(
                name=text[span.start : span.end],
                context=text[sentences.around(span.start, span.end, room)],
                image=document.image if span.image is None else span.image,
                id=span.id,
                answer=span.answer,
            )
            for span in spans
        ]
