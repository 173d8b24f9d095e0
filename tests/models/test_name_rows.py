"""The part N: names inside a model's states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otmel.data.records import Entity, Mention
from otmel.models.base import Side
from otmel.models.name_rows import entity_names, mention_names, name_scores
from otmel.models.name_scorer import NameScorer
from otmel.models.names import NameMatch, NameVectorizer
from otmel.models.tables import Table
from otmel.types import concatenate

ENTITIES = (
    Entity("Q1", "Anna Bell", aliases=("A. Bell", "Belle")),
    Entity("Q2", "Carl Dunn"),
    Entity("Q3", "Émile Fournier", aliases=("Fournier",)),
    Entity("Q4", "Anna Bell"),
    Entity("Q5", "道", aliases=("Dao", "Tao", "The Way")),
)
WORDS = ("Bell", "Dunn", "fournier", "Tao", "nobody at all", "")


@pytest.fixture(scope="module")
def match():
    return NameMatch.fit(ENTITIES)


@pytest.fixture(scope="module")
def rows(match):
    return (
        mention_names(match.vectorizer, [Mention(word, word) for word in WORDS]),
        entity_names(match.vectorizer, ENTITIES),
    )


@pytest.mark.parametrize(
    "chosen", [[0, 1, 2, 3, 4], [4, 0], [2], [1, 2, 3], [3, 3, 0, 4], [4, 3, 2, 1, 0]], ids=lambda rows: str(rows)
)
def test_scores_are_those_of_name_match_bit_for_bit(match, rows, chosen):
    mentions, entities = rows
    expected = match.scores(list(WORDS))
    assert torch.equal(name_scores(mentions, entities[chosen]), torch.from_numpy(expected[:, chosen]))
    some = torch.tensor([5, 0, 2])
    assert torch.equal(name_scores(mentions[some], entities[chosen]), torch.from_numpy(expected[some][:, chosen]))


def test_an_alias_counts_as_a_name(match, rows):
    scores = name_scores(*rows)
    assert scores[3, 4] == pytest.approx(1, abs=1e-6)
    assert scores[3].argmax() == 4
    assert (scores[4:] <= 0.5).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_slicing_and_joining_move_indices_alone(rows):
    entities = rows[1]
    assert entities[1:3].table is entities.table
    joined = concatenate([entities[3:], entities[:2]])
    assert joined.index.tolist() == [3, 4, 0, 1]
    assert torch.equal(name_scores(rows[0], joined), name_scores(rows[0], entities)[:, [3, 4, 0, 1]])


def test_name_match_alone_is_a_scorer(match, rows):
    scorer = NameScorer()
    mentions, entities = (Table(None, names) for names in rows)
    assert len(mentions) == len(WORDS)
    scores = scorer.score(
        scorer.encode_mentions(mentions.side(torch.arange(6))), scorer.encode_entities(entities.side(torch.arange(5)))
    )
    assert np.array_equal(scores.total.numpy(), match.scores(list(WORDS)))
    assert torch.equal(scores.contribution("N"), scores.total)
    with pytest.raises(AssertionError, match="needs names"):
        scorer.encode_mentions(Side(None))


def test_n_is_added_with_its_learned_weight(match, rows, make_linker, make_settings, make_views):
    model = make_linker(make_settings("PAPER", name_match=True))
    with torch.no_grad():
        model.name_weight.fill_(0.7)
    mentions, entities = Side(make_views(6), rows[0]), Side(make_views(5, seed=1, absent=(2,)), rows[1])
    with torch.no_grad():
        named = model.score(model.encode_mentions(mentions), model.encode_entities(entities))
        plain = model.score(
            model.encode_mentions(Side(mentions.content)), model.encode_entities(Side(entities.content))
        )
    names = torch.from_numpy(match.scores(list(WORDS)).astype(np.float64))
    torch.testing.assert_close(named.total, plain.total + 0.7 * names, atol=1e-7, rtol=0)
    torch.testing.assert_close(named.contribution("N"), 0.7 * names, atol=1e-7, rtol=0)
    torch.testing.assert_close(sum(named.contribution(part) for part in named.parts), named.total)
    assert "N" not in plain.parts


def test_the_idf_is_the_graph_s_whatever_is_scored(match):
    fitted = NameVectorizer.from_state(match.state())
    again = entity_names(fitted, ENTITIES)
    words = mention_names(fitted, [Mention("Bell", "Bell")])
    assert np.array_equal(name_scores(words, again).numpy(), match.scores(["Bell"]))
