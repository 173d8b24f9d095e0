"""The command line with addresses: the same results as with folders, byte for byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import loopback
import pytest

from otmel.cli.link import remembered
from otmel.cli.main import main
from otmel.data.datasets import load_dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.linking import Linker
from otmel.linking.settings import LinkSettings
from otmel.remote import RUN, TREE, local
from otmel.remote.store import Store, Uri
from otmel.server.opening import opened_service
from otmel.server.settings import ServerSettings
from otmel.training.claim import record_of
from otmel.training.settings import preset

Upload = Callable[[Path, Uri], None]


@dataclass(frozen=True)
class Two:
    """Graph, run and index here, and the same in a store."""

    here: Path
    there: Uri
    run: Path
    data: Path


@pytest.fixture
def two(bucket: Uri, tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path, upload: Upload) -> Two:
    upload(tiny_run, bucket / "runs" / "tiny")
    upload(tiny_dataset_folder, bucket / "data")
    return Two(tmp_path, bucket, tiny_run, tiny_dataset_folder)


def ran(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command prints."""
    capsys.readouterr()
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    assert status == 0, said.err
    return said.out


def made(folder: Path) -> dict[str, bytes]:
    """The files of an index, but for the time that its manifest tells."""
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    record = json.loads(files.pop("manifest.json"))["record"]
    files.pop("lock", None)
    return files | {"record": json.dumps({**record, "time": ""}).encode()}


def test_graph_index_and_links_are_those_of_folders(
    two: Two, proxy: loopback.Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = two.here, two.there
    run = there / "runs" / "tiny"
    ran(capsys, "graph", "build", two.data, "--out", here / "my.kg")
    said = ran(capsys, "graph", "build", there / "data", "--out", there / "my.kg", "--json")
    assert json.loads(said)["rows"] == 12
    assert list(KnowledgeGraph.open(there / "my.kg")) == list(KnowledgeGraph.open(here / "my.kg"))

    ran(capsys, "index", "build", two.run, "--graph", here / "my.kg", "--out", here / "index")
    said = ran(capsys, "index", "build", run, "--graph", there / "my.kg", "--out", there / "index")
    assert f"wrote {there / 'index'}" in said
    assert f"--graph {there / 'my.kg'} --index {there / 'index'}" in said
    assert made(local(there / "index")) == made(here / "index")
    assert "is up to date" in ran(capsys, "index", "build", run, "--graph", there / "my.kg", "--out", there / "index")
    assert json.loads(ran(capsys, "index", "verify", there / "index", "--json"))["sound"]
    assert ran(capsys, "index", "info", there / "index").startswith(f"{there / 'index'}: 12 entities")

    rows = [{"mention": "Anna Bell", "image": "mention_image/train-0.jpg"}, {"mention": "Ida Jansen"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    Store(there / "data").write("asked.jsonl", text.encode())
    (here / "asked.jsonl").write_text(text)
    root = ("--image-root", two.data)
    words = ("--graph", here / "my.kg", "--index", here / "index", "--input", here / "asked.jsonl", *root)
    ran(capsys, "link", two.run, *words, "--output", here / "links.jsonl")
    words = ("--graph", there / "my.kg", "--index", there / "index", "--input", there / "data" / "asked.jsonl")
    ran(capsys, "link", run, *words, "--output", there / "links.jsonl")
    links = (here / "links.jsonl").read_text().replace(str(two.data), str(there / "data"))  # which the images lie in
    assert Store(there).read("links.jsonl").decode() == links
    text = '{"text": "Anna Bell met Ida Jansen.", "mentions": [[0, 9]], "image": "mention_image/train-0.jpg"}\n'
    Store(there / "data").write("docs.jsonl", text.encode())
    (here / "docs.jsonl").write_text(text)
    words = (*words[:4], "--documents", there / "data" / "docs.jsonl", "--output", there / "docs.jsonl")
    ran(capsys, "link", run, *words)
    words = (*words[:4], "--documents", here / "docs.jsonl", *root, "--output", here / "found.jsonl")
    ran(capsys, "link", two.run, *words)
    found = (here / "found.jsonl").read_text().replace(str(two.data), str(there / "data"))
    assert Store(there).read("docs.jsonl").decode() == found
    one = ran(capsys, "link", run, "Anna Bell", "--image", there / "data" / "mention_image" / "train-0.jpg", *words[:4])
    assert "Anna Bell" in one

    linker = Linker.load(str(run), str(there / "my.kg"), str(there / "index"))
    service = opened_service(run, there / "my.kg", there / "index", LinkSettings(), (ServerSettings(), None))
    assert service.root is None  # it takes no changes
    asked = [Mention("Ida Jansen")]
    assert (
        linker.link(asked)[0].as_json() == Linker.load(two.run, here / "my.kg", here / "index").link(asked)[0].as_json()
    )


def test_a_graph_that_changes_is_followed_by_its_index(two: Two, capsys: pytest.CaptureFixture[str]) -> None:
    graph, here, run = two.there / "my.kg", two.here, two.there / "runs" / "tiny"
    ran(capsys, "graph", "build", two.data, "--out", graph)
    index = run / "index" / "my"  # where it lies if nobody says
    ran(capsys, "index", "build", run, "--graph", graph)
    assert Store(index).stat("manifest.json") is not None
    (here / "more.jsonl").write_text('{"id": "Q99", "name": "Ulla Berg"}\n')
    Store(two.there).put("more.jsonl", here / "more.jsonl")
    ran(capsys, "graph", "upsert", graph, two.there / "more.jsonl")
    ran(capsys, "graph", "delete", graph, "Q3")
    assert main(["link", str(run), "Ulla Berg", "--graph", str(graph), "--index", str(index)]) == 2
    assert "the index was made with the graph" in capsys.readouterr().err
    updated = json.loads(ran(capsys, "index", "update", run, "--graph", graph, "--json"))
    assert (updated["encoded"], updated["entities"], updated["folder"]) == (1, 12, str(index))
    linked = json.loads(ran(capsys, "link", run, "Ulla Berg", "--graph", graph, "--index", index, "--json"))
    assert linked["candidates"][0]["id"] == "Q99"
    assert local(run, RUN).is_dir()
    assert not (local(run, RUN) / "index").exists()  # an index in a run's folder is no part of the run

    info = json.loads(ran(capsys, "graph", "info", graph, "--json"))
    assert (info["path"], info["snapshots"], info["orphans"]) == (str(graph), 3, [])
    assert len(json.loads(ran(capsys, "graph", "snapshots", graph, "--json"))) == 3
    assert json.loads(ran(capsys, "graph", "verify", graph, "--json"))["sound"]
    ran(capsys, "graph", "export", graph, here / "old.jsonl", "--snapshot", 1)
    assert "Ulla" not in (here / "old.jsonl").read_text()
    ran(capsys, "graph", "expire", graph, "--keep", 1, "--compact")
    assert len(json.loads(ran(capsys, "graph", "snapshots", graph, "--json"))) == 1
    assert json.loads(ran(capsys, "graph", "verify", graph, "--json"))["sound"]


def test_a_run_is_evaluated_and_calibrated_at_its_address(
    two: Two, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = two.there / "runs" / "tiny", two.there / "data"
    rows = json.loads((tiny_folder / "Tiny_dev.json").read_text())
    many = [{**row, "id": f"dev-{4 * turn + number}"} for turn in range(6) for number, row in enumerate(rows)]
    for row in many[16:]:
        row["answer"] = "Q1"  # there is nothing to learn where every answer is right
    (tiny_folder / "Tiny_dev.json").write_text(json.dumps(many))
    Store(data).put("Tiny_dev.json", tiny_folder / "Tiny_dev.json")
    record = json.loads((two.run / "run.json").read_text())
    record["settings"]["encoder"] = "tiny"
    (two.here / "run.json").write_text(json.dumps(record))
    Store(run).put("run.json", two.here / "run.json")
    said = json.loads(ran(capsys, "evaluate", run, data, "--json"))
    copied = shutil.copytree(local(run, RUN), two.here / "run")
    here = json.loads(ran(capsys, "evaluate", copied, tiny_folder, "--json"))
    assert said["folder"] == str(run / "eval-dev")
    assert said["model"]["measures"] == here["model"]["measures"]
    assert (local(run / "eval-dev", TREE) / "mentions.jsonl").read_bytes() == (
        copied / "eval-dev" / "mentions.jsonl"
    ).read_bytes()
    assert ran(capsys, "compare", run, "--json") == ran(capsys, "compare", copied, "--json")
    ran(capsys, "calibrate", run, data, "--nil-share", 0, "--folds", 2)
    ran(capsys, "calibrate", copied, tiny_folder, "--nil-share", 0, "--folds", 2)
    assert Store(run).read("calibration.json") == (copied / "calibration.json").read_bytes()
    assert Store(run).stat("calibration/report.json") is not None
    explained = json.loads(ran(capsys, "explain", run, "--mention-id", "dev-0", "--data", data, "--json"))
    assert explained["mention"]["id"] == "dev-0"
    assert json.loads(ran(capsys, "data", "info", data, "--json"))["entities"] == 12
    trained = record_of(load_dataset(str(data)), preset("default"))  # a run that is trained on it says where it is
    assert trained["dataset_root"] == str(data)
    assert remembered(run) is None
    ran(capsys, "compare", run, "--plot", two.there / "differences.svg")
    ran(capsys, "compare", copied, "--plot", two.here / "differences.svg")
    assert Store(two.there).read("differences.svg") == (two.here / "differences.svg").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        "demo --out s3://bucket/demo",
        "data world --out s3://bucket/world",
        "evaluate run --features s3://bucket/features",
        "graph export my.kg s3://bucket/my.jsonl",
        "pretrain data --out encoder --captions s3://bucket/captions.jsonl",
        "reproduce table2 --out s3://bucket/table2 --dry-run",
        "reproduce table2 --data s3://bucket/world --dry-run",
        "serve run --token-file s3://bucket/token.txt",
        "train data --out run --config s3://bucket/run.toml",
        "train data --out run --features s3://bucket/features",
    ],
)
def test_a_place_that_can_be_no_address_says_so(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    assert "a folder or file on this machine is needed here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_faults_on_the_way_change_no_result(
    two: Two, proxy: loopback.Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    run, graph = two.there / "runs" / "tiny", two.there / "my.kg"
    proxy.choose = loopback.Drawn(0.1, 7, ("500", "503", "reset", "lost answer", "truncated"))
    ran(capsys, "graph", "build", two.data, "--out", graph)
    ran(capsys, "index", "build", run, "--graph", graph, "--out", two.there / "index")
    ran(capsys, "graph", "build", two.data, "--out", two.here / "my.kg")
    ran(capsys, "index", "build", two.run, "--graph", two.here / "my.kg", "--out", two.here / "index")
    proxy.choose = loopback.nothing
    assert made(local(two.there / "index")) == made(two.here / "index")
    assert sum(proxy.injected.values()) >= 5


@pytest.mark.parametrize("place", ["s3://there-is-none/my.kg", "s3://key:hidden@bucket/my.kg", "s3:///x"])
def test_a_wrong_address_is_one_clear_error(two: Two, capsys: pytest.CaptureFixture[str], place: str) -> None:
    assert main(["index", "build", str(two.run), "--graph", place, "--out", str(two.here / "index")]) == 2
    said = capsys.readouterr().err
    assert "error: " in said
    assert "→" in said
    assert "hidden" not in said
    assert "Traceback" not in said


def test_paths_of_images_in_a_store_are_no_paths(two: Two, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["graph", "build", str(two.there / "data"), "--out", str(two.here / "my.kg"), "--images", "path"]
    assert main(words) == 2
    assert "--images store takes them in" in capsys.readouterr().err
