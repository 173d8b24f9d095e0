"""How a command line says where something lies: a path, or an address such as ``s3://bucket/graphs/people``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter, Token

from otmel.errors import ConfigurationError
from otmel.remote.places import Uri, placed


def as_place(kind: Any, tokens: Sequence[Token]) -> Path | Uri:
    """The place that a word names. Raises ``ConfigurationError`` for an address that cannot be understood."""
    return placed(tokens[0].value)


Where: TypeAlias = Annotated[Path | Uri, Parameter(converter=as_place, accepts_keys=False, n_tokens=1)]
"""A path, or an address; as a path is written, ``s3://bucket`` would lose a slash."""


def as_path(kind: Any, tokens: Sequence[Token]) -> Path:
    """The path that a word names. Raises ``ConfigurationError`` for an address, of which a path would make a folder."""
    at = placed(tokens[0].value)
    if isinstance(at, Uri):
        problem = "a folder or file on this machine is needed here, not an address"
        raise ConfigurationError(problem, where=str(at), cure="give a path, and copy what it holds")
    return at


Here: TypeAlias = Annotated[Path, Parameter(converter=as_path, n_tokens=1)]
"""A path, and no address."""
