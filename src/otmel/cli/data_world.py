"""``otmel data world``: write a generated benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otmel.cli.console import Json, Set, emit, reported
from otmel.cli.places import Here

if TYPE_CHECKING:
    from otmel.data.world import WorldSummary


def data_world(*, out: Here, seed: int = 0, set: Set = (), json: Json = False) -> None:
    """Generate a world and write it.

    Args:
        out: the folder to write; a world that is already there is replaced as a whole.
        seed: the same seed and settings give the same files.
        set: override a setting of the world.
        json: print JSON.
    """
    from otmel.data.world import WorldSettings, write_world
    from otmel.settings import overridden

    settings = overridden(WorldSettings(seed=seed), set)
    with reported("drawing images") as report:
        summary = write_world(settings, out, report)
    emit({**vars(summary), "folder": str(summary.folder)} if json else _as_text(summary), json)


def _as_text(summary: WorldSummary) -> str:
    lines = [
        f"wrote {summary.folder}",
        f"  {summary.entities:,} entities, {summary.entity_images:,} with image",
        *(
            f"  {count:,} {split} mentions, {summary.mention_images[split]:,} with image"
            for split, count in summary.mentions.items()
        ),
        f"  {summary.captions:,} captioned scenes",
    ]
    return "\n".join(lines)
