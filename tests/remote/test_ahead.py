"""Images in a store are sent for before their rows are used: sooner there, and otherwise as if nobody had."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import loopback
import pytest

from otmel.data.documents import document_of, image_names
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.image_folder import ImageFolder
from otmel.data.image_root import HELD_BYTES, HELD_ROWS, ImageRoot, stated
from otmel.data.importers import open_graph, read_mentions
from otmel.data.raw_rows import RawRow
from otmel.data.sources import SourceOptions, open_source
from otmel.data.tables import read_table
from otmel.errors import DataError, StorageError
from otmel.linking.document_rows import DocumentRows
from otmel.linking.documents import DocumentLinker
from otmel.linking.linker import Linker
from otmel.linking.rows import RowLinker, Tally
from otmel.remote import early, faults, lazy, local
from otmel.remote.store import Store, Uri

Upload = Callable[[Path, Uri], None]
SPECIAL = ("a b.jpg", "50 %.jpg", "a%20b.jpg", "a#b?c.jpg", "é.jpg", "+&=.jpg")
ODD = ("", "../Q1.jpg", "/Q1.jpg", "http://host/Q1.jpg", "a\0b", "x" * 300, "\ud800.jpg", "none.jpg", ".", "Q1.jpg")


def row(*names: object) -> RawRow:
    return RawRow(f"row {names[:1]}", {"image": names[0] if len(names) == 1 else list(names)})


def eventually(true: Callable[[], bool]) -> bool:
    """Whether something becomes true within half a minute."""
    until = time.monotonic() + 30
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


def fetchers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("otmel-fetch")]


@pytest.fixture
def pictures(bucket: Uri) -> Uri:
    """Many small objects, in a folder of the bucket."""
    store = Store(bucket / "people")
    for number in range(30):
        store.write(f"pictures/{number}.png", str(number).encode())
    return bucket / "people"


def read(root: ImageRoot, rows: Iterable[RawRow]) -> tuple[list[bytes | None], dict[str, int]]:
    """The images of rows, and what was odd."""
    findings, found = Findings(), []
    for one in root.ahead(rows, stated):
        for (name,) in stated(one):
            path = root.find(name, findings, one.where)
            found.append(None if path is None else path.read_bytes())
    return found, dict(findings.counts)


@pytest.mark.parametrize("place", ["here", "held by nobody"])
def test_rows_whose_images_lie_here_are_not_read_ahead(bucket: Uri, place: str) -> None:
    root = ImageRoot(Path("anywhere")) if place == "here" else ImageRoot(lazy.folder(bucket), rows_held=0)
    taken: list[int] = []

    def rows() -> Iterator[RawRow]:
        for number in range(5):
            taken.append(number)
            yield row("a.png")

    assert len(list(islice(root.ahead(rows(), stated), 2))) == 2
    assert taken == [0, 1]


@pytest.mark.parametrize("inside", ["", "pictures/"])
def test_images_of_later_rows_are_fetched_while_the_first_is_in_use(
    pictures: Uri, proxy: loopback.Proxy, inside: str
) -> None:
    root = ImageRoot(lazy.folder(pictures if inside else pictures / "pictures"))
    rows = [row(f"{inside}{number}.png") for number in range(30)]
    stream = root.ahead(rows, stated)
    proxy.seen.clear()
    first = next(stream)
    assert first is rows[0]
    copies = root._early._sent.values()  # pyright: ignore[reportOptionalMemberAccess]
    assert eventually(lambda: all(coming.done() for coming in copies))
    assert len({path for method, path in proxy.seen if method == "GET"}) == 30
    proxy.seen.clear()
    for number, one in enumerate([first, *stream]):
        assert one is rows[number]
        path = root.find(one.values["image"], Findings(), one.where)
        assert path is not None
        assert path.read_bytes() == str(number).encode()
    assert proxy.seen == []  # nothing was asked for twice
    assert eventually(lambda: not fetchers())


def test_no_more_rows_are_held_than_may_be(bucket: Uri) -> None:
    taken: list[int] = []

    def rows(values: Callable[[int], dict[str, object]]) -> Iterator[RawRow]:
        taken.clear()
        for number in range(3 * HELD_ROWS):
            taken.append(number)
            yield RawRow(f"row {number}", values(number))

    def held(values: Callable[[int], dict[str, object]]) -> set[int]:
        stream = ImageRoot(lazy.folder(bucket), rows_held=8).ahead(rows(values), stated)
        found = set()
        for used in range(1, 40):
            next(stream)
            found.add(len(taken) - used)
        stream.close()
        return found

    assert held(lambda number: {"image": f"{number}.png"}) == {8}
    assert held(lambda number: {"image": b"embedded"}) == {0}  # there is nothing to send for
    assert held(lambda number: {"name": "no image"}) == {0}
    quarter = b"x" * (HELD_BYTES // 4)
    assert held(lambda number: {"images": ["a.png", quarter]}) == {3}
    assert held(lambda number: {"images": ["a.png", quarter * 9]}) == {0}
    assert held(lambda number: {"image": "a.png", "claims": {"P1": [{"value": quarter}], "P2": (7, None)}}) == {3}
    assert eventually(lambda: not fetchers())


def test_odd_names_are_told_as_without_it(
    bucket: Uri, tiny_dataset_folder: Path, upload: Upload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(tiny_dataset_folder / "kb_image", bucket / "images")
    long = "x" * 251 + ".jpg"  # as long as a name can be on a disk
    for name in (*SPECIAL, long):
        Store(bucket / "images").write(name, name.encode())
    names = (*ODD, *SPECIAL, long)
    rows = [*map(row, names), row("Q1.jpg", "Q2.jpg"), row(b"\x89PNG"), row(7), row(None), row("Q1.jpg")]
    plain = read(ImageRoot(lazy.folder(bucket / "images"), rows_held=0), rows)
    monkeypatch.setenv("OTMEL_CACHE", str(tmp_path / "another"))
    assert read(ImageRoot(lazy.folder(bucket / "images")), rows) == plain
    assert sum(one is not None for one in plain[0]) == 5 + len(SPECIAL)


def test_rows_before_one_that_cannot_be_read_are_given_first(pictures: Uri) -> None:
    def rows() -> Iterator[RawRow]:
        yield from (row(f"{number}.png") for number in range(7))
        raise DataError("the file breaks off")

    stream = ImageRoot(lazy.folder(pictures / "pictures")).ahead(rows(), stated)
    assert len(list(islice(stream, 7))) == 7
    with pytest.raises(DataError, match="breaks off"):
        next(stream)
    assert eventually(lambda: not fetchers())


def test_a_store_that_fails_is_met_at_its_row_and_nothing_is_asked_of_it_any_more(
    pictures: Uri, proxy: loopback.Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "time", SimpleNamespace(sleep=lambda seconds: None))
    proxy.choose = lambda method, path: "500" if path.endswith("/5.png") else None
    folder = lazy.folder(pictures / "pictures")
    rows = [row(f"{number}.png", f"{number}.png") for number in range(30)]  # each named twice
    proxy.seen.clear()
    root = ImageRoot(folder)
    with closing(root.ahead(rows, stated)) as stream:
        paths = (root.find(one.values["image"][0], Findings(), one.where) for one in stream)
        found = list(islice(paths, 5))
        with pytest.raises(StorageError, match=r"5\.png: it cannot be looked at, tried 9 times"):
            next(paths)
    assert None not in found
    assert sum(path.endswith("/5.png") for _, path in proxy.seen) == 9
    assert eventually(lambda: not fetchers())
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"mention": "a", "image": "{n}.png"}}\n' for n in range(30)))
    with pytest.raises(StorageError, match=r"5\.png") as caught:
        read_mentions(tmp_path / "rows.jsonl", folder)
    assert eventually(lambda: not fetchers()), "the error is still held, but nobody works for it"
    assert caught.value.cure is not None
    # Who reads again asks again.
    proxy.choose = loopback.nothing
    assert read(ImageRoot(folder), rows)[0] == [str(number).encode() for number in range(30) for _ in range(2)]


def test_after_an_error_what_waits_is_not_tried() -> None:
    """Else a command whose store has failed would go on for minutes after it has said so."""
    tried, ready = [], threading.Event()

    def fetch(path: Path) -> Path | None:
        tried.append(path)
        if path.name == "0":
            raise StorageError("the store is gone")
        ready.wait(timeout=30)
        return path

    reader = early.Early(fetch)
    with reader.sending() as send:
        for number in range(100):
            send([Path(str(number))])
        with pytest.raises(StorageError, match="gone"):
            reader.get(Path("0"))
        ready.set()
        assert eventually(lambda: all(coming.done() for coming in reader._sent.values()))
    assert len(tried) <= early.AT_ONCE + 1
    assert reader.get(Path("99")) == Path("99")  # who looks for it all the same asks by himself
    assert eventually(lambda: not fetchers())


def test_what_was_sent_for_long_ago_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "REMEMBERED", 3)
    tried: list[str] = []
    reader = early.Early(lambda path: tried.append(path.name))
    with reader.sending() as send:
        for name in "abcab":
            send([Path(name)])
    assert [reader.get(Path(name)) for name in "bca"] == [None] * 3
    assert sorted(tried) == ["a", "b", "c"]
    with reader.sending() as send:
        send([Path("d")])
    reader.get(Path("d"))
    reader.get(Path("a"))
    assert sorted(tried) == ["a", "a", "b", "c", "d"]


def test_the_first_that_is_there_is_fetched_and_no_other() -> None:
    tried: list[str] = []

    def fetch(path: Path) -> Path | None:
        tried.append(path.name)
        return path if path.name in ("b", "c") else None

    reader = early.Early(fetch)
    with reader.sending() as send:
        send([Path("a"), Path("b"), Path("c")])
    assert [reader.get(Path(name)) for name in "aba"] == [None, Path("b"), None]
    assert tried == ["a", "b"]
    assert reader.get(Path("c")) == Path("c")


@pytest.mark.parametrize("inside", ["", "pictures/"])
def test_an_image_that_has_changed_is_seen_when_rows_are_read_again(pictures: Uri, inside: str) -> None:
    folder = lazy.folder(pictures if inside else pictures / "pictures")
    rows = [row(f"{inside}{number}.png") for number in (1, 2, 1, 99)]
    assert read(ImageRoot(folder), rows)[0] == [b"1", b"2", b"1", None]
    held = ImageRoot(folder).ahead(rows, stated)  # somebody who sends for them, and does not end
    next(held)
    Store(pictures).write("pictures/1.png", b"another")
    Store(pictures).write("pictures/99.png", b"new")
    Store(pictures).delete(["pictures/2.png"])
    assert read(ImageRoot(folder), rows)[0] == [b"another", None, b"another", b"new"]
    held.close()
    again = ImageRoot(folder)
    assert read(again, rows)[0] == [b"another", None, b"another", b"new"]
    Store(pictures).write("pictures/1.png", b"a third one")
    assert read(again, rows)[0] == [b"a third one", None, b"a third one", b"new"]


def test_a_copy_in_use_stays_until_a_newer_one_is_whole(pictures: Uri, proxy: loopback.Proxy) -> None:
    root = ImageRoot(lazy.folder(pictures / "pictures"))
    path = root.find("1.png", Findings(), "row 1")
    assert path is not None
    Store(pictures).write("pictures/1.png", b"another")
    proxy.choose = lambda method, path: "500" if method == "GET" else None
    thread = threading.Thread(target=root.find, args=("1.png", Findings(), "row 1"))
    thread.start()
    assert eventually(lambda: proxy.injected["500"] > 0)
    assert path.read_bytes() == b"1"
    proxy.choose = loopback.nothing
    thread.join(timeout=60)
    assert path.read_bytes() == b"another"


def test_images_of_a_documents_mentions_are_named(pictures: Uri) -> None:
    mentions = [{"text": "Anna", "image": "2.png"}, [0, 4], {"start": 0, "end": 4, "images": ["3.png"]}]
    values = {"text": "Anna met Ida.", "image": "1.png", "mentions": mentions}
    rows = [RawRow("line 1", values), RawRow("line 2", {**values, "mentions": "["})]
    root = ImageRoot(lazy.folder(pictures / "pictures"))
    assert [name for one in rows for (name,) in image_names(one)] == ["1.png", "2.png", "3.png", "1.png"]
    document = document_of(rows[0], root, Findings())
    assert document.spans is not None
    assert [Path(str(span.image)).name for span in document.spans] == ["2.png", "1.png", "3.png"]


@dataclass
class InCompany:
    """Answers a request for an image when another one has been asked for; ``alone`` counts those that wait in vain."""

    asked: set[str] = field(default_factory=set)
    alone: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, method: str, path: str) -> str | None:
        if path.endswith((".jpg", ".png")):
            with self.changed:
                self.asked.add(path)
                self.changed.notify_all()
                self.alone += not self.changed.wait_for(lambda: len(self.asked) > 1, timeout=4)
        return None


READERS: dict[str, Callable[[Uri, Linker], object]] = {
    "entities of one's own": lambda there, linker: entities(there / "rows.jsonl"),
    "entities of MIMIC": lambda there, linker: entities(there / "kb_entity.json"),
    "items of a dump": lambda there, linker: entities(there / "dump.json", lazy.folder(there / "kb_image")),
    "a graph of one's own": lambda there, linker: KnowledgeGraph.open(there / "rows.jsonl"),
    "a graph of MIMIC": lambda there, linker: KnowledgeGraph.open(there / "kb_entity.json"),
    "mentions of one's own": lambda there, linker: read_mentions(local(there / "rows.jsonl")),
    "mentions of MIMIC": lambda there, linker: read_mentions(local(there / "mentions_train.json")),
    "mentions to link": lambda there, linker: linked(RowLinker(linker, 1, lazy.folder(there), Tally()), there),
    "documents to link": lambda there, linker: linked(
        DocumentRows(DocumentLinker(linker, k=1), lazy.folder(there)), there
    ),
}


def entities(place: Uri, root: Path | None = None) -> int:
    source = open_source(local(place), SourceOptions(image_root=root), Findings())
    return sum(one.entity is not None and len(one.entity.images) for one in source.rows())


def linked(linker: RowLinker | DocumentRows, there: Uri) -> list[Any]:
    return list(linker.answers(read_table(local(there / "rows.jsonl"))))


@pytest.mark.parametrize("reader", list(READERS))
def test_whoever_reads_rows_sends_for_their_images(
    bucket: Uri, proxy: loopback.Proxy, tiny_run: Path, tiny_dataset_folder: Path, upload: Upload, reader: str
) -> None:
    there, linker = bucket / "tiny", Linker.load(tiny_run, open_graph(tiny_dataset_folder))
    upload(tiny_dataset_folder, there)
    names = sorted(path.name for path in (tiny_dataset_folder / "kb_image").iterdir())
    rows = [
        {"id": f"e{number}", "name": "Anna", "text": "Anna", "mentions": [[0, 4]], "image": f"kb_image/{name}"}
        for number, name in enumerate(names)
    ]
    claim = [{"rank": "normal", "mainsnak": {"snaktype": "value", "datavalue": {"type": "string", "value": None}}}]
    items = [
        {"id": f"Q{number}", "labels": {"en": {"value": "one"}}, "claims": {"P18": json.loads(json.dumps(claim))}}
        for number in range(1, 1 + len(names))
    ]
    for item, name in zip(items, names, strict=True):
        item["claims"]["P18"][0]["mainsnak"]["datavalue"]["value"] = name
    Store(there).write("rows.jsonl", "".join(json.dumps(one) + "\n" for one in rows).encode())
    (split,) = tiny_dataset_folder.glob("*_train.json")
    Store(there).put("mentions_train.json", split)
    Store(there).write("dump.json", ("[\n" + ",\n".join(map(json.dumps, items)) + "\n]").encode())
    proxy.choose = company = InCompany()
    READERS[reader](there, linker)
    assert len(company.asked) > 1
    assert company.alone == 0
    assert eventually(lambda: not fetchers())


def test_tables_graphs_and_links_are_those_of_a_folder_here(
    bucket: Uri, proxy: loopback.Proxy, tiny_run: Path, tiny_dataset_folder: Path, upload: Upload, tmp_path: Path
) -> None:
    here, there = tiny_dataset_folder / "kb_image", bucket / "images"
    upload(here, there)
    names = sorted(path.name for path in here.iterdir())
    lines = "".join(
        f'{{"id": "e{number}", "name": "Anna {number}", "mention": "Anna", "image": "{name}"}}\n'
        for number, name in enumerate([*names, "none.jpg"])
    )
    (tmp_path / "rows.jsonl").write_text(lines)
    far = lazy.folder(there)

    def entities(root: Path) -> tuple[object, ...]:
        findings = Findings()
        source = open_source(tmp_path / "rows.jsonl", SourceOptions(image_root=root), findings)
        images = [[Path(str(image)).read_bytes() for image in one.entity.images] for one in source.rows() if one.entity]
        return images, dict(findings.counts)

    assert entities(far) == entities(here)
    mentions = [read_mentions(tmp_path / "rows.jsonl", root) for root in (here, far)]
    assert [one.image and Path(str(one.image)).name for one in mentions[1][0]] == [*names, None]
    assert mentions[0][1].counts == mentions[1][1].counts

    linker, links = Linker.load(tiny_run, open_graph(tiny_dataset_folder)), []
    for root in (here, far):
        rows = (RawRow(f"line {number}", {"mention": "Anna", "image": name}) for number, name in enumerate(names, 1))
        answers = [one for batch in RowLinker(linker, 2, root, Tally()).answers(rows) for one in batch]
        links.append([{**one, "image": Path(one["image"]).name} for one in answers])
    assert links[0] == links[1]
    assert eventually(lambda: not fetchers())


def test_images_of_a_dump_are_looked_for_under_both_spellings(
    bucket: Uri, proxy: loopback.Proxy, tmp_path: Path
) -> None:
    claims = (
        '{"P18": [{"rank": "normal", "mainsnak": {"snaktype": "value", "datavalue": {"type": "string", "value": %s}}}]}'
    )
    rows = [
        f'{{"id": "Q{number}", "labels": {{"en": {{"value": "one"}}}}, "claims": {claims % value}}}'
        for number, value in enumerate(['"a picture.png"', "7", '"None.png"'], 1)
    ]
    (tmp_path / "dump.json").write_text("[\n" + ",\n".join(rows) + "\n]")
    Store(bucket / "images").write("A_picture.png", b"1")
    root = lazy.folder(bucket / "images")
    options = SourceOptions(format="wikidata", image_root=root)
    found = [one.entity for one in open_source(tmp_path / "dump.json", options, Findings()).rows()]
    assert found[0] is not None
    assert [Path(str(image)).name for image in found[0].images] == ["A_picture.png"]
    assert [one is None for one in found] == [False, True, False]
    assert any(path.endswith("/A%20picture.png") for _, path in proxy.seen)


def test_mimics_files_find_their_images_in_a_store(
    bucket: Uri, proxy: loopback.Proxy, tiny_dataset_folder: Path, upload: Upload, tmp_path: Path
) -> None:
    """Beside a file that comes alone, and in a folder that is named: as on the disk, and each is asked for once."""
    there = bucket / "tiny"
    upload(tiny_dataset_folder, there)

    def taken(*place: Path) -> tuple[list[Any], dict[str, int]]:
        findings = Findings()
        source = open_source(place[0], SourceOptions(image_root=place[1] if place[1:] else None), findings)
        entities = [one.entity for one in source.rows() if one.entity]
        return [[Path(str(image)).read_bytes() for image in one.images] for one in entities], dict(findings.counts)

    here = taken(tiny_dataset_folder / "kb_entity.json")
    assert any(here[0])
    assert taken(local(there / "kb_entity.json")) == here
    proxy.seen.clear()
    assert taken(tiny_dataset_folder / "kb_entity.json", lazy.folder(there / "kb_image")) == here
    images = sum(map(len, here[0]))
    assert [method for method, path in proxy.seen if "?" not in path] == ["HEAD"] * images  # whether they are the same
    assert taken(tiny_dataset_folder / "kb_entity.json", lazy.folder(there)) == here
    for absent in (bucket / "none", bucket / "none" / "kb_image"):
        assert taken(tiny_dataset_folder / "kb_entity.json", lazy.folder(absent))[1]["image folder missing"] == 1

    graphs = [KnowledgeGraph.open(place) for place in (tiny_dataset_folder, there / "kb_entity.json")]
    assert [[Path(str(image)).name for image in one.images] for one in graphs[1]] == [
        [Path(str(image)).name for image in one.images] for one in graphs[0]
    ]
    assert graphs[1].findings.counts == graphs[0].findings.counts
    (split,) = [path.name for path in tiny_dataset_folder.glob("*_train.json")]
    mentions = [read_mentions(path) for path in (tiny_dataset_folder / split, local(there / split))]
    assert [one.image and Path(str(one.image)).name for one in mentions[1][0]] == [
        one.image and Path(str(one.image)).name for one in mentions[0][0]
    ]
    assert mentions[0][1].counts == mentions[1][1].counts


def test_an_image_that_goes_while_rows_are_read_is_missing(bucket: Uri) -> None:
    store = Store(bucket / "tiny")
    store.write("kb_image/Q1.jpg", b"1")
    findings = Findings()
    images = ImageFolder(lazy.folder(bucket / "tiny"), "entity", findings)
    store.delete(["kb_image/Q1.jpg"])
    assert images.find(["Q1.jpg"], "row 1") is None
    assert findings.counts == {"image missing": 1}


def test_what_it_gains_is_measured_by_the_benchmark(tmp_path: Path) -> None:
    """By the command that the benchmark names, at its smallest size; how fast it was is not looked at."""
    server = [sys.executable, loopback.__file__, "--distance", "0.01", "--"]
    command = [sys.executable, "benchmarks/store.py", "--tiny", "--store", "s3://otmel/images"]
    done = subprocess.run(
        [*server, *command, "--json", str(tmp_path / "figures.json")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in record["rows"]}
    assert list(rows) == ["one request", "one after the other", "sent for early", "the folder whole"]
    assert rows["one request"]["value"] >= 10
    assert rows["one after the other"]["ratio_to_baseline"] == 1
