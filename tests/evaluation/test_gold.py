"""Every mention is counted once: ranked, NIL, unanswered or not in the graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Entity, Mention
from otmel.evaluation.gold import count, gold_rows

GRAPH = KnowledgeGraph([Entity("Q1", "Anna", images=("a.jpg",)), Entity("Q2", "Carl")])
ANSWERS = st.sampled_from(["Q1", "Q2", "Q9", NIL, None])


@given(answers=st.lists(ANSWERS, max_size=20))
def test_counts_reconcile(answers):
    mentions = [Mention("Anna", answer=answer, image=b"x" if answer == "Q1" else None) for answer in answers]
    counts, gold = count(mentions, GRAPH), gold_rows(mentions, GRAPH)
    assert counts.mentions == len(answers)
    assert counts.mentions == counts.ranked + counts.nil + counts.unanswered + counts.not_in_graph
    assert (counts.nil, counts.unanswered, counts.not_in_graph) == (
        answers.count(NIL), answers.count(None), answers.count("Q9"),
    )  # fmt: skip
    assert counts.without_image == counts.entity_without_image == answers.count("Q2")
    assert [GRAPH[row].id if row >= 0 else None for row in gold.tolist()] == [
        answer if answer in ("Q1", "Q2") else None for answer in answers
    ]


def test_an_entity_called_nil_is_an_entity():
    graph = KnowledgeGraph([Entity(NIL, "Nil")])
    assert gold_rows([Mention("x", answer=NIL)], graph).tolist() == [0]
    assert count([Mention("x", answer=NIL)], graph).nil == 0
