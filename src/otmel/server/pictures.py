"""Entities' images, made small for a page and kept while there is room."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

from otmel.data.graph import KnowledgeGraph
from otmel.data.images import open_image
from otmel.errors import ImageError
from otmel.server.errors import ApiError


class Pictures:
    """Resized images. Safe to ask from several threads.

    Args:
        room: bytes of images that are kept.
        pixels: width × height above which an image is not decoded.
    """

    def __init__(self, room: int, pixels: int) -> None:
        self._room, self._pixels = room, pixels
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()

    def get(self, graph: KnowledgeGraph, entity_id: str, number: int, size: int) -> tuple[bytes, str]:
        """An image as a JPEG of at most ``size`` pixels a side, and its tag.

        Raises:
            ApiError: there is no such entity, or it has no such image that opens (404).
        """
        tag = tag_of(graph, entity_id, number, size)
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
                return self._kept[tag], tag
        (entity,) = graph.take([graph.row(entity_id)])
        if number >= len(entity.images):
            raise not_found(f"the entity {entity_id!r} has {len(entity.images)} images, and none with number {number}")
        try:
            image = open_image(entity.images[number], self._pixels)
        except ImageError as fault:
            raise not_found(f"the image cannot be shown: {fault.reason}") from None
        image.thumbnail((size, size))
        image.save(file := io.BytesIO(), "JPEG", quality=88)
        self._keep(tag, file.getvalue())
        return file.getvalue(), tag

    def _keep(self, tag: str, data: bytes) -> None:
        with self._lock:
            if tag not in self._kept:
                self._kept[tag], self._bytes = data, self._bytes + len(data)
            while self._bytes > self._room:
                self._bytes -= len(self._kept.popitem(last=False)[1])


def tag_of(graph: KnowledgeGraph, entity_id: str, number: int, size: int) -> str:
    """What changes when the image does. Raises ``ApiError`` (404)."""
    if entity_id not in graph:
        raise unknown(entity_id)
    digest = graph.digests[graph.row(entity_id)].tobytes().hex()
    return f'"{digest}-{number}-{size}"'


def unknown(entity_id: str) -> ApiError:
    """There is no such entity: 404."""
    return not_found(f"the graph has no entity with the id {entity_id!r}")


def not_found(message: str) -> ApiError:
    """There is no such thing: 404."""
    return ApiError(404, "not_found", message)
