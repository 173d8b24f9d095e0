"""Results: measures of the ranked mentions alone, per tie policy and slice."""

from __future__ import annotations

import numpy as np
import pytest

from otmel.data.dataset import Dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Entity, Mention
from otmel.evaluation.measures import MRR, Hit
from otmel.evaluation.ranks import Ranks
from otmel.evaluation.results import ALL_ENTITIES, System, Task, by_policy, summarise, versions

GRAPH = KnowledgeGraph([Entity("Q1", "Anna"), Entity("Q2", "Carl")])
MENTIONS = (
    Mention("Anna", answer="Q1", image=b"x"), Mention("Bob", answer=NIL), Mention("C", answer="Q2"),
    Mention("D", answer="Q9"),
)  # fmt: skip
RANKS = Ranks(np.array([1, 0, 1, 0]), np.array([1, 0, 2, 0]))
DATASET = Dataset("tiny", GRAPH, {"dev": MENTIONS})


def test_nil_and_unknown_answers_are_counted_apart():
    summary = summarise(RANKS, MENTIONS, GRAPH)
    assert (summary.counts.ranked, summary.counts.nil, summary.counts.not_in_graph) == (2, 1, 1)
    assert [summary.measures[p]["H@1"] for p in ("optimistic", "realistic", "pessimistic")] == [1, 0.5, 0.5]
    assert summary.measures["realistic"]["MRR"] == pytest.approx((1 + 1 / 1.5) / 2)


def test_slices_report_their_size_and_none_without_mentions():
    summary = summarise(RANKS, MENTIONS, GRAPH, measures=(Hit(1), MRR))
    assert summary.slices["mention with image"].measures == {"H@1": 1, "MRR": 1}
    assert summary.slices["mention without image"].mentions == 1
    assert summary.slices["several objects"].measures == {"H@1": None, "MRR": None}


def test_a_result_knows_its_task_system_parts_and_time():
    system = System(model="otmel", preset="default", variant="kd", seed=3)
    result = summarise(RANKS, MENTIONS, GRAPH).result(system, Task.of(DATASET, "dev"), {"F": RANKS}).timed(2.0)
    assert result.task.graph == GRAPH.snapshot
    assert result.task.data == DATASET.digest("dev")
    assert (result.task.protocol, result.task.entities) == (ALL_ENTITIES, 2)
    assert result.system.label == "otmel default kd"
    assert result.parts["F"] == result.headline == by_policy(RANKS)["realistic"]
    assert (result.seconds, result.mentions_per_second) == (2, 2)
    assert result.timed(0).mentions_per_second is None
    assert {"python", "torch", "numpy"} <= versions().keys()
    assert result.versions == versions()


def test_as_many_ranks_as_mentions():
    with pytest.raises(ValueError, match="4 ranks for 1 mentions"):
        summarise(RANKS, MENTIONS[:1], GRAPH)
