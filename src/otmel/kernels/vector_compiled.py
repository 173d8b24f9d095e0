"""The two entries to jitted code, compiled once per machine and kept on the disk where that is possible."""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba

from otmel.kernels.vector_mentions import pack
from otmel.kernels.vector_score import run
from otmel.kernels.vector_types import Lanes

log = logging.getLogger(__name__)

Entry = Callable[..., None]


@cache
def entries(lanes: Lanes) -> tuple[Entry, Entry]:
    """``pack`` and ``run`` for vectors of that shape."""
    return _Entry(pack, lanes), _Entry(run, lanes)


@cache
def stamp() -> str:
    """A hash of the sources of the vector code.

    Numba keeps compiled code under the name of the function that was called, and renews it only when that function's
    own file changes; so the name says what all files were. It also keeps widths apart: two processes that compile at
    once then write the same bytes under the same name, each file at one stroke.
    """
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(Path(__file__).parent.glob("vector_*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Entry:
    def __init__(self, function: Callable[..., None], lanes: Lanes) -> None:
        assert isinstance(function, FunctionType)
        self.function = FunctionType(function.__code__, function.__globals__, function.__name__)
        self.function.__qualname__ = f"{function.__name__}_{lanes.width}_{lanes.rows}_{lanes.columns}_{stamp()}"
        self.function.__module__ = function.__module__
        self.kept = _jitted(self.function, keep=True)

    def __call__(self, *arguments: Any) -> None:
        try:
            self.kept(*arguments)
        except (OSError, EOFError, pickle.UnpicklingError) as error:  # of the cache: jitted code raises nothing
            log.warning("compiled code cannot be kept or read (%s); it is compiled for this process alone", error)
            self.kept = _jitted(self.function, keep=False)
            self.kept(*arguments)


def _jitted(function: Callable[..., None], keep: bool) -> Callable[..., None]:
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=keep)(function)
    except RuntimeError as error:
        log.info("%s; it is compiled for this process alone", error)
        return numba.njit(nogil=True, error_model="numpy")(function)
