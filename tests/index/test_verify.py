"""What ``verify`` and ``info`` say of sound, damaged and left-over files."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from index_graphs import graph

from otmel.checksums import CHUNK
from otmel.data.graph import KnowledgeGraph
from otmel.errors import CheckpointError
from otmel.index.build import build_index
from otmel.index.info import index_info
from otmel.index.source import RunSource
from otmel.index.store import open_index
from otmel.index.update import update_index
from otmel.index.verify import verify_index
from otmel.index.writer import IndexSettings


@pytest.fixture(scope="module")
def source(tiny_run):
    return RunSource.load(tiny_run, graph(40))


@pytest.fixture
def index(source, tmp_path):
    build_index(source, tmp_path / "index", IndexSettings(precision="float16", most=16))
    return tmp_path / "index"


def test_a_sound_index_is_sound_and_read_as_a_whole(index):
    found = verify_index(index)
    files = [path for path in index.rglob("*") if path.is_file() and path.name not in ("lock", "manifest.json")]
    assert found.sound
    assert found.files == len(files) + 1
    assert found.size == sum(path.stat().st_size for path in files)


def test_every_one_of_many_flipped_bits_is_found(index):
    chance = random.Random(0)
    paths = [path for path in sorted(index.rglob("*")) if path.is_file() and path.name != "lock"]
    for _ in range(60):
        path = chance.choice(paths)
        content = bytearray(path.read_bytes())
        place, bit = chance.randrange(len(content)), 1 << chance.randrange(8)
        content[place] ^= bit
        path.write_bytes(content)
        (fault,) = verify_index(index).faults
        assert fault.file == str(path.relative_to(index))
        assert fault.offset // CHUNK == place // CHUNK
        content[place] ^= bit
        path.write_bytes(content)


def test_damage_in_several_files_is_listed_file_by_file(index):
    paths = sorted(index.glob("segments/*/late.T.target.npy"))
    assert len(paths) > 1
    for path in paths:
        path.write_bytes(path.read_bytes()[:-3])
    assert [fault.file for fault in verify_index(index).faults] == [str(path.relative_to(index)) for path in paths]


def test_what_is_left_over_is_named_and_no_fault(index):
    (index / "segments" / "000099").mkdir()
    (index / "rows-000099.npy").write_bytes(b"")
    (index / "segments" / ".000003.abcd.tmp").mkdir()
    found = verify_index(index)
    assert found.sound
    assert sorted(path.name for path in found.leftovers) == [".000003.abcd.tmp", "000099", "rows-000099.npy"]
    assert len(index_info(index).leftovers) == 3


def test_there_must_be_an_index(tmp_path):
    for look in (verify_index, index_info):
        with pytest.raises(CheckpointError, match="there is no index here"):
            look(tmp_path)


def test_info_counts_what_there_is(source, index):
    fewer = replace(source, graph=KnowledgeGraph(list(source.graph)[:36]))
    update_index(fewer, index, IndexSettings(most=16))
    info, opened = index_info(index), open_index(index)
    said = info.as_json()
    assert (said["entities"], said["entries"], said["masked"]) == (
        36,
        opened.manifest.entries,
        opened.manifest.entries - 36,
    )
    assert (said["model"], said["inputs"], said["graph"]) == (source.model, source.inputs, fewer.graph.snapshot)
    assert (said["precision"], said["generation"]) == ("float16", 2)
    files = [path for path in index.rglob("*.npy")]
    assert said["bytes"]["total"] == sum(path.stat().st_size for path in files)
    assert said["bytes"]["tokens"] == sum(path.stat().st_size for path in files if path.name.endswith("tokens.npy"))
    assert said["machines"] == [source.machine]
