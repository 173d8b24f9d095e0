"""Contrastive loss between two views, and how well one finds the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def contrast(
    first: Float[Tensor, "B d"], second: Float[Tensor, "B d"], things: Int[Tensor, " B"], scale: Tensor | float
) -> Float[Tensor, ""]:
    """Cross-entropy of finding each row's partner, both ways; rows of the same thing are no negatives.

    Args:
        first: one view of each thing, not normalised.
        second: the other view, row by row.
        things: the number of the thing that each row shows.
        scale: factor of the cosine (inverse temperature).
    """
    similarity = scale * normalize(first, dim=-1) @ normalize(second, dim=-1).T
    same = things[:, None] == things[None]
    same.fill_diagonal_(False)
    similarity = similarity.masked_fill(same, float("-inf"))
    target = torch.arange(len(things), device=similarity.device)
    return (cross_entropy(similarity, target) + cross_entropy(similarity.T, target)) / 2


@dataclass(frozen=True)
class Retrieval:
    """How often a text finds its image.

    Attributes:
        candidates: number of images it is sought among.
        hit1: share of the texts whose own image comes first.
        hit10: share of the texts whose own image is among the first ten.
        mrr: mean reciprocal rank.
        chance: ``hit1`` of a random order.
    """

    candidates: int
    hit1: float
    hit10: float
    mrr: float
    chance: float

    def as_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


def retrieval(texts: Float[Tensor, "N d"], images: Float[Tensor, "N d"]) -> Retrieval:
    """Ranks of each text's own image by cosine; ties count half."""
    similarity = normalize(texts, dim=-1) @ normalize(images, dim=-1).T
    own = similarity.diagonal()[:, None]
    ranks = 1 + (similarity > own).sum(1) + ((similarity == own).sum(1) - 1) / 2
    return Retrieval(
        candidates=len(texts),
        hit1=(ranks <= 1).float().mean().item(),
        hit10=(ranks <= 10).float().mean().item(),
        mrr=(1 / ranks).mean().item(),
        chance=1 / len(texts),
    )
