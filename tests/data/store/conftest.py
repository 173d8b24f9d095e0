"""Graphs and sources for the store's tests, really on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from graph_helpers import PEOPLE, jsonl

from otmel.data.store import GraphStore


@pytest.fixture
def people(tmp_path: Path) -> GraphStore:
    """A graph of six people, in one snapshot after the empty one."""
    store = GraphStore.create(tmp_path / "people.kg")
    store.build(PEOPLE)
    return store


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(rows)`` gives a JSONL file."""

    def written(rows: Iterable[Any], name: str = "rows.jsonl") -> Path:
        return jsonl(tmp_path / name, rows)

    return written
