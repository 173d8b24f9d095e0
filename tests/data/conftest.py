"""Helpers of the data tests: encoded pictures, and a JSON file changed in place."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from otmel.data.findings import Findings


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """``encode(image, kind, **options)`` gives the bytes of an image file."""
    return encoded


@pytest.fixture
def findings() -> Findings:
    return Findings()


@pytest.fixture
def edit() -> Callable[[Path, Callable[[Any], Any]], None]:
    """``edit(path, change)`` rewrites a JSON file; ``change`` alters the value in place or returns a new one."""

    def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
        value = json.loads(path.read_text("utf-8"))
        changed = change(value)
        path.write_text(json.dumps(value if changed is None else changed), "utf-8")

    return rewrite
