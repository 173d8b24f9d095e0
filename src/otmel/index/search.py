"""Exact search: every mention against every entity of an index, by bounds or by scanning.

The way is chosen mention by mention: intervals from bounds first; where these leave too much in doubt, every late term
is computed. Either way the answer is that of brute force over the exact scores, and comes with a certificate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from otmel.errors import OtmelError
from otmel.index.answers import Answer, Certificate, Query
from otmel.index.blend import Blend, Interval
from otmel.index.hunt import Found, Hunt
from otmel.index.late import LateSearch
from otmel.index.meeting import Meeting
from otmel.index.mentions import Askers
from otmel.index.segment import Segment
from otmel.models.composition import Composition

INTERVAL_BYTES = 2**28
"""Memory for intervals; decides how many mentions are searched at once."""
MOST_AT_ONCE = 64
PAYS = 0.2
"""Share of the entries up to which single pairs are cheaper than a scan."""


@dataclass
class Searcher:
    """Searches the segments of an index.

    Attributes:
        composition: what a score is made of.
        late: part → what computes and bounds its late term.
        segments: all entities.
        rows: the graph row of every entry, segment after segment; −1 where there is none.
    """

    composition: Composition
    late: Mapping[str, LateSearch]
    segments: Sequence[Segment]
    rows: Int[Tensor, " N"] = field(init=False)
    _start: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = torch.cat([torch.zeros(0, dtype=torch.long), *(segment.rows for segment in self.segments)])
        self._start = np.cumsum([0, *(len(segment) for segment in self.segments)]).tolist()
        self._entry_of_row = torch.full((int(self.rows.max()) + 1 if len(self.rows) else 0,), -1)
        alive = torch.nonzero(self.rows >= 0).flatten()
        self._entry_of_row[self.rows[alive]] = alive
        self._alive = len(alive)

    def __len__(self) -> int:
        return self._alive

    def search(self, askers: Askers, query: Query) -> Iterator[Answer]:
        """The answers to all mentions, in their order."""
        blends = [Blend(self.composition), *(Blend(self.composition, part) for part in query.alone)]
        step = max(1, min(MOST_AT_ONCE, INTERVAL_BYTES // (8 * len(blends) * max(len(self.rows), 1))))
        for start in range(0, len(askers), step):
            yield from _Batch(self, askers, query, blends, slice(start, start + step)).answers()

    def entries(self, rows: Sequence[int]) -> Int[Tensor, " P"]:
        """The entries of graph rows; −1 stays −1. Raises ``OtmelError`` for a row that the index does not hold."""
        asked = torch.tensor(rows, dtype=torch.long)
        inside = (asked >= 0) & (asked < len(self._entry_of_row))
        entries = torch.full_like(asked, -1)
        entries[inside] = self._entry_of_row[asked[inside]]
        lost = torch.nonzero((asked >= 0) & (entries < 0)).flatten()
        if len(lost):
            raise OtmelError(f"entity row {int(asked[lost[0]])} is not among the {len(self):,} entities of the index")
        return entries

    def exact(self, meetings: Sequence[Meeting], mention: Tensor, entry: Tensor) -> tuple[Tensor, Tensor]:
        """Parts ``[X, P]`` and share ``[P]`` of single pairs, whatever segment they lie in."""
        parts = torch.zeros(len(self.composition.names), len(entry), dtype=torch.float64)
        share = torch.zeros(len(entry), dtype=torch.float64)
        for place, meeting in enumerate(meetings):
            first, last = self._start[place], self._start[place + 1]
            here = torch.nonzero((entry >= first) & (entry < last)).flatten()
            if len(here):
                parts[:, here], share[here] = meeting.exact(mention[here], entry[here] - first)
        return parts, share

    def meetings(self, askers: Askers, bounded: bool = False) -> list[Meeting]:
        """The mentions with every segment; ``bounded``: ready to be bounded."""
        prepared = {
            part: late.bounder.prepare(askers.senders[part])
            for part, late in (self.late.items() if bounded else ())
            if late.bounder is not None
        }
        return [Meeting(self.composition, self.late, askers, segment, prepared) for segment in self.segments]

    @property
    def bounded(self) -> bool:
        """Whether every late term has bounds."""
        return all(late.bounder is not None for late in self.late.values())


class _Batch:
    """The search of some mentions at once."""

    def __init__(self, searcher: Searcher, askers: Askers, query: Query, blends: Sequence[Blend], rows: slice) -> None:
        self.searcher, self.query, self.blends, self.first = searcher, query, blends, rows.start
        self.askers = askers[rows]
        gold = [-1] * len(self.askers) if query.gold is None else [int(row) for row in query.gold[rows]]
        self.gold = searcher.entries(gold).tolist()
        self.floor = [-torch.inf] * len(self.askers) if query.floor is None else list(query.floor[rows])
        self.meetings = searcher.meetings(self.askers)
        self.bounds_first = query.method != "scan" and searcher.bounded
        self.method = ["bounds" if self.bounds_first else "scan"] * len(self.askers)

    def answers(self) -> Iterator[Answer]:
        """The batch's answers."""
        everyone = torch.arange(len(self.askers))
        hunts = self._hunts(everyone, exactly=not self.bounds_first)
        self._round(hunts)
        if self.query.method == "auto" and self.bounds_first:
            limit = PAYS * max(len(self.searcher), 1)
            lost = [row for row, of_one in enumerate(hunts) if any(hunt.open > limit for hunt in of_one)]
            if lost:
                for row, sharper in zip(lost, self._hunts(torch.tensor(lost), exactly=True), strict=True):
                    hunts[row], self.method[row] = sharper, "scan"
        while self._round(hunts):
            pass
        for row, of_one in enumerate(hunts):
            yield self._answer(row, [hunt.found(self.searcher.rows) for hunt in of_one])

    def _hunts(self, mentions: Tensor, exactly: bool) -> list[list[Hunt]]:
        """A hunt per mention and blend, over all segments."""
        shape = len(mentions), len(self.searcher.rows)
        found = [Interval(torch.empty(shape), torch.empty(shape)) for _ in self.blends]
        first = 0
        for meeting in self.searcher.meetings(self.askers[mentions], bounded=not exactly):
            parts, share = meeting.intervals(exactly)
            here, dead = slice(first, first + len(meeting.segment)), ~meeting.segment.alive
            first = here.stop
            for blend, kept in zip(self.blends, found, strict=True):
                one = blend.interval(parts, share)
                self._check(one, mentions)
                kept.lower[:, here], kept.upper[:, here] = one.lower, one.upper
                if dead.any():
                    kept.lower[:, here][:, dead] = kept.upper[:, here][:, dead] = -torch.inf
        k = [self.query.k, *(0 for _ in self.query.alone)]
        return [
            [
                Hunt(one.lower[place], one.upper[place], k[b], self.gold[row], self.floor[row])
                for b, one in enumerate(found)
            ]
            for place, row in enumerate(mentions.tolist())
        ]

    def _round(self, hunts: Sequence[Sequence[Hunt]]) -> bool:
        """Score what all hunts want next; ``False`` when none wants anything."""
        wanted = [[hunt.wanted() for hunt in of_one] for of_one in hunts]
        entries = [torch.unique(torch.cat(of_one)) for of_one in wanted]
        counts = torch.tensor([len(of_one) for of_one in entries])
        if not int(counts.sum()):
            return False
        mention = torch.repeat_interleave(torch.arange(len(hunts)), counts)
        parts, share = self.searcher.exact(self.meetings, mention, torch.cat(entries))
        totals = [blend.total(parts, share).split(counts.tolist()) for blend in self.blends]
        for row, of_one in enumerate(hunts):
            for hunt, total in zip(of_one, totals, strict=True):
                if len(entries[row]):
                    hunt.take(entries[row], total[row])
        return True

    def _answer(self, row: int, found: Sequence[Found]) -> Answer:
        whole = found[0]
        has_gold = self.gold[row] >= 0
        ranks = [(1 + one.greater, one.ties) if has_gold else (0, 0) for one in found]
        scored = len(self.searcher) if self.method[row] == "scan" else max(one.scored for one in found)
        return Answer(
            rows=self.searcher.rows[whole.entries].numpy(),
            scores=whole.scores.numpy(),
            gold_score=whole.gold_score,
            rank=ranks[0],
            alone=dict(zip(self.query.alone, ranks[1:], strict=True)),
            certificate=Certificate(len(self.searcher), scored, whole.gap, self.method[row]),
            left=whole.left,
        )

    def _check(self, interval: Interval, mentions: Tensor) -> None:
        bad = torch.nonzero(interval.size.isnan().flatten()).flatten()
        if len(bad):
            number = self.first + int(mentions[bad[0]])
            where = f"mention {number if self.query.ids is None else self.query.ids[number]}"
            raise OtmelError("a score is NaN", where=where, cure="the model's weights or inputs hold NaN")
