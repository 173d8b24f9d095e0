"""``otmel data info``: the size of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otmel.cli.console import Json, emit
from otmel.cli.places import Where

if TYPE_CHECKING:
    from otmel.data.dataset import Dataset


@dataclass(frozen=True)
class Sizes:
    """What a data set holds, counted."""

    name: str
    snapshot: str
    entities: int
    entities_with_image: int
    mentions: Mapping[str, int]
    mentions_with_image: Mapping[str, int]
    findings: Mapping[str, int]

    @classmethod
    def of(cls, dataset: Dataset) -> Sizes:
        """Count ``dataset``."""
        return cls(
            name=dataset.name,
            snapshot=dataset.graph.snapshot,
            entities=len(dataset.graph),
            entities_with_image=sum(bool(entity.images) for entity in dataset.graph),
            mentions={split: len(mentions) for split, mentions in dataset.splits.items()},
            mentions_with_image={
                split: sum(mention.image is not None for mention in mentions)
                for split, mentions in dataset.splits.items()
            },
            findings=dict(dataset.findings.counts.most_common()),
        )

    def as_json(self) -> dict[str, object]:
        """Every count under its name."""
        return dict(vars(self))

    def as_text(self) -> str:
        """The counts, a line each."""
        rows = [("entities", self.entities, self.entities_with_image)]
        rows += [(split, count, self.mentions_with_image[split]) for split, count in self.mentions.items()]
        width = max(len(name) for name, *_ in rows)
        lines = [f"{self.name}, graph {self.snapshot}"]
        lines += [f"  {name:<{width}}  {count:>9,}  with image {images:>9,}" for name, count, images in rows]
        lines += [f"  found while reading: {kind}, {count:,} times" for kind, count in self.findings.items()]
        return "\n".join(lines)


def data_info(folder: Where, *, graph: Where | None = None, json: Json = False) -> None:
    """Print the size of a data set.

    Args:
        folder: the data set.
        graph: where the entities are, for a MELBench archive, which has none.
        json: print JSON.
    """
    from otmel.data.datasets import load_dataset

    emit(Sizes.of(load_dataset(folder, graph)), json)
