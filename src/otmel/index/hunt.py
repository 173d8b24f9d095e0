"""One mention, one score: which entries must be scored exactly until best ``k`` and the gold entity's rank are proven.

Every entry has an interval that holds its score. An entry is in the answer, or out of it, by its interval alone or by
its exact score; the hunt asks for exact scores until no entry is left in doubt, and finds what brute force finds:

- best ``k``: with τ the k-th best exact score so far, an entry whose upper bound is below τ cannot be among them;
- rank: a lower bound above the gold entity's score counts as greater, an upper bound below it does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.errors import OtmelError

FIRST = 32
GROWTH = 4


@dataclass(frozen=True)
class Found:
    """What a hunt has proven.

    Attributes:
        entries: the best entries, best first; ties go to the entry of the lower graph row.
        scores: their exact scores.
        gold_score: the gold entity's exact score; NaN without one.
        greater: how many entries score above it.
        ties: how many others score the same.
        scored: how many entries were scored exactly.
        gap: by how much the last of ``entries`` beats the best upper bound of what was not scored; infinite where
            everything was. Not negative: that is the proof.
        left: that bound itself.
    """

    entries: Int[Tensor, " k"]
    scores: Float[Tensor, " k"]
    gold_score: float
    greater: int
    ties: int
    scored: int
    gap: float
    left: float


class Hunt:
    """The search of one mention.

    Args:
        lower: lower bounds of all entries, ``-inf`` for one that is no candidate; changed by the hunt.
        upper: upper bounds likewise.
        k: how many best entries are wanted; 0 for none.
        gold: the gold entity's entry; −1 without one.
        floor: a score below which no entry is wanted.
    """

    def __init__(
        self, lower: Float[Tensor, " N"], upper: Float[Tensor, " N"], k: int, gold: int = -1, floor: float = -math.inf
    ) -> None:
        self.lower, self.upper, self.gold, self.floor = lower, upper, gold, floor
        self.k = min(k, int((upper > -torch.inf).sum()))
        self._entries: list[Tensor] = []
        self._totals: list[Tensor] = []
        self._take = max(FIRST, 2 * self.k)
        self.gold_score = math.nan

    def wanted(self) -> Int[Tensor, " P"]:
        """Entries whose exact score is needed next; none when all is proven."""
        candidates = self._candidates()
        if len(candidates) > self._take:
            best = self.upper[candidates].topk(self._take, sorted=False).indices
            candidates = candidates[best]
        self._take *= GROWTH
        wanted = [candidates]
        if self.gold >= 0:
            wanted.append(self._doubtful())
        return torch.unique(torch.cat(wanted))

    @property
    def open(self) -> int:
        """How many entries are still in doubt."""
        doubtful = len(self._doubtful()) if self.gold >= 0 else 0
        return max(len(self._candidates()), doubtful)

    def take(self, entries: Int[Tensor, " P"], totals: Float[Tensor, " P"]) -> None:
        """Exact scores of entries that were asked for."""
        if totals.isnan().any():
            raise OtmelError("a score is NaN", cure="the model's weights or inputs hold NaN")
        fresh = self.upper[entries] > -torch.inf
        entries, totals = entries[fresh], totals[fresh]
        if self.gold >= 0 and math.isnan(self.gold_score) and (own := totals[entries == self.gold]).numel():
            self.gold_score = float(own[0])
        self._entries.append(entries)
        self._totals.append(totals)
        self.upper[entries] = -torch.inf
        self.lower[entries] = -torch.inf

    def found(self, rows: Int[Tensor, " N"]) -> Found:
        """The answer, once nothing is wanted any more; ``rows`` are the entries' rows in the graph."""
        entries = torch.cat(self._entries) if self._entries else torch.zeros(0, dtype=torch.long)
        totals = torch.cat(self._totals) if self._totals else torch.zeros(0, dtype=torch.float64)
        by_row = torch.argsort(rows[entries])
        order = by_row[torch.sort(totals[by_row], descending=True, stable=True).indices][: self.k]
        last = float(totals[order[-1]]) if len(order) else math.inf
        left = float(self.upper.max()) if len(self.upper) else -math.inf
        greater = ties = 0
        if self.gold >= 0:
            certain = int((self.lower > _up(self.gold_score)).sum())
            greater = certain + int((totals > self.gold_score).sum())
            ties = int((totals == self.gold_score).sum()) - 1
        return Found(entries[order], totals[order], self.gold_score, greater, ties, len(entries), last - left, left)

    def _candidates(self) -> Int[Tensor, " P"]:
        """Entries not yet scored that may be among the best ``k``."""
        if self.k == 0:
            return torch.zeros(0, dtype=torch.long)
        scored = torch.cat(self._totals) if self._totals else torch.zeros(0, dtype=torch.float64)
        if len(scored) >= self.k:
            threshold = _down(float(scored.topk(self.k, sorted=False).values.min()))
        elif not len(scored):
            threshold = float(self.lower.topk(self.k, sorted=False).values.min())
        else:
            threshold = -math.inf
        threshold = max(threshold, _down(self.floor))
        return torch.nonzero((self.upper >= threshold) & (self.upper > -torch.inf)).flatten()

    def _doubtful(self) -> Int[Tensor, " P"]:
        """Entries not yet scored that may lie on either side of the gold entity; before its score is known, itself."""
        if math.isnan(self.gold_score):
            return torch.tensor([self.gold])
        reach = (self.upper >= _down(self.gold_score)) & (self.lower <= _up(self.gold_score))
        return torch.nonzero(reach & (self.upper > -torch.inf)).flatten()


def _down(score: float) -> float:
    """The largest float32 that is not above ``score``: comparisons with float32 tensors are made in float32."""
    near = torch.tensor(score, dtype=torch.float32)
    return float(near if float(near) <= score else torch.nextafter(near, torch.tensor(-torch.inf)))


def _up(score: float) -> float:
    """The smallest float32 that is not below ``score``."""
    return -_down(-score)
