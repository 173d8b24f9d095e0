"""The digest of an entity: sixteen bytes that change with anything its row says, image bytes included."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import xxhash

from otmel.data.records import Entity, ImageSource
from otmel.remote.cache import lasting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIGEST_BYTES: Final = 16
_canonical: Final = json.JSONEncoder(ensure_ascii=False).encode
ABSENT: Final = (-1, -1)
"""Size and time of an image file that is not there."""


def digest(entity: Entity, extra: str = "", stats: Iterable[tuple[int, int]] | None = None) -> bytes:
    """``xxh3_128`` of an entity's canonical encoding.

    Args:
        entity: the entity. Of an image given by its path, path, size and modification time count, not the bytes; a
            copy of an object counts as that object, wherever the copy lies.
        extra: its further columns, as JSON text.
        stats: size and modification time (ns) of each image given by its path, where they are known already.
    """
    texts = [entity.id, entity.name, entity.aliases, entity.description, entity.attributes, extra]
    hashed = xxhash.xxh3_128(_canonical(texts).encode("utf-8", "surrogatepass"))
    known = None if stats is None else iter(stats)
    for image in entity.images:
        is_path = isinstance(image, (str, Path))
        hashed.update(_image_key(image, next(known) if is_path and known is not None else None))
    return hashed.digest()


def digests(entities: Iterable[Entity]) -> NDArray[np.uint64]:
    """The digests of ``entities`` as ``uint64[n, 2]``, row by row."""
    import numpy as np

    joined = b"".join(digest(entity) for entity in entities)
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)


def file_stats(path: str | Path) -> tuple[int, int]:
    """Size and modification time (ns) of a file; ``ABSENT`` when there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a million times)
    except (OSError, ValueError):
        return ABSENT
    return status.st_size, status.st_mtime_ns


def _image_key(image: ImageSource, stats: tuple[int, int] | None) -> bytes:
    """What an image adds to the canonical encoding: its kind, and 16 bytes of its content or its file's description."""
    if isinstance(image, bytes):
        return b"\0B" + xxhash.xxh3_128_digest(image)
    if isinstance(image, (str, Path)):
        described = json.dumps([lasting(image), *(stats or file_stats(image))]).encode()
        return b"\0P" + xxhash.xxh3_128_digest(described)
    return b"\0I" + xxhash.xxh3_128_digest(f"{image.mode} {image.size}".encode() + image.tobytes())
