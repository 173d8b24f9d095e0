"""What the kernel ``triton`` scores under Triton's interpreter, as JSON: run by ``test_triton_kernel.py``.

A process of its own, for Triton asks ``TRITON_INTERPRET`` when it is imported. For every formula: why it is refused,
or how far scores are from the definition, how far a plain float32 run is, and in which company the bits differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FORMULAS, Case, case_of
from otmel.kernels import LaneBlocks, pack, triton_device
from otmel.kernels.triton_kernel import KERNEL

SHAPES = {"PAPER": (20, 18), "RELEASED": (33, 3), "attention, max": (130, 2)}
"""Width and length where they are not (20, 5): two lengths of tiles, and more channels than are unrolled."""
IN_COMPANY = ("PAPER", "RELEASED")


def told(name: str) -> dict[str, Any]:
    """One formula; for some also the first pass, and the same pairs in other company."""
    case = case_of(name, *SHAPES.get(name, (20, 5)), mentions=3 if name in IN_COMPANY else 2, entities=4)
    reason = KERNEL.refusal(case.formula, "float32")
    if reason is not None:
        return {"refused": reason}
    packed = case.packed
    late = KERNEL.bind(case.formula, 1, "float32").tile(case.mentions, packed.blocks)
    found: dict[str, Any] = {
        "own": error(case, case.plain(torch.float32)),
        "error": error(case, case.rows(packed, late)),
        "empty": bool(late[1].any() or late[:, packed.blocks.lengths.flatten() == 0].any()),
    }
    if name in IN_COMPANY:
        halves = KERNEL.bind(case.formula, 1, "bfloat16").tile(case.mentions, packed.blocks)
        found["first pass"] = error(case, case.rows(packed, halves))
        found["differing"] = [what for what, (one, two) in company(case, late) if not torch.equal(one, two)]
    return found


def error(case: Case, late: torch.Tensor) -> float:
    """The largest error, relative to the largest score that the pair's values allow."""
    truth = case.plain(torch.float64)
    return float(((late.double() - truth).abs() / case.largest()).max())


def company(case: Case, late: torch.Tensor) -> list[tuple[str, tuple[torch.Tensor, torch.Tensor]]]:
    """The same scores twice: in the tile, and in other company or from other numbers of the same value."""
    scoring, mentions, blocks = KERNEL.bind(case.formula, 1, "float32"), case.mentions, case.packed.blocks
    mention, slot = torch.tensor([0, 2, 2]), torch.tensor([2, 15, 1])
    queries = case.formula.queries(case.tokens)
    alone = pack(queries[3:], case.entity_mask[3:], case.target[3:]).blocks
    found = [
        ("pairs", (scoring.pairs(mentions, blocks, mention, slot), late[mention, slot])),
        ("a single mention", (scoring.tile(mentions[2:], blocks)[0], late[2])),
        ("a single entity", (scoring.tile(mentions, alone)[:, 0], late[:, case.packed.slot_of_row(4)[3]])),
    ]
    for precision in ("float16", "int8") if case.formula.residual else ():
        stored = pack(queries, case.entity_mask, case.target, precision).blocks
        plain = torch.cat([stored.block(b).reshape(-1) for b in range(len(stored))])
        widened = LaneBlocks(plain, None, stored.start, stored.lengths, stored.target)
        found.append((precision, (scoring.tile(mentions[:1], stored), scoring.tile(mentions[:1], widened))))
    return found


def chunked() -> dict[str, Any]:
    """Pairs out of six blocks in one chunk and in a chunk each, and from blocks moved for their own sake."""
    case = case_of("mean", 8, 2, mentions=2, entities=96)
    mentions, blocks, none = case.mentions, case.packed.blocks, torch.zeros(3, dtype=torch.long)
    slot = torch.tensor([70, 3, 70])
    sparse, dense = (KERNEL.bind(case.formula, 1, "float32") for _ in range(2))
    some = sparse.pairs(mentions, blocks, none, slot)
    every = [dense.tile(mentions, blocks.part(b, b + 1)) for b in (0, 4)]
    triton_device.CHUNK_BYTES = 1
    cut = sparse.pairs(mentions, blocks, none, slot)
    expected = torch.stack([every[1][0, 6], every[0][0, 3], every[1][0, 6]])
    return {"blocks": len(blocks), "sparse": torch.equal(some, expected), "chunked": torch.equal(cut, expected)}


if __name__ == "__main__":
    result = {"formulas": {name: told(name) for name in FORMULAS}, "chunks": chunked()}
    sys.stdout.write(json.dumps(result))
