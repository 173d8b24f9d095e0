from __future__ import annotations

import bz2
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.byte_files import BLOCK, BrokenStream, ByteFile, whole
from otmel.errors import DataError

PACK = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress}
NOISE = bytes(range(256)) * 8


def unpacked(path):
    file, places = ByteFile(path), []
    with file.open() as stream:
        data = b""
        while piece := stream.read(1000):
            data += piece
            places.append(file.position)
    assert places == sorted(places)
    assert file.position == file.total_bytes == path.stat().st_size
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bytes")


@settings(deadline=None)
@given(kind=st.sampled_from(sorted(PACK)), parts=st.lists(st.binary(max_size=3000), max_size=4))
def test_every_byte_comes_back_from_streams_that_follow_one_another(kind, parts, folder):
    if kind == "plain":
        parts = [b"x", *parts]
    path = folder / "file"
    path.write_bytes(b"".join(PACK[kind](part) for part in parts))
    assert unpacked(path) == b"".join(parts)


@pytest.mark.parametrize("kind", ["gz", "bz2"])
def test_a_stream_larger_than_many_blocks_and_its_padding(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(PACK[kind](bytes(40 * BLOCK)) + bytes(BLOCK + 7) + PACK[kind](NOISE) + bytes(512))
    with ByteFile(path).open() as stream:
        assert sum(len(piece) for piece in iter(lambda: stream.read(BLOCK), b"")) == 40 * BLOCK + len(NOISE)


@pytest.mark.parametrize("kind", ["gz", "bz2"])
@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda data: data[:-1], "ends too early"),
        (lambda data: data[: len(data) // 2], "ends too early"),
        (lambda data: data[:-6] + bytes([data[-6] ^ 255]) + data[-5:], "damaged"),
        (lambda data: data + b"garbage", "damaged"),
    ],
)
def test_what_is_broken_off_damaged_or_followed_by_garbage_is_said(kind, spoil, words, tmp_path):
    path = tmp_path / f"file.{kind}"
    path.write_bytes(spoil(PACK[kind](NOISE)))
    with pytest.raises(BrokenStream, match=words), ByteFile(path).open() as stream:
        stream.read()


@pytest.mark.parametrize("data", [b"", b"plain text"])
@pytest.mark.parametrize("kind", ["gz", "bz2"])
def test_a_name_that_promises_compression_is_held_to_it(kind, data, tmp_path):
    path = tmp_path / f"file.{kind.upper()}"
    path.write_bytes(data)
    with pytest.raises(BrokenStream, match="not compressed as its name says"), ByteFile(path).open():
        pass


def test_a_text_that_begins_as_bzip2_does_is_a_text(tmp_path):
    (tmp_path / "file").write_bytes(b"BZh9 was here")
    assert unpacked(tmp_path / "file") == b"BZh9 was here"


def test_a_file_can_be_read_again(tmp_path):
    (tmp_path / "file").write_bytes(NOISE)
    file = ByteFile(tmp_path / "file")
    for _ in range(2):
        with file.open() as stream:
            assert file.position == 0
            assert stream.read() == NOISE


def test_no_file_is_an_error(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="no such file"):
            ByteFile(path)


@pytest.mark.parametrize(
    "given_before, start, place", [(0, 0, "before row 1"), (3, 0, "after row 3"), (2, 1200, "after row 1,202")]
)
@pytest.mark.parametrize("fault", [BrokenStream("is damaged"), OSError(5, "Input/output error")])
def test_the_rows_before_a_fault_are_given_and_the_last_is_named(given_before, start, place, fault, tmp_path):
    def rows():
        yield from range(given_before)
        raise fault

    found = []
    with pytest.raises(DataError) as caught:
        found.extend(whole(rows(), tmp_path, start))
    assert caught.value.where == str(tmp_path)
    if given_before or isinstance(fault, BrokenStream):
        assert place in caught.value.problem
    assert ("damaged" in caught.value.problem) != ("Input/output" in caught.value.problem)
