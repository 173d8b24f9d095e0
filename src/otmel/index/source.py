"""What entries are made from: a run and a graph, as states that come a few at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import torch
from jaxtyping import Int
from torch import Tensor

from otmel.data.graph import KnowledgeGraph
from otmel.errors import CheckpointError
from otmel.index.encode import Encoding, Pieces, alike
from otmel.index.waiting import WAITING_BYTES
from otmel.inputs import InputProcessor
from otmel.models.bundle import Bundle, weights_hash
from otmel.models.composition import Composition
from otmel.models.name_rows import NameRows, NameTable
from otmel.models.names import names_of
from otmel.remote import RUN, Place, local
from otmel.types import Batch

INPUT_FILES: Final = (
    "tokenizer*",
    "special_tokens*",
    "vocab*",
    "merges*",
    "*processor_config.json",
    "input_settings.json",
)
READ: Final = 64
"""Entities that are read from the graph at once."""
CACHE_BYTES: Final = 2**28
"""What an input processor keeps of images at most."""


class Source(Protocol):
    """What an index is made from. Implementations: ``RunSource``."""

    @property
    def model(self) -> str:
        """Hash of the weights."""
        ...

    @property
    def inputs(self) -> str:
        """Hash of all else that entries depend on beside their entities."""
        ...

    @property
    def composition(self) -> Composition:
        """What the score is made of."""
        ...

    @property
    def machine(self) -> str:
        """What encodes: elsewhere, last bits may differ."""
        ...

    def held(self, entities: int) -> int:
        """Bytes that reading and encoding so many entities takes at most, beside the states."""
        ...

    def states(self, rows: Int[Tensor, " n"]) -> Pieces:
        """The states of the entities in these graph rows, without their names, in any order."""
        ...

    def names(self, rows: Sequence[int]) -> NameRows | None:
        """The names of entities whose states have come, for the part N. Asked for once."""
        ...


@dataclass
class RunSource:
    """A run and a graph.

    Attributes:
        bundle: the run's model with its processor.
        graph: the entities.
        model: hash of the weights (``weights_hash``).
        inputs: hash of the run's other files (``inputs_hash``).
    """

    bundle: Bundle
    graph: KnowledgeGraph
    model: str
    inputs: str
    _names: dict[int, list[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, run: Place, graph: KnowledgeGraph) -> RunSource:
        """The source of a run folder. Raises ``CheckpointError`` when it is incomplete, broken, or reads no text."""
        run = local(run, RUN)
        return cls(Bundle.load(run), graph, weights_hash(run), inputs_hash(run))

    @property
    def composition(self) -> Composition:
        """What the model's score is made of."""
        return self.bundle.model.composition()

    @property
    def machine(self) -> str:
        """The library, and what its arithmetic runs on."""
        device = self.bundle.model.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
        return f"torch {torch.__version__}, {name}"

    @property
    def processor(self) -> InputProcessor:
        """The run's processor. Raises ``CheckpointError`` when it has none."""
        if self.bundle.processor is None:
            problem = "the run was trained on ready features: it cannot read the entities of a graph"
            raise CheckpointError(problem, cure="index with a run that has an encoder (otmel train DATA --encoder …)")
        return self.bundle.processor

    def held(self, entities: int) -> int:
        """Bytes of images that wait or are kept at most."""
        height, width = self.processor.image_shape
        images = entities * 12 * height * width
        return min(images, CACHE_BYTES) + min(images, WAITING_BYTES)

    def states(self, rows: Int[Tensor, " n"]) -> Pieces:
        """The states of the entities in these graph rows."""
        yield from alike(Encoding.entities(self.bundle.model), self._read(rows))

    def names(self, rows: Sequence[int]) -> NameRows | None:
        """The names of entities whose states have come."""
        listed = [self._names.pop(row) for row in rows]
        if self.composition.name_weight is None:
            return None
        return NameRows(torch.arange(len(listed)), NameTable.of(self.bundle.vectorizer, listed))

    def _read(self, rows: Int[Tensor, " n"]) -> Iterator[tuple[Tensor, Batch]]:
        for some in rows.split(READ):
            entities = self.graph.take(some.tolist())
            self._names.update(zip(some.tolist(), map(names_of, entities), strict=True))
            yield some, self.processor.entities(entities)


def inputs_hash(run: Place) -> str:
    """Sixteen hexadecimal digits of a run's tokenizer, image processor, input settings and name match."""
    digest, run = hashlib.sha256(), local(run, RUN)
    files = {path for pattern in INPUT_FILES for path in run.glob(pattern) if path.is_file()}
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
