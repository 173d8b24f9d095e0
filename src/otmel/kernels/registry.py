"""Kernels as records: each says what it refuses and why, and ``select`` takes the best that does not.

A kernel is bound to a formula and then scores tiles (all mentions against neighbouring blocks) and scattered pairs.
The score of a pair depends on nothing but the pair: not on the batch, the tile, the neighbours or the threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Literal, Protocol

from jaxtyping import Float, Int
from torch import Tensor

from otmel.errors import ConfigurationError, nearest
from otmel.kernels.formula import Formula
from otmel.kernels.layout import LaneBlocks, Senders

Arithmetic = Literal["float32", "bfloat16"]
"""What the products are computed in; sums are always at least float32."""

log = logging.getLogger(__name__)


class Scoring(Protocol):
    """A kernel bound to a formula."""

    def tile(self, mentions: Senders, entities: LaneBlocks) -> Float[Tensor, "M S"]:
        """Late scores of every mention against every slot of ``entities``; 0 where either has no tokens."""
        ...

    def pairs(
        self, mentions: Senders, entities: LaneBlocks, mention: Int[Tensor, " P"], slot: Int[Tensor, " P"]
    ) -> Float[Tensor, " P"]:
        """Late scores of ``P`` single pairs, gathered inside the kernel; the same bits as in a tile."""
        ...


Bind = Callable[[Formula, int, Arithmetic], Scoring]


@dataclass(frozen=True)
class Kernel:
    """One way to compute late scores.

    Attributes:
        name: what it is called in ``--kernel``.
        summary: what it is, in a line.
        tolerance: how far a score may lie from the formula in float64, relative to ``Σ_k |t_ek| · max_ij |g_ijk|``,
            the largest score that the pair's values allow.
        refusal: why it cannot compute a formula here (a missing package, no GPU, a form); ``None`` if it can.
        bind: the kernel for a formula, a number of threads and an arithmetic.
    """

    name: str
    summary: str
    tolerance: float
    refusal: Callable[[Formula, Arithmetic], str | None]
    bind: Bind


PLACES = (
    "otmel.kernels.triton_kernel",
    "otmel.kernels.numba_kernel",
    "otmel.kernels.lanes",
    "otmel.kernels.definition",
)
"""Modules with a ``KERNEL``, the fastest first; imported when a kernel is looked for."""


@cache
def kernels() -> tuple[Kernel, ...]:
    """Every kernel, the fastest first."""
    return tuple(import_module(place).KERNEL for place in PLACES)


def select(
    formula: Formula, name: str = "auto", *, threads: int = 1, arithmetic: Arithmetic = "float32"
) -> tuple[Kernel, Scoring]:
    """The kernel of that name, or with ``auto`` the fastest that covers the formula, bound to it.

    Args:
        formula: what is to be computed.
        name: ``auto``, or the kernel's name.
        threads: how many threads it may use.
        arithmetic: what products are computed in.

    Raises:
        ConfigurationError: there is no such kernel, or it refuses the formula; its reason is in the message.
    """
    known = {kernel.name: kernel for kernel in kernels()}
    if name != "auto" and name not in known:
        raise ConfigurationError(f"there is no kernel {name!r}", cure=nearest(name, ["auto", *known]))
    refused: list[str] = []
    for kernel in known.values() if name == "auto" else [known[name]]:
        reason = kernel.refusal(formula, arithmetic)
        if reason is None:
            _say_once(kernel.name, formula.title, tuple(refused))
            return kernel, kernel.bind(formula, threads, arithmetic)
        refused.append(f"{kernel.name}: {reason}")
    raise ConfigurationError(
        f"no kernel computes this formula ({formula.title}): {'; '.join(refused)}",
        cure="choose another kernel, or auto" if name != "auto" else "use arithmetic float32",
    )


def explained(formula: Formula, arithmetic: Arithmetic = "float32") -> Sequence[tuple[str, str | None]]:
    """Every kernel's name with its reason to refuse the formula, or ``None``."""
    return [(kernel.name, kernel.refusal(formula, arithmetic)) for kernel in kernels()]


@cache
def _say_once(name: str, title: str, refused: tuple[str, ...]) -> None:
    log.info("kernel %s for %s%s", name, title, f" (refused: {'; '.join(refused)})" if refused else "")
