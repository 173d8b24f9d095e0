"""Faults really made: killed writers, refusing disks, damaged and hostile files, readers among writers."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash
from index_graphs import changed, graph

from otmel.errors import CheckpointError, OtmelError
from otmel.index.build import build_index
from otmel.index.manifest import MANIFEST, RECORD, Manifest, SegmentRecord, read_record, write_record
from otmel.index.npy import header, write_array
from otmel.index.places import Places
from otmel.index.pool import entry_of
from otmel.index.source import RunSource
from otmel.index.store import open_index
from otmel.index.update import update_index
from otmel.index.verify import verify_index
from otmel.index.writer import IndexSettings
from otmel.storage import json_text

TRIALS = os.environ.get("OTMEL_INDEX_KILLS", "4")
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def trials(tiny_run, tmp_path_factory):
    """What became of builds and updates that were stopped at random steps."""
    path = os.pathsep.join([str(DATA), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    folder = tmp_path_factory.mktemp("trials")
    command = [sys.executable, str(DATA / "index_kills.py"), str(tiny_run), str(folder), TRIALS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_mode(trials, mode):
    """The trials of one mode, the unhindered ones left out."""
    found = [trial for trial in trials if trial["mode"] == mode and trial["at"]]
    assert len(found) == 2 * int(TRIALS)
    return found


def test_without_a_hindrance_it_is_the_new_index(trials):
    unhindered = [trial for trial in trials if not trial["at"]]
    assert [trial["after"] for trial in unhindered] == ["new"] * 4


def check_trial(trial):
    """The old index or the new, and the same command again makes the new one."""
    nothing = "there is no index here: its build has not ended" if trial["task"] == "build" else "old"
    # Not even the folder may have been made.
    assert trial["after"] in ("new", nothing) or (trial["task"] == "build" and trial["at"] < 5), trial
    assert (trial["again"], trial["sound"], trial["leftovers"]) == ("new", True, 0), trial


def test_killed_at_any_step_it_is_the_old_index_or_the_new(trials):
    for trial in of_mode(trials, "kill"):
        assert os.WTERMSIG(trial["status"]) == signal.SIGKILL, trial
        check_trial(trial)


def test_a_full_disk_at_any_step_is_said_and_leaves_the_old_index_or_the_new(trials):
    found = of_mode(trials, "full")
    for trial in found:
        # Where a folder is there already, failing to make it does no harm.
        assert trial["said"].startswith("refused free some space") or trial["after"] == "new", trial
        assert not trial["temporary"], trial
        check_trial(trial)
    assert 2 * sum(trial["said"].startswith("refused") for trial in found) > len(found)


@pytest.fixture(scope="module")
def source(tiny_run):
    return RunSource.load(tiny_run, graph(40))


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    build_index(source, folder, IndexSettings(precision="int8"))
    return folder


@pytest.fixture
def index(built, tmp_path):
    shutil.copytree(built, tmp_path / "index")
    return tmp_path / "index"


def every_file(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def flipped(content, chance):
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


DAMAGE = {
    "flipped": flipped,
    "cut": lambda content, chance: content[: chance.randrange(len(content))],
    "zeroed": lambda content, chance: content[:-1] + b"\0" if content[-1] else b"\0" + content[1:],
    "longer": lambda content, chance: content + b"\0",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_named_and_not_opened(index, damage):
    chance = random.Random(damage)
    for path in every_file(index):
        content = path.read_bytes()
        path.write_bytes(DAMAGE[damage](content, chance))
        found = verify_index(index)
        assert not found.sound, path
        assert found.faults[0].file == str(path.relative_to(index))
        assert 0 <= found.faults[0].offset <= len(content)
        with pytest.raises(OtmelError) as caught:
            open_index(index)
        assert path.name in str(caught.value)
        path.write_bytes(content)
    assert verify_index(index).sound


def test_the_offset_is_that_of_the_damaged_part(index):
    path = index / "segments" / "000001" / "late.T.tokens.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-700])
    assert verify_index(index).faults[0].offset == len(content) - 700


@pytest.mark.parametrize("check", ["ends", "auto"])
def test_a_missing_file_is_named(index, check):
    for path in every_file(index):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(OtmelError, match=r"no index here|missing|cannot be read"):
            open_index(index, check=check)
        path.write_bytes(content)


def forged(index, name, change):
    """Another array in the place of one, with every checksum as it must be."""
    places, segment = Places(index), index / "segments" / "000001"
    record = read_record(segment / RECORD, SegmentRecord)
    array = np.load(segment / f"{name}.npy").copy()
    made = change(array)
    arrays = {**record.arrays, name: write_array(segment / f"{name}.npy", array if made is None else made)}
    write_record(segment / RECORD, record.model_copy(update={"arrays": arrays}))
    manifest = read_record(index / MANIFEST, Manifest)
    entries = (entry_of(places, "000001", record.entries), *manifest.segments[1:])
    write_record(index / MANIFEST, manifest.model_copy(update={"segments": entries}))


def put(place, value):
    def change(array):
        array.reshape(-1)[place] = value

    return change


FORGERIES = {
    "tokens end elsewhere": ("late.T.start", put(-1, 10**12)),
    "tokens begin elsewhere": ("late.T.start", put(0, 16)),
    "a block of half a token": ("late.V.start", put(1, 17)),
    "a block backwards": ("late.T.start", put(1, -(10**12))),
    "a text longer than its block": ("late.T.lengths", put(0, 10**9)),
    "a negative length": ("late.T.lengths", put(0, -5)),
    "a slot out of all blocks": ("late.T.slot", put(0, 10**9)),
    "a slot below": ("late.T.slot", put(0, -7)),
    "a slot twice": ("late.T.slot", lambda array: put(0, array[1])(array)),
    "a posting of no name": ("names.places", put(0, 10**9)),
    "a negative posting": ("names.places", put(0, -1)),
    "postings backwards": ("names.starts", put(1, 10**12)),
    "an entity without a name": ("names.first", put(1, 0)),
    "names without end": ("names.first", put(-1, 10**12)),
    "n-grams out of order": ("names.buckets", put(0, 2**31 - 1)),
    "neither yes nor no": ("has_image", lambda array: put(0, 7)(array.view(np.uint8))),
    "another shape": ("dense.F.norms", lambda array: array[1:]),
    "another dtype": ("dense.F.norms", lambda array: array.astype("<f2")),
    "one block less": ("late.T.lanes", lambda array: array[1:]),
    "one scale less": ("late.T.scales", lambda array: array[1:]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_with_sound_checksums_is_refused(index, forgery):
    forged(index, *FORGERIES[forgery])
    with pytest.raises(CheckpointError):
        open_index(index)
    assert not verify_index(index).sound


def test_a_forgery_of_the_ids_is_found(index):
    forged(index, "ids.start", put(1, 10**9))
    with pytest.raises(CheckpointError, match="ids"):
        list(open_index(index).ids)
    assert not verify_index(index).sound


@pytest.mark.parametrize("rows", [[0] * 40, [-2, *range(39)], [*range(39), 10**12], [-1, *range(39)]])
def test_rows_that_are_no_order_are_refused(index, rows):
    manifest = read_record(index / MANIFEST, Manifest)
    array = write_array(index / manifest.rows_name, np.array(rows))
    write_record(index / MANIFEST, manifest.model_copy(update={"rows": array}))
    with pytest.raises(CheckpointError, match=r"row|entities"):
        open_index(index)


def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


HOSTILE = {
    "1 GB of JSON": lambda path: os.truncate(path, 2**30),
    "deep nesting": lambda path: path.write_bytes(b'{"record": ' + b"[" * 10_000_000),
    "deep and closed": lambda path: path.write_bytes(b'{"record": ' + b"[" * 10**5 + b"]" * 10**5 + b"}"),
    "a number without end": lambda path: path.write_bytes(b'{"record": ' + b"9" * 10**6 + b"}"),
    "no JSON": lambda path: path.write_bytes(os.urandom(1000)),
    "no text": lambda path: path.write_bytes(b""),
    "a list": lambda path: path.write_bytes(b"[]"),
    "nothing": lambda path: path.write_bytes(b'{"record": null}'),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_records_are_refused_with_little_memory(index, hostile):
    for path in (index / MANIFEST, index / "segments" / "000001" / RECORD):
        content, before = path.read_bytes(), peak()
        HOSTILE[hostile](path)
        with pytest.raises(CheckpointError):
            open_index(index)
        assert not verify_index(index).sound
        assert peak() - before < 2**27
        path.write_bytes(content)


@pytest.mark.parametrize(
    "changes",
    [
        {"entities": 10**12},
        {"entities": 39},
        {"rows": {"dtype": "<i8", "shape": [10**12], "size": 8 * 10**12 + 128, "chunks": ""}},
        {"rows": {"dtype": "<i8", "shape": [2**40, 2**40, 2**40], "size": 128, "chunks": ""}},
        {"rows": {"dtype": "|O", "shape": [40], "size": 448, "chunks": "0" * 16}},
        {"rows_name": "../rows-000001.npy"},
        {"segments": [{"name": "../../etc", "entries": 1, "size": 0, "chunks": ""}]},
        {"segments": [{"name": "000001", "entries": 10**12, "size": 0, "chunks": ""}]},
        {"generation": -1},
        {"more": 1},
    ],
)
def test_hostile_manifests_are_refused(index, changes):
    manifest, before = read_record(index / MANIFEST, Manifest), peak()
    values = {**manifest.model_dump(mode="json"), **changes}
    digest = xxhash.xxh3_128_hexdigest(json_text(values, indent=None).encode())
    (index / MANIFEST).write_text(json_text({"sum": digest, "record": values}) + "\n")
    with pytest.raises(CheckpointError):
        open_index(index)
    assert peak() - before < 2**27


class Bomb:
    """What a pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_not_run(index, tmp_path):
    ran = tmp_path / "ran"
    array = np.array([Bomb(ran)], dtype=object)
    for path in every_file(index)[::4]:
        content = path.read_bytes()
        with path.open("wb") as file:
            np.save(file, array, allow_pickle=True)
        with pytest.raises(OtmelError):
            open_index(index)
        path.write_bytes(pickle.dumps(Bomb(ran)).ljust(len(content), b"\0"))
        with pytest.raises(OtmelError):
            open_index(index)
        assert not verify_index(index).sound
        path.write_bytes(content)
    assert not ran.exists()
    pickle.loads(pickle.dumps(Bomb(ran)))
    assert ran.exists()  # so it would have been seen


def test_another_header_of_the_same_size_is_refused(index):
    path = index / "segments" / "000001" / "digests.npy"
    content = path.read_bytes()
    other = header("<i8", np.load(path).shape)
    assert len(other) == content.index(b"\n") + 1
    path.write_bytes(other + content[len(other) :])
    with pytest.raises(CheckpointError):
        open_index(index, check="ends")


def test_readers_among_writers_see_one_generation_each(source, tmp_path):
    graphs = {source.graph.snapshot: source.graph}
    now, done, seen = source, threading.Event(), set()
    for seed in range(6):
        now = replace(now, graph=changed(now.graph, 10, seed))
        graphs[now.graph.snapshot] = now.graph
    build_index(source, tmp_path, IndexSettings(most=16))
    faults: list[BaseException] = []

    def read():
        try:
            while not done.is_set():
                opened = open_index(tmp_path)
                assert opened.ids == list(graphs[opened.manifest.graph].ids)
                seen.add(opened.manifest.generation)
        except BaseException as fault:
            faults.append(fault)

    reader = threading.Thread(target=read)
    reader.start()
    for snapshot in list(graphs)[1:]:
        update_index(replace(source, graph=graphs[snapshot]), tmp_path, IndexSettings(most=16))
    done.set()
    reader.join()
    assert not faults
    assert len(seen) > 1
