"""Exact search equals brute force over exact scores, whatever the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otmel.index.answers import Query
from otmel.index.index import EntityIndex, SearchSettings, ranks

MODELS = [(name, "ot") for name in ("PAPER", "RELEASED", "default")] + [
    ("default", row) for row in ("f1", "f2", "m1", "m2", "a1", "o1", "o2", "kd")
]


def index_of(case, **settings):
    return EntityIndex.of(case.entities, case.model.composition(), settings=SearchSettings(**settings))


def everything(index, case):
    """The exact score and parts of every pair."""
    count = len(case.entities)
    mention = torch.arange(len(case.mentions)).repeat_interleave(count)
    rows = torch.arange(count).repeat(len(case.mentions))
    added = index.contributions(case.mentions, (mention, rows))
    total = torch.zeros(added.shape[1], dtype=torch.float64)
    for row in added:
        total = total + row
    return total.view(-1, count), added.view(len(added), -1, count)


FREE = {"solver": {"relax": (0.1, 0.9), "iterations": 4}, "row_norm": "none"}
INTERACTIONS = {
    "null keys": {},
    "text alone, balanced": {"text": {"kind": "transport", "row_norm": "none"}, "vision": None},
    "unbalanced": {part: {"kind": "transport", **FREE} for part in ("text", "vision")},
    "attention": {part: {"kind": "attention"} for part in ("text", "vision")},
    "learned marginals": {"text": {"kind": "transport", "row_norm": "none", "marginals": "learned"}},
}


@pytest.mark.parametrize("method", ["auto", "bounds", "scan"])
@pytest.mark.parametrize("alone", [False, True], ids=["added", "nothing else"])
@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_late_interactions_are_served_as_any_late_term(make_case, interaction, alone, method):
    others = {"fusion": None, "matching": None} if alone else {}
    case = make_case("default", interaction=INTERACTIONS[interaction], **others)
    index = index_of(case)
    total, added = everything(index, case)
    with torch.no_grad():
        scores = case.model.score(case.mentions, case.entities)
    torch.testing.assert_close(total.float(), scores.total, atol=2e-5, rtol=1e-4)
    names = case.model.composition().names
    assert names[0 if alone else 3] == "LT"
    for part, own in zip(names, added, strict=True):
        torch.testing.assert_close(own.float(), scores.contribution(part), atol=2e-5, rtol=1e-4)
    for row, answer in enumerate(index.search(case.mentions, Query(6, method=method))):
        order = sorted(range(len(case.entities)), key=lambda e: (-float(total[row, e]), e))[:6]
        assert answer.rows.tolist() == order


@pytest.mark.parametrize(("name", "variant"), MODELS)
def test_exact_scores_are_the_models(make_case, name, variant):
    case = make_case(name, variant)
    total, added = everything(index_of(case), case)
    with torch.no_grad():
        scores = case.model.score(case.mentions, case.entities)
    torch.testing.assert_close(total.float(), scores.total, atol=2e-5, rtol=1e-4)
    for part, own in zip(case.model.composition().names, added, strict=True):
        torch.testing.assert_close(own.float(), scores.contribution(part), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["auto", "bounds", "scan"])
@pytest.mark.parametrize(("name", "variant"), MODELS)
def test_it_equals_brute_force(make_case, name, variant, method):
    case = make_case(name, variant)
    index = index_of(case)
    total, _ = everything(index, case)
    gold = [row % 5 - 1 for row in range(len(case.mentions))]
    names = case.model.composition().names
    answers = list(index.search(case.mentions, Query(6, gold, names, method)))
    for row, answer in enumerate(answers):
        order = sorted(range(len(case.entities)), key=lambda e: (-float(total[row, e]), e))[:6]
        assert answer.rows.tolist() == order
        np.testing.assert_allclose(answer.scores, total[row, order].numpy(), rtol=1e-14)
        if gold[row] >= 0:
            greater = int((total[row] > total[row, gold[row]]).sum())
            ties = int((total[row] == total[row, gold[row]]).sum()) - 1
            assert answer.rank == (1 + greater, ties)
        assert answer.certificate.gap >= 0
        assert answer.certificate.pairs == len(case.entities)


@pytest.mark.parametrize("name", ["PAPER", "default"])
def test_alone_and_in_a_batch_the_bits_are_the_same(make_case, name):
    case = make_case(name)
    index = index_of(case)
    together = list(index.search(case.mentions, Query(5)))
    for row in range(len(case.mentions)):
        (alone,) = index.search(case.mentions[row : row + 1], Query(5))
        assert alone.rows.tolist() == together[row].rows.tolist()
        assert alone.scores.tobytes() == together[row].scores.tobytes()


def test_ranks_of_the_answers(make_case):
    case = make_case("default")
    gold = [0, 1, 2, -1, 5, 6, 7, 8, 9]
    answers = list(index_of(case).search(case.mentions, Query(1, gold, ("T",))))
    first, last = ranks(answers)
    assert first[3] == last[3] == 0
    assert last[0] >= first[0] + 2  # entities 0, 1 and 2 are the same
    assert ranks(answers, "T")[0].shape == (9,)
