"""What a second stage is trained on: each mention's true entity among the hardest others of its batch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def hardest(scores: Float[Tensor, "M E"], gold: Bool[Tensor, "M E"], count: int) -> Int[Tensor, "M k"] | None:
    """Columns of ``count`` entities per mention: first the true one, then the best others by the first stage's scores.

    Fewer where the batch has fewer; ``None`` where a mention has no other, or its true entity is not in the batch.

    Args:
        scores: of the first stage.
        gold: where a column holds the mention's true entity, in every column that repeats it.
        count: of columns, at most.
    """
    others = min(count - 1, int((~gold).sum(1).min()))
    if others < 1 or not gold.any(1).all():
        return None
    best = scores.masked_fill(gold, -torch.inf).topk(others, dim=1).indices
    return torch.cat([gold.int().argmax(1, keepdim=True), best], dim=1)


def reranking_loss(scores: Float[Tensor, "M k"]) -> Float[Tensor, ""]:
    """The mean of ``−log softmax`` of the true entity's score, which stands first, over each mention's candidates."""
    return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))
