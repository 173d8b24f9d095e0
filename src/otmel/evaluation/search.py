"""Ranks and best entities of a split through an index: exactly what brute force gives, without scoring every pair."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from otmel.evaluation.ranks import Ranks
from otmel.evaluation.results import SearchRecord
from otmel.evaluation.scan import Advance, silent
from otmel.evaluation.topk import Found
from otmel.index.answers import Answer, Query
from otmel.index.index import EntityIndex, ranks
from otmel.index.second_stage import SecondStage, answered
from otmel.models.base import State


@dataclass(frozen=True)
class Searched:
    """What a search found for ``M`` mentions.

    Attributes:
        found: ranks, gold scores and best entities.
        alone: part → ranks by it alone, where asked for.
        record: how it was found.
    """

    found: Found
    alone: Mapping[str, Ranks]
    record: SearchRecord


def searched(
    index: EntityIndex, mentions: State, query: Query, second: SecondStage | None = None, *, advance: Advance = silent
) -> Searched:
    """Search an index for all mentions; ``query`` must have gold rows. ``second`` looks again at the best entities.

    Raises:
        OtmelError: a score is NaN (the mention is named), or a gold row is not in the index.
    """
    began = time.monotonic()
    answers = []
    for answer in answered(partial(index.search, mentions), query, second):
        answers.append(answer)
        advance(1)
    return Searched(
        found(answers),
        {part: Ranks(*ranks(answers, part)) for part in query.alone},
        _record(index, answers, time.monotonic() - began),
    )


def found(answers: Sequence[Answer]) -> Found:
    """Answers as arrays over mentions."""
    width = max((len(answer.rows) for answer in answers), default=0)
    rows = np.full((len(answers), width), -1, dtype=np.int64)
    scores = np.full((len(answers), width), -np.inf)
    for place, answer in enumerate(answers):
        rows[place, : len(answer.rows)], scores[place, : len(answer.rows)] = answer.rows, answer.scores
    gold: NDArray[np.float64] = np.array([answer.gold_score for answer in answers], dtype=np.float64)
    return Found(Ranks(*ranks(answers)), gold, rows, scores)


def _record(index: EntityIndex, answers: Sequence[Answer], seconds: float) -> SearchRecord:
    pairs = sum(answer.certificate.pairs for answer in answers)
    return SearchRecord(
        kernels=index.kernels,
        precision=index.precision,
        pairs=pairs,
        scored=sum(answer.certificate.scored for answer in answers),
        scanned=sum(answer.certificate.method == "scan" for answer in answers),
        seconds=seconds,
        pairs_per_second=pairs / seconds if seconds > 0 else None,
    )
