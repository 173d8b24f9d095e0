"""What a model's score is made of, as a value: all that an index needs to know of a model.

    total(m, e) = share · Σ_X S_X(m, e)  +  Σ_Y S_Y(m, e)  +  name_weight · N(m, e)
    S_X(m, e) = dense_X · ⟨x_m, x_e⟩ + late_X · late_X(m, e)

``share`` is one over the number of averaged parts ``X`` that the pair has (Eq. 25): a part that needs images is missing
where either side has none. Parts ``Y`` beyond the paper's are added as they are, so that they change no other's share.
``late_X`` is what a kernel computes from both sides' tokens (``otmel.kernels``), ``N`` the name match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otmel.kernels.formula import Formula


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the score.

    Attributes:
        name: ``F``, ``T``, ``V`` …; the key of its vectors and tokens in a ``State``.
        dense: factor of its inner product; 0 where it has none.
        late: factor of its late term; 0 where it has none.
        formula: the late term.
        needs_image: whether both sides must have an image.
        averaged: whether it counts in the mean of Eq. 25; else it is added to it.
    """

    name: str
    dense: float
    late: float = 0.0
    formula: Formula | None = None
    needs_image: bool = False
    averaged: bool = True


@dataclass(frozen=True, eq=False)
class Composition:
    """A whole score.

    Attributes:
        parts: all parts but N, in the order of summation.
        name_weight: weight of the name match N; ``None`` where the model has none.
    """

    parts: tuple[Part, ...]
    name_weight: float | None = None

    @property
    def late(self) -> Sequence[Part]:
        """The parts that have a late term."""
        return [part for part in self.parts if part.formula is not None]

    @property
    def names(self) -> tuple[str, ...]:
        """All parts' names, N included, in the order of summation."""
        return (*(part.name for part in self.parts), *(("N",) if self.name_weight is not None else ()))
