"""What belongs together in a folder: which of its files a reader needs, and which of them makes a commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from otmel.checksums import FileSum
from otmel.remote.store import Listing

Read: TypeAlias = Callable[[str], bytes]
"""The content of a small file by its name."""
Needs: TypeAlias = Mapping[str, FileSum | None]
"""Name → checksum, as far as it is known."""


class Layout(Protocol):
    """A kind of folder. Implementations: ``Tree``; ``GraphLayout`` and ``IndexLayout`` beside what they describe."""

    def committed(self, listed: Listing) -> bool:
        """Whether there is something to read, and not only what a first writer left that was killed."""
        ...

    def owns(self, name: str) -> bool:
        """Whether a file of this name can be part of such a folder."""
        ...

    def stamp(self, listed: Listing, read: Read) -> str:
        """What changes with every commit, from the listing and a few small files."""
        ...

    def rounds(self, listed: Listing, folder: Path) -> Iterator[Needs]:
        """The files a reader needs, round after round: each may look at what those before brought to ``folder``."""
        ...

    def content(self, here: Listing, folder: Path) -> set[str]:
        """Of the files of a writer's ``folder``, those that a store is to have."""
        ...

    def heads(self, changed: Collection[str], known: Collection[str]) -> list[str]:
        """Of the changed files, those that make a commit each, in order; ``known`` were there before."""
        ...

    def garbage(self, names: Iterable[str], folder: Path) -> list[str]:
        """Of the names in a store, those that what ``folder`` holds does not need: what a killed writer left."""
        ...


@dataclass(frozen=True)
class Tree:
    """Files without further order, told apart by their sizes and times.

    Attributes:
        deep: with all folders in it; else only the files at its top.
        under: what names begin with, where not all are wanted.
        last: names that are written last, in this order.
    """

    deep: bool = True
    under: tuple[str, ...] = ("",)
    last: tuple[str, ...] = ()

    def committed(self, listed: Listing) -> bool:
        """Whether anything is there."""
        return bool(listed)

    def owns(self, name: str) -> bool:
        """Any file can be part of it."""
        return True

    def stamp(self, listed: Listing, read: Read) -> str:
        """A hash of the listing."""
        digest = hashlib.sha256()
        for name in self._names(listed):
            digest.update(f"{name}\0{listed[name].size}\0{listed[name].time}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def rounds(self, listed: Listing, folder: Path) -> Iterator[Needs]:
        """Everything at once."""
        yield dict.fromkeys(self._names(listed))

    def content(self, here: Listing, folder: Path) -> set[str]:
        """Everything."""
        return set(self._names(here))

    def heads(self, changed: Collection[str], known: Collection[str]) -> list[str]:
        """What is written last."""
        return [name for name in self.last if name in changed]

    def garbage(self, names: Iterable[str], folder: Path) -> list[str]:
        """Nothing: what else lies there is somebody's."""
        return []

    def _names(self, listed: Listing) -> list[str]:
        return sorted(name for name in listed if name.startswith(self.under) and (self.deep or "/" not in name))


TREE = Tree()
RUN = Tree(deep=False, last=("calibration.json", "run.json"))
"""A run: weights, processor and settings; not its checkpoints, evaluations and indexes, which lie in folders of it."""
