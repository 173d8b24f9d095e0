"""Eq. 26–27 by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.models.base import Scores
from otmel.objectives.contrastive import contrastive, contrastive_losses, distinct_columns, gold_columns


def everyone(scores: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(scores, dtype=torch.bool)


def by_hand(row: torch.Tensor, gold: int, candidates: list[int]) -> float:
    """−log of the true entity's share among the candidates."""
    return -math.log(math.exp(row[gold]) / sum(math.exp(row[c]) for c in candidates))


def test_it_is_cross_entropy():
    scores, gold = torch.randn(5, 7, dtype=torch.float64), torch.tensor([3, 0, 6, 6, 1])
    expected = torch.nn.functional.cross_entropy(scores, gold)
    torch.testing.assert_close(contrastive(scores, gold, everyone(scores)), expected)
    hand = sum(by_hand(row, int(g), list(range(7))) for row, g in zip(scores, gold, strict=True)) / 5
    assert expected.item() == pytest.approx(hand)


@given(seed=st.integers(0, 10**6), mentions=st.integers(1, 5), entities=st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_only_candidates_count_and_mentions_without_a_choice_drop_out(seed, mentions, entities):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(mentions, entities, generator=generator, dtype=torch.float64).requires_grad_()
    gold = torch.randint(entities, (mentions,), generator=generator)
    candidates = torch.rand(mentions, entities, generator=generator) < 0.6
    losses = []
    for row, column, allowed in zip(scores.detach(), gold.tolist(), candidates, strict=True):
        chosen = allowed.nonzero().flatten().tolist()
        if column in chosen and len(chosen) > 1:
            losses.append(by_hand(row, column, chosen))
    loss = contrastive(scores, gold, candidates)
    assert loss.item() == pytest.approx(sum(losses) / len(losses) if losses else 0.0, abs=1e-12)
    loss.backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad[~candidates] == 0).all()


def test_an_entity_counts_once_and_padding_never():
    rows = torch.tensor([4, 7, 4, 9, -1, 7, -1])
    assert distinct_columns(rows).tolist() == [True, True, False, True, False, False, False]
    assert gold_columns(torch.tensor([9, 4, 7]), rows).tolist() == [3, 0, 1]


def scores_of(total: torch.Tensor, parts: dict[str, torch.Tensor], share: dict[str, torch.Tensor]) -> Scores:
    return Scores(total, parts, share)


def test_the_same_entity_twice_is_no_negative_of_itself_nor_counted_twice():
    """Two mentions of entity 4: its second column changes nothing, for these mentions and for the third."""
    total, gold, rows = torch.randn(3, 4, dtype=torch.float64), torch.tensor([4, 4, 9]), torch.tensor([4, 9, 4, 2])
    losses = contrastive_losses(scores_of(total, {}, {}), gold, rows)
    without = contrastive_losses(scores_of(total[:, [0, 1, 3]], {}, {}), gold, rows[[0, 1, 3]])
    torch.testing.assert_close(losses["O"], without["O"])
    changed = total.clone()
    changed[:, 2] = 100.0
    torch.testing.assert_close(contrastive_losses(scores_of(changed, {}, {}), gold, rows)["O"], losses["O"])


def test_v_is_asked_only_among_pairs_with_both_images():
    total = torch.randn(3, 4, dtype=torch.float64)
    parts = {part: torch.randn(3, 4, dtype=torch.float64) for part in "FTVN"}
    has = torch.tensor([True, False, True]).unsqueeze(1) & torch.tensor([True, True, False, True])
    share = {part: torch.ones(3, 4) for part in "FTN"} | {"V": has / 4}
    gold, rows = torch.tensor([10, 11, 12]), torch.tensor([10, 11, 12, 13])
    losses = contrastive_losses(scores_of(total, parts, share), gold, rows)
    assert list(losses) == ["O", "F", "T", "V"]  # N learns through O alone
    for part, values in (("O", total), ("F", parts["F"]), ("T", parts["T"])):
        torch.testing.assert_close(losses[part], torch.nn.functional.cross_entropy(values, torch.arange(3)))
    # Mention 1 has no image, and the true entity of mention 2 has none: mention 0 alone is asked, among 0, 1 and 3.
    assert losses["V"].item() == pytest.approx(by_hand(parts["V"][0], 0, [0, 1, 3]))


def test_where_no_pair_has_both_images_v_is_zero_with_a_zero_gradient():
    values = torch.randn(2, 2, requires_grad=True)
    share = {"V": torch.zeros(2, 2)}
    scores = scores_of(torch.randn(2, 2), {"V": values}, share)
    loss = contrastive_losses(scores, torch.tensor([0, 1]), torch.tensor([0, 1]))["V"]
    loss.backward()
    assert loss == 0
    assert (values.grad == 0).all()
