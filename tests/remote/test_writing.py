"""Changes in a store: committed as a whole or not at all, by one writer at a time, whatever happens on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import loopback
import pytest
import writers
from writers import build, people, upsert

from otmel.data.graph import KnowledgeGraph
from otmel.data.store import GraphStore
from otmel.data.store.layout import GRAPH, GraphLayout
from otmel.errors import DataError, StorageError
from otmel.remote import TREE, changing, lease, local, written
from otmel.remote.cache import Nest
from otmel.remote.faults import Retry
from otmel.remote.store import Store, Uri

KILLS = int(os.environ.get("OTMEL_KILLS", "4"))


def names(uri: Uri) -> list[str]:
    return [one.name for one in KnowledgeGraph.open(uri)]


def needed(uri: Uri) -> set[str]:
    """The objects that a complete copy has."""
    whole = local(uri, GraphLayout(whole=True))
    return {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}


def test_a_path_is_changed_where_it_is(tmp_path: Path) -> None:
    with changing(tmp_path, GRAPH) as folder, written(tmp_path / "x") as file:
        assert (folder, file) == (tmp_path, tmp_path / "x")


def test_a_graph_is_built_changed_and_read(bucket: Uri, proxy: loopback.Proxy, tmp_path: Path) -> None:
    uri, here = bucket / "people.kg", GraphStore.create(tmp_path / "people.kg")
    build(uri, people(0, 30))
    here.build(people(0, 30))
    first = set(Store(uri).list())
    upsert(uri, people(0, 2, "other"))
    here.upsert(people(0, 2, "other"))
    with changing(uri, GRAPH) as folder:
        GraphStore.open(folder).delete(["e5"])
    here.delete(["e5"])
    assert list(KnowledgeGraph.open(uri)) == list(here.graph())
    assert set(Store(uri).list()) == needed(uri)  # nothing else is left there
    sent = [path.rsplit("/", 1)[-1] for method, path in proxy.seen if method == "PUT"]
    assert all(sent.count(name.rsplit("/", 1)[-1]) == 1 for name in first)  # no file was sent twice
    with changing(uri, GraphLayout(whole=True)) as folder:
        GraphStore.open(folder).expire(keep=1)
    assert list(KnowledgeGraph.open(uri)) == list(here.graph())
    assert set(Store(uri).list()) == needed(uri) < first | needed(uri)


def test_an_error_in_the_block_changes_nothing(bucket: Uri) -> None:
    uri = bucket / "people.kg"
    build(uri, people(0, 3))
    before = {name: Store(uri).read(name) for name in Store(uri).list()}
    with pytest.raises(DataError) as caught, changing(uri, GRAPH) as folder:
        GraphStore.open(folder).build(people(0, 3))
    assert caught.value.where == str(uri)  # not the folder of the copy
    assert {name: Store(uri).read(name) for name in Store(uri).list()} == before
    with pytest.raises(DataError), changing(bucket / "nothing", GRAPH) as folder:
        GraphStore.open(folder)
    assert Store(bucket / "nothing").list() == {}


def test_something_else_is_not_written_over(bucket: Uri) -> None:
    Store(bucket / "x").write("letters.txt", b"dear")
    with pytest.raises(StorageError, match=r"something else stands here, such as letters\.txt"):
        build(bucket / "x", people(0, 3))


@pytest.mark.parametrize("seed", range(1, 2 + KILLS // 20))
def test_faults_at_random_change_nothing(bucket: Uri, proxy: loopback.Proxy, seed: int) -> None:
    uri = bucket / "people.kg"
    proxy.choose = loopback.Drawn(0.15, seed, ("500", "503", "reset", "lost answer", "truncated"))
    build(uri, people(0, 20))
    upsert(uri, people(10, 20, "other"))
    proxy.choose = loopback.nothing
    assert names(uri) == [f"person {n}" for n in range(10)] + [f"other {n}" for n in range(10, 30)]
    assert set(Store(uri).list()) == needed(uri)


@pytest.mark.parametrize("at", [".manifest", "000003.json"])
def test_a_store_that_fails_for_good_half_way_has_what_it_had(
    bucket: Uri, proxy: loopback.Proxy, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setattr("otmel.remote.faults.Retry.__init__.__defaults__", (3, 0.01, 0.05))
    uri = bucket / "people.kg"
    build(uri, people(0, 5))
    upsert(uri, people(5, 1))
    proxy.choose = lambda method, path: "500" if method in ("PUT", "POST") and path.split("?")[0].endswith(at) else None
    with pytest.raises(StorageError, match=r"cannot be written, tried 3 times") as caught:
        upsert(uri, people(0, 1, "other"))
    assert str(uri) in str(caught.value.where)
    proxy.choose = loopback.nothing
    assert names(uri) == [f"person {n}" for n in range(6)]
    told: list[str] = []
    upsert(uri, people(0, 1, "other"), note=told.append)  # the same command again
    assert names(uri) == ["other 0", *(f"person {n}" for n in range(1, 6))]
    assert len(told) == 1
    assert "could not be sent" in told[0]
    assert set(Store(uri).list()) == needed(uri)


def test_the_second_of_two_writers_is_told(
    bucket: Uri, impatient: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = bucket / "people.kg"
    build(uri, people(0, 3))
    with changing(uri, GRAPH) as folder:
        GraphStore.open(folder).upsert(people(3, 1))
        with pytest.raises(StorageError, match="another process is writing here") as same:
            upsert(uri, people(4, 1))
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("OTMEL_CACHE", str(tmp_path / "elsewhere"))
            with pytest.raises(StorageError, match=f"process {os.getpid()} of .* is writing here") as other:
                upsert(uri, people(4, 1))
    assert same.value.where == other.value.where == str(uri)
    assert names(uri) == [f"person {n}" for n in range(4)]


def test_a_writer_waits_for_another(bucket: Uri, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uri, told = bucket / "people.kg", list[str]()
    build(uri, people(0, 3))
    Store(uri).write(f"{lease.CLAIMS}/other.json", b'{"host": "there", "pid": 7, "time": "now"}')
    gone = threading.Timer(1.0, lambda: Store(uri).delete([f"{lease.CLAIMS}/other.json"]))
    gone.start()
    upsert(uri, people(3, 1), wait=60.0, note=told.append)
    gone.join()
    assert told == [f"waiting for process 7 of there (heard of at now), which is writing to {uri}"]
    assert names(uri) == [f"person {n}" for n in range(4)]


def test_a_dead_writers_claim_ages_away(bucket: Uri, impatient: None) -> None:
    uri = bucket / "people.kg"
    build(uri, people(0, 3))
    Store(uri).write(f"{lease.CLAIMS}/dead.json", b"{}")
    with pytest.raises(StorageError, match="is writing here"):
        upsert(uri, people(3, 1))
    time.sleep(3.5)  # a store tells times in whole seconds
    upsert(uri, people(3, 1))
    assert names(uri) == [f"person {n}" for n in range(4)]


def test_a_writer_that_lost_its_claim_commits_nothing(bucket: Uri, impatient: None, tmp_path: Path) -> None:
    uri = bucket / "people.kg"
    build(uri, people(0, 3))
    with pytest.raises(StorageError, match="may not write any more"), changing(uri, GRAPH) as folder:  # noqa: PT012
        GraphStore.open(folder).upsert(people(3, 1))
        Store(uri).delete(name for name in Store(uri).list(lease.CLAIMS))
        time.sleep(1.5)  # as after a long sleep of the machine
    assert names(uri) == [f"person {n}" for n in range(3)]


def test_the_slower_of_two_writers_that_got_by_the_claims_is_refused(
    bucket: Uri, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = bucket / "people.kg"
    build(uri, people(0, 3))
    with pytest.raises(StorageError, match="another writer") as caught, changing(uri, GRAPH) as folder:  # noqa: PT012
        GraphStore.open(folder).upsert(people(3, 1))
        Store(uri).delete(name for name in Store(uri).list(lease.CLAIMS))
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("OTMEL_CACHE", str(tmp_path / "elsewhere"))
            upsert(uri, people(4, 1))
    assert caught.value.where == str(uri)
    assert names(uri) == [f"person {n}" for n in (0, 1, 2, 4)]
    told: list[str] = []
    upsert(uri, people(3, 1), note=told.append)
    assert "is given up" in told[0]
    assert names(uri) == [f"person {n}" for n in (0, 1, 2, 4, 3)]
    assert set(Store(uri).list()) == needed(uri)


class Mould:
    """The process that forks writers, and the requests after which they are killed."""

    def __init__(self, proxy: loopback.Proxy, log: Path) -> None:
        command = [sys.executable, "-W", "ignore", str(writers.__file__)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.proxy, self.log = proxy, log
        self.left, self.reached = 0, threading.Event()

    def killed(self, uri: Uri, first: int, count: int, requests: int) -> str:
        """Start a writer, kill it when it has made so many requests that change something; what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.left, self.proxy.choose = requests, self.counted
        self.reached.clear()
        self.log.write_text("")
        self.process.stdin.write(f"{uri} {first} {count} {self.log}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        while not self.log.read_text() and not self.reached.wait(0.01):
            pass
        with suppress(ProcessLookupError):  # it has come to its end meanwhile
            os.kill(pid, signal.SIGKILL)
        assert self.process.stdout.readline() == "gone\n"
        self.proxy.choose = loopback.nothing
        return self.log.read_text()

    def counted(self, method: str, path: str) -> None:
        """Half of the requests at which a writer is killed are answered, too late."""
        if method in ("PUT", "POST", "DELETE"):
            self.left -= 1
            if self.left == 0:
                self.reached.set()
                time.sleep(0.1)


@pytest.fixture
def mould(proxy: loopback.Proxy, tmp_path: Path) -> Iterator[Mould]:
    mould = Mould(proxy, tmp_path / "log")
    yield mould
    assert mould.process.stdin is not None
    assert mould.process.stdout is not None
    mould.process.stdin.close()
    mould.process.wait()
    mould.process.stdout.close()


@pytest.mark.timeout(120 + 10 * KILLS)
def test_a_writer_killed_anywhere_leaves_the_last_commit_or_the_next(bucket: Uri, mould: Mould) -> None:
    uri, drawn = bucket / "people.kg", random.Random(6)
    build(uri, people(0, 5))
    count, ahead = 5, 0
    for _ in range(KILLS):
        said = mould.killed(uri, count, 3, drawn.randrange(1, 12))
        assert said in ("", "committed"), said
        found = names(uri)
        assert found in ([f"person {n}" for n in range(count)], [f"person {n}" for n in range(count + 3)])
        assert len(found) == count + 3 or not said
        ahead += len(found) > count and not said
        if drawn.random() < 0.4:
            upsert(uri, people(count, 3))  # the same command again
            assert set(Store(uri).list()) == needed(uri)
        count = len(names(uri))
    upsert(uri, people(count, 3))
    assert names(uri) == [f"person {n}" for n in range(count + 3)]
    assert set(Store(uri).list()) == needed(uri)
    assert GraphStore.open(local(uri, GraphLayout(whole=True))).verify().sound
    sys.stdout.write(f"{KILLS} kills, {(count - 5) // 3} commits, {ahead} of them made and not reported\n")


def test_trees_and_single_files_are_written(bucket: Uri, tmp_path: Path) -> None:
    with changing(bucket / "tree", TREE) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("1")
        (folder / "b").write_text("2")
    assert {name: Store(bucket / "tree").read(name) for name in Store(bucket / "tree").list()} == {
        "sub/a": b"1",
        "b": b"2",
    }
    with written(bucket / "out.jsonl") as path:
        path.write_text("{}\n")
    assert Store(bucket).read("out.jsonl") == b"{}\n"
    with pytest.raises(KeyError), written(bucket / "other.jsonl") as path:  # noqa: PT012
        path.write_text("half")
        raise KeyError
    assert Store(bucket).stat("other.jsonl") is None


def test_no_secret_gets_into_a_store_or_a_cache(bucket: Uri, proxy: loopback.Proxy, tmp_path: Path) -> None:
    build(bucket / "people.kg", people(0, 3))
    upsert(bucket / "people.kg", people(3, 1))
    proxy.choose = lambda method, path: "500"
    with pytest.raises(StorageError) as caught:
        Store(bucket, Retry(attempts=2)).list()
    proxy.choose = loopback.nothing
    kept = [path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    kept += [Store(bucket).read(name) for name in Store(bucket).list()]
    kept += [str(caught.value).encode()]
    for secret in (loopback.SECRET, loopback.KEY, loopback.TOKEN):
        assert not any(secret.encode() in data for data in kept)
    assert Nest.of(bucket / "people.kg").uri == bucket / "people.kg"
