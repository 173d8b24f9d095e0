"""Write ``docs/benchmarks.md`` and its drawings from the committed figures in ``benchmarks/results``.

    python scripts/benchmarks_page.py            write page and drawings
    python scripts/benchmarks_page.py --check    fail when the page is out of date

Nothing on the page is typed by hand but what a benchmark is about: figures, targets met or missed, what is slower than
the plain way, and what disturbed the measurement all come from the JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmarks_drawings import DRAWINGS, draw

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
Records: TypeAlias = Mapping[str, dict[str, Any]]

ABOUT = {
    "kernels": (
        "Kernels",
        "Late terms of every pair, text and image together (one 40×40 and one 50×50 transport, 96 channels), without "
        "what an item brings alone. The baseline is the released style with the released formula: written by us from "
        "a description of that code, without its disk reads, in the batch shape in which it is quickest: its tensors "
        "then lie in the cache. In large batches, as one makes them for a GPU, it has a row of its own.",
    ),
    "sinkhorn": (
        "Sinkhorn solvers",
        "4,096 problems 40×50 to the same error of the marginals. Solvers get ready costs and give plans; kernels get "
        "tokens, and their time holds cosines, transported tokens and pooling, too. The baseline is POT's batch "
        "solver on exp(−C/ε), which is quicker than its default on logarithms.",
    ),
    "search": (
        "Exact search as the inner product gets weaker",
        "Best ten and rank among all entities, formula of the preset `PAPER`. Mentions' vectors are scaled, so that "
        "the inner product says less and the bounds leave more in doubt. The baseline is the released style end to "
        "end, its rate extrapolated from a sample.",
    ),
    "wikimel": (
        "An evaluation of WikiMEL's size",
        "109,976 entities × 5,169 mentions, generated features, ragged texts, 61 % of the entities with an image.",
    ),
    "graph": (
        "Graphs and indexes",
        "The baseline of an import is the same JSONL put into a LanceDB table unseen: the ratio is the price of "
        "checks, digests and snapshots. The encoder of the index is tiny and random.",
    ),
    "latency": (
        "One mention against a whole graph",
        "Warm, exact best ten, index on disk and memory-mapped. The baseline is the released style, extrapolated.",
    ),
    "gpu": (
        "Late terms on a GPU",
        "All pairs of so many entities and mentions, from memory to memory: entities come in float16, a segment at a "
        "time. A full run has as many as WikiMEL's test set. The baseline is the released style on one core of the "
        "same machine, extrapolated.",
    ),
    "encode": (
        "Encoding with a published architecture",
        "CLIP ViT-B/32 with random weights: what an entity and a mention cost before any search. The baseline is one "
        "row at a time.",
    ),
    "documents": (
        "Documents",
        "`otmel link --documents`: documents of three mentions that share an image, one in a thousand corrupt. The "
        "baseline is every mention by itself.",
    ),
    "serve": (
        "The service under load",
        "Server and clients are processes on loopback and share the machine; every answer is compared with the "
        "library's. The baseline is the library, one mention after the other.",
    ),
    "caching": (
        "One step of training with cached gradients",
        "Peak memory and time of a step of contrastive training; the baseline is the plain whole batch.",
    ),
    "sharding": (
        "Training in shards",
        "The most memory of one of two processes that train an encoder, with whole weights and with shards, and the "
        "time of the command, on the CPUs of one machine.",
    ),
    "store": (
        "Images that lie in a store",
        "Images of 64 × 64 pixels at an S3 server on loopback whose answers take thirty milliseconds longer. The "
        "baseline looks for each image when its row comes.",
    ),
    "cluster": (
        "A cluster against one process",
        "A Ray cluster of two nodes on this machine against the local commands, with the same result byte for byte.",
    ),
}
TRAINED = "Evaluation of a trained run through the index, against the plain evaluation that scores every pair."


@dataclass(frozen=True)
class Target:
    """What was asked of a figure before it was measured."""

    file: str
    row: str
    of: Literal["ratio_to_baseline", "value"]
    sign: Literal["≥", "≤"]
    bound: float
    unit: str = "×"

    def line(self, records: Records) -> str:
        """A row of the table of targets."""
        rows = {row["name"]: row for row in records.get(self.file, {}).get("rows", ())}
        asked = f"{self.sign} {self.bound:,.4g} {self.unit}"
        if self.row not in rows:
            return f"| {self.row} | {asked} | – | not measured |"
        found = rows[self.row][self.of]
        met = found >= self.bound if self.sign == "≥" else found <= self.bound
        return f"| {self.row} | {asked} | {figure(found)} {self.unit} | {'met' if met else '**missed**'} |"


_THREE = "paper's formula, 3 iterations"
_FULL = "109,976 entities × 5,169 mentions"
TARGETS = (
    Target("kernels", f"{_THREE}, numba float32, 1 thread", "ratio_to_baseline", "≥", 20),
    Target("kernels", f"{_THREE}, lanes float32, 1 thread", "ratio_to_baseline", "≥", 8),
    Target("kernels", f"{_THREE}, numba bfloat16 over float32, 1 thread", "value", "≥", 1.5),
    Target("kernels", f"{_THREE}, numba float32, two threads over one", "value", "≥", 1.8),
    Target("sinkhorn", "ε = 0.6, kernel numba float32, the whole score, 1 thread", "ratio_to_baseline", "≥", 15),
    Target("search", "100,000 entities, random, float16, inner product ×1, top 10", "ratio_to_baseline", "≥", 1000),
    Target("wikimel", f"{_FULL}, most memory of the process", "value", "≤", 4096, "MiB"),
    Target("graph", "1,000,000 entities, JSONL, import, most memory", "value", "≤", 2048, "MiB"),
    Target("latency", "100,000 entities, float16, exact, median", "value", "≤", 150, "ms"),
    Target("latency", "1,000,000 entities, int8, exact, median", "value", "≤", 1000, "ms"),
    Target("latency", "1,000,000 entities, int8, exact, most memory beyond the map", "value", "≤", 2048, "MiB"),
)
PLAIN = (
    "released style",
    "plain torch",
    "POT",
    "bare table",
    "plain evaluation",
    "one at a time",
    "one after",
    "library",
)
"""Ways that are no work of ours; where one of them is slow, nobody is disappointed."""
HEADER = """# Benchmarks

Written by `python scripts/benchmarks_page.py` from `benchmarks/results/*.json`, which `python benchmarks/run.py` wrote.
A ratio says how many times better a row is than the plain way measured in the same run; only ratios can be compared
between machines. One thread is timed by its processor time, several by the clock; each figure is the best of several
rounds in which all ways take turns. `python benchmarks/gate.py FRESH COMMITTED` fails where a ratio is more than 15 %
worse than the committed one.
"""


def page(records: Records) -> str:
    """The page, as Markdown."""
    parts = [HEADER, "## What was asked for\n", "| figure | asked | measured | |\n|---|---|---|---|"]
    parts[-1] += "".join(f"\n{target.line(records)}" for target in TARGETS) + "\n"
    parts += ["## What disappoints\n", *([f"- {one}" for one in disappointments(records)] or ["- nothing"]), ""]
    for name, record in records.items():
        base, _, elsewhere = name.partition("@")
        title, about = ABOUT.get(base, (base.replace("trained-", "Trained: "), TRAINED))
        title += f" ({elsewhere})" if elsewhere else ""
        parts += [f"## {title}\n", about + "\n", _machine(record) + "\n"]
        if name in DRAWINGS:
            parts.append(f"![{title}](benchmarks/{name}.svg)\n")
        parts.append(_table(record["rows"]))
    return "\n".join(parts).rstrip() + "\n"


def disappointments(records: Records) -> Iterator[str]:
    """Targets missed or not measured, ways that are slower than the plain one, and disturbed measurements."""
    for target in TARGETS:
        line = target.line(records)
        if "missed" in line or "not measured" in line:
            _, row, asked, found, verdict, _ = (part.strip() for part in line.split("|"))
            yield f"{row}: asked {asked}, {'measured ' + found if found != '–' else verdict}"
    for name, record in records.items():
        ours = [row for row in record["rows"] if not any(way in row["name"] for way in PLAIN)]
        for row in [row for row in ours if (row["ratio_to_baseline"] or 1) < 1]:
            yield f"{name}: {row['name']}: {figure(row['ratio_to_baseline'])}× the baseline, that is worse"
        if record["dirty"] or record["commit"] is None:
            yield f"{name}: measured with files that no commit holds"
        disturbed = sum("disturbed" in row["note"] for row in record["rows"])
        if disturbed:
            yield f"{name}: {disturbed} rows were measured while something else ran"


def figure(value: float) -> str:
    """A figure with three digits and no more."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _machine(record: dict[str, Any]) -> str:
    there = record["machine"]
    flags = ", ".join(there["flags"]) or "no wide vectors"
    gpu = f", {there['gpu']}" if there["gpu"] else ""
    torch = record["versions"].get("torch", "?")
    return (
        f"*{there['cpu']}, {there['cores']} cores, {there['memory_gib']:g} GiB, {flags}{gpu}; torch {torch}; "
        f"commit {(record['commit'] or 'unknown')[:12]}, {record['date'][:10]}; "
        f"load {record['load']['before']} before, {record['load']['after']} after; {record['seconds']:,.0f} s.*"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| what | value | unit | × baseline | note |", "|---|---:|---|---:|---|"]
    for row in rows:
        ratio = "" if row["ratio_to_baseline"] is None else figure(row["ratio_to_baseline"])
        lines.append(f"| {row['name']} | {figure(row['value'])} | {row['unit']} | {ratio} | {row['note']} |")
    return "\n".join(lines) + "\n"


def read(folder: Path = RESULTS) -> Records:
    """The figures by name: known ones in the page's order, then trained runs; ``encode@h100`` names a machine."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    strange = [name for name in found if name.partition("@")[0] not in ABOUT and not name.startswith("trained-")]
    if strange:
        raise SystemExit(f"{strange[0]}.json: ABOUT does not say what it is about")
    places = {name: place for place, name in enumerate(ABOUT)}
    order = sorted(found, key=lambda name: (places.get(name.partition("@")[0], len(places)), name))
    return {name: found[name] for name in order}


def main(arguments: Sequence[str]) -> str | None:
    """Write or check the page; what is wrong, or ``None``."""
    records = read()
    text = page(records)
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            return "docs/benchmarks.md is out of date: run scripts/benchmarks_page.py and commit what it writes"
        return None
    PAGE.write_text(text, encoding="utf-8")
    for name in DRAWINGS.keys() & records.keys():
        draw(name, records[name]["rows"], PAGE.parent / "benchmarks" / f"{name}.svg")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
