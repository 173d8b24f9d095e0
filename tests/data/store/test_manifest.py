"""Manifests: the files they name are those that are there, and damage is refused."""

from __future__ import annotations

import random

import pytest

from otmel.data.records import Entity
from otmel.data.store import GraphStore
from otmel.data.store.manifest import files_of, manifest_name, versions
from otmel.data.store.writer import files_under
from otmel.errors import DataError


def test_after_expiry_the_table_is_just_what_its_manifest_names(people: GraphStore) -> None:
    people.upsert([Entity("Q1", "new")])
    people.delete(["Q2"])
    people.expire(keep=1)
    (version,) = versions(people.folder.table)
    assert sorted(files_of(people.folder.table, version)) == sorted(files_under(people.folder.table))


def test_damage_is_a_typed_error_or_without_consequence(people: GraphStore) -> None:
    people.delete(["Q2"])
    version, rng = versions(people.folder.table)[-1], random.Random(0)
    path = people.folder.table / manifest_name(version)
    sound, refused = path.read_bytes(), 0
    for _ in range(300):
        data = bytearray(sound)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.choice([len(data), len(data), rng.randrange(len(data))])])
        try:
            assert all(name.count("/") == 1 and ".." not in name for name in files_of(people.folder.table, version))
        except DataError:
            refused += 1
    assert refused > 50
    path.unlink()
    with pytest.raises(DataError, match="not there any more"):
        files_of(people.folder.table, version)
