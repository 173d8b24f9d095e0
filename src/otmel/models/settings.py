"""Configuration of the systems: what all share, and OT-MEL's parts as values, its ablations as changes of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from otmel.ot import Assignment, Attention, Pool, Shape, Sinkhorn, SoftPool, Transport
from otmel.settings import Settings


class SystemSettings(Settings):
    """What every system has, beside a ``kind`` that is its name in the registry.

    Attributes:
        hidden: width ``d`` of its own layers.
        bias: biases in the projections from the encoder's width to ``hidden``.
        input_norm: LayerNorm on the encoder's features before they are projected.
        cls: ``output`` takes the encoder's output embedding of [CLS] (Eq. 24), ``pooled`` its projected embedding.
        name_match: adds the part N, character n-gram TF-IDF between names, with a learned weight.
    """

    hidden: int = Field(default=96, ge=1)
    bias: bool = True
    input_norm: bool = True
    cls: Literal["output", "pooled"] = "output"
    name_match: bool = False


Plannable = Annotated[Attention | Transport, Field(discriminator="kind")]
"""What a late interaction can read: any assignment that is used as it is."""


def _null_key(epsilon: float, threshold: float, relax: tuple[float, float]) -> Transport:
    solver = Sinkhorn(epsilon=epsilon, relax=relax)
    return Transport(solver=solver, row_norm="none", threshold=threshold, learn=("threshold",))


class Interaction(Settings):
    """The late interactions LT and LV beyond the paper: ``L(m, e) = γ Σ_ij P_ij (cos_ij − z)``, ``γ`` learned.

    Rows are entity tokens, columns mention tokens; a null key of relax (0, 1) lets mention tokens stay unmatched, one
    of (1, 0) entity tokens. ``z`` is the null key's threshold, learned with it where it is learned, and 0 without one.
    Which side should be free and how high ``z`` should be depends on the data; the values here were chosen on the
    validation mentions of the token track.

    Attributes:
        text: ``P`` between words; ``None`` leaves LT out.
        vision: ``P`` between patches; ``None`` leaves LV out.
        weight: where ``γ`` begins.
    """

    text: Plannable | None = _null_key(0.05, 0.2, (0, 1))
    vision: Plannable | None = _null_key(0.1, 0.1, (1, 0))
    weight: float = Field(default=10.0, gt=0)

    @field_validator("text", "vision")
    @classmethod
    def _as_it_is(cls, value: Plannable | None) -> Plannable | None:
        if isinstance(value, Transport) and value.row_norm != "none":
            raise ValueError(f"a late interaction reads the plan as it is: row_norm must be none, not {value.row_norm}")
        return value

    @model_validator(mode="after")
    def _something(self) -> Interaction:
        if self.text is None and self.vision is None:
            raise ValueError("an interaction of neither text nor vision is none: leave it out")
        return self


class ModelSettings(SystemSettings):
    """OT-MEL as a composition of parts.

    Attributes:
        hidden: width ``d`` of the assignment space (§4.3: 96).
        fusion: assignment between text and image of one side, Eq. 6–12; ``None`` leaves the part F out.
        matching: assignment between mention and entity, Eq. 19–22; ``None`` leaves the parts T and V out.
        pool: how tokens become one vector, Eq. 13–14.
        shape: what surrounds both assignments (biases, residual, LayerNorm, dropout).
        interaction: late interactions, added to the mean of the other parts; ``None``: the paper has none.
        fused_score: S_F as the sum of its two inner products (Eq. 18) or as their mean (released code).
    """

    kind: Literal["ot-mel"] = "ot-mel"
    fusion: Assignment | None = Transport()
    matching: Assignment | None = Transport()
    pool: Pool = SoftPool()
    shape: Shape = Shape()
    interaction: Interaction | None = None
    bias: bool = False
    input_norm: bool = False
    fused_score: Literal["sum", "mean"] = "sum"

    @model_validator(mode="after")
    def _trainable(self) -> ModelSettings:
        if self.fusion is None and self.matching is None and self.interaction is None:
            raise ValueError("at least one of fusion, matching and interaction is needed")
        for name in ("fusion", "matching"):
            assignment = getattr(self, name)
            detached = isinstance(assignment, Transport) and assignment.gradient == "detached"
            if detached and not self.shape.residual:
                raise ValueError(f"{name}: a detached plan without a residual leaves W_q and W_k without any gradient")
        return self
