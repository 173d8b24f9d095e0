"""How entities are searched, as a command line asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from otmel.cli.places import Where

if TYPE_CHECKING:
    from otmel.linking.settings import LinkSettings


@Parameter(name="*")
@dataclass(frozen=True)
class SearchOptions:
    """How entities are searched.

    Args:
        index: the index of the run over the graph (otmel index build); without one, the entities are encoded first.
        search: exact, or candidates: quicker on large graphs, with a loss that is measured and stated.
        kernel: what computes the late terms: auto, numba, lanes, definition or triton.
        threads: threads of the kernel; by default as many as torch uses.
    """

    index: Where | None = None
    search: Literal["exact", "candidates"] = "exact"
    kernel: str = "auto"
    threads: int | None = None

    def settings(self) -> LinkSettings:
        """The same for a linker."""
        from otmel.linking.settings import LinkSettings

        return LinkSettings(search=self.search, kernel=self.kernel, threads=self.threads)
