from __future__ import annotations

import pytest

from otmel.data.graph import KnowledgeGraph
from otmel.data.mention_checks import as_answer, check_answer, check_ids, check_text
from otmel.data.records import NIL, Entity, Mention


@pytest.mark.parametrize(("text", "answer"), [("nil", NIL), ("NIL", NIL), ("", None), ("Q1", "Q1"), ("nile", "nile")])
def test_answers(text, answer):
    assert as_answer(text) == answer


def test_a_mention_as_it_should_be_counts_nothing(findings):
    mention = Mention("Anna", "Anna paints.", answer="Q1", candidates=("Q1", "nil"))
    check_text(mention, findings, "row 1")
    check_answer(mention, KnowledgeGraph([Entity("Q1", "Anna")]), findings, "row 1")
    check_ids([mention, mention], ["row 1", "row 2"], findings)
    assert not findings


def test_every_repetition_of_an_id_is_counted_against_the_first(findings):
    check_ids([Mention("a", id="1"), Mention("b", id="1"), Mention("c", id="1")], ["r1", "r2", "r3"], findings)
    assert findings.examples == {"duplicate mention id": ["r2: '1' as in r1", "r3: '1' as in r1"]}
