"""One training step with and without gradient caching: peak memory and time, over generated features.

Mentions have 40 tokens of text and 50 of an image, entities too, all of d = 96 channels; every mention has an entity of
its own, so that a batch of 256 has 65,536 pairs. The step is Eq. 29 and its gradients. The model is the paper's: its
late terms of all pairs are what fills memory; without caching, these are recomputed in the backward pass, some mentions
at a time, which bounds them; ``one graph`` is the step without that, as plain code would do it. Memory is what the
process takes beyond what it had before the step, time that of one core; each figure is of a process of its own. On a
GPU memory is what torch has allocated there, and time that of the clock.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # modules are named from the repository's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from torch import nn

from benchmarks._measure import once
from benchmarks._memory import child, peak_mib
from benchmarks._report import Benchmark, Options, Row
from otmel.encoders import Widths
from otmel.models import matching
from otmel.models.base import Side
from otmel.models.model import LinkerModel
from otmel.models.registry import new_model
from otmel.objectives.caching import Pieces, cached_gradients
from otmel.objectives.total import TrainingBatch, total_loss
from otmel.training.settings import preset
from otmel.types import Elements, Views

WIDTH, TEXT, IMAGE = 96, 40, 50
WHOLE, ONE_GRAPH = 0, -1
"""In the place of a piece's size: the whole batch at once, as training does it, or with one graph of all its plans."""
TITLES = {WHOLE: "without caching", ONE_GRAPH: "one graph"}


@dataclass(frozen=True)
class Extent:
    """Steps to measure: preset, size of the batch, sizes of pieces on the CPU and on a GPU."""

    preset: str
    batch: int
    cpu: tuple[int, ...]
    cuda: tuple[int, ...]


EXTENTS = {
    "full": (
        Extent("default", 64, (WHOLE, 16), (WHOLE, 16)),
        Extent("default", 256, (WHOLE, 32), (ONE_GRAPH, WHOLE, 64, 32)),
        Extent("default", 1024, (), (WHOLE, 64)),
        Extent("PAPER", 256, (), (WHOLE, 64)),
        Extent("RELEASED", 256, (), (WHOLE, 64)),
    ),
    "quick": (Extent("default", 64, (WHOLE, 16), (WHOLE, 16)),),
    "tiny": (Extent("default", 6, (WHOLE, 4), (WHOLE, 4)),),
}


def rows(options: Options) -> Iterator[Row]:
    """Memory and time of every step, on the CPU and, where there is one, on the GPU."""
    for extent in EXTENTS[options.size]:
        yield from _measured(extent, "cpu", extent.cpu)
        if torch.cuda.is_available():
            yield from _measured(extent, "cuda", extent.cuda)


def _measured(extent: Extent, device: str, sizes: tuple[int, ...]) -> Iterator[Row]:
    base: dict[str, Any] = {}
    for size in sizes:
        asked = {"name": extent.preset, "batch": extent.batch, "size": size, "device": device}
        found = child("benchmarks.caching", "measured", asked)
        title = f"{extent.preset}, batch {extent.batch:,}, {TITLES.get(size, f'pieces of {size}')}, {device}"
        if "short" in found:
            yield Row(f"{title}, out of memory at", found["short"], "MiB", None, "the step did not fit")
            continue
        base = base or found
        pairs = f"{extent.batch**2:,} pairs"
        yield Row(f"{title}, peak memory", found["mib"], "MiB", max(base["mib"], 0.1) / max(found["mib"], 0.1), pairs)
        yield Row(f"{title}, step", found["seconds"], "s", base["seconds"] / found["seconds"], pairs)


def measured(name: str, batch: int, size: int, device: str) -> dict[str, float]:
    """Memory in MiB and seconds of a step; ``short``: the memory that there was, where it did not suffice."""
    place = torch.device(device)
    torch.set_num_threads(1)
    model, made = _model(name), _batch(batch).to(place)
    nn.Module.to(model, place)
    warm = _batch(min(batch, 4)).to(place)
    _step(model, warm, size)  # libraries and kernels are loaded
    before = _start(place)
    try:
        timing = once(lambda: _step(model, made, size))
    except torch.cuda.OutOfMemoryError:
        return {"short": torch.cuda.get_device_properties(place).total_memory / 2**20}
    return {"seconds": timing.seconds(1 if device == "cpu" else 0), "mib": _peak(place) - before}


def _step(model: LinkerModel, batch: TrainingBatch, size: int) -> None:
    """One step's gradients."""
    if size > 0:
        cached_gradients(model, batch, Pieces(size))
    else:
        matching.PAIR_ELEMENTS = 2**62 if size == ONE_GRAPH else matching.PAIR_ELEMENTS
        total_loss(model, batch).total.backward()
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)


def _start(place: torch.device) -> float:
    if place.type == "cuda":
        torch.cuda.synchronize(place)
        torch.cuda.reset_peak_memory_stats(place)
        return torch.cuda.memory_allocated(place) / 2**20
    with suppress(OSError):  # elsewhere than on Linux what loading took stays the most
        Path("/proc/self/clear_refs").write_text("5")  # the most memory is from now on
    return peak_mib() or 0.0


def _peak(place: torch.device) -> float:
    return torch.cuda.max_memory_allocated(place) / 2**20 if place.type == "cuda" else peak_mib() or 0.0


def _model(name: str) -> LinkerModel:
    torch.manual_seed(0)
    settings = preset(name).model.model_copy(update={"hidden": WIDTH, "name_match": False})
    return new_model(settings, widths=Widths(WIDTH, WIDTH, WIDTH, WIDTH)).train()


def _batch(count: int) -> TrainingBatch:
    rows = torch.arange(count)
    return TrainingBatch(Side(_views(count, 1)), Side(_views(count, 2)), rows, rows)


def _views(count: int, seed: int) -> Views:
    generator = torch.Generator().manual_seed(seed)

    def elements(length: int) -> Elements:
        tokens = torch.randn(count, length, WIDTH, generator=generator)
        return Elements(tokens, torch.ones(count, length, dtype=torch.bool), tokens.mean(1))

    return Views(elements(TEXT), elements(IMAGE))


BENCHMARK = Benchmark("caching", "A training step with and without gradient caching: MiB and seconds", rows)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
