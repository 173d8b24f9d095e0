"""Every way to compute a formula's late terms, as work that can be timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks._measure import once
from benchmarks._operands import Operands
from benchmarks._released import SHAPES, Released
from otmel.kernels import Arithmetic, Formula, Kernel, explained, kernels
from otmel.kernels.definition import late_scores

PLAIN_CHUNK = (16, 64)
"""Mentions × entities of a tile in plain torch, as in ``otmel.evaluation.scan``."""


@dataclass(frozen=True)
class Work:
    """Something to be timed, and how many pairs it scores: both modalities of each."""

    name: str
    pairs: int
    run: Callable[[], object]


def released(name: str, form: Formula, operands: Mapping[str, Operands], shape: tuple[int, int]) -> Work:
    """The released style."""
    one = Released(form, shape)

    def run() -> None:
        for part in operands.values():
            keys, values, _ = part.sent()
            queries, _, target = part.received()
            one.scores((keys, values), (queries, target))

    return Work(name, _pairs(operands), run)


def quickest_shape(form: Formula, operands: Mapping[str, Operands]) -> tuple[int, int]:
    """The batch shape in which the released style is quickest here."""
    works = {shape: released("", form, operands, shape) for shape in SHAPES}
    for work in works.values():
        work.run()
    return min(works, key=lambda shape: min(once(works[shape].run).wall[0] for _ in range(2)))


def plain(name: str, form: Formula, operands: Mapping[str, Operands]) -> Work:
    """The formula in plain torch in float32, with all that lies between tokens and score laid out in memory."""

    @torch.no_grad()
    def run() -> None:
        for part in operands.values():
            for mentions in zip(*(one.split(PLAIN_CHUNK[0]) for one in part.sent()), strict=True):
                for entities in zip(*(one.split(PLAIN_CHUNK[1]) for one in part.received()), strict=True):
                    late_scores(form, mentions, entities)

    return Work(name, _pairs(operands), run)


def by_kernels(form: Formula, operands: Mapping[str, Operands], threads: int) -> Iterator[Work]:
    """Every kernel that computes the formula here, in each arithmetic that it knows, but for the float64 oracle."""
    for arithmetic in ("float32", "bfloat16"):
        refusals = dict(explained(form, arithmetic))
        for kernel in kernels():
            if kernel.name != "definition" and refusals[kernel.name] is None and _here(kernel):
                yield _by_kernel(kernel, form, operands, threads, arithmetic)


def _by_kernel(
    kernel: Kernel, form: Formula, operands: Mapping[str, Operands], threads: int, arithmetic: Arithmetic
) -> Work:
    scoring = kernel.bind(form, threads, arithmetic)
    tiles = [partial(scoring.tile, part.senders(), part.blocks(form)) for part in operands.values()]

    def run() -> None:
        for tile in tiles:
            tile()

    return Work(f"{kernel.name} {arithmetic}", _pairs(operands), run)


def _here(kernel: Kernel) -> bool:
    return kernel.name != "triton" or torch.cuda.is_available()


def _pairs(operands: Mapping[str, Operands]) -> int:
    return next(iter(operands.values())).pairs
