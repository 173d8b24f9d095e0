"""Evaluations survive the disk, and broken ones name file and line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Entity, Mention
from otmel.errors import ConfigurationError, DataError
from otmel.evaluation.files import Evaluation, mention_results, read_evaluation, write_evaluation
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.ranks import RankFolder
from otmel.evaluation.results import System, Task, summarise
from otmel.evaluation.topk import Found, TopK

GRAPH = KnowledgeGraph([Entity(f"Q{row}", f"Name {row}") for row in range(4)])
MENTIONS = (
    Mention("Émile \ud800", id="m-1", answer="Q1"), Mention("Nobody", answer=NIL),
    Mention("line\u2028end", answer="Q3"),
)  # fmt: skip
SCORES = np.array([[0.1, 0.9, 0.2, 0.9], [0.4, 0.3, 0.2, 0.1], [0.0, 0.0, 0.0, -np.inf]])


@pytest.fixture
def scanned():
    """Scored in two blocks of mentions and two tiles of entities."""
    blocks = []
    for block in (slice(0, 1), slice(1, 3)):
        scores, gold = SCORES[block], gold_rows(MENTIONS[block], GRAPH)
        folder, best = RankFolder(gold, 4, gold_scores=scores[range(len(gold)), gold]), TopK(2)
        for start in (2, 0):
            folder.fold(scores[:, start : start + 2], start)
            best.fold(scores[:, start : start + 2], start)
        blocks.append(Found.of(folder, best))
    found = Found.concatenate(blocks)
    summary = summarise(found.ranks, MENTIONS, GRAPH)
    task = Task(dataset="t", split="dev", data="d", graph=GRAPH.snapshot, entities=4)
    return Evaluation(summary.result(System(model="m", seed=1), task), mention_results(MENTIONS, found, GRAPH))


def test_rows_say_what_became_of_each_mention(scanned):
    first, nobody, last = scanned.mentions
    assert (first.id, first.optimistic, first.pessimistic, first.score) == ("m-1", 1, 2, 0.9)
    assert first.candidates == (("Q1", 0.9), ("Q3", 0.9))
    assert (nobody.id, nobody.optimistic, nobody.score, nobody.answer) == ("#1", 0, None, NIL)
    assert nobody.candidates == (("Q0", 0.4), ("Q1", 0.3))
    assert (last.optimistic, last.score) == (4, None)


def test_written_and_read_back_unchanged(scanned, tmp_path):
    write_evaluation(scanned, tmp_path / "new" / "dev")
    again = read_evaluation(tmp_path / "new" / "dev")
    assert again == scanned
    assert again.ranks.realistic.tolist() == [1.5, 0, 4]
    assert sorted(path.name for path in (tmp_path / "new" / "dev").iterdir()) == ["mentions.jsonl", "result.json"]


def test_a_missing_evaluation_says_what_to_run(tmp_path):
    with pytest.raises(DataError, match=r"result\.json.*\n.*otmel evaluate"):
        read_evaluation(tmp_path)


def test_broken_files_name_their_place(scanned, tmp_path):
    write_evaluation(scanned, tmp_path)
    rows = (tmp_path / "mentions.jsonl").read_text(encoding="utf8").split("\n")
    for broken, error, place in (
        (["{", *rows[1:]], DataError, "line 1, column"),
        ([rows[0], "[]", *rows[2:]], ConfigurationError, "line 2"),
        ([rows[0], rows[1].replace('"optimistic": 0', '"optimistic": -1'), *rows[2:]], ConfigurationError, "line 2"),
        (rows[1:], DataError, "2 rows, but the result beside it counts 3"),
    ):
        (tmp_path / "mentions.jsonl").write_text("\n".join(broken), encoding="utf8")
        with pytest.raises(error, match=place):
            read_evaluation(tmp_path)
    (tmp_path / "mentions.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        read_evaluation(tmp_path)


def test_an_unknown_key_is_refused(scanned, tmp_path):
    write_evaluation(scanned, tmp_path)
    values = json.loads((tmp_path / "result.json").read_text(encoding="utf8"))
    values["system"]["modle"] = "x"
    (tmp_path / "result.json").write_text(json.dumps(values), encoding="utf8")
    with pytest.raises(ConfigurationError, match=r"system\.modle.*\n.*did you mean 'model'"):
        read_evaluation(tmp_path)
