"""Tables of model input: the mentions of a split or the entities of a graph, by row, live or held in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import torch
from torch import Tensor

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, Mention
from otmel.inputs import InputProcessor
from otmel.models.base import Side
from otmel.models.model import LinkerModel
from otmel.models.name_rows import NameRows, entity_names, mention_names
from otmel.models.names import NameVectorizer
from otmel.types import Batch, Elements, Views, concatenate

R = TypeVar("R")
Advance: TypeAlias = Callable[[int], None]


@dataclass(frozen=True)
class Live(Generic[R]):
    """Rows made when they are asked for: nothing is held but the records."""

    records: Sequence[R]
    encode: Callable[[Sequence[R]], Batch]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, rows: Tensor) -> Batch:
        return self.encode([self.records[row] for row in rows.tolist()])


@dataclass(frozen=True)
class Table:
    """Mentions or entities by row.

    Attributes:
        content: how a row's model input comes about: live, from tensors in memory, or not at all (name match).
        names: the rows' names for the part N and the name match.
    """

    content: Live | Batch | Views | None
    names: NameRows | None

    def __len__(self) -> int:
        rows = self.names if self.content is None else self.content
        return 0 if rows is None else len(rows)

    @property
    def names_only(self) -> Table:
        """The same rows for a scorer that reads nothing but names."""
        return Table(None, self.names)

    def side(self, rows: Tensor) -> Side:
        """The given rows as a model takes them, without padding that none of them needs."""
        content = None if self.content is None else trimmed(self.content[rows])
        return Side(content, None if self.names is None else self.names[rows])


def mention_table(mentions: Sequence[Mention], processor: InputProcessor, vectorizer: NameVectorizer | None) -> Table:
    """A live table of mentions."""
    return Table(
        Live(mentions, processor.mentions), None if vectorizer is None else mention_names(vectorizer, mentions)
    )


def entity_table(graph: KnowledgeGraph, processor: InputProcessor, vectorizer: NameVectorizer | None) -> Table:
    """A live table of the entities of a graph."""
    return Table(
        Live(graph, processor.entities), None if vectorizer is None else entity_names(vectorizer, _texts(graph))
    )


def _texts(graph: KnowledgeGraph) -> list[Entity]:
    """The entities without the images that a store would have to read."""
    return [entity for batch in graph.batches(images=False) for entity in batch]


@torch.no_grad()
def held(table: Table, model: LinkerModel | None, *, batch: int = 64, advance: Advance = lambda done: None) -> Table:
    """The same table in memory: as encoder input, or, given a model with a frozen encoder, as its output."""
    if not isinstance(table.content, Live):
        return table
    parts: list[Batch | Views] = []
    for start in range(0, len(table), batch):
        rows = torch.arange(start, min(start + batch, len(table)))
        content = table.content[rows]
        parts.append(content if model is None else _encoded(model, content))
        advance(len(rows))
    return Table(concatenate(parts), table.names)


def _encoded(model: LinkerModel, batch: Batch) -> Views:
    training = model.training
    model.eval()
    views = model.views(Side(batch.to(model.device))).to("cpu")
    model.train(training)
    return views


def bytes_held(table: Table, model: LinkerModel | None) -> int:
    """About how much memory ``held`` would need, judged by the table's first rows."""
    if not isinstance(table.content, Live):
        return 0
    sample = min(len(table), 8)
    content = table.content[torch.arange(sample)]
    per_row = _bytes(content if model is None else _encoded(model, content)) / sample
    return int(per_row * len(table))


def _bytes(content: Batch | Views) -> int:
    total = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal total
        total += tensor.numel() * tensor.element_size()
        return tensor

    content._map(count)
    return total


def trimmed(content: Batch | Views) -> Batch | Views:
    """Without token columns that are padding in every row."""
    if isinstance(content, Batch):
        length = _content_length(content.attention_mask)
        ids, mask = content.input_ids[:, :length], content.attention_mask[:, :length]
        return Batch(ids, mask, content.pixels, content.has_image)
    text = _trimmed(content.text)
    ids = None if content.ids is None else content.ids[:, : text.mask.shape[1]]
    return Views(text, _trimmed(content.image), ids)


def _trimmed(elements: Elements) -> Elements:
    length = _content_length(elements.mask)
    return Elements(elements.tokens[:, :length], elements.mask[:, :length], elements.cls)


def _content_length(mask: Tensor) -> int:
    used = mask.any(0).nonzero()
    return int(used[-1]) + 1 if len(used) else 1
