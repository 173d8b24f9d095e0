"""Generated entities written as an index on disk, by the index's own writer."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from torch import Tensor

from benchmarks._features import IMAGE_TOKENS, TEXT_TOKENS, World
from benchmarks._operands import composition
from otmel.data.graph import KnowledgeGraph
from otmel.errors import StorageError
from otmel.index.build import writing
from otmel.index.encode import Pieces
from otmel.index.index import EntityIndex, SearchSettings
from otmel.index.manifest import Made
from otmel.index.places import Places
from otmel.index.store import open_index
from otmel.index.writer import IndexSettings, Writer
from otmel.kernels import Precision
from otmel.models.composition import Composition
from otmel.models.name_rows import NameRows

PIECE: Final = 2048
MOST: Final = 8192
"""Entities of a segment: a larger one takes more memory while it is packed."""
BYTES: Final = {"float32": 4, "float16": 2, "int8": 1}
PRESET: Final = "PAPER"


@dataclass(frozen=True)
class Numbered:
    """As much of a graph as an index's writer asks for: entities that are called by their row."""

    count: int
    snapshot: str = "generated"

    def __len__(self) -> int:
        return self.count

    @property
    def ids(self) -> Sequence[int]:
        """The rows."""
        return range(self.count)

    @property
    def digests(self) -> np.ndarray:
        """No two alike."""
        return np.stack([np.arange(self.count, dtype=np.uint64)] * 2, 1)


@dataclass(frozen=True)
class Generated:
    """A world as what an index is made from (``otmel.index.source.Source``)."""

    world: World
    composition: Composition
    model: str = "generated"
    inputs: str = "generated"
    machine: str = "any"

    def held(self, entities: int) -> int:
        """Nothing but the states."""
        return 0

    def states(self, rows: Tensor) -> Pieces:
        """The states of neighbouring rows."""
        for piece in rows.split(PIECE):
            yield piece, self.world.entities(int(piece[0]), len(piece))

    def names(self, rows: Sequence[int]) -> NameRows | None:
        """None."""
        return None


def bytes_of(count: int, precision: Precision, width: int) -> int:
    """About what so many entities take on disk."""
    numbers = (TEXT_TOKENS + IMAGE_TOKENS + 4) * width * BYTES[precision]
    return count * (numbers + 5 * 4 * width)


def write(world: World, count: int, precision: Precision, folder: Path) -> None:
    """Write an index of ``count`` entities. Raises ``StorageError`` when the disk has too little room."""
    needed, free = bytes_of(count, precision, world.width), shutil.disk_usage(folder.parent).free
    if needed > 0.9 * free:
        problem = f"an index of {count:,} entities takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise StorageError(problem, where=str(folder.parent), cure="name another folder: --dir FOLDER")
    settings = IndexSettings(precision=precision, most=MOST)
    source, places = Generated(world, composition(PRESET, world.width)), Places(folder)
    made = Made.of(source.composition, source.model, source.inputs, precision)
    graph = cast(KnowledgeGraph, Numbered(count))
    with writing(places, settings, lambda message: None), torch.no_grad():
        Writer(places, source, graph, settings, made).write([], None)


def opened(folder: Path, width: int, threads: int) -> EntityIndex:
    """The index, memory-mapped."""
    stored = open_index(folder, check="ends")
    return stored.index(composition(PRESET, width), SearchSettings(threads=threads))
