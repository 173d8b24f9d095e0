"""A plan for the reader: who receives how much from whom, with the tokens of both sides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Owner = Literal["mention", "entity"]
Modality = Literal["text", "image"]


@dataclass(frozen=True)
class Axis:
    """The tokens along one side of a plan.

    Attributes:
        owner: whose tokens they are.
        modality: of text or of an image.
        tokens: one string each; an image's are ``[CLS]`` (where its tower has one) and ``row,column`` of each patch.
        special: numbers of those that stand for no word and no patch.
        words: a text's words, each with the numbers of its tokens.
        grid: an image's rows and columns of patches.
    """

    owner: Owner
    modality: Modality
    tokens: tuple[str, ...]
    special: tuple[int, ...] = ()
    words: tuple[tuple[str, tuple[int, ...]], ...] = ()
    grid: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def content(self) -> list[int]:
        """The numbers of the tokens that are words or patches."""
        return [number for number in range(len(self)) if number not in self.special]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "owner": self.owner,
            "modality": self.modality,
            "tokens": list(self.tokens),
            "special": list(self.special),
            "words": [{"text": text, "tokens": list(numbers)} for text, numbers in self.words],
            "grid": None if self.grid is None else list(self.grid),
        }


@dataclass(frozen=True)
class TokenPlan:
    """A plan between two token sets, padding removed: rows receive, columns send.

    Attributes:
        part: F, T or V.
        kind: ``transport``, or ``attention`` for models that use attention (distilled ones too).
        rows: who receives.
        columns: who sends.
        matrix: the plan. Of a transport, all entries sum to one; of an attention map, every row does.
        iterations: of the solver; ``None`` for attention.
        marginal_error: ``‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁`` of a transport; ``None`` for attention, which has no column marginal.
        counterpart: what the other assignment makes of the same projected tokens, to be looked at beside this one:
            attention (Eq. 7) beside transport, transport beside attention; it has none itself.
    """

    part: str
    kind: Literal["transport", "attention"]
    rows: Axis
    columns: Axis
    matrix: NDArray[np.floating]
    iterations: int | None
    marginal_error: float | None
    counterpart: TokenPlan | None = None

    @property
    def name(self) -> str:
        """Such as ``mention image → mention text``."""
        return " → ".join(f"{axis.owner} {axis.modality}" for axis in (self.columns, self.rows))

    @property
    def entropy(self) -> float:
        """``−Σ P log P`` in nats; of an attention map, the mean over its rows."""
        filled = self.matrix[self.matrix > 0].astype(np.float64)
        total = float(-(filled * np.log(filled)).sum())
        return total / len(self.rows) if self.kind == "attention" else total

    @property
    def entropy_share(self) -> float:
        """The entropy as a share of that of a uniform plan, which tells nothing: 1 is uniform."""
        cells = len(self.columns) * (1 if self.kind == "attention" else len(self.rows))
        mass = float(self.matrix.sum(dtype=np.float64)) / (len(self.rows) if self.kind == "attention" else 1)
        most = mass * math.log(cells / mass) if mass > 0 else 0.0
        return self.entropy / most if most > 0 else 1.0

    @property
    def lift(self) -> NDArray[np.float64]:
        """How many times its uniform share each cell has; 1 everywhere is a plan that tells nothing."""
        mean = self.matrix.mean(dtype=np.float64)
        return self.matrix / mean if mean > 0 else np.ones(self.matrix.shape)

    @property
    def marginals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What every row receives and what every column sends: the sums of the matrix."""
        return self.matrix.sum(1, dtype=np.float64), self.matrix.sum(0, dtype=np.float64)

    def as_text(self) -> str:
        """One line about it."""
        entropy = f"entropy {self.entropy:.2f} nats ({self.entropy_share:.1%} of uniform)"
        if self.kind == "attention":
            return f"{self.part}  {self.name}: attention map, {entropy}"
        steps = f"{self.iterations} iteration" + ("" if self.iterations == 1 else "s")
        return f"{self.part}  {self.name}: transport, {steps}, marginal error {self.marginal_error:.1e}, {entropy}"

    def as_json(self) -> dict[str, Any]:
        """Plain values, matrices row by row: the plan's own, and the counterpart's under the name of its kind."""
        other = self.counterpart
        return {
            "part": self.part,
            "name": self.name,
            "kind": self.kind,
            "rows": self.rows.as_json(),
            "columns": self.columns.as_json(),
            "matrix": self.matrix.tolist(),
            **self._facts(),
            **({} if other is None else {other.kind: other.matrix.tolist()}),
            "counterpart": None if other is None else {"kind": other.kind, **other._facts()},
        }

    def _facts(self) -> dict[str, Any]:
        received, sent = self.marginals
        return {
            "iterations": self.iterations,
            "marginal_error": self.marginal_error,
            "marginals": {"rows": received.tolist(), "columns": sent.tolist()},
            "entropy": self.entropy,
            "entropy_share": self.entropy_share,
        }
