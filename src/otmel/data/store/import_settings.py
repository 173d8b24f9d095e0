"""How an import is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from pydantic import Field

from otmel.settings import Settings

Operation: TypeAlias = Literal["build", "replace", "upsert"]
Track: TypeAlias = Callable[[int, int], Any]
"""Told of (bytes read, bytes in all) after every batch of rows."""


class ImportSettings(Settings):
    """How rows are taken in.

    Attributes:
        strict: stop at the first row that cannot be used, and commit nothing.
        image_cap: bytes above which an image is left out.
        batch_rows: rows written at a time.
        batch_bytes: bytes of texts and images after which a batch is written, however few its rows.
    """

    strict: bool = False
    image_cap: int = Field(default=32 << 20, ge=0)
    batch_rows: int = Field(default=16_384, ge=1)
    batch_bytes: int = Field(default=64 << 20, ge=1)
