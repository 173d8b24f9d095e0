"""Memory of a training by two processes with whole weights and with shards, where only the encoder is large.

The command is ``otmel train`` under ``torchrun``, with a CLIP of random weights and a generated world; memory is the
most that one of the processes had in all of it: at the start, while training, when checkpoints are written. A command
that trains nothing but what stands on the frozen encoder tells what is there anyway. On a CPU, with gloo; glibc is told
to give memory back as it is freed (``MALLOC_MMAP_THRESHOLD_``), for it would keep blocks that come and go, as whole
weights do, and the figures would tell of it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks._entity_files import TRADES
from benchmarks._machine import ROOT
from benchmarks._memory import peak_mib
from benchmarks._report import Benchmark, Options, Row
from benchmarks._tiny_run import random_clip
from otmel.errors import OtmelError

PROCESSES = 2


@dataclass(frozen=True)
class Extent:
    """The encoder: layers of each tower and their width; images of so many pixels a side."""

    layers: int
    width: int
    image: int


EXTENTS = {"full": Extent(12, 768, 96), "quick": Extent(4, 256, 48), "tiny": Extent(1, 32, 24)}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONWARNINGS": "ignore",
    "MALLOC_MMAP_THRESHOLD_": "65536",
}
WAYS = {"frozen": ("true", "replicated"), "whole weights": ("false", "replicated"), "shards": ("false", "sharded")}


def rows(options: Options) -> Iterator[Row]:
    """The most memory of a process, and the time of the whole command."""
    extent, more = EXTENTS[options.size], options.more
    with tempfile.TemporaryDirectory(prefix="otmel-sharding-", dir=more.dir) as folder:
        place = Path(folder)
        weights = _material(place, extent)
        base: tuple[float, float] | None = None
        for way in more.only:
            frozen, parallel = WAYS[way]
            mib, seconds = _trained(place, way, frozen, parallel)
            title, note = f"encoder of {weights / 1e6:,.0f} million weights, {way}", f"{PROCESSES} processes"
            base = (mib, seconds) if way == "whole weights" else base
            yield Row(f"{title}, peak memory of a process", mib, "MiB", base and base[0] / mib, note)
            yield Row(f"{title}, the command", seconds, "s", base and base[1] / seconds, note)


def _material(place: Path, extent: Extent) -> int:
    """A world and an encoder of random weights in the folder; how many weights it has."""
    from otmel.data.world import WorldSettings, write_world
    from otmel.encoders import save_encoder
    from otmel.encoders.settings import TowerSettings

    small = WorldSettings(entities=16, train=24, dev=8, test=8, unseen=0, captions=24, image_size=extent.image)
    write_world(small, place / "world")
    layers, heads = extent.layers, max(2, extent.width // 64)
    towers = TowerSettings(
        width=extent.width, text_layers=layers, vision_layers=layers, heads=heads, image_size=extent.image
    )
    encoder, processor = random_clip(TRADES, towers)
    save_encoder(encoder, processor, place / "encoder")
    return sum(weight.numel() for weight in encoder.parameters())


def _trained(place: Path, way: str, frozen: str, parallel: str) -> tuple[float, float]:
    """The most memory of a process in MiB, and the seconds of the command. Raises ``OtmelError`` where it fails."""
    out = place / way.replace(" ", "-")
    told = {"freeze_encoder": frozen, "parallel": parallel, "batch_size": 4, "epochs": 2, "hard_negatives": 0}
    settings = [word for name, value in told.items() for word in ("--set", f"training.{name}={value}")]
    words = ["train", str(place / "world"), "--out", str(out), "--encoder", str(place / "encoder"), *settings]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(PROCESSES), "--standalone", "-m"]
    command = [sys.executable, *launch, "benchmarks.sharding", "--child", json.dumps(words), str(out)]
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise OtmelError(f"training with {way} failed: {done.stderr[-2000:]}")
    return max(float(path.read_text()) for path in out.glob("peak-*")), seconds


def _child(words: list[str], out: Path) -> int:
    """One of the processes: the command, and a file with the most memory that it had."""
    from otmel.cli.main import main as otmel

    status = otmel(words)
    (out / f"peak-{os.environ['RANK']}").write_text(str(peak_mib() or 0.0))
    return status


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, help="where world, encoder and runs are written meanwhile")
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS), help="what is trained")


BENCHMARK = Benchmark("sharding", "Training with whole weights and with shards: memory", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(_child(json.loads(sys.argv[2]), Path(sys.argv[3])))
    sys.exit(main())
