"""A formula as the kernel ``triton`` takes it: what is compiled in, the vectors and the numbers."""

from __future__ import annotations

import math
from typing import Final

import torch

from otmel.errors import ConfigurationError
from otmel.kernels.formula import Formula, Matched
from otmel.kernels.registry import Arithmetic
from otmel.kernels.triton_operands import Form, Numbers, Parameters
from otmel.ot import Attention, LearnedPool, MaxPool, MeanPool, SoftPool
from otmel.ot.transport import SMALLEST_EXP_EPSILON

WIDEST: Final = 1024
"""Most channels ``d``."""
UNROLLED: Final = 4
"""Most steps over the channels that are unrolled."""
_POOLS: Final = {SoftPool: "soft", LearnedPool: "learned", MeanPool: "mean", MaxPool: "max"}


def uncovered(formula: Formula) -> str | None:
    """Why the program does not cover a formula, whatever the machine."""
    if isinstance(formula.pool, Matched):
        return "it has no late interaction"
    if isinstance(formula.assignment, Attention):
        return None
    transport = formula.assignment
    if transport.solver.epsilon < SMALLEST_EXP_EPSILON:
        return f"ε = {transport.solver.epsilon:g} is below {SMALLEST_EXP_EPSILON:g} and asks for logarithms in float64"
    refused = {
        "null key": transport.threshold is not None,
        "rows over their marginal": transport.row_norm == "marginal",
        "learned marginals": formula.marginals is not None,
    }
    return next((f"it has no {what}" for what, asked in refused.items() if asked), None)


def compiled(formula: Formula, arithmetic: Arithmetic, width: int) -> Form:
    """What is compiled in for tokens of ``width`` channels.

    Raises:
        ConfigurationError: the tokens are too wide.
    """
    if width > WIDEST:
        raise ConfigurationError(
            f"{width} channels are more than the kernel triton takes, {WIDEST}", cure="use the kernel numba or lanes"
        )
    depth = 16 if width <= 16 else 32
    steps = -(-width // depth)
    attention = isinstance(formula.assignment, Attention)
    solver = None if isinstance(formula.assignment, Attention) else formula.assignment.solver
    return Form(
        rows=0,
        columns=0,
        width=width,
        depth=depth,
        steps=steps if steps <= UNROLLED else 1,
        split=arithmetic == "float32",
        attention=attention,
        row_norm="sum" if isinstance(formula.assignment, Attention) else formula.assignment.row_norm,
        tolerant=solver is not None and solver.tolerance is not None,
        relaxed=solver is not None and solver.relax != (1.0, 1.0),
        pool=_POOLS[type(formula.pool)],
        residual=formula.residual,
        norm=formula.norm is not None,
        pool_norm=formula.pool_norm is not None,
        direct=formula.direct,
    )


def numbers(formula: Formula, width: int) -> Numbers:
    """The formula's numbers."""
    eps = (formula.norm.eps if formula.norm else 0.0, formula.pool_norm.eps if formula.pool_norm else 0.0)
    if isinstance(formula.assignment, Attention):
        return Numbers(math.log2(math.e) / math.sqrt(width), 1, 0.0, 1.0, 1.0, *eps)
    solver = formula.assignment.solver
    sharpness = math.log2(math.e) / (2 * solver.epsilon)
    return Numbers(sharpness, solver.rounds, solver.tolerance or 0.0, *solver.relax, *eps)


def parameters(formula: Formula, device: torch.device) -> Parameters:
    """The formula's vectors on the device, in float32."""
    none = torch.zeros(1)
    norm = (formula.norm.scale, formula.norm.shift) if formula.norm else (none, none)
    pool = (formula.pool_norm.scale, formula.pool_norm.shift) if formula.pool_norm else (none, none)
    direction = none if formula.direction is None else formula.direction
    moved = [vector.detach().to(device, torch.float32).contiguous() for vector in (direction, *norm, *pool)]
    return Parameters(*moved)


def warps(form: Form) -> int:
    """Warps of a program: one for sixteen of the entity's tokens, whose sums then stay within a warp; at most 8."""
    return min(max(form.rows // 16, 1), 8)
