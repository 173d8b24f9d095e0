"""The second stage decides among what the first one found, and nothing else changes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from otmel.encoders import Widths
from otmel.errors import OtmelError
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage, answered
from otmel.models.base import Side
from otmel.models.baselines.drin import DrinSettings
from otmel.models.registry import new_model
from otmel.models.tables import Table
from otmel.training.settings import preset
from otmel.types import Elements, Views

CANDIDATES, ENTITIES, MENTIONS, WIDTHS = 4, 12, 5, Widths(8, 8, 8, 8)


def table(items: int, seed: int) -> Table:
    generator = torch.Generator().manual_seed(seed)

    def elements() -> Elements:
        tokens, cls = torch.randn(items, 3, 8, generator=generator), torch.randn(items, 8, generator=generator)
        return Elements(tokens, torch.ones(items, 3, dtype=torch.bool), cls)

    return Table(Views(elements(), elements()), None)


@pytest.fixture
def made():
    torch.manual_seed(0)
    model = new_model(DrinSettings(hidden=8, candidates=CANDIDATES), widths=WIDTHS).eval()
    mentions, entities = table(MENTIONS, 1), table(ENTITIES, 2)
    with torch.no_grad():
        states = [encode(Side(one.content)) for encode, one in
                  ((model.encode_mentions, mentions), (model.encode_entities, entities))]  # fmt: skip
    index = EntityIndex.of(states[1], model.composition())
    return SecondStage(model, mentions, entities), partial(index.search, states[0])


def test_a_model_without_a_second_stage_has_none():
    model = new_model(preset("default").model, widths=WIDTHS)
    assert SecondStage.of(model, table(1, 0), table(1, 0)) is None
    assert SecondStage.of(object(), table(1, 0), table(1, 0)) is None


def test_without_a_second_stage_the_first_one_answers(made):
    _, search = made
    for one, other in zip(answered(search, Query(3), None), search(Query(3)), strict=True):
        assert one.rows.tolist() == other.rows.tolist()


@pytest.mark.parametrize("k", [1, CANDIDATES, ENTITIES])
def test_the_best_are_put_in_order_anew_and_the_others_stay(made, k):
    stage, search = made
    whole = list(search(Query(ENTITIES)))
    for row, after in enumerate(answered(search, Query(k), stage)):
        looked = whole[row].rows[:CANDIDATES]
        order = looked[np.argsort(-stage.scores(row, looked), kind="stable")]
        assert after.rows.tolist() == [*order, *whole[row].rows[CANDIDATES:]][:k]
        assert (np.diff(after.scores) <= 0).all()
        assert after.certificate.again == CANDIDATES


def test_ranks_are_the_second_stage_s_among_the_best_and_the_first_one_s_behind(made):
    stage, search = made
    for gold in range(ENTITIES):
        query = Query(0, [gold] * MENTIONS)
        for row, (first, second) in enumerate(zip(search(query), answered(search, query, stage), strict=True)):
            looked = next(answer for n, answer in enumerate(search(Query(CANDIDATES))) if n == row).rows
            if gold in looked:
                scores = stage.scores(row, looked)
                own = scores[looked.tolist().index(gold)]
                assert second.rank == (1 + (scores > own).sum(), 0)
                assert second.gold_score == own
            else:
                assert second.rank == first.rank


def test_a_score_that_is_no_number_is_an_error(made):
    stage, _ = made
    with torch.no_grad():
        stage.model.scale.fill_(torch.nan)
    with pytest.raises(OtmelError, match="second stage is NaN"):
        stage.scores(0, np.array([0, 1]))
