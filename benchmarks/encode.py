"""What encoding costs with a published architecture: seconds and bytes an entity and a mention, on this device.

CLIP ViT-B/32 with random weights, texts of about 30 tokens, pictures of 320×240 as JPEG files: reading (files opened,
decoded, scaled, texts tokenised) is measured beside the towers and projections, for they may run in different places.
The baseline is one row at a time, as a loop over a graph would do it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # modules are named from the repository's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPVisionConfig

from benchmarks._machine import usable_cores
from benchmarks._measure import once, threads
from benchmarks._report import Benchmark, Options, Row
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, Mention
from otmel.encoders import TwoTowerEncoder
from otmel.encoders.settings import TowerSettings
from otmel.encoders.tiny import clip_config
from otmel.encoders.tokenizer import train_tokenizer
from otmel.index.encode import Encoding
from otmel.inputs import InputProcessor
from otmel.models.base import Side
from otmel.models.device import placed
from otmel.models.model import LinkerModel
from otmel.models.names import NameVectorizer
from otmel.models.registry import new_model
from otmel.models.tables import Live, Table, entity_table, mention_table
from otmel.training.settings import preset

ROWS = {"full": 512, "quick": 64, "tiny": 4}
BATCH = 64
ALONE = 8
"""Rows of the baseline."""
SMALL = TowerSettings(width=32, text_layers=1, vision_layers=1, heads=2, image_size=24, patch_size=8)
TEXT = "Occupation: politician. Country: Norway. Born: 1957. Party: Labour Party. Position held: minister of finance."


@dataclass(frozen=True)
class Setting:
    """A model, and rows that it reads.

    Attributes:
        model: on its device.
        processor: of texts and images.
        pictures: of each row.
    """

    model: LinkerModel
    processor: InputProcessor
    pictures: tuple[Path, ...]

    def tables(self, images: bool) -> Iterator[tuple[str, Table, Encoding]]:
        """Entities and mentions, with an image each or none."""
        rows = [(n, (path,) if images else ()) for n, path in enumerate(self.pictures)]
        entities = [Entity(f"Q{n}", f"Anna Berg {n}", attributes=TEXT, images=image) for n, image in rows]
        mentions = [Mention("Berg", f"Berg {n} said: {TEXT}", image[0] if image else None) for n, image in rows]
        vectorizer = NameVectorizer.fit(["Anna Berg"])
        yield (
            "entity",
            entity_table(KnowledgeGraph(entities), self.processor, vectorizer),
            Encoding.entities(self.model),
        )
        yield "mention", mention_table(mentions, self.processor, vectorizer), Encoding.mentions(self.model)


def setting(folder: Path, rows: int, small: bool) -> Setting:
    """The model with random weights, and pictures in ``folder``."""
    tokenizer = train_tokenizer([TEXT, "Anna Berg said: 0123456789"], length=77)
    config = CLIPConfig()
    if small:
        config = clip_config(SMALL, tokenizer)
    for name in ("eos_token_id", "bos_token_id", "pad_token_id"):
        setattr(config.text_config, name, getattr(tokenizer, name))
    vision = CLIPVisionConfig.from_dict(config.to_dict()["vision_config"])
    side, patch = int(str(vision.image_size)), int(str(vision.patch_size))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = new_model(preset("default").model, encoder=TwoTowerEncoder(CLIPModel(config).eval())).eval()
    image_processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    inputs = InputProcessor(tokenizer, image_processor, preset("default").inputs, patch_size=patch)
    pictures = tuple(folder / f"{number}.jpg" for number in range(rows))
    for number, path in enumerate(pictures):
        Image.effect_noise((320, 240), 20 + number % 50).convert("RGB").save(path, quality=85)
    return Setting(placed(model), inputs, pictures)


def rows(options: Options) -> Iterator[Row]:
    """Entities and mentions, with and without images: reading, encoding, bytes."""
    count, where = ROWS[options.size], max(n for n in (1, *options.threads) if n <= len(usable_cores()))
    with tempfile.TemporaryDirectory() as folder, threads(where):
        made = setting(Path(folder), count, small=options.size == "tiny")
        device = made.model.device
        name = torch.cuda.get_device_name() if device.type == "cuda" else f"{where} threads"
        for images in (False, True):
            for what, table, encoding in made.tables(images):
                yield from _measured(f"{what}, text{' and image' if images else ''}", table, encoding, name)


def _measured(title: str, table: Table, encoding: Encoding, where: str) -> Iterator[Row]:
    count = len(table)
    assert isinstance(table.content, Live)
    places = torch.arange(count).split(BATCH)
    read: list[Side] = []
    reading = once(lambda: read.extend(table.side(rows) for rows in places)).wall[0] / count
    alone = [table.side(torch.tensor([row])) for row in range(min(ALONE, count))]
    encoding.state(alone[0])
    encoding.state(read[0])
    plain = once(lambda: [encoding.state(side) for side in alone]).wall[0] / len(alone)
    states = []
    quick = once(lambda: states.extend(encoding.state(side) for side in read)).wall[0] / count
    tensors = [*states[0].dense.values(), *(late.tokens for late in states[0].late.values())]
    size = sum(one.nbytes for one in tensors) / len(read[0].content or ()) / 1024
    yield Row(f"{title}, reading", 1000 * reading, "ms", None, "one process: files, decoding, scaling, tokens")
    yield Row(f"{title}, encoding one at a time", 1000 * plain, "ms", 1.0, where)
    yield Row(f"{title}, encoding", 1000 * quick, "ms", plain / quick, f"{where}, batches of {BATCH}")
    yield Row(f"{title}, state in float32", size, "KiB")


main = Benchmark("encode", "Encoding with CLIP ViT-B/32: milliseconds an entity and a mention", rows).main

if __name__ == "__main__":
    sys.exit(main())
