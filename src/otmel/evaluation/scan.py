"""Every mention against every entity, tile by tile: ranks and best entities without keeping the whole matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otmel.evaluation.ranks import RankFolder, Ranks
from otmel.evaluation.topk import Found, TopK
from otmel.models.base import LateState, Scorer, Scores, State
from otmel.models.tables import Table
from otmel.types import concatenate

Advance = Callable[[int], None]
ENTITY_TILE = 64
MENTION_TILE = 16


def silent(done: int) -> None:
    """An ``advance`` that shows nothing."""


@torch.no_grad()
def encoded(
    encode: Callable[..., State], table: Table, *, device: torch.device, batch: int = 128, advance: Advance = silent
) -> State:
    """The states of all rows of a table, by ``scorer.encode_entities`` or ``scorer.encode_mentions``."""
    parts = []
    for rows in torch.arange(len(table)).split(batch):
        parts.append(encode(table.side(rows).to(device)))
        advance(len(rows))
    return concatenate(parts)


@torch.no_grad()
def scanned(
    scorer: Scorer,
    mentions: State,
    entities: State,
    gold_rows: Sequence[int] | NDArray[np.int64],
    *,
    k: int = 20,
    ids: Sequence[str] | None = None,
    parts: bool = False,
    advance: Advance = silent,
) -> tuple[Found, dict[str, Ranks]]:
    """Ranks and the ``k`` best entities of all mentions by exact scan.

    Args:
        scorer: the model.
        mentions: states of ``M`` mentions.
        entities: states of all ``E`` entities.
        gold_rows: the true entity's row per mention; −1 where there is none.
        k: how many best entities to keep.
        ids: what to call the mentions in errors.
        parts: also rank by each part of the score alone.
        advance: told how many mentions are done.

    Returns:
        What was found, and for each part the ranks by it alone (empty unless asked for).
    """
    gold = np.asarray(gold_rows, dtype=np.int64)
    tiles = _tiles(entities)
    found: list[Found] = []
    alone: dict[str, list[Ranks]] = {}
    for start in range(0, len(mentions), MENTION_TILE):
        rows = slice(start, start + MENTION_TILE)
        scores = _against_all(scorer, cut(mentions[rows]), tiles)
        names = None if ids is None else ids[rows]
        found.append(_found(scores.total, gold[rows], k, names))
        for part, values in scores.parts.items() if parts else ():
            alone.setdefault(part, []).append(_ranks(values, gold[rows], names))
        advance(len(gold[rows]))
    return Found.concatenate(found), {part: Ranks.concatenate(blocks) for part, blocks in alone.items()}


def cut(state: State) -> State:
    """A state without token columns that are padding in all its rows."""

    def shorter(late: LateState) -> LateState:
        used = late.mask.any(0).nonzero()
        length = int(used[-1]) + 1 if len(used) else 1
        values = None if late.values is None else late.values[:, :length]
        return LateState(late.tokens[:, :length], late.mask[:, :length], values, late.target)

    return State(state.dense, {part: shorter(late) for part, late in state.late.items()}, state.has_image, state.names)


def _tiles(entities: State) -> list[State]:
    return [cut(entities[start : start + ENTITY_TILE]) for start in range(0, len(entities), ENTITY_TILE)]


def _against_all(scorer: Scorer, mentions: State, tiles: list[State]) -> Scores:
    """The scores of one block of mentions against all entities, ``[block, E]``."""
    blocks = [scorer.score(mentions, tile) for tile in tiles]

    def joined(values: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(values), 1)

    names = blocks[0].parts
    return Scores(
        joined([block.total for block in blocks]),
        {part: joined([block.parts[part] for block in blocks]) for part in names},
        {part: joined([block.share[part] for block in blocks]) for part in names},
    )


def _found(scores: Tensor, gold: NDArray[np.int64], k: int, ids: Sequence[str] | None) -> Found:
    folder, best = RankFolder(gold, scores.shape[1], ids=ids), TopK(k)
    folder.take_gold(scores, 0)
    folder.fold(scores, 0)
    best.fold(scores, 0)
    return Found.of(folder, best)


def _ranks(scores: Tensor, gold: NDArray[np.int64], ids: Sequence[str] | None) -> Ranks:
    folder = RankFolder(gold, scores.shape[1], ids=ids)
    folder.take_gold(scores, 0)
    folder.fold(scores, 0)
    return folder.ranks()
