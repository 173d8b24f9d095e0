"""A graph and mentions of some hundred rows, what the local commands make of them, and a Ray cluster of two nodes."""

from __future__ import annotations

import json
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

KILLS = int(os.environ.get("OTMEL_CLUSTER_KILLS", "2"))
TIMES = max(1, KILLS // 3)
ENTITIES, MENTIONS = 240 * TIMES, 330 * TIMES
"""So much that there is work left after every kill."""


@dataclass(frozen=True)
class Material:
    """What is indexed and linked, and what the local commands have made of it."""

    run: Path
    graph: Path
    mentions: Path
    index: Path
    links: Path


@pytest.fixture(scope="session")
def material(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Read only."""
    import torch
    from benchmarks._entity_files import entities

    from otmel.data.graph import KnowledgeGraph
    from otmel.index.build import build_index
    from otmel.index.source import RunSource
    from otmel.index.writer import IndexSettings
    from otmel.linking.linker import Linker

    folder = tmp_path_factory.mktemp("cluster")
    graph, mentions = folder / "entities.jsonl", folder / "mentions"
    rows = list(entities(ENTITIES))
    graph.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    mentions.mkdir()
    chance = random.Random(3)
    write_mentions(mentions / "a.jsonl", [chance.choice(rows) for _ in range(MENTIONS // 3)])
    write_mentions(mentions / "b.jsonl", [chance.choice(rows) for _ in range(MENTIONS - MENTIONS // 3)])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as Ray's workers have; a bound's last bit may depend on it
    try:
        build_index(
            RunSource.load(tiny_run, KnowledgeGraph.open(graph)), folder / "index", IndexSettings(most=100 * TIMES)
        )
        linker = Linker.load(tiny_run, graph, folder / "index")
        with (folder / "links.jsonl").open("w", encoding="utf-8") as file:
            for path in sorted(mentions.iterdir()):
                file.write(linked(linker, path))
    finally:
        torch.set_num_threads(threads)
    return Material(tiny_run, graph, mentions, folder / "index", folder / "links.jsonl")


def linked(linker: object, path: Path) -> str:
    """What ``otmel link --input`` writes."""
    from otmel.data.tables import read_table
    from otmel.linking.linker import Linker
    from otmel.linking.rows import RowLinker, Tally
    from otmel.storage import json_text

    assert isinstance(linker, Linker)
    batches = RowLinker(linker, 5, path.parent, Tally()).answers(read_table(path))
    return "".join(json_text(answer, indent=None) + "\n" for batch in batches for answer in batch)


def write_mentions(path: Path, rows: list[dict[str, str]]) -> None:
    """A mention of each entity; some lines are blank, some broken."""
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            if number % 40 == 9:
                file.write("\n\n")
            if number % 70 == 20:
                file.write('{"mention": \n')
            else:
                sentence = f"The {row['description']} called {row['name']} went home."
                mention = {"id": f"{path.stem}-{number}", "mention": row["name"].split()[0], "sentence": sentence}
                file.write(json.dumps(mention) + "\n")
