"""The generated benchmark: people who share names, seen and mentioned in scenes.

A world needs no download, its truth is known to the pixel, and its difficulty is set by
:class:`WorldSettings`. Visible attributes are tied to stated ones (occupation to accessory, team to colour,
origin to pattern, face to shape), so text and image speak of the same things; the award is in the text alone.

    write_world(WorldSettings(seed=1), Path("world"))
"""

from otmel.data.world_draw import Box, Picture, draw
from otmel.data.world_files import WorldSummary, write_world
from otmel.data.world_generate import World, generate_world, portrait, pretraining_pairs
from otmel.data.world_records import CueShares, Emblem, Person, Scene, WorldMention, WorldSettings

__all__ = [
    "Box",
    "CueShares",
    "Emblem",
    "Person",
    "Picture",
    "Scene",
    "World",
    "WorldMention",
    "WorldSettings",
    "WorldSummary",
    "draw",
    "generate_world",
    "portrait",
    "pretraining_pairs",
    "write_world",
]
