"""Eq. 5: images as normalised pixels, with what could not be opened counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor
from transformers import BaseImageProcessor

from otmel.data.findings import Findings
from otmel.data.images import try_open
from otmel.data.records import ImageSource


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
