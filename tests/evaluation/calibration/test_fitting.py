"""Fitting: folds are fair, nothing is said of a mention by what was learnt from it, and too little is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.errors import ConfigurationError, DataError
from otmel.evaluation.calibration.figures import calibration_error, log_loss
from otmel.evaluation.calibration.fitting import CalibrateSettings, check, cross_validated, fit, fold_of
from otmel.evaluation.calibration.maps import METHODS
from otmel.evaluation.calibration.ranked import Ranked, feature
from otmel.evaluation.calibration.sample import Sample
from otmel.evaluation.calibration.threshold import for_nil, for_precision
from otmel.evaluation.scan import silent

from .conftest import drawn

SETTINGS = CalibrateSettings(precision=0.8)
NONE = np.zeros(0, dtype=np.int64)


def sample_of(mentions: int = 60, seed: int = 0) -> Sample:
    """A sample, and the same mentions where every third true entity is gone and the others have moved up."""
    whole = drawn(mentions, seed)
    gone = np.arange(mentions) % 3 == 0
    scores = whole.scores.copy()
    scores[gone] = np.pad(scores[gone, 1:], ((0, 0), (0, 1)), constant_values=-np.inf)
    return Sample(whole, Ranked(scores, whole.right & ~gone, whole.nil | gone), np.arange(3))


@given(st.integers(10, 80), st.integers(2, 5), st.integers(0, 5))
def test_folds_are_even_and_so_are_their_right_answers(mentions, folds, seed):
    ranked = drawn(mentions, seed)
    fold = fold_of(ranked, folds, seed)
    for kind in (ranked.right, ~ranked.right, ranked.right | True):
        counts = np.bincount(fold[kind], minlength=folds)
        assert counts.max() - counts.min() <= 1
    assert (fold == fold_of(ranked, folds, seed)).all()


def test_other_seeds_draw_other_folds():
    ranked = drawn(60)
    assert (fold_of(ranked, 5, 0) != fold_of(ranked, 5, 1)).any()


@pytest.mark.parametrize("rule", ["precision", "nil"])
def test_the_fit_is_that_of_plain_loops(rule):
    sample, settings = sample_of(), CalibrateSettings(rule=rule, precision=0.8)
    assert sample.reduced is not None
    fold, unseen = fold_of(sample.whole, 5, 0), {}
    for name, method in METHODS.items():
        whole, reduced = np.empty(60), np.empty(60)
        learnt_without = [method(sample.whole[fold != held]) for held in range(5)]
        for mention in range(60):
            learnt = learnt_without[fold[mention]]
            whole[mention] = learnt.probability(sample.whole.scores[mention : mention + 1])[0]
            reduced[mention] = learnt.probability(sample.reduced.scores[mention : mention + 1])[0]
        unseen[name] = whole, reduced
    fitted = fit(sample, settings)
    losses = {name: log_loss(whole, sample.whole.right) for name, (whole, _) in unseen.items()}
    best = min(losses, key=lambda name: losses[name])
    assert fitted.losses == pytest.approx(losses)
    assert fitted.map == METHODS[best](sample.whole)
    by_precision = for_precision(unseen[best][0], sample.whole.right, 0.8)
    assert fitted.threshold == (by_precision if rule == "precision" else for_nil(unseen[best][1], sample.reduced.nil))


def test_nothing_is_said_of_a_mention_by_what_was_learnt_from_its_fold():
    sample = sample_of()
    before = cross_validated(sample, SETTINGS, silent)
    fold = fold_of(sample.whole, SETTINGS.folds, SETTINGS.seed)
    scores = sample.whole.scores.copy()
    scores[fold == 2] *= np.linspace(0.1, 3, int((fold == 2).sum()))[:, None]
    changed = Sample(Ranked(scores, sample.whole.right, sample.whole.nil), sample.reduced, sample.removed)
    after = cross_validated(changed, SETTINGS, silent)
    assert before.reduced is not None
    assert after.reduced is not None
    assert (after.reduced[fold == 2] == before.reduced[fold == 2]).all()
    assert (after.reduced[fold != 2] != before.reduced[fold != 2]).any()


def test_a_calibration_is_better_than_the_raw_scores_of_an_overconfident_source():
    whole = drawn(1_500, temperature=4.0)
    unseen = cross_validated(Sample(whole, None, NONE), CalibrateSettings(precision=0.45), silent)
    before = feature(whole.scores, "probability")
    assert calibration_error(unseen.probability, whole.right) < 0.04 < 0.1 < calibration_error(before, whole.right)
    assert log_loss(unseen.probability, whole.right) < log_loss(before, whole.right)
    accepted = whole.right[~unseen.flagged]
    assert len(accepted) > 200
    assert accepted.mean() == pytest.approx(0.45, abs=0.04)
    assert unseen.reduced is None
    assert unseen.reduced_flagged is None


def test_scores_that_no_temperature_explains_get_an_isotonic_map():
    whole = drawn(800)
    right = np.random.default_rng(0).random(800) < np.where(feature(whole.scores, "score") > 4, 0.95, 0.1)
    fitted = fit(Sample(Ranked(whole.scores, right, ~right), None, NONE), SETTINGS)
    assert fitted.map.method == "isotonic on score"
    assert fitted.losses["isotonic on score"] == min(fitted.losses.values())


def test_where_no_threshold_reaches_the_target_there_is_none_and_all_are_flagged():
    whole = drawn(60)
    right = np.arange(60) % 2 == 0  # a coin, whatever the scores
    fitted = fit(Sample(Ranked(whole.scores, right, ~right), None, NONE), CalibrateSettings(precision=1.0))
    assert fitted.threshold is None
    assert 0.5 <= fitted.best_precision < 1
    unseen = cross_validated(
        Sample(Ranked(whole.scores, right, ~right), None, NONE), CalibrateSettings(precision=1.0), silent
    )
    assert unseen.flagged.mean() > 0.5


def kinds(right: int, wrong: int, nil: bool = False) -> Sample:
    flags = np.arange(right + wrong) < right
    scores = np.random.default_rng(0).normal(size=(len(flags), 3))
    return Sample(Ranked(-np.sort(-scores, axis=1), flags, ~flags & nil), None, NONE)


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (kinds(8, 6), "14 mentions with a stated answer, a calibration needs 20"),
        (kinds(0, 0), "0 mentions"),
        (kinds(40, 0), "0 of 40 answers are wrong"),
        (kinds(4, 40), "4 of 44 answers are right"),
    ],
)
def test_too_little_is_refused_with_its_counts(sample, said):
    with pytest.raises(DataError, match=said) as caught:
        check(sample, SETTINGS)
    assert "--split" in (caught.value.cure or "")


def test_many_folds_need_many_mentions():
    check(kinds(15, 15), CalibrateSettings(folds=10))
    with pytest.raises(DataError, match="a calibration needs 40"):
        check(kinds(15, 15), CalibrateSettings(folds=20))


def test_nil_mentions_cannot_be_learnt_from_where_there_are_none():
    with pytest.raises(ConfigurationError, match="there are none") as caught:
        check(kinds(20, 20), CalibrateSettings(rule="nil"))
    assert "--nil-share" in (caught.value.cure or "")
    check(kinds(20, 20, nil=True), CalibrateSettings(rule="nil"))
    fitted = fit(kinds(20, 20, nil=True), CalibrateSettings(rule="nil"))
    assert fitted.threshold is not None
