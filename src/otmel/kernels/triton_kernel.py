"""The kernel ``triton``: the late term on a GPU, one program a mention and some entities (``otmel[cuda]``).

In arithmetic float32 every number is the sum of two float16 and a product three of theirs; the first pass, bfloat16,
takes the upper float16 alone. Sums are float32 in both. Needs a GPU, or ``TRITON_INTERPRET=1`` set before Triton is
imported: then it runs on the CPU, correctly and slowly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otmel.kernels.formula import Formula
from otmel.kernels.layout import LANES, LaneBlocks, Senders
from otmel.kernels.registry import Arithmetic, Kernel
from otmel.kernels.triton_device import Cache, Moved, bucketed, chosen, chunks, move, move_mentions
from otmel.kernels.triton_form import compiled, numbers, parameters, uncovered, warps
from otmel.kernels.triton_operands import Form, Given, Operand, Work

MENTIONS_AT_ONCE: Final = 256
"""Mentions of one launch: as many as a GPU's second-level cache holds, so that one reading of the entities does."""
SLOTS_A_PROGRAM: Final = 8
EARLIEST: Final = (3, 4)
"""Version of Triton whose programs take records; the one to use is the one that torch asks for."""
OLDEST: Final = (8, 0)
"""Compute capability of the oldest GPU with the products that the program uses."""
MOST_KEPT: Final = 4 * 2**30
"""Bytes of entity blocks that stay on the device between calls, at most; the blocks themselves stay in memory too."""
SPARSE: Final = 4
"""Of a chunk that is not on the device, only the blocks asked for are moved where they are fewer than one in this."""


class _Triton:
    def __init__(self, formula: Formula, arithmetic: Arithmetic) -> None:
        self.formula = formula
        self.arithmetic: Arithmetic = arithmetic
        self.device = torch.device("cpu" if _interpreting() else "cuda")
        self.parameters = parameters(formula, self.device)
        total = 2**30 if _interpreting() else torch.cuda.get_device_properties(self.device).total_memory
        self.cache = Cache(min(total // 4, MOST_KEPT))

    def tile(self, mentions: Senders, entities: LaneBlocks) -> Float[Tensor, "M S"]:
        """See ``Scoring``; one launch for each bucket of lengths."""
        scores = torch.zeros(len(mentions), len(entities) * LANES)
        form, groups = compiled(self.formula, self.arithmetic, entities.width), bucketed(mentions.lengths)
        sent = move_mentions(mentions, form, self.device)
        for first, last in chunks(entities):
            moved = self._kept(entities.part(first, last), form)
            late = torch.zeros(len(mentions), len(moved.counts), device=self.device)
            for rows, slots in bucketed(moved.counts).items():
                for columns, group in groups.items():
                    for some in group.split(MENTIONS_AT_ONCE):
                        self._launch(sent, moved, (some, slots), late, form._replace(rows=rows, columns=columns))
            scores[:, first * LANES : last * LANES] = late.cpu()
        return scores

    def pairs(
        self, mentions: Senders, entities: LaneBlocks, mention: Int[Tensor, " P"], slot: Int[Tensor, " P"]
    ) -> Float[Tensor, " P"]:
        """See ``Scoring``; one launch for each bucket of lengths."""
        scores = torch.zeros(len(mention))
        form = compiled(self.formula, self.arithmetic, entities.width)
        sent = move_mentions(mentions, form, self.device)
        for which, moved, slots in self._asked_for(entities, slot.long(), form):
            sizes = mentions.lengths[mention[which].long()], moved.counts[slots]
            for columns, group in bucketed(sizes[0]).items():
                for rows, some in bucketed(sizes[1][group]).items():
                    few = group[some]
                    late = torch.zeros(len(few), device=self.device)
                    pair = (mention[which[few]], slots[few])
                    self._launch(sent, moved, pair, late, form._replace(rows=rows, columns=columns))
                    scores[which[few]] = late.cpu()
        return scores

    def _asked_for(self, entities: LaneBlocks, slot: Tensor, form: Form) -> Iterator[tuple[Tensor, Moved, Tensor]]:
        # Chunk by chunk: which pairs meet it, the chunk (or what is needed of it) on the device, and their slots there.
        block = slot // LANES
        for first, last in chunks(entities):
            which = torch.nonzero((block >= first) & (block < last)).flatten()
            if not len(which):
                continue
            part = entities.part(first, last)
            needed, place = torch.unique(block[which] - first, return_inverse=True)
            if part in self.cache or len(needed) * SPARSE >= len(part):
                yield which, self._kept(part, form), slot[which] - first * LANES
            else:
                yield which, move(chosen(part, needed), form, self.device), place * LANES + slot[which] % LANES

    def _kept(self, part: LaneBlocks, form: Form) -> Moved:
        return self.cache.moved(part, lambda blocks: move(blocks, form, self.device))

    def _launch(
        self, sent: tuple[Operand, Operand], moved: Moved, lists: tuple[Tensor, Tensor], late: Tensor, form: Form
    ) -> None:
        from otmel.kernels.triton_score import score

        grid, work = _work(lists, late)
        given = Given(*sent, moved.tokens, moved.target, self.parameters, numbers(self.formula, form.width))
        score[(grid,)](given, work, late, form, num_warps=warps(form))  # pyright: ignore[reportCallIssue]


def _work(lists: tuple[Tensor, Tensor], late: Tensor) -> tuple[int, Work]:
    # Programs, and what they do: every mention with every slot, or pair by pair where one score is asked of each.
    mention, slot = lists
    count, skip, places = (SLOTS_A_PROGRAM, 0, (late.shape[1], 1, 0)) if late.dim() == 2 else (1, 1, (0, 0, 1))
    plan = torch.tensor([len(mention), len(slot), count, skip, *places])
    given = [numbers.to(late.device) for numbers in (mention.int(), slot.int(), plan)]
    return len(mention) * (-(-len(slot) // count) if not skip else 1), Work(*given)


def _interpreting() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


def _refusal(formula: Formula, arithmetic: Arithmetic) -> str | None:
    return _missing() or uncovered(formula)


def _missing() -> str | None:
    if find_spec("triton") is None:
        return "the package triton is not installed (pip install 'otmel[cuda]')"
    if tuple(map(int, version("triton").split(".")[:2])) < EARLIEST:
        return "triton {} is older than {}.{} (pip install 'otmel[cuda]')".format(version("triton"), *EARLIEST)
    if _interpreting():
        return None
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    found = torch.cuda.get_device_capability()
    return (
        None
        if found >= OLDEST
        else f"the GPU's compute capability {found[0]}.{found[1]} is below {OLDEST[0]}.{OLDEST[1]}"
    )


KERNEL = Kernel(
    "triton",
    "one fused program on a GPU (CUDA)",
    5e-6,
    _refusal,
    lambda formula, threads, arithmetic: _Triton(formula, arithmetic),
)
