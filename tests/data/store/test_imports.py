"""Imports: counts that reconcile, rejected rows with their reasons, and going on after an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graph_helpers import contents, numbered
from PIL import Image

from otmel.data.store import GraphStore, ImportSettings, build_graph
from otmel.errors import DataError

Write = Callable[..., Path]
SMALL = ImportSettings(batch_rows=10)


@pytest.fixture
def store(tmp_path: Path) -> GraphStore:
    return GraphStore.create(tmp_path / "my.kg")


def rejected(store: GraphStore) -> list[dict[str, Any]]:
    return [json.loads(line) for line in store.folder.rejects.read_text().splitlines()]


def test_bad_rows_are_listed_and_the_counts_reconcile(store: GraphStore, write: Write) -> None:
    rows: list[Any] = numbered(25)
    rows[3] = b'{"id": "Q3", "name": "\xff"}'
    rows[7] = "{broken"
    rows[9] = {"id": "Q9"}
    rows[12] = {"id": "Q2", "name": "the second Q2"}
    rows[13] = {"id": "Q12", "name": "nul \0"}
    rows[20] = {"id": "Q20", "name": "x" * 1_100_000}
    rows[21] = {"id": "Q2", "name": "the third Q2"}
    report = store.build(write(rows), SMALL)
    counts = report.counts
    assert counts["read"] == 25 == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] == 7 == len(rejected(store))
    assert (report.rows, len(store.graph())) == (18, 18)
    listed = {one["row"]: (one["reason"], one["id"]) for one in rejected(store)}
    assert sorted(listed) == [4, 8, 10, 13, 14, 21, 22]
    assert listed[13] == ("duplicate id: row 3 has it already", "Q2")
    assert listed[22] == ("duplicate id: row 3 has it already", "Q2")
    assert report.rejects == str(store.folder.rejects)
    assert "25 read = 18 accepted + 7 rejected" in report.as_text()
    assert report.as_json()["counts"] == counts


def test_a_later_import_without_bad_rows_leaves_no_list(store: GraphStore, write: Write) -> None:
    store.build(write([*numbered(3), "{"]))
    assert len(rejected(store)) == 1
    store.upsert(write(numbered(2, 10), "more.jsonl"))
    assert not store.folder.rejects.exists()


@pytest.mark.parametrize("bad", ["{", {"id": "Q1", "name": "again"}])
def test_strict_stops_at_the_first_bad_row_and_commits_nothing(store: GraphStore, write: Write, bad: Any) -> None:
    before = store.snapshots()
    rows = [*numbered(15), bad, "[]"]
    with pytest.raises(DataError, match="row 16") as stop:
        store.build(write(rows), ImportSettings(strict=True, batch_rows=10))
    assert "16" in str(stop.value.where)
    assert store.snapshots() == before
    assert store.verify().orphans == ()
    assert not store.folder.importing.exists()


def test_a_source_without_a_usable_row_is_an_error(tmp_path: Path, write: Write) -> None:
    source = write(["{", {"name": "no id"}])
    with pytest.raises(DataError, match="no usable entity in its 2 rows"):
        build_graph(tmp_path / "new.kg", lambda store: store.build(source))
    assert not (tmp_path / "new.kg").exists()


def test_images_are_stored_as_they_are_and_what_is_missing_is_counted(
    store: GraphStore, tmp_path: Path, write: Write
) -> None:
    Image.new("RGB", (3, 3)).save(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes(b"no image at all")
    (tmp_path / "large.png").write_bytes(b"x" * 1001)
    names = ("good", "broken", "large", "absent")
    rows = [{"id": name, "name": name, "image": f"{name}.png"} for name in names]
    report = store.build(write(rows), ImportSettings(image_cap=1000))
    kept = {one.id: one.images for one in store.graph()}
    assert kept["good"] == ((tmp_path / "good.png").read_bytes(),)
    assert kept["broken"] == (b"no image at all",)
    assert kept["large"] == kept["absent"] == ()
    assert report.counts["images"] == 2
    assert {kind: found["count"] for kind, found in report.findings.items()} == {
        "image too large": 1,
        "image missing": 1,
    }


def test_images_by_path_change_the_digest_with_their_file(tmp_path: Path, write: Write) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"one")
    source = write([{"id": "Q1", "name": "one", "image": "a.png"}])
    store = GraphStore.create(tmp_path / "paths.kg", images="path")
    store.build(source)
    graph = store.graph()
    assert graph[0].images == (image,)
    image.write_bytes(b"two!")
    assert store.upsert(source).counts["replaced"] == 1
    assert store.upsert(source).counts["unchanged"] == 1
    assert (store.graph().digests != graph.digests).any()


def test_extra_columns_are_kept_and_count_as_content(store: GraphStore, write: Write) -> None:
    store.build(write([{"id": "Q1", "name": "one", "born": 1900, "nested": {"a": [1, None]}}]))
    from otmel.data.store.view import StoredEntities

    (extra,) = StoredEntities(store.folder.root).columns([0], ["extra"])
    assert json.loads(str(extra["extra"])) == {"born": 1900, "nested": {"a": [1, None]}}
    assert store.upsert(write([{"id": "Q1", "name": "one", "born": 1901}], "b.jsonl")).counts["replaced"] == 1


class Stop(KeyboardInterrupt):
    """Ctrl-C, at a chosen moment."""


def interrupt_after(reports: int) -> Callable[[int, int], None]:
    left = [reports]

    def track(done: int, total: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stop

    return track


@pytest.mark.parametrize("operation", ["build", "replace", "upsert"])
def test_an_interrupted_import_goes_on_and_ends_as_if_nothing_had_been(
    operation: str, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otmel.data.store.imports.SHOWN_ROWS", 7)
    rows: list[Any] = numbered(95, 20)
    rows[11], rows[50], rows[90] = "{", rows[12], rows[3]
    source, results = write(rows), []
    for interruptions in ((), (5, 4)):
        store = GraphStore.create(tmp_path / f"{len(interruptions)}.kg")
        if operation != "build":
            store.build(write(numbered(60), "first.jsonl"))
        before = contents(store)

        def run(track: Callable[[int, int], None] = lambda done, total: None, store: GraphStore = store) -> Any:
            if operation == "upsert":
                return store.upsert(source, SMALL, track=track)
            return store.build(source, SMALL, replace=operation == "replace", track=track)

        for reports in interruptions:
            with pytest.raises(Stop):
                run(interrupt_after(reports))
            assert contents(store) == before
            assert store.info().unfinished
            assert store.verify().sound
        report = run()
        assert bool(report.resumed) == bool(interruptions)
        assert any("went on after row" in note for note in report.notes) == bool(interruptions)
        results.append((contents(store), dict(report.counts), rejected(store), store.snapshots()[-1].checksum))
        assert store.verify().orphans == ()
        assert not store.folder.importing.exists()
    assert results[0] == results[1]
    assert results[0][1]["rejected"] == 3


def test_a_changed_source_begins_again_and_says_so(
    store: GraphStore, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otmel.data.store.imports.SHOWN_ROWS", 7)
    with pytest.raises(Stop):
        store.build(write(numbered(95)), SMALL, track=interrupt_after(5))
    report = store.build(write([{"id": "Q1", "name": "another"}], "other.jsonl"), SMALL)
    assert (report.resumed, contents(store)) == (0, [("Q1", "another")])
    assert any("gave up an unfinished import" in note for note in report.notes)
    assert store.verify().orphans == ()


def test_ctrl_c_in_a_real_build_loses_nothing(tmp_path: Path, write: Write) -> None:
    source, graph = write(numbered(20_000)), tmp_path / "my.kg"
    command = [sys.executable, "-m", "otmel", "graph", "build", str(source), "--out", str(graph), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while not (graph / "import" / "state.json").exists():
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "goes on where it stopped" in said
    assert "Traceback" not in said
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"})
    report = json.loads(done.stdout)
    assert report["resumed"] > 0
    assert (report["counts"]["read"], report["rows"]) == (20_000, 20_000)
    assert GraphStore.open(graph).verify().sound
