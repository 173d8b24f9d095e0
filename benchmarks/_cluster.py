"""What ``cluster.py`` types: local commands and the same on a cluster, and their material."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from benchmarks._entity_files import TRADES, entities, write_jsonl
from benchmarks._machine import ROOT
from benchmarks._tiny_run import tiny_run
from otmel.errors import OtmelError
from otmel.remote import Uri
from otmel.remote.store import Store

ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled", "PYTHONWARNINGS": "ignore"}


def write_material(folder: Path, graphs: Mapping[str, int], mentions: Mapping[str, int], of: str = "small") -> None:
    """Graphs of so many entities, files of so many mentions of the entities of one of them, and a run."""
    for name, count in graphs.items():
        write_jsonl(folder / f"{name}.jsonl", count)
    if not (folder / "run").exists():
        tiny_run(folder / "run", TRADES)
    with (folder / f"{of}.jsonl").open(encoding="utf-8") as file:
        size = sum(1 for _ in file)
    for name, count in mentions.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in _mentions(count, size))


def _mentions(count: int, size: int) -> Iterator[dict[str, str]]:
    known, chance = list(entities(size)), random.Random(11)
    for number in range(count):
        one = chance.choice(known)
        sentence = f"The {one['description']} called {one['name']} went home."
        yield {"id": f"m{number}", "mention": one["name"].split()[number % 2], "sentence": sentence}


@dataclass(frozen=True)
class Commands:
    """Runs commands in processes of their own.

    Attributes:
        address: of the cluster.
        folder: where everything is written; the run is ``run`` in it.
        workers: so many, one number after the other.
        part: mentions of a part of the output.
        store: the address that a cluster reads from and writes to; ``None``: the same folders as here.
    """

    address: str
    folder: Path
    workers: tuple[int, ...] = (1, 2)
    part: int = 4096
    store: Uri | None = None

    def share(self, *names: str) -> None:
        """Put files and folders of ours where the cluster finds them."""
        if self.store is not None:
            for name in names:
                put_up(self.folder / name, self.store / name)

    @property
    def run(self) -> Path:
        """The run."""
        return self.folder / "run"

    def index(self, name: str, workers: int = 0) -> Path:
        """Where the index of a graph lies, built here or by so many workers."""
        return self.folder / (f"index-{name}-{workers}" if workers else f"index-{name}")

    def links(self, mentions: str) -> Path:
        """The file of answers of the local command."""
        return self.folder / f"links-{mentions}.jsonl"

    def parts(self, mentions: str, workers: int) -> Path:
        """The folder of answers of a cluster."""
        return self.folder / f"links-{mentions}-{workers}"

    def local_build(self, graph: Path, name: str) -> dict[str, Any]:
        """Index a graph here."""
        return self._said(["index", "build", self.run, "--graph", graph, "--out", self.index(name), "--json"])

    def ray_build(self, graph: Path, name: str, workers: int) -> dict[str, Any]:
        """Index a graph on the cluster."""
        made = self.index(name, workers)
        words = ["index", "build", self._seen(self.run), "--graph", self._seen(graph), "--out", self._seen(made)]
        said = self._said([*words, "--json", *self._ray(workers)])
        self._fetch(made)
        return said

    def local_link(self, graph: str, mentions: str) -> dict[str, Any]:
        """Link mentions here."""
        return self._said([*self._link(graph, mentions), "--output", self.links(mentions)])

    def ray_link(self, graph: str, mentions: str, workers: int) -> dict[str, Any]:
        """Link mentions on the cluster."""
        made = self.parts(mentions, workers)
        words = ["link", *map(self._seen, self._link(graph, mentions)[1:]), "--output", self._seen(made)]
        said = self._said([*words, "--part-rows", self.part, "--json", *self._ray(workers)])
        self._fetch(made)
        return said

    def _seen(self, word: Any) -> Any:
        """A word of a command as the cluster needs it: our paths are addresses there."""
        ours = self.store is not None and isinstance(word, Path) and word.is_relative_to(self.folder)
        return self.store / word.relative_to(self.folder).as_posix() if self.store and ours else word

    def _fetch(self, path: Path) -> None:
        if self.store is not None:
            brought(self.store / path.name, path)

    def _link(self, graph: str, mentions: str) -> list[Any]:
        place, source = self.folder / f"{graph}.jsonl", self.folder / f"{mentions}.jsonl"
        return ["link", self.run, "--graph", place, "--index", self.index(graph), "--input", source]

    def _ray(self, workers: int) -> list[str]:
        return ["--engine", "ray", "--address", self.address, "--workers", str(workers)]

    def _said(self, words: list[Any]) -> dict[str, Any]:
        """What a command prints as JSON, and the seconds that it took. Raises ``OtmelError`` where it fails."""
        command = [sys.executable, "-W", "ignore", "-m", "otmel", *map(str, words)]
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise OtmelError(f"otmel {' '.join(map(str, words))} failed: {done.stderr[-2000:]}")
        said = json.loads(done.stdout) if done.stdout.strip() else {}
        return {**said, "seconds": seconds, "cluster": said.get("cluster", said)}


def put_up(path: Path, place: Uri) -> None:
    """Copy a file or a folder to an address; ``pyarrow.fs.copy_files`` would pass over a write that was refused."""
    store = Store(place.parent)
    for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if one.is_file():
            store.put(one.relative_to(path.parent).as_posix(), one)


def brought(place: Uri, path: Path) -> None:
    """Copy a folder from an address."""
    store = Store(place)
    for name in store.list():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(store.read(name))


def differing_lines(file: Path, folder: Path) -> int:
    """Lines of a file that are not those of a folder's parts, one after the other."""
    parts = (line for part in sorted(folder.glob("part-*.jsonl")) for line in _lines(part))
    return sum(one != other for one, other in zip_longest(_lines(file), parts))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
