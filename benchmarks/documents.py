"""Documents with images, linked mention by mention and together: rate, memory, and what an interruption changes.

Documents are three mentions of a generated world in one text, with one image for all of them; one document in a
thousand is corrupt. The runs have random weights: a linker's rate does not depend on what it has learnt. The baseline
links one mention after the other, so that every mention opens its image and has it read by the vision tower; its rate
is measured on a sample.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root: `kernels` is a package of others
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks._machine import usable_cores
from benchmarks._memory import child
from benchmarks._report import Benchmark, Options, Row
from otmel.encoders.settings import TowerSettings

MODULE = "benchmarks._documents"
SMALL = TowerSettings()
LARGE = TowerSettings(width=512, text_layers=12, vision_layers=12, heads=8, image_size=224, patch_size=32)


@dataclass(frozen=True)
class Case:
    """One encoder and what it links.

    Attributes:
        name: of the encoder.
        towers: its size.
        documents: how many are linked together; ``sample``: how many mention by mention.
        entities: of the world.
        interrupt: interrupt a process half-way, finish it, and compare the bytes.
    """

    name: str
    towers: TowerSettings
    documents: int
    sample: int
    entities: int
    interrupt: bool = False


EXTENTS = {
    "full": (
        Case("the encoder of otmel pretrain", SMALL, 10_000, 500, 300, interrupt=True),
        Case("an encoder of CLIP ViT-B/32's size", LARGE, 200, 40, 60),
    ),
    "quick": (Case("the encoder of otmel pretrain", SMALL, 300, 60, 60, interrupt=True),),
    "tiny": (Case("a tiny encoder", TowerSettings(width=16, vision_layers=1, text_layers=1), 20, 4, 8),),
}
NAMES = {"full": 1_000_000, "quick": 100_000, "tiny": 500}
"""Names of a dictionary that finds mentions."""


def rows(options: Options) -> Iterator[Row]:
    """Every case."""
    count = max((one for one in options.threads if one <= len(usable_cores())), default=1)
    for case in EXTENTS[options.size]:
        with tempfile.TemporaryDirectory(prefix="otmel-documents-", dir=options.more.dir) as folder:
            yield from _case(case, {"folder": folder, "threads": count})
    yield from _dictionary(NAMES[options.size])


def _case(case: Case, place: dict[str, object]) -> Iterator[Row]:
    sizes = {"towers": case.towers.model_dump(), "entities": case.entities, "documents": case.documents}
    written = child(MODULE, "write", {**place, **sizes})
    title = f"{case.documents:,} documents, {case.name}"
    plain = child(MODULE, "one_by_one", {**place, "sample": case.sample})
    base, note = plain["documents"] / plain["seconds"], f"measured on {plain['documents']:,} documents"
    yield Row(f"{title}, one mention at a time", base, "documents/s", 1.0, note)
    if plain["peak_mib"] is not None:
        yield Row(f"{title}, one mention at a time, most memory", plain["peak_mib"], "MiB")
    done = child(MODULE, "together", place)
    rate, note = done["lines"] / done["seconds"], f"{done['mentions']:,} mentions, answers written to a file"
    yield Row(f"{title}, otmel link --documents", rate, "documents/s", rate / base, note)
    yield Row(f"{title}, otmel link --documents, mentions", done["mentions"] / done["seconds"], "mentions/s")
    if done["peak_mib"] is not None:
        yield Row(f"{title}, otmel link --documents, most memory", done["peak_mib"], "MiB")
    note = f"{written['corrupt']:,} are corrupt"
    yield Row(f"{title}, corrupt ones named in the output", done["bad"], "documents", None, note)
    if case.interrupt:
        stopped = child(MODULE, "interrupted", place)
        note = f"Ctrl-C after {stopped['kept']:,} lines: exit status {stopped['status']}"
        yield Row(f"{title}, interrupted and finished, bytes that differ", stopped["differ"], "bytes", None, note)


def _dictionary(names: int) -> Iterator[Row]:
    done = child(MODULE, "dictionary", {"names": names})
    title, note = f"a dictionary of {names:,} names", f"{done['found']:,} found in {done['megabytes']:.1f} MB"
    yield Row(f"{title}, made", names / done["making"], "names/s")
    yield Row(f"{title}, text read", done["megabytes"] / done["reading"], "MB/s", None, note)
    if done["peak_mib"] is not None:
        yield Row(f"{title}, memory", max(0.0, done["peak_mib"] - done["before_mib"]), "MiB")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, help="where world, run and answers are written meanwhile")


BENCHMARK = Benchmark("documents", "Documents with images: rate and memory", rows, _options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
