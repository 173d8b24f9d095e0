"""States come a few at a time; here they are gathered until they fill a segment, in the memory that there is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from otmel.errors import ConfigurationError
from otmel.models.base import State
from otmel.types import concatenate

UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
COPIES: Final = 6
"""How often the states of a segment lie in memory at once while they are joined, packed and written; measured: 5."""
FIXED: Final = 2**26
"""Bytes for one batch on its way through an encoder, and for what libraries keep."""
LEAST: Final = 2**25


def bytes_of(text: str) -> int:
    """``512MiB``, ``2 GiB``, ``1.5GB`` … as bytes. Raises ``ConfigurationError``."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", text.casefold())
    unit = UNITS.get(found.group(2).upper()) if found else None
    if found is None or unit is None:
        raise ConfigurationError(f"{text!r} is no amount of memory", cure="write it as in 512MiB or 2GiB")
    return int(float(found.group(1)) * unit)


def room(limit: int, held: int) -> int:
    """Bytes of states that a segment may have. Raises ``ConfigurationError`` for a limit that leaves none."""
    left = limit - FIXED - held
    if left < LEAST:
        needed = -(-(FIXED + held + LEAST) // 2**20)
        raise ConfigurationError(f"a memory limit of {limit:,} bytes is too small", cure=f"allow at least {needed}MiB")
    return left // COPIES


@dataclass
class Gathered:
    """Entities on their way to a segment.

    Attributes:
        most: how many it may have.
        room: bytes of states it may have.
    """

    most: int
    room: int
    _rows: list[Tensor] = field(default_factory=list)
    _states: list[State] = field(default_factory=list)
    _count: int = 0
    _longest: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether a segment should be made of them."""
        return self._count >= self.most or self._bytes >= self.room

    def add(self, rows: Int[Tensor, " n"], state: State) -> None:
        """Some more, of these graph rows."""
        self._rows.append(rows)
        self._states.append(state)
        self._count += len(rows)
        for part, late in state.late.items():
            self._longest[part] = max(self._longest.get(part, 0), late.mask.shape[1])

    def take(self) -> tuple[NDArray[np.int64], State]:
        """All of them; then there are none."""
        rows, state = torch.cat(self._rows).numpy(), concatenate(self._states)
        self._rows, self._states, self._count, self._longest = [], [], 0, {}
        return rows, state

    @property
    def _bytes(self) -> int:
        """Of the joined states: every text as long as the longest."""
        if not self._states:
            return 0
        first = self._states[0]
        numbers = sum(vector.shape[1] for vector in first.dense.values())
        numbers += sum((self._longest[part] + 1) * late.tokens.shape[2] for part, late in first.late.items())
        return 4 * numbers * self._count
