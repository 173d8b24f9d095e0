"""What pretraining reads: texts, decoded images, and which of them belong together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from otmel.data.dataset import Dataset
from otmel.data.findings import Findings
from otmel.data.images import try_open
from otmel.data.progress import tracked
from otmel.data.records import ImageSource
from otmel.encoders.settings import PretrainSettings
from otmel.errors import DataError
from otmel.inputs.text import entity_text

NONE = -1
HELD_OUT_MOST = 200


@dataclass(frozen=True)
class Text:
    """A text before augmentation. ``aliases`` may stand for the name; ``entity`` texts consist of attributes."""

    name: str
    context: str
    aliases: tuple[str, ...] = ()
    entity: bool = False


@dataclass(frozen=True)
class Corpus:
    """Texts, images and samples; a sample is two views of one thing, of which some may be absent (``NONE``).

    Attributes:
        texts: every text once.
        images: every image that opens, ``[N, side, side, 3]`` in eight bits.
        samples: ``[S, 5]``: the thing's number, first and second text, first and second image. Two samples with the
            same number are no negatives of each other.
        held_out: ``[C, 2]``: text and image of captions that are kept for measuring.
        entities: ``[E, 2]``: text and image of the entities that have one.
        findings: images and caption rows that could not be used.
    """

    texts: tuple[Text, ...]
    images: NDArray[np.uint8]
    samples: NDArray[np.int64]
    held_out: NDArray[np.int64]
    entities: NDArray[np.int64]
    findings: Findings

    def words(self) -> Iterator[str]:
        """Every text, for training a tokenizer."""
        for text in self.texts:
            yield from (text.name, text.context, *text.aliases)

    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with any text, image or sample."""
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(repr(text).encode("utf8", "replace"))
        for array in (self.images, self.samples, self.held_out):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def read_corpus(dataset: Dataset, settings: PretrainSettings, captions: Path | None) -> Corpus:
    """The corpus of a data set: its entities, its training mentions and a file of captions.

    Args:
        dataset: graph and splits; of the splits only ``train`` is read.
        settings: ``use_mentions``, ``inputs.entity_text`` and ``towers.image_size`` matter here.
        captions: a JSONL file of ``{"text" or "caption", "image"}``; images relative to its folder.

    Raises:
        DataError: the caption file cannot be read, or nothing is left to learn from.
    """
    builder = _Builder(settings)
    builder.add_entities(dataset)
    if settings.use_mentions and "train" in dataset.splits:
        builder.add_mentions(dataset)
    if captions is not None:
        builder.add_captions(captions)
    return builder.build()


class _Builder:
    def __init__(self, settings: PretrainSettings) -> None:
        self.settings, self.findings = settings, Findings()
        self.texts: list[Text] = []
        self.sources: list[tuple[ImageSource, str]] = []
        self.samples: list[tuple[int, int, int, int, int]] = []
        self.held_out: list[tuple[int, int]] = []
        self.entities: list[tuple[int, int]] = []

    def add_entities(self, dataset: Dataset) -> None:
        for row, entity in enumerate(dataset.graph):
            context = entity_text(entity, self.settings.inputs.entity_text)
            text = self._text(Text(entity.name, context, entity.aliases, entity=True))
            image = self._image(entity.images[0] if entity.images else None, f"entity {entity.id}")
            self.entities.append((text, image))
            self.samples.append((row, text, text, image, image))

    def add_mentions(self, dataset: Dataset) -> None:
        for mention in dataset.splits["train"]:
            text = self._text(Text(mention.name, mention.context))
            image = self._image(mention.image, f"mention {mention.id or mention.name}")
            if mention.answer is not None and mention.answer in dataset.graph:
                row = dataset.graph.row(mention.answer)
                self.samples.append((row, text, self.entities[row][0], image, self.entities[row][1]))
            else:
                self.samples.append((self._new_thing(), text, NONE, image, image))

    def add_captions(self, path: Path) -> None:
        rows = [(self._text(Text("", text)), self._image(image, place)) for text, image, place in _captions(path)]
        every = max(20, -(-len(rows) // HELD_OUT_MOST))
        for number, (text, image) in enumerate(rows):
            if number % every == every - 1:
                self.held_out.append((text, image))
            else:
                self.samples.append((self._new_thing(), text, NONE, image, NONE))

    def build(self) -> Corpus:
        images, place = self._decode()
        samples = np.array(self.samples, dtype=np.int64).reshape(-1, 5)
        samples[:, 3:] = place[samples[:, 3:]]
        pairs = (samples[:, 1] != NONE) & ((samples[:, 3] != NONE) | (samples[:, 2] != NONE))
        if pairs.sum() < 2:
            raise DataError("fewer than two texts have a second view to be told from", cure="give more entities")
        return Corpus(
            texts=tuple(self.texts),
            images=images,
            samples=samples,
            held_out=_with_image(self.held_out, place),
            entities=_with_image(self.entities, place),
            findings=self.findings,
        )

    def _text(self, text: Text) -> int:
        self.texts.append(text)
        return len(self.texts) - 1

    def _image(self, source: ImageSource | None, place: str) -> int:
        if source is None:
            self.findings.add("image not stated", place)
            return NONE
        self.sources.append((source, place))
        return len(self.sources) - 1

    def _new_thing(self) -> int:
        return len(self.entities) + len(self.samples)

    def _decode(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """All images at the size the tower reads, and the place of each source among them (``NONE``: broken)."""
        side = self.settings.towers.image_size
        images: list[NDArray[np.uint8]] = []
        place = np.full(len(self.sources) + 1, NONE, dtype=np.int64)  # the last one is where NONE points to
        for number, (source, where) in enumerate(tracked(self.sources, len(self.sources), "decoding images")):
            image = try_open(source, self.findings, where)
            if image is not None:
                place[number] = len(images)
                images.append(np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))
        return np.stack(images) if images else np.zeros((0, side, side, 3), np.uint8), place


def _with_image(pairs: Iterable[tuple[int, int]], place: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.array([(text, place[image]) for text, image in pairs], dtype=np.int64).reshape(-1, 2)
    return found[found[:, 1] != NONE]


def _captions(path: Path) -> Iterator[tuple[str, ImageSource, str]]:
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(f"the captions cannot be read: {fault}", where=str(path)) from fault
    root = path.parent.resolve()
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
            text, image = row.get("text", row.get("caption")), root / row["image"]
            if not isinstance(text, str):
                raise KeyError("text")
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise DataError(
                f"this is no caption: {fault!r}", where=where, cure='write {"text": …, "image": …}, one to a line'
            ) from fault
        if not image.resolve().is_relative_to(root):
            raise DataError(f"the image {row['image']!r} lies outside the captions' folder", where=where)
        yield text, image, where
