"""A component of spaCy that links the entities of a document: ``nlp.add_pipe("otmel", config={"run": "runs/world"})``.

Of every entity in ``doc.ents`` it sets

- ``span.kb_id_``: the best entity's id; ``NIL`` where the run is calibrated and that is too improbable;
- ``span._.otmel``: the link as plain values, ``None`` where nothing was linked: ``start`` and ``end`` in the text,
  ``entity``, ``name``, ``probability``, ``score``, ``candidates``, ``notes`` … as ``otmel link --documents`` has them.

It reads ``doc._.image``, the document's image: a path, encoded bytes or an image of Pillow; ``None`` without one.
``nlp.pipe(texts)`` links documents together. Importing this module makes the component known; where otmel is installed
spaCy finds it by itself.
"""

# No postponed annotations here: spaCy reads the types of a component's settings at run time.
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from otmel.errors import ConfigurationError, MissingExtra

try:
    from spacy.language import Language
    from spacy.tokens import Doc, Span
    from spacy.util import filter_spans, minibatch
except ImportError:
    raise MissingExtra("spacy", "spacy", "the component for spaCy") from None

from otmel.data.documents import Document
from otmel.data.documents import Span as Place
from otmel.linking.detection import Detector, detector
from otmel.linking.document_rows import AT_ONCE
from otmel.linking.documents import DocumentLinker, SpanLink
from otmel.linking.linker import Linker
from otmel.linking.settings import LinkSettings
from otmel.models.bundle import read_record

NIL = "NIL"
"""What spaCy's own entity linker writes where there is no entity."""
DEFAULTS = {"graph": None, "index": None, "k": 1, "detect": False, "search": "exact"}

if not Span.has_extension("otmel"):
    Span.set_extension("otmel", default=None)
if not Doc.has_extension("image"):
    Doc.set_extension("image", default=None)


class EntityLinking:
    """Links the entities of documents.

    Args:
        linker: links documents.
        finder: what finds entities beside those that are there; they must not overlap. ``None``: nothing does.
    """

    def __init__(self, linker: DocumentLinker, finder: Detector | None = None) -> None:
        self.linker, self.finder = linker, finder

    def __call__(self, doc: Doc) -> Doc:
        """One document."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = AT_ONCE) -> Iterator[Doc]:
        """Documents, at most ``batch_size`` of them at once."""
        for batch in minibatch(stream, min(batch_size, AT_ONCE)):
            docs = list(batch)
            if self.finder is not None:
                for doc in docs:
                    doc.ents = filter_spans([*doc.ents, *self._found(doc, self.finder)])
            for doc, links in zip(docs, self.linker.link([_document(doc) for doc in docs]), strict=True):
                for span, link in zip(doc.ents, links, strict=True):
                    _note(span, link)
            yield from docs

    def _found(self, doc: Doc, finder: Detector) -> Iterator[Span]:
        """What the detector finds away from the entities that are there, in whole tokens."""
        taken = {token.i for entity in doc.ents for token in entity}
        for place in finder.detect(doc.text):
            label = (place.label or "entity").upper()
            span = doc.char_span(place.start, place.end, label=label, alignment_mode="expand")
            if span is not None and not any(token.i in taken for token in span):
                yield span


def _document(doc: Doc) -> Document:
    places = tuple(Place(entity.start_char, entity.end_char) for entity in doc.ents)
    return Document(doc.text, places, doc._.image)


def _note(span: Span, link: SpanLink) -> None:
    found = link.link
    name = NIL if found.entity is None or found.nil else found.entity.id
    for token in span:
        token.ent_kb_id_ = name
    span._.otmel = link.as_json()


@Language.factory("otmel", default_config=DEFAULTS, assigns=["token.ent_kb_id", "span._.otmel"])
def create(
    nlp: Language,
    name: str,
    run: str,
    graph: str | None,
    index: str | None,
    k: int,
    detect: bool | str,
    search: str,
) -> EntityLinking:
    """The component.

    Args:
        nlp: the pipeline.
        name: the component's name in it.
        run: the run folder.
        graph: the entities; by default those of the data set that the run was trained on.
        index: the index of the run over the graph; without one, the entities are encoded first.
        k: how many candidates ``span._.otmel`` holds.
        detect: find entities too: ``True`` by the graph's names, or a detector's name (``otmel link --detect``).
        search: ``exact`` or ``candidates``.

    Raises:
        OtmelError: a run, graph, index or detector cannot be used; the message says why and what to do.
    """
    place: Any = graph or read_record(Path(run)).get("dataset_root")
    if place is None:
        cure = 'name it: config={"run": …, "graph": FOLDER_OR_FILE}'
        raise ConfigurationError("the run does not say where its graph is", where=run, cure=cure)
    linker = Linker.load(run, place, index, LinkSettings.model_validate({"search": search}))
    asked = "dictionary" if detect is True else detect
    return EntityLinking(DocumentLinker(linker, k=k), detector(asked, linker.graph) if asked else None)
