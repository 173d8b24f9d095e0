"""What goes into a batch, and which mentions and negatives there are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Entity, Mention
from otmel.errors import TrainingError
from otmel.models.names import NameMatch, NameVectorizer
from otmel.training.batches import Collator, Rows, hard_negatives, trainable

NAMES = ("Anna Bell", "Anna Bell", "Anna Belle", "Carl Dunn", "Carla Dunn", "Émile Fournier")
GRAPH = KnowledgeGraph([Entity(f"Q{row}", name) for row, name in enumerate(NAMES)])
VECTORIZER = NameVectorizer.fit(NAMES)


def test_the_rows_of_the_mentions():
    rows = Rows(3)
    assert len(rows) == 3
    assert [rows[i] for i in range(3)] == [0, 1, 2]


@given(
    answers=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    words=st.sampled_from(["Anna", "Bell", "Dunn", "zzz", ""]),
    count=st.integers(0, 5),
)
@settings(max_examples=50, deadline=None)
def test_hard_negatives_are_the_best_by_name_without_the_true_entity(answers, words, count):
    mentions = [Mention(words, words, answer=f"Q{row}") for row in answers]
    found = hard_negatives(mentions, np.array(answers), GRAPH, VECTORIZER, count)
    assert found.shape == (len(answers), count)
    scores = NameMatch(VECTORIZER, GRAPH).scores([words])[0]
    for gold, rows in zip(answers, found, strict=True):
        best = [row for row in np.argsort(-scores, kind="stable") if row != gold][:count]
        assert rows.tolist() == best


def test_more_hard_negatives_than_entities_are_refused():
    with pytest.raises(TrainingError, match="6 hard negatives are asked for, and the graph has 6 entities"):
        hard_negatives([], np.zeros(0, np.int64), GRAPH, VECTORIZER, 6)


def test_trainable_mentions_have_their_answer_in_the_graph():
    answers = ("Q0", NIL, "Q3", "Q99", None)
    mentions = [Mention("a", "a", answer=answer) for answer in answers]
    assert [m.answer for m in trainable(mentions, GRAPH)] == ["Q0", "Q3"]


@pytest.mark.parametrize("answers", [[], ["nil", "Q99"], ["Q1", "Q1"]])
def test_without_two_answers_there_is_nothing_to_train_on(answers):
    mentions = [Mention("a", "a", answer=answer) for answer in answers]
    with pytest.raises(TrainingError, match="at least two different answers") as fault:
        trainable(mentions, GRAPH)
    assert "otmel data check" in str(fault.value)


def test_a_batch_holds_true_entities_and_negatives_once_in_order(with_batch):
    material = with_batch(0, lambda side: side)
    negatives = np.stack([(material.train_gold + 1) % 24, (material.train_gold + 2) % 24], 1)
    collate = Collator(material.train, material.entities, material.train_gold, negatives)
    made = collate([4, 0, 7])
    batch, wanted = made["batch"], {int(material.train_gold[row]) + k for row in (4, 0, 7) for k in range(3)}
    assert made["rows"].tolist() == [4, 0, 7]
    assert batch.gold.tolist() == material.train_gold[[4, 0, 7]].tolist()
    assert batch.entity_rows.tolist() == sorted({row % 24 for row in wanted})
    assert len(batch.mentions.content) == 3
    length = batch.entities.content.text.mask.shape[1]
    expected = material.entities.content.text.tokens[batch.entity_rows, :length]
    assert torch.equal(batch.entities.content.text.tokens, expected)
