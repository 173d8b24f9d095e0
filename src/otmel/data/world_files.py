"""Writing a generated world to disk in MIMIC's format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

from otmel.data.world_draw import Picture, draw
from otmel.data.world_generate import World, generate_world, portrait, pretraining_pairs
from otmel.data.world_records import Person, WorldMention, WorldSettings
from otmel.data.world_text import attributes
from otmel.errors import DataError
from otmel.storage import atomic_folder

MARK = "world.json"  # its presence says that a folder holds a generated world
OWN = {MARK, "kb_entity.json", "qid2id.json", "kb_image", "mention_image", "captions.jsonl", "caption_image"}
SPLIT_FILE = re.compile(r"world_\w+\.json")
MEANING = {
    "kb_entity.json, qid2id.json, world_<split>.json, kb_image/, mention_image/": "the benchmark, in MIMIC's format",
    "objects": "true box [left, top, right, bottom] in pixels of every object of a mention's image; "
    "the first is the mentioned person; right and bottom are exclusive; null when the mention has no image",
    "unseen": "mentions of people who occur nowhere in training",
    "captions.jsonl, caption_image/": "captioned scenes for contrastive pretraining: {caption, image, objects}",
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class WorldSummary:
    """What :func:`write_world` wrote.

    Attributes:
        folder: where.
        entities: number of entities; ``entity_images``, of images among them.
        mentions: split name → number of mentions; ``mention_images``, of images among them.
        captions: number of captioned scenes.
    """

    folder: Path
    entities: int
    entity_images: int
    mentions: Mapping[str, int]
    mention_images: Mapping[str, int]
    captions: int


def write_world(settings: WorldSettings | None, folder: Path, progress: Progress | None = None) -> WorldSummary:
    """Generate a world and write it to ``folder``; the same settings give the same bytes.

    The folder is there whole or not at all; an earlier world in it is replaced as a whole.

    Args:
        settings: what to generate; ``None`` means the defaults.
        folder: made if absent.
        progress: called with the number of images drawn so far and in all.

    Raises:
        DataError: the folder holds something that is no part of a generated world.
        StorageError: the disk refused a write; the folder is as it was.
    """
    folder = Path(folder)
    _refuse_foreign(folder)
    world = generate_world(settings)
    with atomic_folder(folder) as partial:
        return _Writer(world, partial, progress).write(folder)


def _refuse_foreign(folder: Path) -> None:
    """Replacing a folder must not take somebody's own files with it."""
    if not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir()}
    foreign = sorted(name for name in names if name not in OWN and not SPLIT_FILE.fullmatch(name))
    if names and (foreign or MARK not in names):
        problem = f"the folder holds what is no part of a generated world: {', '.join(foreign or sorted(names))}"
        raise DataError(problem, where=str(folder), cure="choose a new folder, or move these files away")


class _Writer:
    def __init__(self, world: World, root: Path, progress: Progress | None) -> None:
        self.world, self.settings, self.root = world, world.settings, root
        self.progress, self.drawn = progress, 0
        scenes = [person.pictured for person in world.people]
        scenes += [mention.scene is not None for mentions in world.splits.values() for mention in mentions]
        self.images = sum(scenes) + world.settings.captions

    def write(self, folder: Path) -> WorldSummary:
        for name in ("kb_image", "mention_image"):
            (self.root / name).mkdir()
        people = self.world.people
        splits = {split: mentions for split, mentions in self.world.splits.items() if mentions}
        self._json("kb_entity.json", [self._entity(row, person) for row, person in enumerate(people)])
        self._json("qid2id.json", {person.id: row for row, person in enumerate(people)}, indent=None)
        for split, mentions in splits.items():
            self._json(f"world_{split}.json", [self._mention(mention) for mention in mentions])
        if self.settings.captions:
            self._captions()
        self._json(MARK, {"format": "otmel world 1", "settings": self.settings.model_dump(), "meaning": MEANING})
        return WorldSummary(
            folder=folder,
            entities=len(people),
            entity_images=sum(person.pictured for person in people),
            mentions={split: len(mentions) for split, mentions in splits.items()},
            mention_images={split: sum(m.scene is not None for m in mentions) for split, mentions in splits.items()},
            captions=self.settings.captions,
        )

    def _entity(self, row: int, person: Person) -> Mapping[str, Any]:
        scene, images = portrait(person, self.settings), []
        if scene is not None:
            images.append(self._image("kb_image", f"{person.id}.jpg", draw(scene, self.settings)))
        return {
            "id": row,
            "qid": person.id,
            "type": "entity",
            "entity_name": quote(person.name),
            "attr": attributes(person),
            "image_list": images,
        }

    def _mention(self, mention: WorldMention) -> Mapping[str, Any]:
        name, boxes = "", None
        if mention.scene is not None:
            picture = draw(mention.scene, self.settings)
            name, boxes = self._image("mention_image", f"{mention.id}.jpg", picture), picture.boxes
        return {
            "id": mention.id,
            "sentence": mention.sentence,
            "mentions": quote(mention.words),
            "entities": quote(mention.person.name),
            "imgPath": name,
            "answer": mention.person.id if mention.known else "nil",
            "objects": boxes,
        }

    def _captions(self) -> None:
        (self.root / "caption_image").mkdir()
        rng = Random(f"{self.settings.seed}/captions")

        def rows() -> Iterator[str]:
            for number, (text, picture) in enumerate(pretraining_pairs(self.settings, self.settings.captions, rng)):
                name = self._image("caption_image", f"{number:06d}.jpg", picture)
                yield json.dumps({"caption": text, "image": f"caption_image/{name}", "objects": picture.boxes}) + "\n"

        with (self.root / "captions.jsonl").open("w", encoding="utf8", newline="\n") as file:
            file.writelines(rows())

    def _image(self, place: str, name: str, picture: Picture) -> str:
        # Full chroma resolution: colours are attributes here, and the images are small.
        picture.image.save(self.root / place / name, quality=95, subsampling=0)
        self.drawn += 1
        if self.progress:
            self.progress(self.drawn, self.images)
        return name

    def _json(self, name: str, content: Any, indent: int | None = 1) -> None:
        (self.root / name).write_text(json.dumps(content, indent=indent) + "\n", encoding="utf8", newline="\n")
