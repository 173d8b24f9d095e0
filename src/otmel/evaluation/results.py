"""What an evaluation found: the result record, the per-mention rows, and both on disk.

An evaluation is a folder of two files: ``result.json`` (measures with everything needed to read them: protocol,
split, seed, hashes, versions, time) and ``mentions.jsonl`` (one row per mention, for comparisons and error analysis).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pydantic import Field

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.evaluation.gold import Counts, count
from otmel.evaluation.measures import DEFAULT_MEASURES, TIE_POLICIES, Measure, measured
from otmel.evaluation.nil_result import NilResult
from otmel.evaluation.slices import DEFAULT_SLICES, Slice
from otmel.settings import Settings

if TYPE_CHECKING:
    from otmel.evaluation.ranks import Ranks

ALL_ENTITIES = "all entities as candidates"
GIVEN_CANDIDATES = "the data set's own candidates"
PACKAGES = ("otmel", "torch", "transformers", "numpy", "scikit-learn")

Values = dict[str, float | None]


class Task(Settings):
    """What was evaluated on. Figures are comparable only where the whole task is the same.

    Attributes:
        dataset: name of the data set.
        split: name of the split.
        data: digest of the split's mentions.
        graph: snapshot of the graph.
        entities: how many entities the graph holds.
        protocol: which entities were candidates.
    """

    dataset: str
    split: str
    data: str
    graph: str
    entities: int
    protocol: str = ALL_ENTITIES

    @classmethod
    def of(cls, dataset: Dataset, split: str, protocol: str = ALL_ENTITIES) -> Task:
        """The task of a split of a data set."""
        return cls(
            dataset=dataset.name,
            split=split,
            data=dataset.digest(split),
            graph=dataset.graph.snapshot,
            entities=len(dataset.graph),
            protocol=protocol,
        )


class System(Settings):
    """What was evaluated.

    Attributes:
        model: name of the model.
        preset: the preset it was configured from, if any.
        variant: its variant, if any.
        seed: the training seed; ``None`` for a model without randomness.
        hash: digest of its weights.
    """

    model: str
    preset: str | None = None
    variant: str | None = None
    seed: int | None = None
    hash: str | None = None

    @property
    def label(self) -> str:
        """Its name without the seed: runs of one label are seeds of one system."""
        return " ".join(part for part in (self.model, self.preset, self.variant) if part)


class SliceResult(Settings):
    """The measures of a slice under realistic ranks."""

    mentions: int
    measures: Values


class SearchRecord(Settings):
    """How the answers of an evaluation were found; none of it changes a figure.

    Attributes:
        kernels: late part → the kernel that computed it.
        precision: in which the entities' states were kept.
        pairs: pairs of a mention and an entity that were compared.
        scored: of these, how many had their late terms computed; the others were decided by bounds.
        scanned: mentions for which bounds did not pay.
        seconds: wall time of the search alone.
        pairs_per_second: rate.
    """

    kernels: dict[str, str]
    precision: str
    pairs: int
    scored: int
    scanned: int
    seconds: float
    pairs_per_second: float | None


class EvaluationResult(Settings):
    """Everything an evaluation found but the rows per mention. Measures are fractions (MR: a rank).

    Attributes:
        system: what was evaluated.
        task: what it was evaluated on.
        counts: how many mentions of each kind; measures speak of the ranked ones alone.
        measures: tie policy → measure → value; ``realistic`` is the headline.
        parts: part of the score → measures of that part alone, realistic ranks.
        slices: slice → its measures.
        seconds: wall time of the evaluation.
        mentions_per_second: rate.
        versions: package → version.
        search: how the ranks were found.
        nil: what a calibrated run's NIL flag does; ``None`` where the run has none.
    """

    system: System
    task: Task
    counts: Counts
    measures: dict[str, Values]
    parts: dict[str, Values] = Field(default_factory=dict)
    slices: dict[str, SliceResult] = Field(default_factory=dict)
    seconds: float | None = None
    mentions_per_second: float | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    search: SearchRecord | None = None
    nil: NilResult | None = None

    @property
    def headline(self) -> Values:
        """The measures under realistic ranks."""
        return self.measures["realistic"]

    def timed(self, seconds: float) -> EvaluationResult:
        """This result with its wall time."""
        rate = self.counts.mentions / seconds if seconds > 0 else None
        return self.model_copy(update={"seconds": seconds, "mentions_per_second": rate})


def summarise(
    ranks: Ranks,
    mentions: Sequence[Mention],
    graph: KnowledgeGraph,
    measures: Sequence[Measure] = DEFAULT_MEASURES,
    slices: Sequence[Slice] = DEFAULT_SLICES,
) -> Summary:
    """Counts, measures per tie policy and per slice of all the mentions of a split, in the order of ``ranks``.

    Raises:
        ValueError: there are not as many ranks as mentions.
    """
    if len(ranks) != len(mentions):
        raise ValueError(f"{len(ranks)} ranks for {len(mentions)} mentions")
    realistic, chosen = ranks.realistic, {s.name: s.select(mentions, graph) & ranks.ranked for s in slices}
    return Summary(
        counts=count(mentions, graph),
        measures=by_policy(ranks, measures),
        slices={
            name: SliceResult(mentions=int(inside.sum()), measures=measured(realistic[inside], measures))
            for name, inside in chosen.items()
        },
    )


class Summary(Settings):
    """The part of a result that follows from the ranks."""

    counts: Counts
    measures: dict[str, Values]
    slices: dict[str, SliceResult]

    def result(self, system: System, task: Task, parts: Mapping[str, Ranks] | None = None) -> EvaluationResult:
        """The full result of a system on a task; ``parts`` are the ranks by each part of the score alone."""
        alone = {name: measured(ranks[ranks.ranked].realistic) for name, ranks in (parts or {}).items()}
        fields = {name: getattr(self, name) for name in ("counts", "measures", "slices")}
        return EvaluationResult(system=system, task=task, parts=alone, versions=versions(), **fields)


def by_policy(ranks: Ranks, measures: Sequence[Measure] = DEFAULT_MEASURES) -> dict[str, Values]:
    """Tie policy → measure → value, over the ranked mentions."""
    ranked = ranks[ranks.ranked]
    return {policy: measured(ranked.of(policy), measures) for policy in TIE_POLICIES}


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that figures may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # a source checkout that is not installed
    return found
