"""All benchmarks, one after the other, each in a process of its own.

    python benchmarks/run.py                       everything, into benchmarks/results/ (1½ hours on two cores)
    python benchmarks/run.py --quick               small sizes, into benchmarks/results/quick/ (some minutes)
    python benchmarks/run.py --trained congress=runs/congress --trained world=runs/world

Nothing else should run meanwhile: the figures say whether something did.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBS = {
    "kernels": ("kernels.py",),
    "sinkhorn": ("sinkhorn.py",),
    "search": ("search.py",),
    "wikimel": ("search.py", "--wikimel"),
    "graph": ("graph.py",),
    "latency": ("latency.py",),
    "documents": ("documents.py",),
    "serve": ("serve.py",),
    "encode": ("encode.py",),
}
"""Name of the file of figures → script and options."""
DISK = ("graph", "latency", "documents")


def commands(parsed: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Name and command of every benchmark that is asked for."""
    size = ["--tiny"] if parsed.tiny else ["--quick"] if parsed.quick else []
    out = parsed.out or HERE / "results" / ("quick" if parsed.quick else "")
    jobs = {name: list(words) for name, words in JOBS.items() if name in parsed.only}
    for named in parsed.trained:
        name, _, run = named.partition("=")
        jobs[f"trained-{name}"] = ["search.py", "--run", run or name, "--name", Path(name).name]
    for name, (script, *words) in jobs.items():
        more = ["--minutes", str(parsed.minutes)] if name == "wikimel" else []
        more += ["--dir", str(parsed.dir)] if parsed.dir and name in DISK else []
        threads = ["--threads", *map(str, parsed.threads)]
        where = ["--json", str(out / f"{name}.json")]
        yield name, [sys.executable, str(HERE / script), *words, *size, *more, *threads, *where]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; how many failed."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description="Run all benchmarks.")
    parser.add_argument("--out", type=Path, help="folder of the figures")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", choices=list(JOBS), default=list(JOBS), help="some of them")
    parser.add_argument("--trained", action="append", default=[], metavar="NAME=RUN", help="a trained run to evaluate")
    parser.add_argument("--minutes", type=float, default=30, help="for the evaluation of WikiMEL's size")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dir", type=Path, help="where graphs and indexes are written meanwhile (10 GB)")
    parsed = parser.parse_args(arguments)
    failed = []
    for name, words in commands(parsed):
        sys.stdout.write(f"\n{name}: {' '.join(words[1:])}\n")
        sys.stdout.flush()
        if subprocess.run(words, check=False).returncode:
            failed.append(name)
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
