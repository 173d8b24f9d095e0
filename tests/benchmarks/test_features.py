"""Generated features are what they say, and the same each time."""

from __future__ import annotations

import pytest
import torch
from benchmarks._features import IMAGE_TOKENS, TEXT_TOKENS, World
from benchmarks._operands import composition, formula
from benchmarks._searching import Gold, Tally, search_for, segments, weakened
from benchmarks._written import PRESET, opened, write
from benchmarks.search import _agree

from otmel.errors import OtmelError, StorageError
from otmel.index.answers import Query
from otmel.index.index import EntityIndex
from otmel.models.base import State

SMALL = World("clustered", ragged=True, images=0.6, width=8)


def test_the_same_world_gives_the_same_items():
    one, other = SMALL.entities(5, 20), SMALL.entities(5, 20)
    torch.testing.assert_close(one.late["T"].tokens, other.late["T"].tokens, rtol=0, atol=0)
    assert not torch.equal(one.dense["F"], SMALL.entities(25, 20).dense["F"])
    assert not torch.equal(one.dense["F"], SMALL.mentions(20).dense["F"])


def test_lengths_images_and_padding():
    state = SMALL.entities(0, 400)
    lengths = state.late["T"].mask.sum(1)
    assert lengths.min() >= 3
    assert lengths.max() <= TEXT_TOKENS
    assert lengths.float().median() < TEXT_TOKENS / 2
    assert 0.5 < state.has_image.float().mean() < 0.7
    assert state.late["V"].mask.sum(1).tolist() == (IMAGE_TOKENS * state.has_image).tolist()
    assert not state.late["V"].tokens[~state.has_image].any()
    assert not state.dense["V"][~state.has_image].any()


def test_clustered_tokens_are_alike_within_an_item():
    def cosine(world):
        tokens = torch.nn.functional.normalize(world.entities(0, 50).late["T"].tokens, dim=-1)
        return float((tokens[:, 0] * tokens[:, 1]).sum(-1).mean())

    assert cosine(World("random")) == pytest.approx(0, abs=0.1)
    assert cosine(World("clustered")) > 0.2


def test_iterations_are_set_and_rows_sum_to_one():
    form = formula("PAPER", 7)
    assert form.assignment.solver.iterations == 7
    assert form.assignment.solver.tolerance is None
    assert form.assignment.row_norm == "sum"
    assert formula("RELEASED", 7).assignment.row_norm == "l2"


def in_memory(precision="int8", count=90, gold=None):
    made = composition(PRESET, 8)
    return EntityIndex(made, list(segments(SMALL, count, (made, precision), gold, size=40)))


def test_an_index_on_disk_answers_as_one_in_memory(tmp_path):
    write(SMALL, 90, "int8", tmp_path / "index")
    mentions, query = SMALL.mentions(3), Query(5, [1, 2, 3])
    held = EntityIndex.of(SMALL.entities(0, 90), composition(PRESET, 8), "int8")
    answers = [list(index.search(mentions, query)) for index in (opened(tmp_path / "index", 8, 1), held)]
    for one, other in zip(*answers, strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.rank == other.rank


def test_an_index_that_the_disk_cannot_hold_is_not_begun(tmp_path):
    with pytest.raises(StorageError, match="are free"):
        write(SMALL, 10**12, "int8", tmp_path / "index")
    assert not list(tmp_path.iterdir())


def test_gold_entities_are_caught_and_come_near():
    gold = Gold(torch.tensor([3, 71, 3]))
    index, mentions = in_memory("float32", gold=gold), SMALL.mentions(3)
    torch.testing.assert_close(gold.dense["F"][1], SMALL.entities(66, 22).dense["F"][71 - 66])
    torch.testing.assert_close(gold.dense["F"][0], gold.dense["F"][2])
    near = gold.near(mentions, slice(0, 3), 0.999)
    assert [answer.rank[0] for answer in index.search(near, Query(1, gold.rows.tolist()))] == [1, 1, 1]


def test_a_search_stops_when_its_time_is_over():
    index, mentions = in_memory(), SMALL.mentions(40)
    short, whole = search_for(0, index, mentions, Query(2)), search_for(60, index, mentions, Query(2))
    assert (short.mentions, whole.mentions) == (16, 40)
    assert whole.pairs == 40 * 90
    both = Tally()
    for tally in (short, whole):
        both.add(tally)
    assert (both.mentions, both.pairs, both.scored) == (56, 56 * 90, short.scored + whole.scored)


def test_a_weaker_inner_product_leaves_the_late_terms():
    mentions = SMALL.mentions(2)
    weak: State = weakened(mentions, 0.5)
    torch.testing.assert_close(weak.dense["T"], mentions.dense["T"] / 2)
    assert weak.late is mentions.late


def test_answers_that_differ_from_a_scan_are_a_fault():
    index, mentions, query = in_memory(), SMALL.mentions(2), Query(3, [0, 1])
    answers = list(index.search(mentions, query))
    _agree(answers, index, mentions, query)
    with pytest.raises(OtmelError, match="mention 0"):
        _agree(answers[::-1], index, mentions, query)
