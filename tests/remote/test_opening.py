"""Copies to read: what is in the store, fetched once and no more than is needed, or an error that names the object."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import loopback
import pytest

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.images import resolve_image
from otmel.data.importers import read_mentions
from otmel.data.records import Entity
from otmel.data.store import GraphStore
from otmel.data.store.layout import GRAPH, GraphLayout
from otmel.errors import DataError, StorageError
from otmel.remote import RUN, TREE, lazy, local
from otmel.remote.cache import Nest, walked
from otmel.remote.store import Store, Uri

Upload = Callable[[Path, Uri], None]


def people(count: int, word: str = "person") -> list[Entity]:
    return [Entity(f"e{number}", f"{word} {number}", description="x" * 50) for number in range(count)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetched(proxy: loopback.Proxy) -> list[str]:
    """The objects that were read since the last call."""
    names = [
        path.split("?")[0].rsplit("/", 1)[-1] for method, path in proxy.seen if method == "GET" and "?" not in path
    ]
    proxy.seen.clear()
    return sorted(set(names))


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph of three snapshots."""
    store = GraphStore.create(tmp_path / "people.kg")
    store.build(people(50))
    store.upsert(people(3, "other"))
    return tmp_path / "people.kg"


def test_a_path_is_a_path(tmp_path: Path) -> None:
    assert local(tmp_path) == tmp_path
    assert local(str(tmp_path / "not there")) == tmp_path / "not there"
    assert local(f"file://{tmp_path}") == tmp_path


def test_a_tree_is_copied_once_and_again_when_it_changes(
    bucket: Uri, proxy: loopback.Proxy, tiny_dataset_folder: Path, upload: Upload
) -> None:
    uri = bucket / "tiny"
    upload(tiny_dataset_folder, uri)
    fetched(proxy)
    copy = local(uri)
    assert copy.name == "tiny"
    assert contents(copy) == contents(tiny_dataset_folder)
    assert len(fetched(proxy)) == len(contents(copy))
    assert local(str(uri)) == copy
    assert fetched(proxy) == []
    Store(uri).write("qid2id.json", b"{}")
    other = local(uri)
    assert other != copy
    assert (other / "qid2id.json").read_bytes() == b"{}"
    assert (copy / "qid2id.json").read_bytes() != b"{}"  # whoever reads the old copy goes on
    assert fetched(proxy) == ["qid2id.json"]


def test_of_a_graph_the_current_snapshot_is_fetched_and_nothing_twice(
    bucket: Uri, proxy: loopback.Proxy, graph: Path, upload: Upload
) -> None:
    uri = bucket / "people.kg"
    upload(graph, uri)
    fetched(proxy)
    here, there = KnowledgeGraph.open(graph), KnowledgeGraph.open(str(uri))
    assert (there.snapshot, list(there)) == (here.snapshot, list(here))
    first = fetched(proxy)
    assert "000003.json" in first
    assert len([name for name in first if name.endswith(".manifest")]) == 1
    old = KnowledgeGraph.open(uri, snapshot=2)
    assert list(old) == list(KnowledgeGraph.open(graph, snapshot=2))
    assert not {name for name in fetched(proxy) if name.endswith(".lance")} & set(first)
    GraphStore.open(graph).upsert(people(1, "third"))
    upload(graph, uri)
    fetched(proxy)
    assert KnowledgeGraph.open(uri).snapshot == KnowledgeGraph.open(graph).snapshot
    assert not {name for name in fetched(proxy) if name.endswith((".lance", ".txn"))} & set(first)
    assert GraphStore.open(local(uri, GraphLayout(whole=True))).verify().sound


def test_a_run_comes_without_its_folders(bucket: Uri, tiny_run: Path, upload: Upload) -> None:
    uri = bucket / "run"
    upload(tiny_run, uri)
    Store(uri).write("checkpoint-7/model.safetensors", b"large")
    copy = local(uri, RUN)
    assert not (copy / "checkpoint-7").exists()
    assert contents(copy) == {name: data for name, data in contents(tiny_run).items() if "/" not in name}


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_object_is_named_and_not_used(bucket: Uri, graph: Path, upload: Upload, damage: str) -> None:
    uri = bucket / "people.kg"
    upload(graph, uri)
    name = next(name for name in Store(uri).list() if name.endswith(".lance"))
    data = Store(uri).read(name)
    if damage == "gone":
        Store(uri).delete([name])
    else:
        Store(uri).write(name, data[:-1] if damage == "cut" else data[:9] + bytes([data[9] ^ 1]) + data[10:])
    with pytest.raises(StorageError) as caught:
        KnowledgeGraph.open(uri)
    assert caught.value.where == f"{uri}/{name}"
    assert not list(Nest.of(uri).views.glob("*/"))
    Store(uri).write(name, data)
    assert list(KnowledgeGraph.open(uri)) == list(KnowledgeGraph.open(graph))


def test_a_damaged_record_is_named_by_its_address(bucket: Uri, graph: Path, upload: Upload) -> None:
    uri = bucket / "people.kg"
    upload(graph, uri)
    data = Store(uri).read("snapshots/000003.json")
    Store(uri).write("snapshots/000003.json", data.replace(b"50", b"51"))
    with pytest.raises(DataError, match="damaged") as caught:
        KnowledgeGraph.open(uri)
    assert caught.value.where == f"{uri}/snapshots/000003.json"
    Store(uri).write("snapshots/000003.json", data)
    assert len(KnowledgeGraph.open(uri)) == 50


def test_bytes_that_are_lost_on_the_way_are_fetched_again(
    bucket: Uri, proxy: loopback.Proxy, graph: Path, upload: Upload
) -> None:
    uri = bucket / "people.kg"
    upload(graph, uri)
    proxy.choose = loopback.Drawn(0.25, 5, ("500", "503", "reset", "lost answer", "truncated"))
    assert list(KnowledgeGraph.open(uri)) == list(KnowledgeGraph.open(graph))
    assert sum(proxy.injected.values()) >= 3


def test_nothing_there_is_said(bucket: Uri) -> None:
    for place in (bucket / "nowhere", Uri("s3://there-is-none/nowhere")):
        with pytest.raises(StorageError, match="there is nothing here") as caught:
            local(place, GRAPH)
        assert caught.value.where == str(place)


def test_a_writer_that_replaces_what_is_being_fetched_is_followed(
    bucket: Uri, proxy: loopback.Proxy, graph: Path, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otmel.remote.clients.SILENT_SECONDS", 30.0)
    uri = bucket / "people.kg"
    upload(graph, uri)
    GraphStore.open(graph).build(people(7, "new"), replace=True)
    GraphStore.open(graph).expire(keep=1)
    old = [name for name in Store(uri).list() if name.endswith(".lance") or name.startswith("snapshots")]

    def meanwhile(method: str, path: str) -> str | None:
        if path.endswith(".manifest") and method == "GET":
            proxy.choose = loopback.nothing
            upload(graph, uri)
            Store(uri).delete(name for name in old if not (graph / name).exists())
        return None

    proxy.choose = meanwhile
    assert [one.name for one in KnowledgeGraph.open(uri)] == [f"new {number}" for number in range(7)]


def test_many_processes_and_threads_share_one_copy(
    bucket: Uri, proxy: loopback.Proxy, upload: Upload, tmp_path: Path
) -> None:
    for number in range(20):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / "many" / f"{number}").write_bytes(os.urandom(1000))
    upload(tmp_path / "many", bucket / "many")
    fetched(proxy)
    with ThreadPoolExecutor(4) as pool:
        copies = list(pool.map(local, [bucket / "many"] * 4))
    assert len(set(copies)) == 1
    assert sorted(path for method, path in proxy.seen if method == "GET" and "?" not in path) == sorted(
        f"/{bucket.key}/many/{number}" for number in range(20)
    )


FETCH = "import sys; from otmel.remote import local; print(local(sys.argv[1]))"


@pytest.mark.parametrize("seconds", [0.2])
def test_a_killed_fetch_goes_on_where_it_stopped(
    bucket: Uri, proxy: loopback.Proxy, upload: Upload, tmp_path: Path, seconds: float
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}").write_bytes(os.urandom(20_000))
    upload(folder, bucket / "many")
    fetched(proxy)
    gets: list[str] = []

    def slow(method: str, path: str) -> None:
        if method == "GET" and "?" not in path:
            gets.append(path)
            time.sleep(0.05)

    proxy.choose = slow
    process = subprocess.Popen([sys.executable, "-c", FETCH, f"{bucket}/many"], stdout=subprocess.DEVNULL)
    while not gets:
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    nest = Nest.of(bucket / "many")
    before = set(walked(nest.fetching)) if nest.fetching.is_dir() else set()
    fetched(proxy)
    proxy.choose = loopback.nothing
    assert contents(local(bucket / "many")) == contents(folder)
    assert set(fetched(proxy)) == {path.name for path in folder.iterdir()} - before


def test_a_full_disk_is_named(
    bucket: Uri, upload: Upload, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(graph, bucket / "people.kg")
    (tmp_path / "file").touch()
    monkeypatch.setenv("OTMEL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError, match="cannot be written"):
        KnowledgeGraph.open(bucket / "people.kg")


def test_views_that_nobody_holds_go_in_the_end(bucket: Uri, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(bucket / "x")
    store.write("file", b"1")
    first = local(bucket / "x")
    monkeypatch.setattr("otmel.remote.cache.UNUSED_SECONDS", -1.0)
    program = "import sys; from otmel.remote import local; local(sys.argv[1])"
    store.write("file", b"22")
    subprocess.run([sys.executable, "-c", program, f"{bucket}/x"], check=True)
    second = Nest.of(bucket / "x").views
    assert len(list(second.glob("*/"))) == 2
    store.write("file", b"333")
    third = local(bucket / "x")
    assert sorted(second.glob("*/")) == sorted([first.parent, third.parent])  # this process holds the first


def test_one_file_comes_alone_and_its_images_when_rows_name_them(
    bucket: Uri, proxy: loopback.Proxy, tiny_dataset_folder: Path, upload: Upload
) -> None:
    upload(tiny_dataset_folder / "kb_image", bucket / "people" / "pictures")
    lines = [f'{{"id": "{name}", "mention": "Anna", "image": "pictures/{name}.jpg"}}\n' for name in ("Q1", "none")]
    rows = "".join(lines).encode()
    Store(bucket / "people").write("mentions.jsonl", rows)
    fetched(proxy)
    path = local(bucket / "people" / "mentions.jsonl")
    assert path.read_bytes() == rows
    assert fetched(proxy) == ["mentions.jsonl"]
    mentions, findings = read_mentions(path)
    assert Path(str(mentions[0].image)).read_bytes() == (tiny_dataset_folder / "kb_image" / "Q1.jpg").read_bytes()
    assert mentions[1].image is None
    assert findings.counts["image missing"] == 1
    assert fetched(proxy) == ["Q1.jpg"]
    root = lazy.folder(bucket / "people" / "pictures")
    assert resolve_image(root, "Q2.jpg", findings, "here") is not None
    assert resolve_image(root, "../mentions.jsonl", findings, "here") is None
    assert lazy.folder("pictures") == Path("pictures")
    assert resolve_image(root, "Q1.jpg", Findings(), "here") is not None
    assert fetched(proxy) == ["Q2.jpg"]
    assert TREE.committed({}) is False


def test_an_entity_is_the_same_in_every_copy_of_its_data_set(
    bucket: Uri, tiny_dataset_folder: Path, upload: Upload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An index made on one machine is of use on another, and after another file was added to the data set."""
    there = bucket / tiny_dataset_folder.name
    upload(tiny_dataset_folder, there)

    def seen() -> tuple[str, list[tuple[int, ...]]]:
        graph = KnowledgeGraph.open(there)
        return str(graph[graph.row("Q1")].images[0]), [tuple(one) for one in graph.digests.tolist()]

    first = seen()
    monkeypatch.setenv("OTMEL_CACHE", str(tmp_path / "elsewhere"))
    second = seen()
    Store(there).write("kb_image/more.jpg", b"another")
    third = seen()
    assert len({path for path, _ in (first, second, third)}) == 3
    assert first[1] == second[1] == third[1]
    time.sleep(1.1)  # the store tells the time of an object in seconds
    Store(there).put("kb_image/Q1.jpg", tiny_dataset_folder / "kb_image" / "Q1.jpg")
    assert [one != other for one, other in zip(first[1], seen()[1], strict=True)].count(True) == 1
