"""``otmel link --engine ray``: many mentions, linked in parts by the workers of a cluster.

The output is a folder of ``part-NNNNN.jsonl``, each beside a marker that says what it was made from. A part appears
when it is whole, and its marker after it; whatever was interrupted, the same command does what has no marker yet. The
lines are those of ``otmel link --input`` for the same rows, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from otmel import __version__
from otmel.cluster.connection import Cluster, Note
from otmel.cluster.crew import RESTARTS, Post, died, joined
from otmel.cluster.job import ClusterSettings, Material, Summary, found_anywhere
from otmel.cluster.ledger import Watch
from otmel.cluster.mentions import Done, Linking, MentionLinker, Shards, Task
from otmel.cluster.parts import PART_ROWS, Part, digest_of, files_of, parts_of
from otmel.cluster.refusal import accepted
from otmel.cluster.sameness import Versions
from otmel.cluster.shards import Shard, ShardOf
from otmel.cluster.shelf import Shelf
from otmel.data.findings import Findings
from otmel.errors import ConfigurationError
from otmel.index.source import inputs_hash
from otmel.linking.linker import BATCH, Linker
from otmel.linking.settings import LinkSettings
from otmel.progress import progress, tracked
from otmel.remote import RUN, Place, local, placed


@dataclass(frozen=True)
class Asked:
    """What is to be linked.

    Attributes:
        run: the run.
        graph: the graph.
        index: the index of the run over the graph.
        input: a file of mentions, or a folder of such files.
        output: the folder of answers.
        image_root: the folder that image names are relative to; ``None``: that of their file.
        k: how many entities an answer holds.
        part_rows: rows of a part.
        settings: how to search.
        shards: groups of the index's segments that are held apart; 1: every worker holds all of it.
    """

    run: Place
    graph: Place
    index: Place
    input: Place
    output: Place
    image_root: Place | None = None
    k: int = 5
    part_rows: int = PART_ROWS
    settings: LinkSettings = field(default_factory=LinkSettings)
    shards: int = 1

    def check(self) -> None:
        """Raises ``ConfigurationError``."""
        if self.shards > 1 and self.settings.search != "exact":
            raise ConfigurationError("shards are searched exactly", cure="--search exact, or --shards 1")
        if self.part_rows < 1 or self.part_rows % BATCH:
            problem = f"a part of {self.part_rows:,} rows would change the batches that mentions are linked in"
            raise ConfigurationError(problem, cure=f"use a multiple of {BATCH}")
        places = placed(self.input), placed(self.output)
        inside, outside = (place.resolve() if isinstance(place, Path) else None for place in places)
        if inside and outside and inside.is_dir() and outside.is_relative_to(inside):
            problem = "the output lies in the input's folder, and would be read as mentions the next time"
            raise ConfigurationError(problem, where=str(self.output), cure="name another --output")


def link_on_cluster(
    asked: Asked, cluster: ClusterSettings | None = None, note: Note = lambda message: None
) -> tuple[Summary, Findings]:
    """Link mentions with the workers of a Ray cluster, or what an earlier command has left undone of them.

    Args:
        asked: what to link.
        cluster: where to find workers; not looked for where nothing is to be done.
        note: told what is worth knowing.

    Returns:
        What was done, and what was odd about the mentions that were linked now.

    Raises:
        MissingExtra: ray is not installed.
        ConfigurationError: there is no cluster, its versions differ, or other answers stand in the output.
        CheckpointError: run or index are incomplete, broken, or do not belong together.
        DataError: graph or mentions cannot be read.
        StorageError: the disk refused.
    """
    asked.check()
    began, summary, findings = perf_counter(), Summary(), Findings()
    linker = Linker.load(asked.run, asked.graph, asked.index, asked.settings)
    if linker.remark is not None:
        note(f"note: {linker.remark}")
    parts = _parts(asked)
    shelf = Shelf(found_anywhere(asked.output), _made(asked, linker))
    with shelf.open():
        done, missing = shelf.plan(parts)
        summary.rows = sum(map(len, parts))
        summary.done, summary.rejected = sum(one.linked for one in done), sum(one.bad for one in done)
        summary.kept = summary.done + summary.rejected
        if missing:
            with joined(cluster, summary, note) as there:
                job = _job(asked, linker, shelf)
                count = min(asked.shards, len(linker.index.segments))
                shards = held(there, job, count) if count > 1 else ()
                work = Spread(there, (cluster or ClusterSettings()).workers, summary, findings, note)
                work.run(job, [Task(number, part) for number, part in missing], shards)
    summary.seconds = perf_counter() - began
    return summary, findings


@dataclass
class Spread:
    """The work on a cluster.

    Attributes:
        cluster: the cluster.
        workers: how many; ``None``: as many as it has room for.
        summary: takes what was done.
        findings: take what was odd.
        note: told what is worth knowing.
    """

    cluster: Cluster
    workers: int | None
    summary: Summary
    findings: Findings
    note: Note

    def run(self, job: Linking, tasks: Sequence[Task], shards: Shards) -> None:
        """Do all tasks."""
        with progress("linking mentions", sum(len(task.part) for task in tasks)) as advance:
            watch = Watch.of(self.cluster.ray, advance)
            post = Post(MentionLinker, job, len(tasks), self.workers, self.note, watch.look, (shards,))
            crew = post.crew(self.cluster)
            for done in crew.results(tasks, lambda one, task: one.link.remote(task, watch.ledger, shards)):
                self._count(done, watch)
        crew.sign_off(self.summary, "linked")

    def _count(self, done: Done, watch: Watch) -> None:
        watch.finished(done.task.number, len(done.task.part))
        self.summary.done += done.linked
        self.summary.rejected += done.bad
        self.summary.stages.merge(done.stages)
        self.summary.retried = watch.retried
        self.findings.merge(done.findings)


def held(cluster: Cluster, job: Linking, count: int) -> tuple[Any, ...]:
    """The shards of the job's index, spread over the nodes and ready.

    They take no processor of their own to count: a shard that must be started again never waits for room that linkers
    have taken, who wait for it.

    Raises:
        OtmelError: a shard cannot be opened.
    """
    options = {"num_cpus": 0, "scheduling_strategy": "SPREAD", "max_restarts": -1, "max_task_retries": RESTARTS}
    actor = cluster.ray.remote(Shard).options(**options)
    shares = [ShardOf(job.material, job.index, number, count, job.settings.index) for number in range(count)]
    shards = tuple(actor.remote(share) for share in shares)
    try:
        for answer in cluster.ray.get([shard.ready.remote() for shard in shards]):
            accepted(answer)
    except (cluster.ray.exceptions.ActorDiedError, cluster.ray.exceptions.ActorUnavailableError) as fault:
        raise died(fault) from None
    return shards


def _parts(asked: Asked) -> list[Part]:
    files = files_of(local(asked.input))
    told = tracked(files.items(), "reading mentions", len(files))
    return [part for name, path in told for part in parts_of(name, path, asked.part_rows)]


def _job(asked: Asked, linker: Linker, shelf: Shelf) -> Linking:
    root = None if asked.image_root is None else found_anywhere(asked.image_root)
    run, graph, index = (found_anywhere(place) for place in (asked.run, asked.graph, asked.index))
    material = Material(run, graph, linker.graph.snapshot, Versions.here())
    return Linking(material, index, found_anywhere(asked.input), shelf, root, asked.settings, asked.k)


def _made(asked: Asked, linker: Linker) -> dict[str, Any]:
    """All that decides what the lines say, beside the mentions."""
    calibration = local(asked.run, RUN) / "calibration.json"
    return {
        "model": linker.model_hash,
        "inputs": inputs_hash(asked.run),
        "calibration": digest_of(calibration) if calibration.is_file() else None,
        "graph": linker.graph.snapshot,
        "search": asked.settings.model_dump(mode="json", exclude={"threads"}),
        "image_root": None if asked.image_root is None else str(placed(asked.image_root).resolve()),
        "k": asked.k,
        "otmel": __version__,
    }
