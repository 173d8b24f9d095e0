"""Damage and refusing disks: what is wrong is found and named, and what was committed stays readable or is refused."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from graph_helpers import PEOPLE, contents, jsonl, numbered

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.data.store import GraphStore, ImportSettings
from otmel.data.store import writer as writer_module
from otmel.errors import DataError, OtmelError, StorageError

KINDS = ("flip", "zero", "truncate", "remove")
UNUSED = {"lock"}
"""Files of which a reader needs nothing."""


@pytest.fixture
def changed(tmp_path: Path) -> GraphStore:
    """A graph with four snapshots, deletions among them."""
    store = GraphStore.create(tmp_path / "changed.kg")
    store.build(PEOPLE)
    store.upsert([Entity("Q2", "changed"), Entity("Q7", "new", images=(random.Random(0).randbytes(3000),))])
    store.delete(["Q0"])
    return store


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name not in UNUSED)


def damage(path: Path, kind: str, rng: random.Random) -> int:
    """Damage a file and return the first byte that is other than it was."""
    data = path.read_bytes()
    place = rng.randrange(len(data))
    if kind == "remove":
        path.unlink()
        return 0
    if kind == "flip":
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        return place
    if kind == "truncate":
        path.write_bytes(data[:place])
        return place
    path.write_bytes(data[:place] + bytes(len(data) - place))
    return next((n for n in range(place, len(data)) if data[n]), -1)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_to_any_file_is_found_and_never_read_as_if_it_were_sound(
    changed: GraphStore, kind: str, tmp_path: Path
) -> None:
    sound = {one.id: list(changed.graph(one.id)) for one in changed.snapshots()}
    newest = changed.snapshots()[-1].id
    rng = random.Random(kind)
    refusals: list[str] = []
    for number, original in enumerate(files(changed.folder.root)):
        root = tmp_path / f"copy{number}.kg"
        shutil.copytree(changed.folder.root, root)
        path = root / original.relative_to(changed.folder.root)
        first = damage(path, kind, rng)
        name = str(path.relative_to(root))
        if first < 0:  # zeros in the place of zeros
            continue
        for snapshot, entities in [*sound.items(), (None, sound[newest])]:
            try:
                found = list(KnowledgeGraph.open(root, snapshot=snapshot))
            except DataError as fault:
                refusals.append(str(fault))
                continue
            # Without the record of the newest snapshot, the one before it is the newest.
            assert found == entities or (kind == "remove" and snapshot is None and found in sound.values())
        assert_found(root, name, first)
        shutil.rmtree(root)
    assert refusals
    assert all(str(tmp_path) in one for one in refusals)


def assert_found(root: Path, name: str, first: int) -> None:
    if name == "format.json":
        try:
            GraphStore.open(root).verify()
        except DataError:
            return
    faults = GraphStore.open(root).verify().faults
    if name.startswith("snapshots") and not (root / name).exists():
        return  # an expired snapshot looks the same; its files are left over
    assert name in [fault.file for fault in faults]
    assert min(fault.offset for fault in faults if fault.file == name) <= first


def test_the_error_names_an_older_sound_snapshot(changed: GraphStore) -> None:
    newest = changed.snapshots()[-1]
    manifest = next(name for name in newest.files if name.endswith(".manifest"))
    (changed.folder.table / manifest).write_bytes(b"")
    with pytest.raises(DataError, match="truncated") as fault:
        changed.graph()
    older = changed.snapshots()[-2].id
    assert f"snapshot {older}" in (fault.value.cure or "")
    assert contents(changed, older)[0] == ("Q0", "person 0")


def test_a_row_that_does_not_fit_its_digest_is_refused_when_it_is_read(
    changed: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otmel.data.store.view.check_files", lambda folder, ledger, snapshot: None)
    rng, met = random.Random(3), 0
    newest = list(changed.graph())
    data = [path for path in files(changed.folder.table / "data") if path.stat().st_size > 3000]
    for _ in range(40):
        before = data[0].read_bytes()
        damage(data[0], "flip", rng)
        try:
            assert list(changed.graph()) == newest
        except DataError:
            met += 1
        data[0].write_bytes(before)
    assert met > 0


def test_hostile_records_are_refused_with_little_memory(changed: GraphStore) -> None:
    place = changed.folder.snapshots / "000099.json"
    for text in ("[" * 100_000, '{"sum": "0", "snapshot": {}}', "", "null", '{"sum": 1e999}'):
        place.write_text(text)
        with pytest.raises(DataError, match="damaged"):
            changed.graph()
    with place.open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(DataError, match="damaged"):
        changed.graph()
    with pytest.raises(DataError, match="damaged"):
        changed.delete(["Q1"])
    assert [fault.file for fault in changed.verify().faults] == ["snapshots/000099.json"]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from otmel.data.records import Entity
from otmel.data.store import GraphStore, ImportSettings
from otmel.errors import StorageError
import lancedb
store = GraphStore.open(sys.argv[1])
entities = [Entity(f"N{n}", "x" * 40, images=(bytes([n]) * 2000,)) for n in range(30)]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        store.upsert(entities, ImportSettings(batch_rows=10))
        print("done", flush=True)
    except StorageError as fault:
        print("refused", fault.problem, flush=True)
    sys.stdin.readline()
"""
LIMITS = ("0", "100", "600", "1500", "5000", "20000")


def test_a_disk_that_is_full_at_any_write_leaves_the_last_snapshot_and_nothing_else(changed: GraphStore) -> None:
    before, listed = contents(changed), files(changed.folder.root)
    command = [sys.executable, "-W", "ignore", "-c", LIMITED, str(changed.folder.root), *LIMITS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in LIMITS:
            assert child.stdout.readline() == "refused cannot be written: file too large\n"
            assert contents(changed) == before
            assert [path for path in files(changed.folder.root) if path.parent.name != "import"] == listed
            assert changed.verify().sound
            child.stdin.write("\n")
            child.stdin.flush()
    assert changed.upsert([Entity("N1", "now")]).changed


def mounted(*words: str) -> bool:
    """Whether the system lets us mount this."""
    try:
        return not subprocess.run(["mount", *words], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; the test is skipped where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_an_import_into_a_full_disk_goes_on_once_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    rows = [{"id": f"Q{n}", "name": random.Random(n).randbytes(400).hex()} for n in range(1000)]
    source, store = jsonl(tmp_path / "rows.jsonl", rows), GraphStore.create(small_disk / "my.kg")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(400_000))
    with pytest.raises(StorageError, match="no space left"):
        store.build(source, ImportSettings(batch_rows=100))
    assert contents(store) == []
    assert list(small_disk.rglob("*tmp*")) == []
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    report = store.build(source, ImportSettings(batch_rows=100))
    assert (report.rows, report.resumed > 0) == (1000, True)
    assert store.verify().orphans == ()


def test_a_disk_that_can_only_be_read_is_read(changed: GraphStore, tmp_path: Path) -> None:
    place = tmp_path / "readonly"
    place.mkdir()
    if subprocess.run(
        ["mount", "--bind", str(changed.folder.root), str(place)], capture_output=True, check=False
    ).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        assert contents(GraphStore.open(place)) == contents(changed)
        with pytest.raises(StorageError, match="read-only"):
            GraphStore.open(place).delete(["Q1"])
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("moment", ["checksum", "flushed", "write_record"])
@pytest.mark.parametrize(
    "fault", [OSError(errno.EIO, os.strerror(errno.EIO)), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()]
)
def test_a_fault_at_any_step_of_a_commit_undoes_it(
    changed: GraphStore, moment: str, fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, listed = contents(changed), files(changed.folder.root)

    def fails(*given: object) -> None:
        raise StorageError("refused") if moment == "write_record" and isinstance(fault, OSError) else fault

    with monkeypatch.context() as patch:
        patch.setattr(writer_module, moment, fails)
        for run in (lambda: changed.upsert([Entity("Q1", "new")]), lambda: changed.delete(["Q3"])):
            with pytest.raises((OtmelError, KeyboardInterrupt)):
                run()
            assert contents(changed) == before
    assert [path for path in files(changed.folder.root) if path.parent.name != "import"] == listed
    assert changed.delete(["Q3"]).changed


def test_a_fault_after_the_record_was_written_does_not_take_the_commit_back(
    changed: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = writer_module.write_record

    def late(*given: object) -> None:
        written(*given)  # pyright: ignore[reportArgumentType]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "write_record", late)
        with pytest.raises(KeyboardInterrupt):
            changed.delete(["Q3"])
    assert ("Q3", "person 3") not in contents(changed)
    assert changed.verify().sound


def test_what_a_crash_left_is_reported_ignored_and_collected(changed: GraphStore) -> None:
    from otmel.data.store.table import Table

    before = contents(changed)
    table = Table(changed.folder.root)
    table.delete("seq >= 0")  # a writer that dies between the data and the record
    (changed.folder.snapshots / ".000009.abcd1234.tmp.json").write_text("{")
    assert contents(changed) == before
    assert changed.info().orphans
    assert changed.verify().sound
    changed.upsert([Entity("Q8", "eight")])
    assert contents(changed) == [*before, ("Q8", "eight")]
    assert changed.info().orphans == ()
    assert not list(changed.folder.snapshots.glob(".*"))


def test_no_artefact_is_a_pickle(changed: GraphStore) -> None:
    for path in files(changed.folder.root):
        assert path.suffix in {".json", ".lance", ".arrow", ".bin", ".manifest", ".txn"}, path
        assert not path.read_bytes().startswith(b"\x80")
    json.loads(changed.folder.format.read_text())


def test_numbered_rows_are_what_they_say() -> None:
    assert [row["id"] for row in numbered(2, 5)] == ["Q5", "Q6"]
