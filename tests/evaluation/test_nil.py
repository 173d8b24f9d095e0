"""NIL-aware measures: closed forms, plain loops, and an evaluation of a run that is calibrated."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.errors import CheckpointError
from otmel.evaluation.calibration.maps import ConfidenceMap
from otmel.evaluation.files import MentionResult, read_result
from otmel.evaluation.nil import absent, nil_result
from otmel.evaluation.nil_result import NilResult
from otmel.evaluation.run import evaluate

FLAGS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=30)


def share(values: list[bool]) -> float | None:
    return sum(values) / len(values) if values else None


@given(FLAGS)
def test_every_share_is_that_of_a_plain_loop(rows):
    rows = [(right and not nil, nil, flagged) for right, nil, flagged in rows]
    result = NilResult.of(*(np.array([row[i] for row in rows], dtype=bool) for i in range(3)))
    assert result.accuracy == share([nil if flagged else right for right, nil, flagged in rows])
    assert result.accuracy_in_graph == share([right and not flagged for right, nil, flagged in rows if not nil])
    assert result.accuracy_unflagged == share([right for right, _, _ in rows])
    assert result.precision == share([nil for _, nil, flagged in rows if flagged])
    assert result.recall == share([flagged for _, nil, flagged in rows if nil])
    assert result.link_precision == share([right for right, _, flagged in rows if not flagged])
    assert (result.mentions, result.nil, result.flagged) == (
        len(rows),
        sum(nil for _, nil, _ in rows),
        sum(flagged for *_, flagged in rows),
    )
    if result.f1:
        assert result.precision
        assert result.recall
        assert result.f1 == pytest.approx(2 / (1 / result.precision + 1 / result.recall))


def test_without_nil_mentions_and_flags_it_is_the_plain_accuracy():
    right, none = np.array([True, True, False]), np.zeros(3, dtype=bool)
    result = NilResult.of(right, none, none)
    assert result.accuracy == result.accuracy_in_graph == result.accuracy_unflagged == result.link_precision == 2 / 3
    assert (result.precision, result.recall, result.f1) == (None, None, None)


def row(answer: str | None, *candidates: tuple[str, float | None]) -> MentionResult:
    return MentionResult(id="a", mention="m", answer=answer, optimistic=0, pessimistic=0, candidates=candidates)


GRAPH = KnowledgeGraph([Entity("Q1", "One"), Entity("Q2", "Two"), Entity("Q3", "Three")])
SURE, UNSURE = (("Q1", 5.0), ("Q2", 0.0), ("Q3", None)), (("Q2", 1.0), ("Q1", 0.9), ("Q3", 0.8))


def test_rows_of_an_evaluation_are_judged_by_their_scores(calibration):
    rows = [
        row("Q1", *SURE),  # right
        row("Q3", *SURE),  # wrong
        row("NIL", *SURE),  # missed
        row("NIL", *UNSURE),  # found
        row("Q9", *UNSURE),  # found: not in the graph
        row("Q2", *UNSURE),  # lost
        row(None, *SURE),  # nothing is known of it
    ]
    result = nil_result(rows, GRAPH, calibration)
    assert result is not None
    assert (result.mentions, result.nil, result.flagged) == (6, 3, 3)
    assert result.accuracy == 3 / 6
    assert result.accuracy_in_graph == 1 / 3
    assert result.precision == result.recall == pytest.approx(2 / 3)
    assert absent([one.answer for one in rows], GRAPH).tolist() == [False, False, True, True, True, False, False]


def test_scores_behind_the_best_k_are_not_read(calibration):
    two = calibration.model_copy(update={"k": 2, "map": ConfidenceMap(temperature=1), "threshold": 0.5})
    close = row("Q1", ("Q1", 1.0), ("Q2", 0.9), ("Q3", 0.9))
    results = nil_result([close], GRAPH, two), nil_result([close], GRAPH, two.model_copy(update={"k": 3}))
    assert [None if one is None else one.flagged for one in results] == [0, 1]


def test_without_a_threshold_or_a_stated_answer_there_is_nothing_to_say(calibration):
    assert nil_result([row("Q1", *SURE)], GRAPH, calibration.model_copy(update={"threshold": None})) is None
    assert nil_result([row(None, *SURE)], GRAPH, calibration) is None


def test_an_evaluation_says_it_where_the_run_is_calibrated(tiny_run, tiny_dataset_folder, calibration, tmp_path):
    from otmel.data.datasets import load_dataset
    from otmel.models.bundle import weights_hash

    dataset, run = load_dataset(tiny_dataset_folder), tmp_path / "run"
    shutil.copytree(tiny_run, run)
    own = calibration.model_copy(update={"model": weights_hash(run), "threshold": 1.0})
    own.write(run)
    found = evaluate(run, dataset, "test")
    assert found.floor.result.nil is None
    assert found.model.result.nil == nil_result(found.model.mentions, dataset.graph, own)
    assert found.model.result.nil is not None
    assert (found.model.result.nil.mentions, found.model.result.nil.nil, found.model.result.nil.recall) == (4, 1, 1)
    calibration.write(run)
    with pytest.raises(CheckpointError, match="belongs to the model"):
        evaluate(run, dataset, "test")


def test_results_of_before_are_still_read(evaluation, tmp_path):
    values = evaluation([1, 2]).result.model_dump(mode="json")
    assert values.pop("nil") is None
    (tmp_path / "result.json").write_text(json.dumps(values))
    assert read_result(tmp_path / "result.json").nil is None
