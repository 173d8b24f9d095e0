"""Expiry frees what no kept snapshot needs; an export can be built from again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from graph_helpers import PEOPLE, contents

from otmel.data.records import Entity
from otmel.data.store import GraphStore
from otmel.errors import ConfigurationError


@pytest.fixture
def changed(people: GraphStore) -> GraphStore:
    for number in range(8):
        people.upsert([Entity("Q1", f"name {number}"), Entity(f"N{number}", "new")])
        people.delete([f"N{number - 1}", f"Q{number + 2}"])
    return people


@pytest.mark.parametrize("keep", [1, 2, 5, 100])
@pytest.mark.parametrize("compact", [False, True])
def test_kept_snapshots_read_as_before_and_nothing_else_stays(changed: GraphStore, keep: int, compact: bool) -> None:
    before = {one.id: contents(changed, one.id) for one in changed.snapshots()}
    expired = changed.expire(keep=keep, compact=compact)
    left = changed.snapshots()
    assert len(left) == expired.kept == min(keep, len(before) + bool(expired.compacted))
    assert all(contents(changed, one.id) == before[one.id] for one in left if one.id in before)
    assert contents(changed) == list(before.values())[-1]
    found = changed.verify()
    assert (found.faults, found.orphans) == ((), ())
    assert changed.upsert([Entity("Z", "z")]).changed
    assert changed.expire(keep=1).kept == 1
    assert contents(changed) == [*list(before.values())[-1], ("Z", "z")]


def test_by_age_the_newest_always_stays(changed: GraphStore) -> None:
    count = len(changed.snapshots())
    assert changed.expire(older_than=timedelta(days=1)).snapshots == ()
    assert changed.expire(older_than=timedelta(0), keep=4).kept == 4
    assert len(changed.expire(older_than=timedelta(0)).snapshots) == 3
    assert count > 4
    assert [one.number for one in changed.snapshots()] == [count]


def test_nothing_to_go_by_is_an_error(people: GraphStore) -> None:
    for given in ({}, {"keep": 0}):
        with pytest.raises(ConfigurationError, match="not said which"):
            people.expire(**given)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_graph_built_from_its_export_is_the_same(
    suffix: str, people: GraphStore, tmp_path: Path, write: Callable[..., Path]
) -> None:
    if suffix == ".jsonl":
        people.upsert(write([{"id": "Q0", "name": "zero", "attributes": "a", "more": {"x": [1, "ü"]}}]))
    done = people.export(tmp_path / f"out{suffix}")
    assert (done.entities, done.losses) == (6, {})
    assert done.images == sum(len(one.images) for one in people.graph())
    again = GraphStore.create(tmp_path / "again.kg")
    again.build(tmp_path / f"out{suffix}")
    assert [one.id for one in again.graph()] == list(people.graph().ids)
    if suffix == ".jsonl":
        assert again.snapshots()[-1].checksum == people.snapshots()[-1].checksum
    else:
        assert list(again.graph()) == list(people.graph())


def test_csv_counts_what_it_cannot_hold(tmp_path: Path) -> None:
    store = GraphStore.create(tmp_path / "my.kg")
    store.build([Entity("Q1", "one", ("a|b", "c"), images=(b"\x89PNG1", b"GIF8")), Entity("Q2", 'tw"o\nlines')])
    done = store.export(tmp_path / "out.csv")
    assert done.losses == {"alias with a | in it (it is read as two)": 1, "image after an entity's first": 1}
    assert "lost: " in done.as_text()
    again = GraphStore.create(tmp_path / "again.kg")
    again.build(tmp_path / "out.csv")
    assert [(one.id, one.name, one.images) for one in again.graph()] == [
        ("Q1", "one", (b"\x89PNG1",)),
        ("Q2", 'tw"o\nlines', ()),
    ]


def test_an_older_snapshot_can_be_exported_and_formats_are_named(people: GraphStore, tmp_path: Path) -> None:
    people.delete(["Q0"])
    assert people.export(tmp_path / "old.jsonl", snapshot=2).entities == len(PEOPLE)
    assert json.loads((tmp_path / "old.jsonl").read_text().splitlines()[0])["images"] == ["old_images/0000000.bin"]
    with pytest.raises(ConfigurationError, match="format is unknown"):
        people.export(tmp_path / "out.xml")
    assert not (tmp_path / "out.xml").exists()
