"""Ranking without some entities is ranking in a graph that never had them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.datasets import load_dataset
from otmel.data.graph import KnowledgeGraph
from otmel.encoders import Widths
from otmel.errors import DataError
from otmel.evaluation.calibration.sample import chosen_rows, sampled
from otmel.evaluation.opened import Opened
from otmel.evaluation.run import Contest, Encoded
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage
from otmel.models.base import Side
from otmel.models.baselines.drin import DrinSettings
from otmel.models.registry import new_model
from otmel.models.tables import Table
from otmel.types import Elements, Views

ROWS = np.array([3, 6, 7])
"""Q4, Q7 and Q8: the true entities of three of the four mentions of dev."""
NONE = np.zeros(0, dtype=np.int64)


@pytest.fixture(scope="module")
def dataset(tiny_dataset_folder):
    return load_dataset(tiny_dataset_folder)


@pytest.fixture(scope="module")
def ready(tiny_run, dataset):
    opened = Opened.of(tiny_run, dataset.graph)
    contest = Contest.of(opened.bundle, dataset, "dev")
    return opened, contest, contest.encode(opened.bundle.model, opened.bundle.model.device)


@pytest.mark.parametrize("k", [2, 5, 20])
@pytest.mark.parametrize("gone", [ROWS, np.arange(10)], ids=len)
def test_the_reduced_ranking_is_that_of_the_graph_without_them(k, gone, ready, dataset):
    opened, contest, encoded = ready
    kept = [entity for row, entity in enumerate(dataset.graph) if row not in gone]
    smaller = replace(dataset, graph=KnowledgeGraph(kept))
    other = Contest.of(opened.bundle, smaller, "dev")
    expected = sampled(other, other.encode(opened.bundle.model, opened.bundle.model.device), k, NONE)
    found = sampled(contest, encoded, k, gone)
    assert found.reduced is not None
    np.testing.assert_allclose(found.reduced.scores, expected.whole.scores, rtol=1e-5, atol=1e-5)
    assert found.reduced.right.tolist() == expected.whole.right.tolist()
    assert found.reduced.nil.tolist() == expected.whole.nil.tolist()
    assert found.reduced.nil[[0, 1, 2]].all()
    assert not found.whole.nil.any()


def test_the_whole_ranking_is_that_of_the_evaluation(ready, dataset):
    opened, contest, encoded = ready
    evaluation = contest.run(opened.bundle.model, opened.system, opened.bundle.model.device)
    whole = sampled(contest, encoded, 20, NONE).whole
    assert whole.scores.shape == (4, 20)
    for row, scores, right in zip(evaluation.mentions, whole.scores, whole.right, strict=True):
        assert [score for _, score in row.candidates] == pytest.approx(scores[np.isfinite(scores)].tolist())
        assert right == (row.candidates[0][0] == row.answer)


def test_mentions_without_a_stated_answer_are_left_out_and_nil_ones_are_nil(tiny_run, dataset):
    test = dataset.split("test")
    mentions = (replace(test[0], answer=None), *test[1:3], replace(test[0], answer="Q999"), test[3])
    opened = Opened.of(tiny_run, dataset.graph)
    contest = Contest.of(opened.bundle, replace(dataset, splits={"test": mentions}), "test")
    sample = sampled(contest, contest.encode(opened.bundle.model, opened.bundle.model.device), 5, NONE)
    assert sample.whole.nil.tolist() == [False, False, True, True]
    assert not sample.whole.right[2:].any()


def test_two_entities_must_be_left(ready):
    _, contest, encoded = ready
    with pytest.raises(DataError, match="1 entities are left"):
        sampled(contest, encoded, 5, np.arange(11))


@given(st.lists(st.integers(-1, 30), max_size=60), st.floats(0, 0.99), st.integers(0, 3))
def test_a_share_of_the_distinct_true_entities_is_removed(gold, share, seed):
    chosen = chosen_rows(np.array(gold, dtype=np.int64), share, seed)
    distinct = {row for row in gold if row >= 0}
    assert set(chosen.tolist()) <= distinct
    assert len(set(chosen.tolist())) == len(chosen)
    expected = 0 if share == 0 or not distinct else max(1, round(share * len(distinct)))
    assert len(chosen) == expected
    assert (chosen == chosen_rows(np.array(gold, dtype=np.int64), share, seed)).all()


def table(items: int, seed: int) -> Table:
    generator = torch.Generator().manual_seed(seed)

    def elements() -> Elements:
        tokens, cls = torch.randn(items, 3, 8, generator=generator), torch.randn(items, 8, generator=generator)
        return Elements(tokens, torch.ones(items, 3, dtype=torch.bool), cls)

    return Table(Views(elements(), elements()), None)


def test_with_a_second_stage_it_looks_at_those_who_move_up(ready, dataset):
    """Its best four of twelve, and of nine: another entity is looked at where one of the four is gone."""
    torch.manual_seed(0)
    model = new_model(DrinSettings(hidden=8, candidates=4), widths=Widths(8, 8, 8, 8)).eval()
    mentions, entities = table(4, 1), table(12, 2)
    kept = torch.tensor([row for row in range(12) if row not in ROWS])

    def encoded(rows: torch.Tensor) -> Encoded:
        with torch.no_grad():
            states = model.encode_mentions(Side(mentions.content)), model.encode_entities(Side(entities.content[rows]))
        fewer = Table(entities.content[rows], None)
        return Encoded(EntityIndex.of(states[1], model.composition()), states[0], SecondStage(model, mentions, fewer))

    found = sampled(ready[1], encoded(torch.arange(12)), 4, ROWS)
    graph = KnowledgeGraph([dataset.graph[int(row)] for row in kept])
    expected = sampled(replace(ready[1], graph=graph), encoded(kept), 4, NONE)
    assert found.reduced is not None
    np.testing.assert_allclose(found.reduced.scores, expected.whole.scores, rtol=1e-5, atol=1e-5)
    assert (np.abs(found.reduced.scores - found.whole.scores) > 1e-3).any()
