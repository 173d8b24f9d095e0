"""What a calibrated linker says of its links, and that it says it whatever is asked for."""

from __future__ import annotations

import json
import shutil
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.dataset import Dataset
from otmel.data.records import Mention
from otmel.errors import CheckpointError
from otmel.evaluation.calibration.maps import ConfidenceMap
from otmel.evaluation.calibration.record import Calibration, Figures
from otmel.evaluation.results import Task
from otmel.linking import Candidate, Linker
from otmel.linking.confidence import judged, remark
from otmel.models.bundle import weights_hash

ISOTONIC = ConfidenceMap(temperature=0.5, feature="margin", knots=((0.0, 0.2), (1.0, 0.9)))
SCORES = st.lists(st.floats(-20, 20), min_size=1, max_size=9).map(lambda row: sorted(row, reverse=True))


def calibration_of(graph: str = "g" * 16, model: str = "m" * 16, **changes: object) -> Calibration:
    figures = Figures(log_loss=0.3, ece=0.05, ece_by_chance=0.04, brier=0.1, aurc=0.02)
    values = {
        "model": model,
        "task": Task(dataset="tiny", split="dev", data="d" * 16, graph=graph, entities=12),
        "map": ConfidenceMap(temperature=2.0),
        "k": 6,
        "threshold": 0.5,
        "rule": "precision",
        "precision": 0.9,
        "best_precision": 1.0,
        "folds": 5,
        "seed": 0,
        "mentions": 40,
        "unstated": 0,
        "losses": {"temperature": 0.3},
        "before": figures,
        "after": figures,
        "nil": None,
        "removal": None,
    }
    return Calibration(**{**values, **changes})  # type: ignore[arg-type]


def candidates(scores: list[float]) -> list[Candidate]:
    return [Candidate(f"Q{n}", f"name {n}", score, {"F": score}) for n, score in enumerate(scores)]


@pytest.fixture
def calibrated(linker: Linker) -> Linker:
    other = copy(linker)
    other.calibration = calibration_of(linker.graph.snapshot)
    return other


@given(SCORES, st.integers(1, 6), st.sampled_from([ConfidenceMap(temperature=2.0), ISOTONIC]))
def test_the_first_k_have_the_spread_and_the_others_none(scores, k, fitted):
    calibration = calibration_of(k=k, map=fitted)
    judgement = judged(candidates(scores), calibration)
    expected = fitted.spread(np.array([scores[:k]]))[0].tolist()
    assert [one.rank for one in judgement.candidates] == list(range(1, len(scores) + 1))
    assert [one.probability for one in judgement.candidates] == [*expected, *([None] * (len(scores) - k))]
    assert judgement.probability == expected[0]
    assert judgement.nil == (expected[0] < 0.5)


@given(SCORES, st.lists(st.floats(-40, -21), max_size=5))
def test_what_stands_behind_the_first_k_changes_nothing(scores, more):
    behind = sorted(more, reverse=True)
    calibration = calibration_of(k=min(len(scores), 6))
    one, two = (judged(candidates(each), calibration) for each in (scores, [*scores, *behind]))
    assert (one.probability, one.nil) == (two.probability, two.nil)


def test_without_a_calibration_there_are_ranks_alone():
    judgement = judged(candidates([2.0, 1.0]), None)
    assert (judgement.probability, judgement.nil) == (None, None)
    assert [(one.rank, one.probability) for one in judgement.candidates] == [(1, None), (2, None)]


def test_without_an_entity_the_mention_is_nil():
    assert (judged([], calibration_of()).probability, judged([], calibration_of()).nil) == (None, True)
    assert judged([], calibration_of(threshold=None)).nil is None
    assert judged([], None).nil is None


def test_without_a_threshold_there_are_probabilities_alone():
    judgement = judged(candidates([2.0, 1.0]), calibration_of(threshold=None))
    assert judgement.probability is not None
    assert judgement.nil is None


def test_a_probability_at_the_threshold_is_trusted():
    scores = candidates([1.0, 1.0])
    assert judged(scores, calibration_of(threshold=0.5)).nil is False
    assert judged(scores, calibration_of(threshold=0.51)).nil is True


@pytest.mark.parametrize("k", [1, 2, 5, 6, 9, 12])
def test_no_probability_depends_on_k(k: int, calibrated: Linker, tiny: Dataset) -> None:
    mentions = list(tiny.split("dev"))
    for link, all_of_it in zip(calibrated.link(mentions, k=k), calibrated.link(mentions, k=12), strict=True):
        assert len(link.candidates) == k
        assert link.candidates == all_of_it.candidates[:k]
        assert (link.probability, link.nil, link.margin) == (all_of_it.probability, all_of_it.nil, all_of_it.margin)


def test_a_calibrated_linker_finds_the_same_entities(calibrated: Linker, linker: Linker, tiny: Dataset) -> None:
    mentions = list(tiny.split("test"))
    for one, plain in zip(calibrated.link(mentions), linker.link(mentions), strict=True):
        assert [(c.id, c.score) for c in one.candidates] == [(c.id, c.score) for c in plain.candidates]
        assert (plain.probability, plain.nil) == (None, None)
        assert one.probability == one.candidates[0].probability
        assert one.nil == (one.probability < 0.5 if one.probability is not None else None)
        assert one.entity == plain.entity


def test_among_its_own_candidates_nothing_was_calibrated(calibrated: Linker, tiny: Dataset) -> None:
    mention = replace(tiny.split("dev")[0], candidates=("Q3", "Q4"))
    own, whole = (calibrated.link(mention, given_candidates=given)[0] for given in (True, False))
    assert (own.probability, own.nil, [one.probability for one in own.candidates]) == (None, None, [None, None])
    assert [one.rank for one in own.candidates] == [1, 2]
    assert whole.probability is not None


def test_the_json_says_all_of_it(calibrated: Linker, linker: Linker, tiny: Dataset) -> None:
    (link,), (plain,) = calibrated.link(tiny.split("dev")[0], k=3), linker.link(tiny.split("dev")[0], k=3)
    told, plainly = (json.loads(json.dumps(one.as_json())) for one in (link, plain))
    assert list(told) == list(plainly)
    assert set(told) >= {"entity", "name", "probability", "nil", "score", "parts", "margin", "candidates", "notes"}
    assert set(told["candidates"][0]) == {"rank", "id", "name", "score", "probability", "parts"}
    assert told["probability"] == told["candidates"][0]["probability"] == link.probability
    assert told["nil"] is link.nil
    assert (plainly["probability"], plainly["nil"], plainly["candidates"][2]["rank"]) == (None, None, 3)


def test_it_is_loaded_with_the_run(tiny_run: Path, tiny: Dataset, linker: Linker, tmp_path: Path) -> None:
    assert linker.calibration is None
    assert linker.remark is None
    assert linker.sought(1) == 2
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    calibration = calibration_of(tiny.graph.snapshot, weights_hash(run))
    calibration.write(run)
    loaded = Linker.load(run, tiny.graph)
    assert loaded.calibration == calibration
    assert loaded.remark is None
    assert [loaded.sought(k) for k in (1, 6, 7)] == [6, 6, 7]


@pytest.mark.parametrize("kind", ["other weights", "broken"])
def test_one_that_cannot_be_used_stops_the_linker(kind: str, tiny_run: Path, tiny: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    calibration_of().write(run)
    if kind == "broken":
        (run / "calibration.json").write_text("{")
    with pytest.raises(CheckpointError) as caught:
        Linker.load(run, tiny.graph)
    assert "otmel calibrate" in (caught.value.cure or "")
    if kind == "other weights":
        assert "m" * 16 in caught.value.problem
        assert weights_hash(run) in caught.value.problem


def test_another_graph_is_no_error_and_said_once(calibrated: Linker, tiny: Dataset) -> None:
    assert remark(None, tiny.graph) is None
    assert remark(calibration_of(tiny.graph.snapshot), tiny.graph) is None
    calibrated.calibration = calibration_of("f" * 16)
    said = calibrated.remark
    assert said is not None
    assert "f" * 16 in said
    assert tiny.graph.snapshot in said
    (link,) = calibrated.link(Mention("Dunn", "Judge Dunn left."))
    assert not any("calibrated" in one for one in link.notes)
    assert link.probability is not None
