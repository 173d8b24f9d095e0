"""What ``graph.py`` does in processes of their own: import, change, open and index graphs.

Libraries are loaded before any time is taken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import lancedb
import pyarrow as pa

from benchmarks._entity_files import COLUMNS, TRADES, WRITERS, entities
from otmel.data.records import Entity
from otmel.data.store import GraphStore

BATCH = 16_384


def write_file(folder: str, format: str, count: int) -> dict[str, Any]:
    """Write the source."""
    name, write = WRITERS[format]
    write(Path(folder) / name, count)
    return {"bytes": (Path(folder) / name).stat().st_size}


def import_file(folder: str, format: str) -> dict[str, Any]:
    """Import it into a store."""
    began = time.perf_counter()
    store = GraphStore.create(Path(folder) / "graph")
    report = store.build(Path(folder) / WRITERS[format][0])
    return {"seconds": time.perf_counter() - began, "rows": report.rows}


def import_plainly(folder: str) -> dict[str, Any]:
    """The baseline: JSONL put into a LanceDB table as it is, without a look at any row, in the same batches."""
    began = time.perf_counter()
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    with (Path(folder) / WRITERS["JSONL"][0]).open(encoding="utf-8") as stream:

        def batches() -> Iterator[pa.RecordBatch]:
            while lines := list(islice(stream, BATCH)):
                yield pa.RecordBatch.from_pylist([json.loads(line) for line in lines], schema)

        table = lancedb.connect(Path(folder) / "plain").create_table("entities", batches(), schema=schema)
    return {"seconds": time.perf_counter() - began, "rows": table.count_rows()}


def change(folder: str, repeats: int, many: int) -> dict[str, Any]:
    """Median seconds to upsert one entity, to upsert ``many``, to delete one, to open the newest snapshot."""
    store = GraphStore.open(Path(folder) / "graph")
    rows = store.snapshots()[-1].rows

    plans: dict[str, Callable[[int], Any]] = {}
    made = {
        (count, turn): _changed(rows, turn * many, count, f"changed {turn}")
        for count in (1, many)
        for turn in range(repeats)
    }
    plans["upsert_one"] = lambda turn: store.upsert(made[1, turn])
    plans["upsert_many"] = lambda turn: store.upsert(made[many, repeats - 1 - turn])
    plans["delete_one"] = lambda turn: store.delete([f"Q{rows - turn}"])
    plans["open"] = lambda turn: store.graph()[rows // 2]
    return {name: _median([_seconds(run, turn) for turn in range(repeats)]) for name, run in plans.items()}


def index(folder: str, share: float, cores: int) -> dict[str, Any]:
    """Seconds to index a graph by a tiny encoder of random weights, to follow changes of a share of it, to open it."""
    from benchmarks._measure import threads
    from benchmarks._tiny_run import tiny_run
    from otmel.index.build import build_index
    from otmel.index.source import RunSource
    from otmel.index.store import open_index
    from otmel.index.update import update_index

    place, store = Path(folder), GraphStore.open(Path(folder) / "graph")
    tiny_run(place / "run", TRADES)
    source = RunSource.load(place / "run", store.graph())
    with threads(cores):
        built = _seconds(lambda _: build_index(source, place / "index"), 0)
        some = max(1, int(share * len(source.graph)))
        store.upsert(_changed(len(source.graph), 0, some, "another"))
        after = replace(source, graph=store.graph())
        updated = _seconds(lambda _: update_index(after, place / "index"), 0)
        opened = _median([_seconds(lambda _: open_index(place / "index"), turn) for turn in range(3)])
    return {"build": built, "update": updated, "open": opened, "changed": some, "entities": len(after.graph)}


def _changed(rows: int, first: int, count: int, description: str) -> list[Entity]:
    """Some entities of a graph of so many rows, with another description."""
    first %= max(rows - count, 1)
    some = islice(entities(rows), first, first + count)
    return [Entity(row["id"], row["name"], (), description, row["attributes"]) for row in some]


def _seconds(run: Callable[[int], Any], turn: int) -> float:
    began = time.perf_counter()
    run(turn)
    return time.perf_counter() - began


def _median(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]
