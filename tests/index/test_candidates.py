"""Candidates: what they give, and that what they lose is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from otmel.errors import ConfigurationError
from otmel.index.answers import Query
from otmel.index.candidates import CandidateSearch, CandidateSettings
from otmel.index.index import EntityIndex


def index_of(case):
    return EntityIndex.of(case.entities, case.model.composition())


def test_with_as_many_candidates_as_entities_nothing_is_lost(make_case):
    case = make_case("default")
    index = index_of(case)
    exact = list(index.search(case.mentions, Query(6)))
    for one, other in zip(index.search(case.mentions, Query(6, method="candidates")), exact, strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.scores.tobytes() == other.scores.tobytes()
        assert one.certificate.method == "candidates"
        assert one.certificate.recall == 1.0
        assert math.isnan(one.certificate.gap)


def test_recall_is_what_a_comparison_with_the_exact_answers_gives(make_case):
    from otmel.index.mentions import Askers

    case = make_case("default")
    index = index_of(case)
    search = CandidateSearch(index._searcher, CandidateSettings(pool=2, measured=100))
    askers = Askers.of(case.mentions, case.model.composition())
    exact = list(index.search(case.mentions, Query(6)))
    held = 0
    for number, answer in enumerate(search.search(askers, Query(6))):
        held += len(np.intersect1d(answer.rows, exact[number].rows))
        assert answer.certificate.measured == number + 1
        assert answer.certificate.recall == pytest.approx(held / (6 * (number + 1)))
        assert answer.certificate.scored <= 4
    assert held < 6 * len(exact)  # two candidates of each kind cannot hold all


def test_only_some_mentions_are_measured(make_case):
    from otmel.index.mentions import Askers

    case = make_case("PAPER")
    search = CandidateSearch(index_of(case)._searcher, CandidateSettings(measured=2, interval=4))
    askers = Askers.of(case.mentions, case.model.composition())
    measured = [answer.certificate.measured for answer in search.search(askers, Query(3))]
    assert measured == [1, 2, 2, 2, 3, 3, 3, 3, 4]


def test_ranks_are_refused(make_case):
    case = make_case("default")
    with pytest.raises(ConfigurationError, match="no ranks"):
        list(index_of(case).search(case.mentions, Query(3, [0] * 9, method="candidates")))


def test_an_empty_graph_has_no_candidates(make_case):
    case = make_case("default")
    (answer,) = EntityIndex(case.model.composition(), []).search(case.mentions[:1], Query(3, method="candidates"))
    assert answer.rows.tolist() == []
