"""Evaluations on disk: ``result.json`` and ``mentions.jsonl`` in one folder, each written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.errors import ConfigurationError, DataError
from otmel.evaluation.results import EvaluationResult
from otmel.settings import Settings, validated
from otmel.storage import atomic_write_text, json_text

if TYPE_CHECKING:
    from otmel.evaluation.ranks import Ranks
    from otmel.evaluation.topk import Found

RESULT_FILE, MENTIONS_FILE = "result.json", "mentions.jsonl"


class MentionResult(Settings):
    """What became of one mention.

    Attributes:
        id: the mention's id; its position in the split (``#12``) where it has none.
        mention: the mention words.
        answer: the true entity's id, NIL, or ``None`` where it is not stated.
        optimistic: rank with ties resolved in favour; 0 where the mention has no rank.
        pessimistic: rank with ties resolved against.
        score: the true entity's score; ``None`` without a rank or where it is not finite.
        candidates: the best entities with their scores, best first.
    """

    id: str
    mention: str
    answer: str | None
    optimistic: int = Field(ge=0)
    pessimistic: int = Field(ge=0)
    score: float | None = None
    candidates: tuple[tuple[str, float | None], ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """A result with its rows per mention, in the order of the split."""

    result: EvaluationResult
    mentions: tuple[MentionResult, ...]

    @cached_property
    def ranks(self) -> Ranks:
        """The ranks ``[M]``; 0 where a mention has none."""
        from otmel.evaluation.ranks import Ranks

        return Ranks(self._column("optimistic"), self._column("pessimistic"))

    def _column(self, name: str) -> NDArray[np.int64]:
        return np.array([getattr(row, name) for row in self.mentions], dtype=np.int64)


def mention_results(mentions: Sequence[Mention], found: Found, graph: KnowledgeGraph) -> tuple[MentionResult, ...]:
    """The rows of a whole split, from what the scan found."""
    rows = []
    for place, mention in enumerate(mentions):
        best = zip(found.rows[place].tolist(), found.scores[place].tolist(), strict=True)
        rows.append(
            MentionResult(
                id=mention.id if mention.id is not None else f"#{place}",
                mention=mention.name,
                answer=mention.answer,
                optimistic=int(found.ranks.optimistic[place]),
                pessimistic=int(found.ranks.pessimistic[place]),
                score=_finite(float(found.gold_scores[place])),
                candidates=tuple((graph[row].id, _finite(score)) for row, score in best if row >= 0),
            )
        )
    return tuple(rows)


def write_evaluation(evaluation: Evaluation, folder: str | Path) -> None:
    """Write both files to ``folder``, the rows first. Raises ``StorageError``."""
    rows = [json_text(row.model_dump(mode="json"), indent=None) for row in evaluation.mentions]
    atomic_write_text(Path(folder) / MENTIONS_FILE, "".join(f"{row}\n" for row in rows))
    atomic_write_text(Path(folder) / RESULT_FILE, json_text(evaluation.result.model_dump(mode="json")) + "\n")


def read_evaluation(folder: str | Path) -> Evaluation:
    """Read an evaluation back.

    Raises:
        DataError: a file is missing, no JSON, or the two do not belong together; it names file and line.
        ConfigurationError: a key is unknown or of the wrong type.
    """
    folder = Path(folder)
    result = read_result(folder / RESULT_FILE)
    path = folder / MENTIONS_FILE
    lines = _text(path).split("\n")[:-1]
    rows = tuple(_row(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))
    if len(rows) != result.counts.mentions:
        raise DataError(f"{len(rows)} rows, but the result beside it counts {result.counts.mentions} mentions",
                        where=str(path), cure="evaluate again")  # fmt: skip
    return Evaluation(result, rows)


def read_result(path: str | Path) -> EvaluationResult:
    """Read a ``result.json``. Raises as ``read_evaluation``."""
    return validated(EvaluationResult, _json(_text(Path(path)), str(path)), where=str(path))


def _row(line: str, where: str) -> MentionResult:
    return validated(MentionResult, _json(line, where), where=where)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path), cure="run `otmel evaluate` first") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(f"cannot be read ({fault})", where=str(path)) from fault


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as fault:
        raise DataError(f"no JSON: {fault.msg}", where=f"{where}, column {fault.colno}") from None
    if not isinstance(value, dict):
        raise ConfigurationError("expected a JSON object", where=where)
    return value


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None
