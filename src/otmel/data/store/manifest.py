"""Which files a version of a Lance table needs, read from its manifest.

A manifest is a protobuf message (``lance/protos/table.proto``) whose place stands in the file's last sixteen bytes.
Only the few fields that name files are looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otmel.errors import DataError

MAGIC: Final = b"LANC"
HIGHEST: Final = (1 << 64) - 1
MANIFESTS: Final = "_versions"

# Field numbers of Manifest, DataFragment, DataFile and DeletionFile.
FRAGMENTS, VERSION, TRANSACTION, FRAGMENT_ID, FRAGMENT_FILES, DELETIONS, FILE_PATH = 2, 3, 12, 1, 2, 3, 1
DELETION_KIND, DELETION_VERSION, DELETION_ID = 1, 2, 3


def manifest_name(version: int) -> str:
    """The manifest of a version, relative to the table. The names sort with the newest first."""
    return f"{MANIFESTS}/{HIGHEST - version:020d}.manifest"


def versions(table: Path) -> list[int]:
    """The versions a table has, oldest first."""
    names = (path.stem for path in (table / MANIFESTS).glob("*.manifest"))
    return sorted(HIGHEST - int(name) for name in names if name.isdigit())


def files_of(table: Path, version: int) -> list[str]:
    """The files of a version, relative to the table: its manifest, data, deletions and transaction.

    Raises:
        DataError: the manifest is missing or damaged.
    """
    path = table / manifest_name(version)
    try:
        names, stated = [manifest_name(version)], -1
        for field, value in _fields(_message(path.read_bytes())):
            if field == FRAGMENTS:
                names += _fragment_files(_bytes(value))
            elif field == TRANSACTION:
                names.append(f"_transactions/{_text(value)}")
            elif field == VERSION:
                stated = value
    except FileNotFoundError:
        raise DataError(f"version {version} of the table is not there any more", where=str(path)) from None
    except (ValueError, IndexError, TypeError, KeyError, struct.error):
        raise DataError("the manifest is damaged", where=str(path), cure="otmel graph verify GRAPH says more") from None
    if stated != version:
        raise DataError(f"the manifest is of version {stated}, not {version}", where=str(path))
    return names


def fragments_of(table: Path, version: int) -> int:
    """How many pieces the rows of a version lie in."""
    return sum(name.startswith("data/") for name in files_of(table, version))


def _message(data: bytes) -> bytes:
    if data[-4:] != MAGIC:
        raise ValueError("no manifest")
    (start,) = struct.unpack("<Q", data[-16:-8])
    (length,) = struct.unpack("<I", data[start : start + 4])
    message = data[start + 4 : start + 4 + length]
    if len(message) != length:
        raise ValueError("cut off")
    return message


def _fragment_files(fragment: bytes) -> list[str]:
    number, names, deletions = 0, [], None
    for field, value in _fields(fragment):
        if field == FRAGMENT_ID:
            number = value
        elif field == FRAGMENT_FILES:
            names.append(f"data/{_text(dict(_fields(_bytes(value)))[FILE_PATH])}")
        elif field == DELETIONS:
            deletions = dict(_fields(_bytes(value)))
    if deletions is not None:
        suffix = "bin" if deletions.get(DELETION_KIND) else "arrow"
        stem = f"{number}-{deletions.get(DELETION_VERSION, 0)}-{deletions.get(DELETION_ID, 0)}"
        names.append(f"_deletions/{stem}.{suffix}")
    return names


def _text(value: int | bytes) -> str:
    name = _bytes(value).decode("ascii")
    if "/" in name or ".." in name or not name:
        raise ValueError("no file name")
    return name


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message was expected")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protobuf message."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
        elif kind in (1, 2, 5):
            length, place = (8, place) if kind == 1 else (4, place) if kind == 5 else _varint(message, place)
            value = message[place : place + length]
            place += length
            if place > len(message):
                raise ValueError("cut off")
        else:
            raise ValueError("unknown wire type")
        yield key >> 3, value


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
