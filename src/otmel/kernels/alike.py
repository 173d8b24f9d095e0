"""Products and sums whose bits do not depend on where a column stands, nor on the padding behind the rows.

A lane's numbers are columns of a matrix product and of sums over its rows. BLAS and torch promise nothing about the
order in which they add, so both are looked at once, in the shape in which they are used; where columns are not treated
alike, ways of fixed shape take over, and the log says so.
"""

from __future__ import annotations

import logging
import math
import threading
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

WIDE = 64
"""Lanes of a tile: a whole number of the widest vectors times the unrolling of torch's sums."""

_COPIES = (1, 2, 3, 10, 45)

log = logging.getLogger(__name__)


class Room(threading.local):
    """Memory that a thread uses again and again: fresh memory of this size costs more than the work done in it."""

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor:
        """A tensor of that shape, holding anything; it lasts until the next call with this name."""
        count = math.prod(shape)
        if name not in self._held or self._held[name].numel() < count:
            self._held[name] = torch.empty(count)
        return self._held[name][:count].view(shape)


room = Room()


def product(left: Float[Tensor, "n k"], right: Float[Tensor, "k c"], name: str) -> Float[Tensor, "n c"]:
    """``left @ right`` in the room of that name, every column as if it stood alone. ``c`` is a multiple of ``WIDE``."""
    made = room(name, len(left), right.shape[1])
    if _product_alike(*left.shape):
        return torch.mm(left, right, out=made)
    for first in range(0, right.shape[1], WIDE):
        made[:, first : first + WIDE] = left @ right[:, first : first + WIDE].contiguous()
    return made


def total(terms: Float[Tensor, "..."], axis: int) -> Tensor:
    """The sum over ``axis``, which is not the last; the same whether zeros follow or not."""
    return terms.sum(axis) if _sums_alike() else halved(terms.clone(), axis)


def halved(terms: Tensor, axis: int) -> Tensor:
    """The sum over ``axis`` by adding its second half to its first, in place: its order is fixed by construction."""
    terms = terms.movedim(axis, 0)
    count = len(terms)
    while count > 1:
        half = 1 << (count - 1).bit_length() - 1
        terms[: count - half].add_(terms[half:count])
        count = half
    return terms[0]


@cache
def _product_alike(rows: int, depth: int) -> bool:
    draw = torch.Generator().manual_seed(rows * 1009 + depth)
    left, column = torch.randn(rows, depth, generator=draw), torch.randn(depth, 1, generator=draw)
    alone = (left @ column.repeat(1, WIDE))[:, :1]
    alike = all(bool((left @ column.repeat(1, WIDE * n) == alone).all()) for n in _COPIES)
    return alike or _refused(f"the product [{rows}, {depth}] x [{depth}, n]")


@cache
def _sums_alike() -> bool:
    draw = torch.Generator().manual_seed(0)
    for rows in (1, 2, 3, 7, 17, 40, 50, 77):
        terms = torch.randn(rows, 1, 1, generator=draw)
        alone = terms.repeat(1, 1, WIDE).sum(0)[0, 0]
        for after in (0, 1, 3, 30):
            padded = torch.cat([terms, torch.zeros(after, 1, 1)])
            for n in _COPIES:
                first, second = padded.repeat(1, n, WIDE).sum(0), padded.movedim(0, 1).repeat(n, 1, WIDE).sum(1)
                if not (bool((first == alone).all()) and bool((second == alone).all())):
                    return _refused("sums")
    return True


def _refused(what: str) -> bool:
    log.info("%s: columns are not treated alike here; a slower way is taken, so that scores do not depend on it", what)
    return False
