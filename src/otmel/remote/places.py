"""Where things lie: a path on this machine, or a URI."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from otmel.errors import ConfigurationError

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
MANGLED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}


@dataclass(frozen=True, order=True)
class Uri:
    """The address of a folder or a file in a store, such as ``s3://bucket/graphs/people``.

    It has the parts of a path, but it is none: what needs a path gets one from ``local`` or ``changing``.

    Attributes:
        text: the address, without a slash at its end.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> Uri:
        return Uri(f"{self.text}/{name.strip('/')}")

    @property
    def scheme(self) -> str:
        """What stands before the colon: ``s3``, ``gs``."""
        return self.text.split("://", 1)[0]

    @property
    def key(self) -> str:
        """What follows the scheme: bucket and path."""
        return self.text.split("://", 1)[1]

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def suffix(self) -> str:
        """The ending of the last part, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> Uri:
        """The folder in which it lies; of a bucket, the bucket."""
        return Uri(self.text.rsplit("/", 1)[0]) if "/" in self.key else self

    def resolve(self) -> Uri:
        """Itself: an address is never relative."""
        return self


Place: TypeAlias = str | Path | Uri
"""Anything that says where something lies."""


def placed(place: Place) -> Path | Uri:
    """A place as what it is; ``file://`` is a path.

    Raises:
        ConfigurationError: the address names no bucket, or holds credentials or settings.
    """
    if isinstance(place, Uri):
        return place
    text = str(place)
    if isinstance(place, Path):
        # A path has lost one of the slashes of an address that somebody made it of.
        if not MANGLED.match(text) or place.exists():
            return place
        text = MANGLED.sub(r"\1://", text, count=1)
    if not SCHEME.match(text):
        return Path(text)
    return _address(text)


def is_remote(place: Place) -> bool:
    """Whether a place is in a store, and not on this machine. Raises ``ConfigurationError``."""
    return isinstance(placed(place), Uri)


def _address(text: str) -> Path | Uri:
    scheme, rest = text.split("://", 1)
    scheme = ALIASES.get(scheme.lower(), scheme.lower())
    if scheme == "file":
        if not rest.startswith("/"):
            raise ConfigurationError(f"{text!r} names a machine", cure="write three slashes: file:///data/my.kg")
        return Path(unquote(rest))
    host = urlsplit(text).netloc
    if "@" in host or "?" in rest:  # which may be a secret, and so is not repeated
        problem = f"an address of the scheme {scheme!r} holds credentials or settings"
        cure = "leave them out of it: they come from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL …)"
        raise ConfigurationError(problem, cure=cure)
    if not host:
        raise ConfigurationError(f"{text!r} names no bucket", cure=f"write {scheme}://BUCKET/PATH")
    if any(part in ("", ".", "..") for part in rest.rstrip("/").split("/")):
        raise ConfigurationError(
            f"{text!r} has an empty part, or one of dots", cure="write every part of the path once"
        )
    return Uri(f"{scheme}://{rest.rstrip('/')}")
