"""Opening every image once: can it be decoded, and which images look the same?"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from otmel.data.images import KINDS, open_image
from otmel.data.records import ImageSource
from otmel.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

FLAT = "image of one colour"
FLAT_RANGE = 2  # grey levels between which a picture shows nothing: its hash would be chance
CHUNK = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What opening an image gave.

    Attributes:
        fault: kind of defect; ``None`` when the image can be decoded.
        look: perceptual hash, 64 bits; ``None`` when there is no picture to hash.
    """

    fault: str | None
    look: int | None

    @property
    def usable(self) -> bool:
        """Whether the image can be decoded."""
        return self.fault is None or self.fault == FLAT


def look_at(sources: Sequence[ImageSource], progress: Progress | None = None) -> list[Seen]:
    """Open each image and hash it; a source that occurs twice is opened once.

    Args:
        sources: images; the result has their order.
        progress: called with the number of images opened so far and in all.
    """
    distinct = {identity(source): source for source in sources}
    seen = {}
    pool = ThreadPoolExecutor()  # Pillow decodes outside the interpreter's lock
    try:
        for done, (key, result) in enumerate(zip(distinct, pool.map(_look, distinct.values()), strict=True), 1):
            seen[key] = result
            if progress:
                progress(done, len(distinct))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nobody waits for the rest
    return [seen[identity(source)] for source in sources]


def identity(source: ImageSource) -> Hashable:
    """Equal for sources that are the same file, the same bytes or the same opened image."""
    if isinstance(source, (str, Path)):
        return str(source)
    return source if isinstance(source, bytes) else id(source)


def _look(source: ImageSource) -> Seen:
    try:
        image = open_image(source)
    except ImageError as fault:
        return Seen(KINDS[fault.reason], None)
    look = perceptual_hash(image)
    return Seen(None if look is not None else FLAT, look)


def perceptual_hash(image: Image) -> int | None:
    """Sixty-four bits that similar pictures share (ImageHash's ``phash``); ``None`` for a picture of one colour."""
    import imagehash

    low, high = image.convert("L").getextrema()
    if high - low <= FLAT_RANGE:  # pyright: ignore[reportOperatorIssue]
        return None
    return int.from_bytes(np.packbits(imagehash.phash(image).hash).tobytes(), "big")


def alike(looks: Iterable[int | None], known: Iterable[int | None], distance: int = 0) -> list[bool]:
    """For each hash, whether one of ``known`` differs from it in at most ``distance`` bits."""
    wanted = list(looks)
    pool = np.array(sorted({look for look in known if look is not None}), np.uint64)
    found = np.zeros(len(wanted), bool)
    rows = np.array([row for row, look in enumerate(wanted) if look is not None], np.int64)
    hashes = np.array([look for look in wanted if look is not None], np.uint64)
    if distance == 0 or not len(pool):
        found[rows] = np.isin(hashes, pool)
        return found.tolist()
    for start in range(0, len(rows), CHUNK):
        different = hashes[start : start + CHUNK, None] ^ pool
        found[rows[start : start + CHUNK]] = _bits(different).min(1) <= distance
    return found.tolist()


def _bits(values: np.ndarray) -> np.ndarray:
    """Number of bits set in each value of 64 bits."""
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    return BITS_OF_OCTET[octets].sum(-1, dtype=np.int64)


BITS_OF_OCTET = np.array([bin(octet).count("1") for octet in range(256)], np.uint8)
