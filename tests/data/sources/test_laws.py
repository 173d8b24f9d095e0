"""What holds for every format."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_files import FILES, KINDS, write_file

from otmel.data.findings import Findings
from otmel.data.sources import SourceOptions, open_source
from otmel.data.sources.detect import SOURCES
from otmel.errors import DataError

SOUND = ("good", "other")
PACKED = [name for name in FILES if name.endswith((".gz", ".bz2"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sources")


def opened(path, name="jsonl"):
    return open_source(path, SourceOptions(format=FILES[name][1]), Findings())


def until_fault(source):
    """The rows there are, and the error that ends them, if any."""
    rows = []
    try:
        rows.extend(source.rows())
    except DataError as fault:
        return rows, fault
    return rows, None


def test_every_format_is_among_the_files():
    assert {kind for _, kind, _ in FILES.values()} == set(SOURCES)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=15, deadline=None)
@given(kinds=st.lists(st.sampled_from(KINDS), max_size=12), start=st.integers(0, 13))
def test_every_row_counts_once_and_those_after_any_start_are_the_same(name, kinds, start, folder):
    source = opened(write_file(folder, name, kinds), name)
    rows = list(source.rows())
    assert [row.number for row in rows] == list(range(1, len(kinds) + 1))
    assert [row.entity is not None for row in rows] == [kind in SOUND for kind in kinds]
    assert all((row.entity is None) == (row.reason is not None) for row in rows)
    assert source.position == source.total_bytes
    fresh = opened(source.path, name)
    assert list(fresh.rows(start)) == rows[start:]
    assert fresh.position == fresh.total_bytes == source.path.stat().st_size


@pytest.mark.parametrize("name", FILES)
def test_the_position_never_decreases(name, folder):
    source = opened(write_file(folder, name, ["good"] * 3000), name)
    places = [source.position]
    places += [source.position for _ in source.rows(7)]
    assert places == sorted(places)
    assert source.position == source.total_bytes


def test_another_process_goes_on_where_one_stopped(folder):
    kinds = [KINDS[number % len(KINDS)] for number in range(40)]
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from itertools import islice\n"
        "from otmel.data.findings import Findings\n"
        "from otmel.data.sources import SourceOptions, open_source\n"
        "for argument in sys.argv[1:]:\n"
        "    kind, path = argument.split('=', 1)\n"
        "    rows = open_source(Path(path), SourceOptions(format=kind), Findings()).rows(17)\n"
        "    print(ascii(list(rows)))\n"
    )
    named = {name: write_file(folder, name, kinds) for name in FILES}
    arguments = [f"{FILES[name][1]}={path}" for name, path in named.items()]
    told = subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True, timeout=120)
    here = [ascii(list(opened(path, name).rows())[17:]) for name, path in named.items()]
    assert told.stdout.decode().splitlines() == here


@pytest.mark.parametrize("name", FILES)
def test_an_abandoned_iterator_leaves_nothing_open(name, folder):
    source = opened(write_file(folder, name, ["good"] * 20), name)
    first = next(iter(source.rows()))
    assert first == next(iter(source.rows()))


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_compressed_file_broken_off_gives_its_whole_rows_and_one_error(name, share, folder, tmp_path):
    whole = write_file(folder, name, ["good", "other"] * 1500)
    expected = list(opened(whole, name).rows())
    data = whole.read_bytes()
    (tmp_path / whole.name).write_bytes(data[: int(len(data) * share)])
    rows, fault = until_fault(opened(tmp_path / whole.name, name))
    assert fault is not None
    assert rows == expected[: len(rows)]
    place = f"after row {len(rows):,}" if rows else "before row 1"
    assert fault.problem == f"the file is compressed and ends too early, {place}"
    assert "sound" in (fault.cure or "")


@pytest.mark.parametrize("name", [name for name in FILES if name not in PACKED])
def test_a_plain_file_broken_off_gives_the_rows_before_that(name, folder, tmp_path):
    whole = write_file(folder, name, ["good"] * 100)
    expected = list(opened(whole, name).rows())
    data = whole.read_bytes()
    for size in range(1, len(data), max(1, len(data) // 50)):
        (tmp_path / whole.name).write_bytes(data[:size])
        rows, fault = until_fault(opened(tmp_path / whole.name, name))
        sound = [row for row in rows if row.entity]
        assert sound == expected[: len(sound)] or name == "csv"  # the last field of a CSV may be cut unseen
        assert len(rows) - len(sound) <= 1
        assert fault is not None or name in ("jsonl", "csv")


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_spoilt_bytes_cost_rows_or_are_one_error(name, data, folder):
    if name == "parquet":
        path = write_file(folder, name, ["good"] * 9)
        size = data.draw(st.integers(0, path.stat().st_size - 1))
        path.write_bytes(path.read_bytes()[:size])
    else:
        spoilt = bytearray(FILES[name][2](["good"] * 9))
        for _ in range(data.draw(st.integers(1, 3))):
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
        path = folder / FILES[name][0]
        path.write_bytes(bytes(spoilt))
    rows, fault = until_fault(opened(path, name))
    assert fault is None or fault.where
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert all((row.entity is None) == (row.reason is not None) for row in rows)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(SOURCES)), data=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_rows_or_one_error(kind, data, folder):
    path = folder / "anything"
    path.write_bytes(data)
    rows, _ = until_fault(open_source(path, SourceOptions(format=kind), Findings()))
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    try:
        source = open_source(path, SourceOptions(), Findings())
    except DataError:
        return
    assert isinstance(until_fault(source), tuple)


GROW = """
import resource, sys
from pathlib import Path
from otmel.data.findings import Findings
from otmel.data.sources import SourceOptions, open_source
def count(path):
    source = open_source(Path(path), SourceOptions(format=sys.argv[1]), Findings())
    return sum(row.entity is not None for row in source.rows())
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count(sys.argv[2])
before = peak()
rows = count(sys.argv[3])
print(rows, (peak() - before) * 1024)
"""


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet", "mimic", "wikidata.gz"])
def test_memory_does_not_grow_with_the_file(name, tmp_path):
    (tmp_path / "small").mkdir()
    small = write_file(tmp_path / "small", name, ["good"] * 3000)
    large = padded_file(tmp_path, name, 24_000)
    kind = FILES[name][1]
    done = subprocess.run(
        [sys.executable, "-c", GROW, kind, small, large], check=True, capture_output=True, text=True, timeout=120
    )
    rows, grown = map(int, done.stdout.split())
    assert rows == 24_000
    # The rows hold 24 MB of text and more, which all together would take several times as much.
    assert grown < 16_000_000


def padded_file(folder, name, rows):
    """A file whose rows are a kilobyte long."""
    if name == "parquet":
        import pyarrow as pa
        from pyarrow.parquet import write_table

        texts = [f"{number} " * 200 for number in range(rows)]
        ids = [str(number) for number in range(rows)]
        path = folder / "e.parquet"
        write_table(pa.table({"id": ids, "name": texts}), path, row_group_size=rows, use_dictionary=False)
        return path
    return grown_file(folder, name, rows)


def grown_file(folder, name, rows):
    import gzip

    pad = "p" * 1000
    if name == "csv":
        text = "id,name\n" + "".join(f"{number},{pad}\n" for number in range(rows))
    elif name == "jsonl":
        text = "".join(json.dumps({"id": number, "name": pad}) + "\n" for number in range(rows))
    elif name == "mimic":
        text = json.dumps([{"qid": f"Q{number}", "entity_name": pad} for number in range(rows)])
    else:
        items = ({"id": f"Q{number + 1}", "labels": {"en": {"value": pad}}} for number in range(rows))
        text = "[\n" + ",\n".join(map(json.dumps, items)) + "\n]\n"
    path = folder / FILES[name][0]
    path.write_bytes(gzip.compress(text.encode(), 1) if name.endswith(".gz") else text.encode())
    return path
