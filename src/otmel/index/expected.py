"""What an index must have been made of, to answer for a model and a graph."""

from __future__ import annotations

from dataclasses import dataclass

from otmel.errors import CheckpointError
from otmel.index.manifest import REBUILD, Made, Manifest
from otmel.models.composition import Composition


@dataclass(frozen=True)
class Expected:
    """What an index must have been made of; ``None`` where anything will do.

    Attributes:
        model: hash of the weights.
        inputs: hash of tokenizer, image processor, input settings and name match.
        graph: the graph's snapshot.
        composition: what the score is made of.
        precision: in which vectors and tokens are kept.
    """

    model: str | None = None
    inputs: str | None = None
    graph: str | None = None
    composition: Composition | None = None
    precision: str | None = None

    def check(self, manifest: Manifest, where: str) -> None:
        """Raises ``CheckpointError`` with what the index was made of and what is expected."""
        made = manifest.made
        update = "bring it up to date: otmel index update RUN --graph GRAPH"
        for what, found, wanted, cure in (
            ("model", made.model, self.model, f"use the run that made it, or {REBUILD}"),
            ("tokenizer and input settings", made.inputs, self.inputs, REBUILD),
            ("graph", manifest.graph, self.graph, update),
            ("precision", made.precision, self.precision, f"{REBUILD} --dtype {self.precision}"),
        ):
            if wanted is not None and found != wanted:
                raise CheckpointError(
                    f"the index was made with the {what} {found}, not {wanted}", where=where, cure=cure
                )
        self._check_composition(made, where)

    def _check_composition(self, made: Made, where: str) -> None:
        if self.composition is None:
            return
        wanted = Made.of(self.composition, made.model, made.inputs, made.precision)
        if wanted != made:
            named = [f"{part.name}: {part.late or 'inner product'}" for one in (made, wanted) for part in one.parts]
            half = len(made.parts)
            problem = f"the index has the parts [{'; '.join(named[:half])}], the model [{'; '.join(named[half:])}]"
            raise CheckpointError(problem, where=where, cure=REBUILD)
