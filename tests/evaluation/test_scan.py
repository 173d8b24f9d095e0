"""The exact scan against brute force, whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from otmel.encoders import Widths
from otmel.errors import OtmelError
from otmel.evaluation import scan
from otmel.evaluation.scan import cut, encoded, scanned
from otmel.models.base import LateState, Scores, Side, State
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.models.tables import Table
from otmel.types import Elements, Views

MENTIONS, ENTITIES = 7, 11
GOLD = [3, -1, 0, 10, 3, 5, 9]


class Inner:
    """Two parts of inner products; many scores are equal, because the vectors hold small integers."""

    def encode_entities(self, entities: Side) -> State:
        return self.encode_mentions(entities)

    def encode_mentions(self, mentions: Side) -> State:
        views = mentions.content
        assert isinstance(views, Views)
        dense = {"A": views.text.cls, "B": views.image.cls}
        return State(dense, {}, torch.ones(len(views), dtype=torch.bool))

    def score(self, mentions: State, entities: State) -> Scores:
        parts = {part: mentions.dense[part] @ entities.dense[part].T for part in ("A", "B")}
        share = {part: torch.full_like(parts[part], 0.5) for part in parts}
        return Scores((parts["A"] + parts["B"]) / 2, parts, share)


def views(items: int, seed: int) -> Views:
    generator = torch.Generator().manual_seed(seed)

    def side(length: int) -> Elements:
        mask = torch.arange(length) < torch.randint(1, length + 1, (items, 1), generator=generator)
        cls = torch.randint(-1, 2, (items, 3), generator=generator).float()
        return Elements(torch.randn(items, length, 3, generator=generator), mask, cls)

    return Views(side(5), side(4))


def brute_force(scores: Tensor, gold: list[int]) -> tuple[list[int], list[int]]:
    """The first and the last place of the true entity among equal scores."""
    best, worst = [], []
    for row, true in zip(scores.tolist(), gold, strict=True):
        greater = sum(score > row[true] for score in row)
        equal = sum(score == row[true] for score in row)
        best.append(0 if true < 0 else greater + 1)
        worst.append(0 if true < 0 else greater + equal)
    return best, worst


@pytest.fixture
def states():
    scorer = Inner()
    return scorer.encode_mentions(Side(views(MENTIONS, 1))), scorer.encode_entities(Side(views(ENTITIES, 2)))


@pytest.mark.parametrize("entity_tile", [1, 2, 4, 11, 64])
@pytest.mark.parametrize("mention_tile", [1, 3, 16])
def test_it_equals_brute_force_for_any_tiles(monkeypatch, states, entity_tile, mention_tile):
    monkeypatch.setattr(scan, "ENTITY_TILE", entity_tile)
    monkeypatch.setattr(scan, "MENTION_TILE", mention_tile)
    done: list[int] = []
    found, alone = scanned(Inner(), *states, GOLD, k=4, parts=True, advance=done.append)
    scores = Inner().score(*states)
    for ranks, values in (
        (found.ranks, scores.total),
        (alone["A"], scores.parts["A"]),
        (alone["B"], scores.parts["B"]),
    ):
        optimistic, pessimistic = brute_force(values, GOLD)
        assert ranks.optimistic.tolist() == optimistic
        assert ranks.pessimistic.tolist() == pessimistic
    assert (found.ranks.pessimistic > found.ranks.optimistic).any()  # ties were met
    order = np.argsort(-scores.total.numpy(), axis=1, kind="stable")[:, :4]
    assert found.rows.tolist() == order.tolist()
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores.total.numpy(), order, 1))
    gold_scores = [float("nan") if g < 0 else float(scores.total[m, g]) for m, g in enumerate(GOLD)]
    np.testing.assert_array_equal(found.gold_scores, gold_scores)
    assert sum(done) == MENTIONS


def test_parts_are_ranked_only_when_asked_for(states):
    assert scanned(Inner(), *states, GOLD)[1] == {}


def test_more_entities_than_there_are_cannot_be_kept(states):
    found, _ = scanned(Inner(), *states, GOLD, k=50)
    assert found.rows.shape == (MENTIONS, ENTITIES)


def test_a_score_that_is_no_number_names_its_mention(states):
    mentions, entities = states
    mentions.dense["A"][4] = float("nan")
    with pytest.raises(OtmelError, match="NaN") as fault:
        scanned(Inner(), mentions, entities, GOLD, ids=[f"id {n}" for n in range(MENTIONS)])
    assert "mention id 4" in str(fault.value)


@pytest.mark.parametrize("entity_tile", [2, 64])
@pytest.mark.parametrize("preset", ["bare", "full"])
def test_a_linker_is_ranked_as_scoring_all_at_once_ranks_it(monkeypatch, entity_tile, preset):
    monkeypatch.setattr(scan, "ENTITY_TILE", entity_tile)
    monkeypatch.setattr(scan, "MENTION_TILE", 3)
    shape = {"residual": True, "layer_norm": True} if preset == "full" else {}
    torch.manual_seed(0)
    settings = ModelSettings.model_validate({"hidden": 8, "shape": shape})
    model = new_model(settings, widths=Widths(3, 3, 3, 3)).eval()
    mention_table, entity_table = Table(views(MENTIONS, 1), None), Table(views(ENTITIES, 2), None)
    device, told = torch.device("cpu"), []
    mentions = encoded(model.encode_mentions, mention_table, device=device, batch=2, advance=told.append)
    entities = encoded(model.encode_entities, entity_table, device=device, batch=3)
    assert told == [2, 2, 2, 1]
    with torch.no_grad():
        whole = model.score(
            model.encode_mentions(mention_table.side(torch.arange(MENTIONS))),
            model.encode_entities(entity_table.side(torch.arange(ENTITIES))),
        )
    found, alone = scanned(model, mentions, entities, GOLD, parts=True)
    assert found.ranks.optimistic.tolist() == brute_force(whole.total, GOLD)[0]
    assert set(alone) == {"F", "T", "V"}
    for part in alone:
        assert alone[part].optimistic.tolist() == brute_force(whole.parts[part], GOLD)[0]


def test_cutting_takes_away_padding_alone():
    mask = torch.tensor([[True, False, True, False], [True, False, False, False]])
    late = LateState(torch.randn(2, 4, 3), mask, values=torch.randn(2, 4, 3))
    none = LateState(torch.randn(2, 4, 3), torch.zeros_like(mask), target=torch.randn(2, 3))
    state = State({"T": torch.ones(2, 1)}, {"T": late, "V": none}, torch.ones(2, dtype=torch.bool))
    shorter = cut(state)
    assert torch.equal(shorter.late["T"].tokens, late.tokens[:, :3])
    assert torch.equal(shorter.late["T"].values, late.values[:, :3])
    assert shorter.late["V"].tokens.shape == (2, 1, 3)
    assert shorter.late["V"].target is none.target
    assert shorter.dense is state.dense
