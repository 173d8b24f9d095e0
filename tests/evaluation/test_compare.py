"""Comparisons: identical systems, methods, honest verdicts, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from otmel.errors import ConfigurationError, DataError
from otmel.evaluation.compare import CompareSettings, compare

RNG = np.random.default_rng(0)
RANKS = RNG.integers(1, 12, 60)


def test_identical_systems_are_not_separated(evaluation):
    for seeds in ([None], [0, 1, 2]):
        runs = [evaluation(RANKS, seed=seed) for seed in seeds]
        for difference in compare({"a": runs, "b": runs}).differences:
            assert (difference.interval.value, difference.interval.low, difference.interval.high) == (0, 0, 0)
            assert not difference.separated
            assert "not separated (only 0 mentions differ)" in difference.as_text()


def test_a_clear_gain_is_separated_and_signed(evaluation):
    better = np.maximum(1, RANKS - 8)
    found = compare({"floor": [evaluation(RANKS)], "model": [evaluation(better)]})
    hit, mrr = found.differences
    assert hit.interval.value == pytest.approx((better <= 1).mean() - (RANKS <= 1).mean())
    assert (hit.system, hit.baseline, hit.method, hit.separated) == ("model", "floor", "mentions", True)
    assert mrr.separated
    assert "not separated" not in mrr.as_text()
    assert found.means["model"]["H@1"] == pytest.approx((better <= 1).mean())


def test_a_mean_rank_is_shown_in_ranks(evaluation):
    found = compare({"a": [evaluation([5, 5])], "b": [evaluation([1, 2])]}, CompareSettings(measures=("MR",)))
    assert "-3.5 ranks" in found.as_text()


def test_few_differing_mentions_never_separate(evaluation):
    ranks = np.full(40, 2)
    found = compare({"a": [evaluation(ranks)], "b": [evaluation(np.where(np.arange(40) < 5, 1, ranks))]})
    assert not found.differences[0].interval.contains_zero
    assert not found.differences[0].separated
    assert "only 5 mentions differ" in found.as_text()


def test_seeds_are_paired_by_their_number(evaluation):
    first = {seed: RNG.integers(1, 9, 30) for seed in (3, 1, 2)}
    second = {seed: np.maximum(1, ranks - 1) for seed, ranks in first.items()}
    found = compare({
        "a": [evaluation(ranks, seed=seed) for seed, ranks in first.items()],
        "b": [evaluation(second[seed], seed=seed) for seed in (1, 2, 3)] + [evaluation(RANKS[:30], seed=9)],
    })  # fmt: skip
    difference = found.differences[1]
    expected = np.mean([(1 / second[seed]).mean() - (1 / first[seed]).mean() for seed in (1, 2, 3)])
    assert (difference.method, difference.seeds) == ("seeds", 3)
    assert difference.interval.value == pytest.approx(expected)
    assert found.seeds["b"] == (1, 2, 3, 9)


def test_a_system_without_seed_meets_every_seed_of_the_other(evaluation):
    runs = [evaluation(np.maximum(1, RANKS - step), seed=step) for step in (1, 2, 3)]
    floor = [evaluation(RANKS)]
    one = compare({"floor": floor, "model": runs}).differences[1]
    other = compare({"model": runs, "floor": floor}).differences[1]
    assert (one.seeds, other.seeds, one.method) == (3, 3, "seeds")
    assert one.interval.value == pytest.approx(-other.interval.value)


def test_no_common_seed_compares_the_means_over_mentions(evaluation):
    found = compare({
        "a": [evaluation(RANKS, seed=0), evaluation(RANKS, seed=1)], "b": [evaluation(RANKS[::-1], seed=2)],
    })  # fmt: skip
    assert [(d.method, d.seeds) for d in found.differences] == [("mentions", 1)] * 2
    assert found.differences[0].interval.value == 0


def test_seeds_that_agree_exactly_fall_back_to_the_mentions(evaluation):
    better = np.where(np.arange(60) < 10, 1, 5)
    runs = {
        "a": [evaluation(np.full(60, 5), seed=s) for s in (0, 1)],
        "b": [evaluation(better, seed=s) for s in (0, 1)],
    }
    difference = compare(runs).differences[0]
    assert difference.method == "mentions"
    assert difference.interval.low < difference.interval.value < difference.interval.high
    asked = compare(runs, CompareSettings(method="both")).differences[0]
    assert asked.method == "both"


def test_every_pair_or_all_against_a_baseline(evaluation):
    runs = {name: [evaluation(RNG.integers(1, 9, 20))] for name in "abc"}
    pairs = [(d.baseline, d.system) for d in compare(runs, CompareSettings(measures=("MRR",))).differences]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]
    found = compare(runs, CompareSettings(measures=("MRR",)), baseline="c")
    assert [(d.baseline, d.system) for d in found.differences] == [("c", "a"), ("c", "b")]
    assert "nothing is adjusted" in found.as_text()


def test_nil_mentions_stay_out(evaluation):
    ranks = np.where(np.arange(60) % 3 == 0, 0, RANKS)
    found = compare({"a": [evaluation(ranks)], "b": [evaluation(np.where(ranks > 0, 1, 0))]})
    assert found.differences[0].mentions == 40


def test_json_says_all_that_the_text_says(evaluation):
    found = compare({"a": [evaluation(RANKS)], "b": [evaluation(np.ones(60, dtype=int))]})
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert plain["task"]["protocol"] in found.as_text()
    assert [row["measure"] for row in plain["differences"]] == ["H@1", "MRR"]
    assert plain["differences"][0]["separated"] is True
    assert plain["systems"]["b"] == {"seeds": [None], "measures": {"H@1": 1, "MRR": 1}}


@pytest.mark.parametrize("key, value", [("split", "test"), ("graph", "other"), ("protocol", "10 given"), ("data", "x")])
def test_different_tasks_are_refused(evaluation, task, key, value):
    other = task.model_copy(update={key: value})
    with pytest.raises(DataError, match=rf"'a' and 'b' cannot be compared: {key} is .*{value}"):
        compare({"a": [evaluation(RANKS)], "b": [evaluation(RANKS, task=other)]})


def test_a_renamed_folder_is_the_same_task(evaluation, task):
    other = task.model_copy(update={"dataset": "copy"})
    assert compare({"a": [evaluation(RANKS)], "b": [evaluation(RANKS, task=other)]}).differences


def test_different_mentions_are_refused(evaluation):
    with pytest.raises(DataError, match="mention 2 is '#1' → 'Q1' and '#1' → 'NIL'"):
        compare({"a": [evaluation([1, 2])], "b": [evaluation([1, 0])]})


def test_what_cannot_be_compared_is_refused(evaluation):
    one = evaluation(RANKS, seed=1)
    with pytest.raises(ConfigurationError, match="1 system given"):
        compare({"a": [one]})
    with pytest.raises(ConfigurationError, match="there is no system 'bb'"):
        compare({"a": [one], "b": [one]}, baseline="bb")
    with pytest.raises(ConfigurationError, match="two evaluations with the seed 1"):
        compare({"a": [one, one], "b": [one]})
    with pytest.raises(ConfigurationError, match="no evaluation"):
        compare({"a": [one], "b": []})
    with pytest.raises(ConfigurationError, match="no measure"):
        compare({"a": [one], "b": [one]}, CompareSettings(measures=("MAP",)))
    with pytest.raises(DataError, match="two paired seeds"):
        compare({"a": [one], "b": [one]}, CompareSettings(method="seeds"))
