"""Two indexes are compared row by row: what differs, to the last bit, is counted, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

rows_module = pytest.importorskip("benchmarks._rows")
files_module = pytest.importorskip("benchmarks._entity_files")
ENTITIES = 40


@pytest.fixture
def indexed(tiny_run: Path, tmp_path: Path) -> Callable[[str, list[dict[str, object]]], Path]:
    """Builds an index of some rows."""
    from otmel.data.graph import KnowledgeGraph
    from otmel.index.build import build_index
    from otmel.index.source import RunSource
    from otmel.index.writer import IndexSettings

    def build(name: str, rows: list[dict[str, object]]) -> Path:
        graph = tmp_path / f"{name}.jsonl"
        graph.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        build_index(RunSource.load(tiny_run, KnowledgeGraph.open(graph)), tmp_path / name, IndexSettings(most=16))
        return tmp_path / name

    return build


def test_rows_that_differ_are_counted(indexed):
    rows = list(files_module.entities(ENTITIES))
    first = indexed("first", rows)
    assert len(rows_module.row_digests(first)) == ENTITIES
    assert rows_module.differing(first, indexed("again", rows)) == 0
    changed = [*rows[:7], {**rows[7], "description": "goalkeeper"}, *rows[8:-1]]
    assert rows_module.differing(first, indexed("changed", changed)) == 2  # one is another, one is missing


def test_where_an_image_lies_is_told_apart_from_what_is_seen_in_it(indexed, tmp_path):
    from PIL import Image

    rows = list(files_module.entities(ENTITIES))
    for folder, colour in {"one": "red", "same": "red", "other": "blue"}.items():
        (tmp_path / f"of-{folder}").mkdir()
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"of-{folder}" / "seven.png")
    built = {
        folder: indexed(folder, [*rows[:7], {**rows[7], "images": [f"of-{folder}/seven.png"]}, *rows[8:]])
        for folder in ("one", "same", "other")
    }
    assert rows_module.differing(built["one"], built["same"]) == 1
    assert rows_module.differing(built["one"], built["same"], told=False) == 0
    assert rows_module.differing(built["one"], built["other"], told=False) == 1
