"""Late terms of all pairs of WikiMEL's test set on a GPU: generated features, text and image, from memory to memory.

Entities come in float16, a segment at a time; what is timed is their way to the GPU, the scores and the scores' way
back. The baseline is the released style with the released formula on one core of the same machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from benchmarks._features import World
from benchmarks._measure import threads
from benchmarks._operands import Operands, formula
from benchmarks._report import Benchmark, Options, Row, console
from benchmarks._searching import released_rate
from otmel.kernels import Arithmetic, Formula, LaneBlocks, Scoring, Senders
from otmel.kernels.definition import KERNEL as DEFINITION
from otmel.kernels.triton_kernel import KERNEL

EXTENTS = {"full": (109_976, 5_169), "quick": (8_192, 512), "tiny": (64, 4)}
"""Entities and mentions."""
WAYS: tuple[tuple[str, int | None, Arithmetic], ...] = (
    ("PAPER", None, "float32"),
    ("PAPER", None, "bfloat16"),
    ("PAPER", 3, "float32"),
    ("RELEASED", 3, "float32"),
    ("RELEASED", 3, "bfloat16"),
    ("default", 3, "float32"),
    ("default", 3, "bfloat16"),
)
"""Preset, iterations where they are not its own, arithmetic; each is scored for all pairs."""
SEGMENT = 4096
SAMPLE = (2, 64)
"""Mentions × entities whose scores are compared with the definition's."""


@dataclass
class Way:
    """One formula in one arithmetic, and what it took.

    Attributes:
        name: in the table.
        form: the formula.
        scoring: the kernel, for text and for image.
        seconds: so far.
        error: the largest difference from the definition, relative to the largest score.
    """

    name: str
    form: Formula
    scoring: Mapping[str, Scoring]
    seconds: float = 0.0
    error: float = 0.0
    warm: bool = field(default=False, repr=False)

    @staticmethod
    def of(preset: str, iterations: int | None, arithmetic: Arithmetic) -> Way:
        """A preset's formula, as it is or to a number of iterations."""
        form = formula(preset, iterations)
        steps = "" if iterations is None else f", {iterations} iterations"
        bound = {part: KERNEL.bind(form, 1, arithmetic) for part in ("T", "V")}
        return Way(f"{preset}{steps}, {arithmetic}", form, bound)

    def score(self, mentions: Mapping[str, Senders], blocks: Mapping[str, LaneBlocks]) -> None:
        """One segment; the first is scored twice, for then the program is compiled and compared."""
        if not self.warm:
            self.error = max(self._compared(mentions[part], blocks[part], part) for part in mentions)
            self.warm = True
        began = time.perf_counter()
        for part, scoring in self.scoring.items():
            scoring.tile(mentions[part], blocks[part])
        self.seconds += time.perf_counter() - began

    def _compared(self, mentions: Senders, blocks: LaneBlocks, part: str) -> float:
        late = self.scoring[part].tile(mentions, blocks)
        few, some = mentions[: SAMPLE[0]], blocks.part(0, SAMPLE[1] // 16)
        truth = DEFINITION.bind(self.form, 1, "float32").tile(few, some)
        return float((late[: SAMPLE[0], : SAMPLE[1]] - truth).abs().max() / truth.abs().max())


def rows(options: Options) -> Iterator[Row]:
    """Every formula: rate, time of all pairs, difference from the definition."""
    entities, mentions = EXTENTS[options.size]
    pairs, title = entities * mentions, f"{entities:,} entities × {mentions:,} mentions"
    with threads(1):
        base, how = released_rate(1, SAMPLE if options.size == "tiny" else (8, 64), 3)
    yield Row(f"{title}, released style", base, "pairs/s", 1.0, f"a rate extrapolated from {how}")
    for way in _scored(entities, mentions):
        rate = pairs / way.seconds
        yield Row(f"{title}, {way.name}", rate, "pairs/s", rate / base, torch.cuda.get_device_name())
        yield Row(f"{title}, {way.name}, all pairs", way.seconds, "s", rate / base)
        yield Row(f"{title}, {way.name}, error", way.error, "of the largest score")


def _scored(entities: int, mentions: int) -> list[Way]:
    ways, world = [Way.of(*way) for way in WAYS], World("clustered")
    sent = {part: Operands(late, late).senders() for part, late in world.mentions(mentions).late.items()}
    for _, state in world.segments(entities, SEGMENT):
        packed: dict[bool, dict[str, LaneBlocks]] = {}
        for way in ways:
            if way.form.keeps_lengths not in packed:
                made = {part: Operands(late, late).blocks(way.form, "float16") for part, late in state.late.items()}
                packed[way.form.keeps_lengths] = made
            way.score(sent, packed[way.form.keeps_lengths])
    return ways


BENCHMARK = Benchmark("gpu", "Late terms of all pairs on a GPU, text and image: pairs a second", rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or say why not."""
    reason = KERNEL.refusal(formula("PAPER"), "float32")
    if reason is None and torch.cuda.is_available():
        return BENCHMARK.main(arguments)
    console().print(f"nothing measured: {reason or 'there is no CUDA device'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
