"""``Mention`` and ``Entity``: the two frozen records that everything else reads (§2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, Union

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = Union[str, Path, bytes, "Image"]
"""Where an image comes from: a path, encoded bytes or an opened Pillow image."""

NIL: Final = "NIL"
"""Answer of a mention whose entity is known not to be in the graph."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A mention ``m = {m^n, m^c, m^v}`` of §2.1.

    Attributes:
        name: the mention words ``m^n`` as they stand in the text.
        context: the sentence ``m^c`` around them; empty when there is none.
        image: the image ``m^v``: a path, encoded bytes or an opened image; ``None`` when there is none.
        id: the mention's own identifier, if it has one.
        answer: id of the true entity; ``NIL`` when it is known to be outside the graph; ``None`` when unknown.
        title: the true entity's title as the data set gives it (used for audits, never as model input).
        candidates: entity ids offered by the data set (``cands``); empty means the whole graph.
        objects: number of objects in the image, where the data set knows it.
    """

    name: str
    context: str = ""
    image: ImageSource | None = None
    id: str | None = None
    answer: str | None = None
    title: str | None = None
    candidates: tuple[str, ...] = ()
    objects: int | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity ``e = {e^n, e^v, e^a}`` of §2.1.

    Attributes:
        id: identifier within the graph (a QID for Wikidata).
        name: the title ``e^n``.
        aliases: other names.
        description: a free text, where the graph has one.
        attributes: the attribute text ``e^a``, attributes separated by a period (footnote 3).
        images: images ``e^v``; the first is the one used in evaluation. Empty when there is none.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    attributes: str = ""
    images: tuple[ImageSource, ...] = ()
