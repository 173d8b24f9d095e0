"""What a model sees of an image: the part that its image processor keeps, in the image's own resolution."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from PIL.Image import Image
from transformers import BaseImageProcessor

from otmel.data.images import open_image
from otmel.data.records import ImageSource
from otmel.errors import ImageError

SHOWN: Final = 512
"""Longest side, in pixels, of an image in an answer."""
LOSSLESS: Final = 128
"""Up to this longest side a PNG is small, and JPEG's blur would be seen."""


def seen_image(sources: Sequence[ImageSource], processor: BaseImageProcessor | None) -> Image | None:
    """The first image that opens, cut as the processor cuts it; ``None`` where there is none, or no processor."""
    if processor is None:
        return None
    for source in sources:
        try:
            return cut_as_seen(open_image(source), processor)
        except ImageError:  # counted where the batch was made
            continue
    return None


def cut_as_seen(image: Image, processor: BaseImageProcessor) -> Image:
    """``image`` without the borders that a centre crop removes; a grid of patches laid over it lies right.

    CLIP's own processor scales the shorter side to ``size`` and crops the centre; one that scales both sides to fixed
    lengths keeps everything.
    """
    values = processor.to_dict()
    size, crop = values.get("size") or {}, values.get("crop_size") or {}
    if not values.get("do_center_crop") or not crop:
        return image
    width, height = float(size.get("width") or 0), float(size.get("height") or 0)
    if shortest := size.get("shortest_edge"):
        scale = shortest / min(image.size)
        width, height = image.width * scale, image.height * scale
    if not width or not height:
        return image
    across, down = min(1.0, crop["width"] / width), min(1.0, crop["height"] / height)
    left, top = (1 - across) / 2 * image.width, (1 - down) / 2 * image.height
    return image.crop((round(left), round(top), round(image.width - left), round(image.height - top)))


def data_url(image: Image) -> str:
    """``image`` inside an address, for pages: at most ``SHOWN`` pixels a side; PNG where it is small, else JPEG."""
    shown = image.convert("RGB")
    shown.thumbnail((SHOWN, SHOWN))
    kind = "PNG" if max(shown.size) <= LOSSLESS else "JPEG"
    file = BytesIO()
    shown.save(file, kind, quality=88)
    return f"data:image/{kind.lower()};base64,{b64encode(file.getvalue()).decode('ascii')}"
