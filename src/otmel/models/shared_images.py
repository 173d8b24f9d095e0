"""Mentions that share an image: the vision tower reads it once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import xxhash

from otmel.models.base import Side, State
from otmel.models.model import LinkerModel
from otmel.types import Batch, Elements, Views

KEPT_BYTES: Final = 64 << 20
"""Of what the vision tower gave for the last images."""


class SharedImages:
    """Encodes mentions one at a time, bit for bit as the model does; equal pixels are read once.

    A batch of one image is the same work whoever's it is, so what the vision tower gave for it may be given again.
    Encoders that read text and image together cannot share; their mentions go the usual way.

    Args:
        model: the model.
    """

    def __init__(self, model: LinkerModel) -> None:
        self.model = model
        self._kept: OrderedDict[bytes, Elements] = OrderedDict()
        self._bytes = 0

    def encode_mentions(self, side: Side) -> State:
        """The state of the side; images are shared where it is one mention with an image."""
        encoder, content = self.model.encoder, side.content
        if encoder is None or encoder.joint or not isinstance(content, Batch) or len(content) != 1:
            return self.model.encode_mentions(side)
        if not content.has_image.all():
            return self.model.encode_mentions(side)
        views = Views(encoder.text(content), self._image(content), content.input_ids)
        return self.model.encode_mentions(Side(views, side.names))

    def _image(self, content: Batch) -> Elements:
        assert self.model.encoder is not None
        key = xxhash.xxh3_128_digest(content.pixels.contiguous().cpu().numpy().data)
        if key not in self._kept:
            self._keep(key, self.model.encoder.image(content))
        self._kept.move_to_end(key)
        return self._kept[key]

    def _keep(self, key: bytes, image: Elements) -> None:
        self._kept[key] = image
        self._bytes += _bytes(image)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= _bytes(self._kept.popitem(last=False)[1])


def _bytes(image: Elements) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in (image.tokens, image.mask, image.cls))
