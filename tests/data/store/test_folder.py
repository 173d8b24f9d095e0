"""A graph's folder: made where nothing stands, also after one that died while it made it."""

from __future__ import annotations

from pathlib import Path

import pytest
from graph_helpers import PEOPLE

from otmel.data.store import GraphStore, is_store
from otmel.errors import StorageError


def test_what_a_killed_maker_left_is_no_obstacle_and_goes(tmp_path: Path) -> None:
    root = tmp_path / "my.kg"
    root.mkdir()
    (root / ".format.16d32a8c.tmp.json").write_text("{")
    (root / "lock").touch()
    assert not is_store(root)
    store = GraphStore.create(root)
    assert store.build(PEOPLE).rows == 6
    assert not list(root.glob(".*"))


def test_what_is_no_graph_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    (tmp_path / "file").touch()
    for name in ("photos", "file"):
        with pytest.raises(StorageError, match="something else stands here"):
            GraphStore.create(tmp_path / name)
    assert (tmp_path / "photos" / "a.jpg").exists()
