"""The worker of ``otmel link --engine ray``: a part of the mentions becomes a file of answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias, cast

from torch import Tensor

from otmel.cluster.job import Material, Stages
from otmel.cluster.metrics import count
from otmel.cluster.parts import Part, path_of
from otmel.cluster.refusal import refusing, this_node
from otmel.cluster.sameness import Welcome, check_shared
from otmel.cluster.shards import Held, ShardedIndex
from otmel.cluster.shelf import LOCK, Shelf
from otmel.data.findings import Findings
from otmel.errors import CheckpointError
from otmel.index.answers import Answer, Query
from otmel.index.index import EntityIndex
from otmel.index.source import RunSource, inputs_hash
from otmel.index.store import StoredIndex
from otmel.linking.confidence import read_calibration
from otmel.linking.linker import Linker
from otmel.linking.rows import RowLinker, Tally
from otmel.linking.settings import LinkSettings
from otmel.models.base import State
from otmel.models.bundle import Bundle, weights_hash
from otmel.remote import RUN, Place, Uri, lazy, local
from otmel.storage import json_text

Shards: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Task:
    """A part, and the number of the file that it becomes."""

    number: int
    part: Part


@dataclass(frozen=True)
class Done:
    """What a task has given."""

    task: Task
    linked: int
    bad: int
    findings: Findings
    stages: Stages


@dataclass(frozen=True)
class Linking:
    """What the workers of a command are told.

    Attributes:
        material: run and graph.
        index: where the index is.
        input: where the mentions are.
        shelf: where the answers go.
        image_root: the folder that image names are relative to; ``None``: that of their file.
        settings: how to search.
        k: how many entities an answer holds.
    """

    material: Material
    index: Place
    input: Place
    shelf: Shelf
    image_root: Path | Uri | None
    settings: LinkSettings
    k: int


class MentionLinker:
    """An actor. It loads nothing before it is asked, and again after Ray has restarted it.

    Args:
        job: what to do.
    """

    def __init__(self, job: Linking) -> None:
        self.job, self._shards = job, ()

    @refusing
    def ready(self, shards: Shards = ()) -> Welcome:
        """Load the run, open graph and index; ``shards``: the actors that hold the index, if it is held by some."""
        self._shards = shards
        linker = self._linker
        return Welcome(this_node(), RunSource(linker.bundle, linker.graph, "", "").machine)

    @refusing
    def link(self, task: Task, ledger: Any, shards: Shards = ()) -> Done:
        """Link the rows of a part and write the answers."""
        self._shards = shards  # which a worker that Ray has restarted knows from nobody else
        ledger.began.remote(task.number)
        linker, stages, tally = self._linker, Stages(), Tally()
        linker.findings = Findings()
        self._index.stages = stages
        path = path_of(local(self.job.input), task.part.file)
        root = path.parent if self.job.image_root is None else lazy.folder(self.job.image_root)
        rows = RowLinker(linker, self.job.k, root, tally)
        began = perf_counter()
        lines = _told(rows.answers(stages.timed("read", task.part.rows(path))), stages, task, ledger)
        self.job.shelf.write(task.number, task.part, lines, tally)
        stages.add("encode", perf_counter() - began - sum(stages.seconds.values()))
        count("link", {"linked": tally.linked, "rejected": tally.bad}, stages)
        return Done(task, tally.linked, tally.bad, linker.findings, stages)

    @cached_property
    def _linker(self) -> Linker:
        material = self.job.material
        material.versions.check(this_node())
        if isinstance(self.job.shelf.place, Path):
            check_shared(self.job.shelf.place / LOCK, this_node())
        linker = self._sharded() if self._shards else self._whole()
        made, wanted = (linker.model_hash, inputs_hash(material.run)), self.job.shelf.made
        if made != (wanted["model"], wanted["inputs"]):
            problem = f"the run here is {'/'.join(made)}, the driver's is {wanted['model']}/{wanted['inputs']}"
            cure = "the folder must be the same on every node"
            raise CheckpointError(problem, where=str(material.run), cure=cure)
        linker.index = cast(EntityIndex, TimedIndex(linker.index))
        return linker

    def _whole(self) -> Linker:
        return Linker.load(self.job.material.run, self.job.material.opened(), self.job.index, self.job.settings)

    def _sharded(self) -> Linker:
        """A linker whose index is asked for in its shards, and never opened here."""
        run, shards = local(self.job.material.run, RUN), self._shards
        bundle, model = Bundle.load(run), weights_hash(run)
        index = ShardedIndex(shards, bundle.model.composition())
        linker = Linker(bundle, self.job.material.opened(), model, cast(StoredIndex, Held(index)), self.job.settings)
        linker.calibration = read_calibration(run, model)
        return linker

    @property
    def _index(self) -> TimedIndex:
        return cast(TimedIndex, self._linker.index)


class TimedIndex:
    """An index that counts the seconds that it is asked for to a stage.

    Args:
        index: the index.
    """

    def __init__(self, index: EntityIndex) -> None:
        self.index, self.stages = index, Stages()

    def search(self, mentions: State, query: Query) -> Iterator[Answer]:
        """As the index does."""
        yield from self.stages.timed("search", self.index.search(mentions, query))

    def contributions(self, mentions: State, pairs: tuple[Tensor, Tensor]) -> Tensor:
        """As the index does."""
        with self.stages.stage("search"):
            return self.index.contributions(mentions, pairs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.index, name)


def _told(batches: Iterator[list[dict[str, Any]]], stages: Stages, task: Task, ledger: Any) -> Iterator[str]:
    """Lines of answers; the ledger learns of them, and what is done with them is writing."""
    for answers in batches:
        text = "".join(json_text(answer, indent=None) + "\n" for answer in answers)
        ledger.advanced.remote(task.number, len(answers))
        with stages.stage("write"):
            yield text
