"""The best of the best of all shards, whichever way a mention takes through them, are the best of the whole index."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.cluster.shards import Merged
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.index.packing import packed


@pytest.fixture(scope="module")
def whole(shard_case):
    composition = shard_case.model.composition()
    rows = torch.arange(len(shard_case.entities))
    segments = [packed(shard_case.entities[part], part, composition, "float32") for part in rows.split(9)]
    return shard_case, EntityIndex(composition, segments)


@settings(max_examples=25, deadline=None)
@given(
    shards=st.integers(1, 8), k=st.integers(1, 12), turn=st.integers(0, 7), method=st.sampled_from(["auto", "bounds"])
)
def test_merged_answers_are_those_of_one_index(whole, shards, k, turn, method):
    case, index = whole
    parts = [index.over(index.segments[number::shards]) for number in range(shards)]
    merged, scored = [Merged(k) for _ in range(len(case.mentions))], 0
    for step in range(shards):
        floor = [one.floor for one in merged]
        query = Query(k, method=method, floor=floor)
        for one, answer in zip(merged, parts[(turn + step) % shards].search(case.mentions, query), strict=True):
            one.take(answer)
    for one, answer in zip(merged, index.search(case.mentions, Query(k, method=method)), strict=True):
        found = one.answer
        assert found.rows.tolist() == answer.rows.tolist()
        assert np.array_equal(found.scores, answer.scores)
        assert found.certificate.pairs == answer.certificate.pairs == len(index)
        assert found.certificate.gap >= 0
        scored += found.certificate.scored
    assert scored <= len(case.mentions) * len(index)


def test_a_floor_above_all_scores_asks_for_nothing(whole):
    case, index = whole
    query = Query(3, method="bounds", floor=[math.inf] * len(case.mentions))
    for answer in index.search(case.mentions, query):
        assert answer.certificate.scored == 0
        assert answer.left < math.inf
