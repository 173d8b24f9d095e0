"""Eq. 5: images as normalised pixels, with what could not be opened counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor
from transformers import BaseImageProcessor

from otmel.data.findings import Findings
from otmel.data.images import KINDS, open_image, try_open
from otmel.data.records import ImageSource
from otmel.errors import ImageError

SHARED_BYTES: Final = 64 << 20
"""Pixels that a ``SharedPixels`` keeps at most, the last ones it gave."""


class Pixels:
    """Opens images and brings them into the shape and scale a vision tower reads.

    Args:
        image_processor: transformers' image processor (Pillow's backend); ``None`` where there is no vision tower.
        cache_bytes: decoded images kept in memory, up to this size; they are keyed by path.
    """

    def __init__(self, image_processor: BaseImageProcessor | None, cache_bytes: int = 256 << 20) -> None:
        self._processor = image_processor
        self._cache: dict[Path, Tensor] = {}
        self._free = cache_bytes
        self.shape = (1, 1) if image_processor is None else self._probe()

    def _probe(self) -> tuple[int, int]:
        rows, columns = self._normalised(Image.new("RGB", (8, 8))).shape[-2:]
        return rows, columns

    def stack(
        self, sources: Sequence[Sequence[ImageSource]], places: Sequence[str], findings: Findings
    ) -> tuple[Float[Tensor, "B 3 H W"], Bool[Tensor, " B"]]:
        """Pixels of the first image of each item that opens, and which items have one.

        Args:
            sources: the images of every item, in order of preference.
            places: what to call each item in ``findings``.
            findings: counts ``image not stated`` and every image that cannot be opened.
        """
        pixels = torch.zeros(len(sources), 3, *self.shape)
        has_image = torch.zeros(len(sources), dtype=torch.bool)
        if self._processor is None:
            return pixels, has_image
        for row, (images, place) in enumerate(zip(sources, places, strict=True)):
            if not images:
                findings.add("image not stated", place)
            for source in images:
                opened = self._open(source, place, findings)
                if opened is not None:
                    pixels[row], has_image[row] = opened, True
                    break
        return pixels, has_image

    def _open(self, source: ImageSource, place: str, findings: Findings) -> Tensor | None:
        key = Path(source) if isinstance(source, (str, Path)) else None
        if key in self._cache:
            return self._cache[key]
        image = try_open(source, findings, place)
        if image is None:
            return None
        pixels = self._normalised(image)
        size = pixels.numel() * pixels.element_size()
        if key is not None and size <= self._free:
            self._cache[key] = pixels
            self._free -= size
        return pixels

    def _normalised(self, image: Image.Image) -> Float[Tensor, "3 H W"]:
        assert self._processor is not None
        return self._processor(images=[image.convert("RGB")], return_tensors="pt")["pixel_values"][0]


class SharedPixels(Pixels):
    """The pixels of one task whose items share images: each is opened once, and a broken one is not tried again.

    It lives as long as the task and keeps the last images, up to ``SHARED_BYTES``; nothing goes to the cache of
    ``pixels``, which a long stream of images would only fill.

    Args:
        pixels: how images become pixels.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._processor, self.shape = pixels._processor, pixels.shape
        self._kept: OrderedDict[Hashable, tuple[ImageSource, Tensor | str]] = OrderedDict()
        self._most = max(1, SHARED_BYTES // (12 * self.shape[0] * self.shape[1]))

    def fault(self, source: ImageSource) -> str | None:
        """The kind of what is wrong with an image that was tried lately; ``None`` for all others."""
        _, made = self._kept.get(_key(source), (source, None))
        return made if isinstance(made, str) else None

    def _open(self, source: ImageSource, place: str, findings: Findings) -> Tensor | None:
        key = _key(source)
        if key not in self._kept:
            self._kept[key] = source, self._made(source)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        _, made = self._kept[key]
        if isinstance(made, str):
            findings.add(made, place)
            return None
        return made

    def _made(self, source: ImageSource) -> Tensor | str:
        try:
            return self._normalised(open_image(source))
        except ImageError as fault:
            return KINDS[fault.reason]


def _key(source: ImageSource) -> Hashable:
    """What tells an image from others while it is kept: path or bytes; an opened image is the same object or none."""
    if isinstance(source, (str, Path)):
        return Path(source)
    return source if isinstance(source, bytes) else id(source)
