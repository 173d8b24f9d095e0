"""How a linker searches, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from otmel.index.answers import Method
from otmel.index.index import SearchSettings
from otmel.settings import Settings


class LinkSettings(Settings):
    """How a linker searches.

    Attributes:
        search: ``exact``, or ``candidates``: quicker on large graphs, with a loss that each answer states.
        kernel: ``auto``, or the name of a kernel.
        threads: of the kernel; ``None``: as many as torch uses.
    """

    search: Literal["exact", "candidates"] = "exact"
    kernel: str = "auto"
    threads: int | None = None

    @property
    def method(self) -> Method:
        """In the index's words."""
        return "candidates" if self.search == "candidates" else "auto"

    @property
    def index(self) -> SearchSettings:
        """What the index is told."""
        return SearchSettings(kernel=self.kernel, threads=self.threads)


@dataclass(frozen=True)
class Options:
    """How mentions are linked.

    Attributes:
        k: how many entities an answer holds.
        image_root: the folder that image paths are relative to and may not leave; ``None``: paths as given.
        given_candidates: choose among a mention's own candidates where it has any, not in the whole graph.
    """

    k: int = 5
    image_root: Path | None = None
    given_candidates: bool = False
