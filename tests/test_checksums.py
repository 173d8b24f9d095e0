"""Checksums by chunks: whatever happens to a file's bytes is found, with the place where it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otmel import checksums
from otmel.checksums import Fault, FileSum, checksum, find_faults
from otmel.errors import DataError


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 64 bytes, so that small files have many."""
    monkeypatch.setattr(checksums, "CHUNK", 64)


def written(folder: Path, data: bytes, name: str = "a.bin") -> dict[str, FileSum]:
    (folder / name).write_bytes(data)
    return {name: checksum(folder / name)}


any_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@any_folder
@given(data=st.binary(max_size=400))
def test_an_untouched_file_has_no_fault_and_its_checksum_survives_json(data: bytes, tmp_path: Path) -> None:
    sums = written(tmp_path, data)
    assert find_faults(tmp_path, sums) == []
    assert sums["a.bin"].size == len(data)
    assert FileSum.from_json(sums["a.bin"].as_json(), "here") == sums["a.bin"]


@any_folder
@given(data=st.binary(min_size=1, max_size=400), bit=st.integers(0, 400 * 8 - 1))
def test_any_flipped_bit_is_found_in_its_chunk(data: bytes, bit: int, tmp_path: Path) -> None:
    sums, place = written(tmp_path, data), bit // 8 % len(data)
    changed = bytearray(data)
    changed[place] ^= 1 << bit % 8
    (tmp_path / "a.bin").write_bytes(changed)
    (fault,) = find_faults(tmp_path, sums)
    assert place // 64 * 64 <= fault.offset < place // 64 * 64 + 64
    assert fault.problem.startswith(("altered", "zeroed"))


@any_folder
@given(data=st.binary(min_size=1, max_size=400), left=st.integers(0, 399))
def test_a_truncation_is_found_at_its_byte(data: bytes, left: int, tmp_path: Path) -> None:
    sums, left = written(tmp_path, data), left % len(data)
    (tmp_path / "a.bin").write_bytes(data[:left])
    (fault,) = find_faults(tmp_path, sums)
    assert (fault.offset, fault.problem.split(":")[0]) == (left, "truncated")


def test_a_zeroed_end_is_dated_from_where_the_zeros_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "CHUNK", 4096)
    data = bytes(range(1, 251)) * 40
    sums = written(tmp_path, data)
    (tmp_path / "a.bin").write_bytes(data[:5000] + bytes(len(data) - 5000))
    (fault,) = find_faults(tmp_path, sums)
    assert (fault.offset, fault.problem.split(":")[0]) == (5000, "zeroed")


def test_longer_missing_unreadable_and_several_faults(tmp_path: Path) -> None:
    data = b"x" * 300
    sums = {**written(tmp_path, data), **written(tmp_path, data, "b.bin"), **written(tmp_path, data, "c.bin")}
    (tmp_path / "a.bin").write_bytes(b"y" + data[1:200] + b"y" + data[201:] + b"more")
    (tmp_path / "b.bin").unlink()
    (tmp_path / "c.bin").unlink()
    (tmp_path / "c.bin").mkdir()
    faults = find_faults(tmp_path, sums)
    assert [(fault.file, fault.offset, fault.problem.split()[0].strip(":")) for fault in faults] == [
        ("a.bin", 0, "altered"),
        ("a.bin", 192, "altered"),
        ("a.bin", 300, "longer"),
        ("b.bin", 0, "missing"),
        ("c.bin", 0, "unreadable"),
    ]


def test_a_run_of_damaged_chunks_is_one_fault(tmp_path: Path) -> None:
    sums = written(tmp_path, b"x" * 640)
    (tmp_path / "a.bin").write_bytes(b"x" * 64 + b"y" * 320 + b"x" * 256)
    assert [fault.offset for fault in find_faults(tmp_path, sums)] == [64]


def test_both_ends_alone_can_be_read(tmp_path: Path) -> None:
    sums = written(tmp_path, b"x" * 640)
    (tmp_path / "a.bin").write_bytes(b"x" * 320 + b"y" + b"x" * 319)
    assert find_faults(tmp_path, sums, whole=False) == []
    (tmp_path / "a.bin").write_bytes(b"x" * 639 + b"y")
    assert [fault.offset for fault in find_faults(tmp_path, sums, whole=False)] == [576]


def test_progress_adds_up_to_the_bytes_stated(tmp_path: Path) -> None:
    sums = {**written(tmp_path, b"x" * 300), **written(tmp_path, b"", "b.bin"), "absent": FileSum(7, (1,))}
    told: list[int] = []
    assert find_faults(tmp_path, sums, told.append) == [Fault("absent", 0, "missing")]
    assert sum(told) == 307


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"size": -1, "chunks": ""},
        {"size": 10, "chunks": ""},
        {"size": 10, "chunks": "zz" * 8},
        {"size": 1, "chunks": "0" * 15},
    ],
)
def test_a_hostile_checksum_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="checksum"):
        FileSum.from_json(value, "record")
