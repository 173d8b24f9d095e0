"""Documents: linked as their mentions would be one by one, bit for bit, with every image opened and seen once."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from otmel.data.dataset import Dataset
from otmel.data.documents import Document, Span
from otmel.data.images import open_image
from otmel.data.records import Mention
from otmel.errors import DataError
from otmel.linking import Link, Linker
from otmel.linking.detection import DictionaryDetector
from otmel.linking.documents import DocumentLinker, SpanLink

TEXT = "Judge Dunn adjourned the trial. Minister Jansen resigned on Monday. Lamptey read two poems to Dunn. " * 4


def spans_of(text: str, *names: str) -> tuple[Span, ...]:
    """Every occurrence of the names."""
    found = []
    for name in names:
        place = text.find(name)
        while place >= 0:
            found.append(Span(place, place + len(name)))
            place = text.find(name, place + 1)
    return tuple(found)


@pytest.fixture
def documents(tiny_dataset_folder: Path) -> list[Document]:
    """Twelve mentions with one image, two with another and one with its own, and one without."""
    folder = tiny_dataset_folder / "mention_image"
    own = Span(6, 10, image=folder / "dev-2.jpg", id="own")
    return [
        Document(TEXT, spans_of(TEXT, "Dunn", "Jansen"), folder / "dev-0.jpg", "first"),
        Document(TEXT[:99], (*spans_of(TEXT[:60], "Dunn", "Jansen"), own), folder / "test-0.jpg"),
        Document("", ()),
        Document("Paul Quist plays the king.", (Span(0, 10),)),
    ]


def exactly(link: Link) -> dict:
    return {**link.as_json(), "search": None}


def test_every_mention_is_linked_as_it_would_be_alone(linker: Linker, documents: list[Document]) -> None:
    found = DocumentLinker(linker, k=3).link(documents)
    assert [len(links) for links in found] == [12, 3, 0, 1]
    for document, links in zip(documents, found, strict=True):
        for span, one in zip(document.spans or (), links, strict=True):
            assert one.span == span
            assert one.link.mention.name == document.text[span.start : span.end]
            assert one.link.mention.context in document.text
            (alone,) = linker.link(one.link.mention, 3)
            assert exactly(one.link) == exactly(alone)


def test_an_image_is_opened_and_seen_once(
    linker: Linker, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, seen = [], []
    monkeypatch.setattr("otmel.inputs.image.open_image", lambda source: opened.append(source) or open_image(source))
    assert linker.bundle.model.encoder is not None
    tower = linker.bundle.model.encoder.vision_tower
    assert tower is not None
    hook = tower.register_forward_hook(lambda *_: seen.append(1))
    try:
        DocumentLinker(linker).link(documents)
    finally:
        hook.remove()
    assert [path.name for path in opened] == ["dev-0.jpg", "test-0.jpg", "dev-2.jpg"]
    assert len(seen) == 3


def test_a_broken_image_is_opened_once_and_noted_everywhere(
    linker: Linker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    for place in ("otmel.inputs.image.open_image", "otmel.data.images.open_image"):
        monkeypatch.setattr(place, lambda source, *more: opened.append(source) or open_image(source, *more))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xffno header")
    (links,) = DocumentLinker(linker).link([Document(TEXT, spans_of(TEXT, "Dunn"), tmp_path / "broken.jpg")])
    assert {one.link.notes for one in links} == {("image broken",)}
    assert len(opened) == 1


def test_pictures_and_bytes_are_shared_too(linker: Linker, tiny_dataset_folder: Path) -> None:
    path = tiny_dataset_folder / "mention_image" / "dev-0.jpg"
    spans = spans_of(TEXT, "Dunn")
    forms = [path, path.read_bytes(), Image.open(path)]
    found = DocumentLinker(linker).link([Document(TEXT, spans, image) for image in forms])
    scores = [[one.link.score for one in links] for links in found]
    assert scores[0] == scores[1] == scores[2]


def test_a_long_text_is_cut_to_the_sentences_around_each_mention(linker: Linker) -> None:
    before = "Nothing of interest happened here at all. " * 40
    text = before + "Judge Dunn adjourned the trial. " + before
    ((one,),) = DocumentLinker(linker).link([Document(text, spans_of(text, "Dunn"))])
    context = one.link.mention.context
    assert "Judge Dunn adjourned the trial." in context
    assert len(context) <= 6 * linker.processor.settings.mention_length
    assert context.startswith("Nothing")
    short = "Judge Dunn adjourned the trial.  Twice."
    ((one,),) = DocumentLinker(linker).link([Document(short, spans_of(short, "Dunn"))])
    assert one.link.mention.context == short


def test_mentions_are_found_where_none_are_given(linker: Linker, tiny: Dataset, tiny_dataset_folder: Path) -> None:
    finder = DocumentLinker(linker, DictionaryDetector.of(tiny.graph))
    text = "Yesterday Anna Bell and émile fournier met."
    image = tiny_dataset_folder / "mention_image" / "dev-0.jpg"
    (links,) = finder.link([Document(text, image=image, notes=("noted",))])
    assert [text[one.span.start : one.span.end] for one in links] == ["Anna Bell", "émile fournier"]
    assert {one.link.mention.image for one in links} == {image}
    assert all("noted" in one.as_json()["notes"] for one in links)
    assert finder.link([Document(text, ())]) == [[]]


def test_without_mentions_and_detector_the_cure_is_named(linker: Linker) -> None:
    with pytest.raises(DataError, match="the document has no mentions") as caught:
        DocumentLinker(linker).link([Document("Judge Dunn")])
    assert "--detect dictionary" in str(caught.value.cure)
    assert caught.value.where == "document 1"


def test_the_json_of_a_span(linker: Linker) -> None:
    (link,) = linker.link(Mention("Dunn", "Judge Dunn"))
    values = SpanLink(Span(6, 10, label="PERSON", notes=("odd",)), link).as_json()
    assert {key: values[key] for key in ("start", "end", "label", "mention")} == {
        "start": 6,
        "end": 10,
        "label": "PERSON",
        "mention": "Dunn",
    }
    assert values["notes"] == ["odd"]
    assert {**link.as_json(), "notes": ["odd"]}.items() <= values.items()
