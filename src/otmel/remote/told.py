"""What a reader is told of a copy: its address, not the folder in the cache that stands for it."""

from __future__ import annotations

from pathlib import Path

from otmel.remote.places import Uri

_addresses: dict[str, str] = {}


def remember(copy: Path, uri: Uri) -> Path:
    """``copy``, which from here on is told by its address."""
    _addresses[str(copy)] = str(uri)
    return copy


def told(text: str) -> str:
    """``text`` with addresses in the place of the copies that this process has made of them."""
    for copy in sorted(_addresses, key=len, reverse=True):
        text = text.replace(copy, _addresses[copy])
    return text
