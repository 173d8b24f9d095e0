"""Defined answers where there is little or nothing to tell entities apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from otmel.errors import OtmelError
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.index.packing import packed
from otmel.models.base import LateState, State

METHODS = ["auto", "bounds", "scan"]


def index_of(case, rows=slice(None)):
    return EntityIndex.of(case.entities[rows], case.model.composition())


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_graph_has_no_answer(make_case, method):
    case = make_case("default")
    (answer,) = EntityIndex(case.model.composition(), []).search(case.mentions[:1], Query(5, method=method))
    assert answer.rows.tolist() == []
    assert answer.scores.tolist() == []
    assert answer.certificate.pairs == answer.certificate.scored == 0


@pytest.mark.parametrize("method", METHODS)
def test_one_entity_is_the_answer_to_everything(make_case, method):
    case = make_case("default")
    for answer in index_of(case, slice(3, 4)).search(case.mentions, Query(5, [0] * 9, method=method)):
        assert answer.rows.tolist() == [0]
        assert answer.rank == (1, 0)
        assert answer.gold_score == answer.scores[0]


@pytest.mark.parametrize("method", METHODS)
def test_k_beyond_the_graph_gives_the_whole_graph_in_order(make_case, method):
    case = make_case("PAPER", size=(3, 12))
    for answer in index_of(case).search(case.mentions, Query(1_000, method=method)):
        assert sorted(answer.rows.tolist()) == list(range(12))
        assert (np.diff(answer.scores) <= 0).all()
        assert math.isinf(answer.certificate.gap)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["PAPER", "default"])
def test_entities_that_are_the_same_tie_and_come_in_the_order_of_their_rows(make_case, name, method):
    case = make_case(name)
    same = case.entities[torch.zeros(40, dtype=torch.long)]
    index = EntityIndex.of(same, case.model.composition())
    for answer in index.search(case.mentions, Query(7, [12] * 9, ("T",), method)):
        assert answer.rows.tolist() == list(range(7))
        assert len(set(answer.scores.tolist())) == 1
        assert answer.rank == answer.alone["T"] == (1, 39)


@pytest.mark.parametrize("method", METHODS)
def test_a_mention_that_says_nothing_still_gets_an_answer(make_case, method):
    case = make_case("PAPER", size=(2, 30))
    mute = State(
        {part: torch.zeros_like(vector) for part, vector in case.mentions.dense.items()},
        {
            part: LateState(late.tokens, torch.zeros_like(late.mask), late.values)
            for part, late in case.mentions.late.items()
        },
        torch.zeros(2, dtype=torch.bool),
        case.mentions.names,
    )
    for answer in index_of(case).search(mute, Query(4, [5, 6], method=method)):
        assert answer.rows.tolist() == [0, 1, 2, 3]
        assert answer.scores.tolist() == [0.0] * 4
        assert answer.rank == (1, 29)


@pytest.mark.parametrize("method", METHODS)
def test_deleted_entries_are_never_found_and_never_counted(make_case, method):
    case = make_case("default")
    composition = case.model.composition()
    whole = packed(case.entities, torch.arange(70), composition)
    kept = torch.tensor([row for row in range(70) if row % 3])
    rows = torch.full((70,), -1)
    rows[kept] = torch.arange(len(kept))
    masked = EntityIndex(composition, [replace(whole, rows=rows)])
    fresh = EntityIndex.of(case.entities[kept], composition)
    assert len(masked) == len(fresh) == len(kept)
    query = Query(9, [4] * 9, ("V", "N"), method)
    for one, other in zip(masked.search(case.mentions, query), fresh.search(case.mentions, query), strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.scores.tobytes() == other.scores.tobytes()
        assert (one.rank, one.alone) == (other.rank, other.alone)


@pytest.mark.parametrize("cuts", [(70,), (1, 69), (16, 17, 37), (35, 0, 35)])
def test_segments_do_not_matter(make_case, cuts):
    case = make_case("default")
    composition = case.model.composition()
    parts = torch.arange(70).split(list(cuts))
    cut = EntityIndex(composition, [packed(case.entities[part], part, composition) for part in parts if len(part)])
    query = Query(9, list(range(9)), ("T",))
    for one, other in zip(cut.search(case.mentions, query), index_of(case).search(case.mentions, query), strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.scores.tobytes() == other.scores.tobytes()
        assert (one.rank, one.alone) == (other.rank, other.alone)


@pytest.mark.parametrize("method", METHODS)
def test_a_score_that_is_not_a_number_names_the_mention(make_case, method):
    case = make_case("default")
    broken = case.mentions[torch.arange(9)]
    broken.dense["F"][4, 0] = torch.nan
    with pytest.raises(OtmelError, match="NaN") as fault:
        list(index_of(case).search(broken, Query(3, method=method, ids=[f"m{row}" for row in range(9)])))
    assert fault.value.where == "mention m4"


def test_a_gold_row_that_the_index_does_not_hold_is_refused(make_case):
    case = make_case("default")
    with pytest.raises(OtmelError, match="entity row 70 is not among the 70 entities"):
        list(index_of(case).search(case.mentions, Query(3, [70] * 9)))
