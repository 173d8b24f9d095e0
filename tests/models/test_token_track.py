"""Fusion and unimodal matching both matter: the ablations F2 and M2 at the token track's full size (Table 2).

The model is ``RELEASED``'s, whose two parts were found to matter in every run; nothing is asserted of OT against
attention. 240 entities, 1,400 training and 500 test mentions, all entities as candidates.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from otmel.data.token_track import TokenTrackSettings, token_track
from otmel.encoders import Widths
from otmel.evaluation.scan import encoded, scanned
from otmel.models.otmel import OTMEL
from otmel.models.registry import new_model
from otmel.models.tables import Table
from otmel.models.token_track import features
from otmel.models.variants import variant
from otmel.objectives.total import total_loss
from otmel.training.batches import Collator
from otmel.training.settings import RELEASED

EPOCHS, BATCH, RATE = 6, 32, 2e-3
SEEDS = int(os.environ.get("OTMEL_TRACK_SEEDS", "1"))
"""``OTMEL_TRACK_SEEDS=3`` trains nine models, which takes minutes."""


def trained(name: str, entities: Table, train: Table, gold: np.ndarray, seed: int) -> OTMEL:
    """A model on ready features, by plain AdamW: no validation and no choice of a checkpoint."""
    torch.manual_seed(seed)
    model = new_model(variant(name, RELEASED.model), widths=Widths(64, 64, 64, 64)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-4)
    collate = Collator(train, entities, gold, np.zeros((len(gold), 0), dtype=np.int64))
    total = EPOCHS * (len(gold) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1, (s + 1) / 50) * (1 - s / total))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(gold)).split(BATCH)[: len(gold) // BATCH]:
            loss = total_loss(model, collate(rows.tolist())["batch"]).total
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def mrr(model: OTMEL, entities: Table, mentions: Table, gold: np.ndarray) -> float:
    """MRR in percent, realistic ranks, all entities as candidates."""
    device = torch.device("cpu")
    found, _ = scanned(
        model,
        encoded(model.encode_mentions, mentions, device=device),
        encoded(model.encode_entities, entities, device=device),
        gold,
        k=1,
    )
    return 100 * float((1 / found.ranks.realistic).mean())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_fusion_and_matching_both_matter(seed):
    track = token_track(TokenTrackSettings(seed=seed))
    entities, train, test = features(track.entities), features(track.splits["train"]), features(track.splits["test"])
    assert (len(entities), len(train), len(test)) == (240, 1400, 500)
    gold = {split: track.splits[split].gold for split in ("train", "test")}
    found = {
        name: mrr(trained(name, entities, train, gold["train"], seed), entities, test, gold["test"])
        for name in ("ot", "f2", "m2")
    }
    assert found["ot"] - found["f2"] >= 3, found
    assert found["ot"] - found["m2"] >= 3, found
