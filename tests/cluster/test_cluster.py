"""A real Ray cluster of two nodes: what it makes is what the local commands make, whoever is killed meanwhile.

``OTMEL_CLUSTER_KILLS=30`` kills thirty workers and several drivers (``make kills``); without it nobody is killed: with
restarts and retries of Ray's even two kills take a minute and a half.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from otmel.cluster import build as build_module
from otmel.cluster import link as link_module
from otmel.cluster.build import Where, build_on_cluster
from otmel.cluster.connection import connected
from otmel.cluster.crew import Crew
from otmel.cluster.encoder import Encoding
from otmel.cluster.job import ClusterSettings
from otmel.cluster.link import Asked, link_on_cluster
from otmel.cluster.sameness import Versions, Welcome
from otmel.data.graph import KnowledgeGraph
from otmel.errors import CheckpointError, ConfigurationError
from otmel.index.manifest import RECORD, SegmentRecord, read_record, write_record
from otmel.index.places import Places
from otmel.index.pool import entry_of
from otmel.index.source import RunSource
from otmel.index.writer import IndexSettings

pytest.importorskip("ray")

nodes_module = pytest.importorskip("benchmarks._nodes")
rows_module = pytest.importorskip("benchmarks._rows")
KILLS = int(os.environ.get("OTMEL_CLUSTER_KILLS", "0"))
ENTRIES, PART = 32, 32
pytestmark = pytest.mark.timeout(240 + 60 * KILLS)
with_kills = pytest.mark.skipif(KILLS == 0, reason="OTMEL_CLUSTER_KILLS says how many workers to kill")


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """The head; the first test adds the second node."""
    with nodes_module.nodes() as started:
        yield started


@pytest.fixture
def settings(cluster: object) -> ClusterSettings:
    return ClusterSettings(address=cluster.address, workers=1 if KILLS < 10 else 2)


@contextmanager
def killing(cluster: object, kills: int, seed: int, progress: Callable[[], int]) -> Iterator[list[int]]:
    """Kill workers while the block runs: most of them in the middle of their work, some while they start again."""
    chance, done, over = random.Random(seed), [0], threading.Event()
    titles = nodes_module.WORKERS if kills < 10 else (*nodes_module.WORKERS, "Ledger")

    def work() -> None:
        seen = progress()
        while done[0] < kills and not over.is_set():
            if done[0] == 0 or chance.random() < 0.7:
                while progress() <= seen and not over.wait(0.003):
                    pass
                over.wait(chance.uniform(0, 0.05))
            else:
                over.wait(chance.uniform(0, 3))
            seen = progress()
            done[0] += not over.is_set() and cluster.kill_one(chance, titles)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


class Late:
    """A worker that needs what only the second node has."""

    def ready(self) -> Welcome:
        return Welcome("late", "")

    def twice(self, number: int) -> int:
        return 2 * number


def test_a_node_that_joins_late_is_used(cluster, settings):
    with connected(settings.address) as joined:
        actor = joined.ray.remote(Late).options(num_cpus=0.1, resources={"late": 1})
        crew = Crew(joined, actor.remote, lambda: 1, lambda message: None)
        joining = threading.Thread(target=cluster.add, kwargs={"resources": '{"late": 1}'})
        joining.start()
        found = sorted(crew.results([1, 2, 3], lambda worker, number: worker.twice.remote(number)))
        joining.join()
        assert found == [2, 4, 6]
        assert joined.nodes == 2
        assert joined.resource("CPU") == 2


@with_kills
def test_an_index_built_while_workers_and_driver_are_killed(cluster, settings, material, tmp_path):
    folder = tmp_path / "index"
    command = f"index build {material.run} --graph {material.graph} --out {folder} --engine ray".split()
    for turn in range(1 + KILLS // 10):
        killed_driver(
            [*command, "--address", settings.address, "--workers", str(settings.workers)],
            lambda turn=turn: segments(folder) > turn,
        )
    assert not (folder / "manifest.json").exists()
    finished = segments(folder)
    with killing(cluster, KILLS // 2, 1, lambda: segments(folder)) as kills:
        summary = build(material, folder, settings)
    assert rows_module.differing(material.index, folder) == 0
    assert summary.rows == summary.done == len(KnowledgeGraph.open(material.graph))
    assert summary.kept >= ENTRIES * finished > 0
    assert 1 <= summary.nodes <= summary.workers <= settings.workers
    assert kills[0] == KILLS // 2
    assert summary.retried >= 1 or KILLS >= 10  # then the ledger, which counts, is killed too
    assert not list((folder / "segments").glob(".*"))
    again = build(material, folder, settings)
    assert (again.kept, again.workers) == (again.rows, 0)


def test_what_is_damaged_or_another_models_is_made_again_and_travels_where_the_folder_is_not_shared(
    settings, material, tmp_path, monkeypatch
):
    def unseen(material, staging, *rest):
        return Encoding(material, staging / "unseen", *rest)

    monkeypatch.setattr(build_module, "Encoding", unseen)
    index, notes = tmp_path / "index", list[str]()
    kept = left_by_a_killed_driver(material, index)
    summary = build(material, index, settings, notes.append)
    whole = len(KnowledgeGraph.open(material.graph))
    assert (summary.done, summary.kept, summary.fresh) == (whole, kept, whole - kept)
    assert rows_module.differing(material.index, index) == 0
    assert [note.split(": ")[0] for note in notes] == ["segment 000002 is of no use", "segment 000004 is of no use"]
    assert ("altered" in notes[0], "another model" in notes[1]) == (True, True)
    assert {path.name for path in (index / "segments").iterdir()} == {
        entry.name for entry in Places(index).read().segments
    }


@with_kills
def test_mentions_linked_while_workers_are_killed(cluster, settings, material, tmp_path):
    out, count = tmp_path / "out", len(material.links.read_text(encoding="utf-8").splitlines())
    with killing(cluster, KILLS - KILLS // 2, 2, lambda: len(list(out.glob("part-*.json")))) as kills:
        summary, findings = link_on_cluster(asked(material, tmp_path / "out"), settings)
    assert written(tmp_path / "out") == material.links.read_text(encoding="utf-8")
    assert kills[0] == KILLS - KILLS // 2
    assert summary.retried >= 1 or KILLS >= 10  # then the ledger, which counts, is killed too
    assert summary.rows == summary.done + summary.rejected == count
    assert summary.rejected == material.links.read_text(encoding="utf-8").count('"error"')
    assert summary.kept == 0
    assert not findings
    missing = tmp_path / "out" / "part-00001.json"
    missing.unlink()
    lines = missing.with_suffix(".jsonl")
    before = [unproven(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    in_shards = replace(asked(material, tmp_path / "out"), shards=2)
    again, _ = link_on_cluster(in_shards, settings)
    assert (again.rows, again.kept, again.fresh) == (count, count - PART, PART)
    assert missing.exists()
    assert [unproven(line) for line in lines.read_text(encoding="utf-8").splitlines()] == before


@pytest.mark.parametrize("spoilt", ["altered", pytest.param("belongs to another index", marks=with_kills)])
def test_an_index_that_is_spoilt_under_the_workers_stops_the_command(settings, material, tmp_path, monkeypatch, spoilt):
    places = Places(Path(shutil.copytree(material.index, tmp_path / "index")))
    one, found = replace(asked(material, tmp_path / "out"), index=places.root), link_module._parts

    def late(asked):
        altered(places, "000002") if spoilt == "altered" else of_another_model(places, "000002")
        return found(asked)

    monkeypatch.setattr(link_module, "_parts", late)  # the driver has opened the index by then
    with pytest.raises(CheckpointError, match=f"{spoilt}.*on the node"):
        link_on_cluster(one, settings)
    with pytest.raises(CheckpointError, match=spoilt):  # the driver sees it before it looks for a cluster
        link_on_cluster(one, settings.model_copy(update={"address": "127.0.0.1:1"}))
    assert not list((tmp_path / "out").glob("*part-*"))


def test_versions_that_differ_stop_the_command(settings, material, tmp_path, monkeypatch):
    other = replace(Versions.here(), otmel="9.9.9")
    monkeypatch.setattr(Versions, "here", staticmethod(lambda: other))
    with pytest.raises(ConfigurationError, match=r"otmel is .* there and 9\.9\.9 at the driver"):
        link_on_cluster(asked(material, tmp_path / "out"), settings)
    assert not list((tmp_path / "out").glob("part-*"))


def build(material, folder, settings, note=lambda message: None):
    source = RunSource.load(material.run, KnowledgeGraph.open(material.graph))
    where = Where(material.run, material.graph, folder)
    return build_on_cluster(where, source, settings, IndexSettings(most=ENTRIES), note)[1]


def left_by_a_killed_driver(material: object, index: Path) -> int:
    """Segments without a manifest: one sound, one damaged, one of another model that a worker had finished; and how
    many entries are of use.
    """
    places = Places(index)
    shutil.copytree(material.index / "segments", places.segments)
    altered(places, "000002")
    of_another_model(places, "000003")
    staged = places.segments / ".job-0123456789abcdef.tmp" / "000000" / "segments"
    staged.mkdir(parents=True)
    places.segment("000003").rename(staged / "000001")
    shutil.copytree(material.index / "segments" / "000003", places.segment("000003"))
    return sum(read_record(places.segment(name) / RECORD, SegmentRecord).entries for name in ("000001", "000003"))


def altered(places: Places, name: str) -> None:
    """Flip a bit in the middle of a segment's largest file."""
    path = max(places.segment(name).iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another_model(places: Places, name: str) -> None:
    """Let a segment, and what a manifest says of it, be another model's."""
    record = read_record(places.segment(name) / RECORD, SegmentRecord)
    made = record.made.model_copy(update={"model": "0" * 16})
    write_record(places.segment(name) / RECORD, record.model_copy(update={"made": made}))
    if places.manifest.exists():
        manifest = places.read()
        entry = entry_of(places, name, record.entries)
        segments = tuple(entry if one.name == name else one for one in manifest.segments)
        write_record(places.manifest, manifest.model_copy(update={"segments": segments}))


def asked(material, output):
    return Asked(material.run, material.graph, material.index, material.mentions, output, part_rows=PART)


def written(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("part-*.jsonl")))


def unproven(line: str) -> dict[str, object]:
    """A line's answer; its proof holds, and depends on how the index is held."""
    answer = json.loads(line)
    if proof := answer.pop("search", None):
        assert (proof["exact"], proof["pairs"] % 240) == (True, 0)
        assert proof["gap"] is None or proof["gap"] >= 0
    return answer


def segments(folder: Path) -> int:
    """Segments that are in place."""
    return len(list((folder / "segments").glob("[0-9]*/segment.json")))


def killed_driver(command: list[str], ready: Callable[[], bool]) -> None:
    """Run a command until something has come about, and kill it."""
    words = [sys.executable, "-W", "ignore", "-c", DRIVER, *command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not ready():
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


DRIVER = f"""
import sys
from otmel.index import writer
writer.IndexSettings.model_fields["most"].default = {ENTRIES}
writer.IndexSettings.model_rebuild(force=True)
from otmel.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""The command, with small segments."""
