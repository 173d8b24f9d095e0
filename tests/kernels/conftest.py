"""Every form of a late term, mentions and entities under ragged masks, and every kernel that this machine has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from otmel.kernels import Affine, Formula, Kernel, LaneBlocks, Packed, Scoring, Senders, definition, lanes, pack
from otmel.kernels import numba_kernel as vectors
from otmel.kernels.formula import Matched
from otmel.ot import Attention, LearnedPool, Marginals, MaxPool, MeanPool, Sides, Sinkhorn, SoftPool, Transport

KERNELS: dict[str, Kernel] = {"lanes": lanes.KERNEL, "numba": vectors.KERNEL}


def _transport(row_norm: str = "sum", **kwargs: object) -> Transport:
    own = {key: kwargs.pop(key) for key in ("threshold", "marginals") if key in kwargs}
    solver = Sinkhorn.model_validate({"epsilon": 0.05, "iterations": 3, **kwargs})
    return Transport.model_validate({"solver": solver, "row_norm": row_norm, **own})


def _null(row_norm: str, relax: tuple[float, float], threshold: float = 0.2, **kwargs: object) -> Transport:
    return _transport(row_norm, relax=relax, threshold=threshold, **kwargs)


def _weighing(formula: Formula, directions: Tensor) -> Formula:
    """The same with learned marginals."""
    assert isinstance(formula.assignment, Transport)
    learned = formula.assignment.model_copy(update={"marginals": "learned"})
    return replace(formula, assignment=learned, marginals=Marginals(2 * directions, -directions.flip(0)))


_PAPER = _transport("none", epsilon=0.6, iterations=100, tolerance=1e-4)
_STRICT = _transport("l2", epsilon=0.01, iterations=20, tolerance=1e-3)
_WEIGHTED = LearnedPool(norm=False)

FORMULAS: dict[str, Callable[[Affine, Affine, Tensor], Formula]] = {
    "PAPER": lambda a, b, v: Formula(_PAPER, SoftPool()),
    "RELEASED": lambda a, b, v: Formula(_transport("l2"), LearnedPool(), True, a, v, b),
    "default": lambda a, b, v: Formula(_transport(), _WEIGHTED, True, None, v),
    "one iteration": lambda a, b, v: Formula(_transport(iterations=1), SoftPool()),
    "fifty iterations": lambda a, b, v: Formula(_transport(iterations=50), SoftPool()),
    "tolerance": lambda a, b, v: Formula(_transport(iterations=50, tolerance=1e-2), SoftPool()),
    "softpool, residual": lambda a, b, v: Formula(_transport(), SoftPool(), True),
    "softpool, LayerNorm": lambda a, b, v: Formula(_transport("none"), SoftPool(), False, a),
    "mean": lambda a, b, v: Formula(_transport("none"), MeanPool()),
    "mean, LayerNorm": lambda a, b, v: Formula(_transport("l2"), MeanPool(), True, a),
    "max": lambda a, b, v: Formula(_transport(), MaxPool()),
    "learned pool": lambda a, b, v: Formula(_transport(), LearnedPool(), False, None, v, b),
    "learned pool, direct, no residual": lambda a, b, v: Formula(_transport("l2"), _WEIGHTED, False, None, v),
    "unbalanced": lambda a, b, v: Formula(_transport("none", relax=(0.7, 0.4), iterations=6), SoftPool()),
    "softmax over cosines": lambda a, b, v: Formula(_transport("none", relax=(1, 0)), MaxPool(), True),
    "free rows": lambda a, b, v: Formula(_transport("sum", relax=(0, 1), iterations=4), MeanPool()),
    "smallest ε in exp": lambda a, b, v: Formula(_transport(epsilon=0.025, iterations=5), SoftPool()),
    "logarithms": lambda a, b, v: Formula(_transport("none", epsilon=0.005, iterations=6), SoftPool()),
    "logarithms, tolerance": lambda a, b, v: Formula(
        _transport("l2", epsilon=0.01, tolerance=1e-3), _WEIGHTED, True, None, v
    ),
    "attention": lambda a, b, v: Formula(Attention(), SoftPool()),
    "attention, residual, LayerNorms": lambda a, b, v: Formula(Attention(), LearnedPool(), True, a, v, b),
    "attention, direct": lambda a, b, v: Formula(Attention(), _WEIGHTED, True, None, v),
    "attention, mean": lambda a, b, v: Formula(Attention(), MeanPool()),
    "attention, max": lambda a, b, v: Formula(Attention(), MaxPool()),
    "null key of the rows": lambda a, b, v: Formula(_null("marginal", (1, 0)), SoftPool()),
    "null key of the rows, residual": lambda a, b, v: Formula(_null("none", (1, 0)), _WEIGHTED, True, None, v),
    "null key of the columns": lambda a, b, v: Formula(_null("sum", (0, 1)), LearnedPool(), True, a, v, b),
    "null key, logarithms": lambda a, b, v: Formula(_null("marginal", (1, 0), 0.4, epsilon=0.01), MaxPool()),
    "rows over their marginal": lambda a, b, v: Formula(_transport("marginal", relax=(0.6, 0.9)), SoftPool(), True),
    "learned marginals": lambda a, b, v: _weighing(Formula(_transport(iterations=8), SoftPool()), v),
    "learned marginals, logarithms": lambda a, b, v: _weighing(
        Formula(_transport("none", epsilon=0.01, iterations=6, relax=(0.7, 0.9)), MeanPool()), v
    ),
    "matched, balanced": lambda a, b, v: Formula(_transport("none", tolerance=1e-3, iterations=30), Matched()),
    "matched, unbalanced": lambda a, b, v: Formula(_transport("none", relax=(0.1, 0.9)), Matched(-0.1)),
    "matched, null key of the rows": lambda a, b, v: Formula(_null("none", (1, 0), epsilon=0.1), Matched(0.2)),
    "matched, null key of the columns": lambda a, b, v: Formula(_null("none", (0, 1), 0.4), Matched(0.4)),
    "matched, attention": lambda a, b, v: Formula(Attention(), Matched(0.1)),
    "matched, warm": lambda a, b, v: Formula(_transport("none", epsilon=3.0), Matched()),
    "matched, logarithms": lambda a, b, v: _weighing(
        Formula(_null("none", (0, 1), 0.3, epsilon=0.02), Matched(0.3)), v
    ),
}


def formula_of(name: str, width: int) -> Formula:
    """The formula of that name with parameters drawn for ``width`` channels."""
    draw = torch.Generator().manual_seed(width)

    def affine() -> Affine:
        scale, shift = torch.rand(width, generator=draw) + 0.5, 0.1 * torch.randn(width, generator=draw)
        return Affine(scale, shift, 1e-5)

    return FORMULAS[name](affine(), affine(), torch.randn(width, generator=draw) / width**0.5)


@dataclass(frozen=True)
class Case:
    """Mentions and entities in both forms: plain tensors under masks, and what kernels take."""

    formula: Formula
    keys: Tensor
    values: Tensor
    mention_mask: Tensor
    tokens: Tensor
    entity_mask: Tensor
    target: Tensor

    @property
    def mentions(self) -> Senders:
        return Senders.of(self.keys, self.values, self.mention_mask)

    @property
    def packed(self) -> Packed:
        return pack(self.formula.queries(self.tokens), self.entity_mask, self.target)

    def rows(self, packed: Packed, late: Tensor) -> Tensor:
        """Scores by slot as scores by entity; 0 for entities that have no slot."""
        slots = packed.slot_of_row(len(self.tokens))
        return torch.where(slots >= 0, late[:, slots.clamp_min(0)], 0.0)

    def plain(self, dtype: torch.dtype) -> Tensor:
        """The formula as it is written, over the padded tensors, in one dtype."""
        mentions = (self.keys.to(dtype), self.values.to(dtype), self.mention_mask)
        entities = (self.formula.queries(self.tokens).to(dtype), self.entity_mask, self.target.to(dtype))
        return definition.late_scores(self.formula, mentions, entities)

    def largest(self) -> Tensor:
        """What errors are relative to, at least 1e-6: ``Σ_k |t_ek| · max_i |g_ik|``, or ``(1 + |z|) Σ P``."""
        sides = Sides(
            self.formula.queries(self.tokens).double(),
            self.keys.double(),
            self.entity_mask,
            self.mention_mask,
            "crossed",
            self.formula.marginals,
        )
        if isinstance(self.formula.pool, Matched):
            plan = self.formula.assignment.weights(sides)[0]
            per_row = sides.row_weights.unsqueeze(-1) if isinstance(self.formula.assignment, Attention) else 1
            return ((1 + abs(self.formula.pool.threshold)) * (plan * per_row).sum((-1, -2))).clamp_min(1e-6)
        tokens = sides.transported(self.formula.assignment.weights(sides)[0], self.values.double())
        tokens = tokens + sides.rows if self.formula.residual else tokens
        tokens = definition._normed(tokens, self.formula.norm)
        if self.formula.pool_norm is not None:
            tokens = tokens.abs() + definition._normed(tokens, self.formula.pool_norm).abs()
        return torch.einsum("med,ed->me", tokens.abs().amax(2), self.target.abs().double()).clamp_min(1e-6)


def case_of(name: str, width: int, length: int, mentions: int = 3, entities: int = 21, seed: int = 0) -> Case:
    """Tokens drawn, masks with holes; the second mention and the third entity have none, the first of both all."""
    draw = np.random.default_rng(seed + 31 * length + width)

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(draw.standard_normal(shape)).float()

    def mask(rows: int, empty: int) -> Tensor:
        made = torch.from_numpy(draw.random((rows, length)) < draw.random((rows, 1)) + 0.2)
        made[0], made[empty] = True, False
        return made

    keys, values = normal(mentions, length, width), normal(mentions, length, width)
    tokens, target = normal(entities, length, width), normal(entities, width) / width**0.5
    formula = formula_of(name, width)
    return Case(formula, keys, values, mask(mentions, 1), tokens, mask(entities, 2), target)


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each kernel for the CPU that is not the definition."""
    return KERNELS[request.param]


@pytest.fixture(params=FORMULAS)
def name(request: pytest.FixtureRequest) -> str:
    """The name of each formula."""
    return request.param


@pytest.fixture
def make_case() -> Callable[..., Case]:
    """``case_of``."""
    return case_of


@pytest.fixture
def bound(kernel: Kernel) -> Callable[..., Scoring]:
    """The kernel bound to a formula; skips what it refuses."""

    def bind(formula: Formula, threads: int = 1) -> Scoring:
        reason = kernel.refusal(formula, "float32")
        if reason is not None:
            pytest.skip(reason)
        return kernel.bind(formula, threads, "float32")

    return bind


@pytest.fixture
def every_pair() -> Callable[[Senders, LaneBlocks], tuple[Tensor, Tensor]]:
    """All pairs of mentions and slots, in a drawn order."""

    def pairs(mentions: Senders, blocks: LaneBlocks) -> tuple[Tensor, Tensor]:
        slots = blocks.lengths.numel()
        order = torch.randperm(len(mentions) * slots, generator=torch.Generator().manual_seed(7))
        return order // slots, order % slots

    return pairs
