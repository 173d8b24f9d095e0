"""Configuration of the systems: what all share, and OT-MEL's parts as values, its ablations as changes of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from otmel.ot import Assignment, Pool, Shape, SoftPool, Transport
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


class ModelSettings(SystemSettings):
    """OT-MEL as a composition of parts.

    Attributes:
        hidden: width ``d`` of the assignment space (§4.3: 96).
        fusion: assignment between text and image of one side, Eq. 6–12; ``None`` leaves the part F out.
        matching: assignment between mention and entity, Eq. 19–22; ``None`` leaves the parts T and V out.
        pool: how tokens become one vector, Eq. 13–14.
        shape: what surrounds both assignments (biases, residual, LayerNorm, dropout).
        fused_score: S_F as the sum of its two inner products (Eq. 18) or as their mean (released code).
    """

    kind: Literal["ot-mel"] = "ot-mel"
    fusion: Assignment | None = Transport()
    matching: Assignment | None = Transport()
    pool: Pool = SoftPool()
    shape: Shape = Shape()
    bias: bool = False
    input_norm: bool = False
    fused_score: Literal["sum", "mean"] = "sum"

    @model_validator(mode="after")
    def _trainable(self) -> ModelSettings:
        if self.fusion is None and self.matching is None:
            raise ValueError("at least one of fusion and matching is needed")
        for name in ("fusion", "matching"):
            assignment = getattr(self, name)
            detached = isinstance(assignment, Transport) and assignment.gradient == "detached"
            if detached and not self.shape.residual:
                raise ValueError(f"{name}: a detached plan without a residual leaves W_q and W_k without any gradient")
        return self
