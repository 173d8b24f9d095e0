"""How many objects an image shows, by a detector of transformers in place of the paper's YOLOv5 (§4.6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForObjectDetection

from otmel.data.images import open_image
from otmel.data.records import ImageSource, Mention
from otmel.errors import CheckpointError, ImageError
from otmel.inputs.pretrained import is_folder, read_pretrained
from otmel.inputs.processor import read_image_processor
from otmel.progress import progress
from otmel.reproduction.jobs import Say
from otmel.storage import atomic_write_json

DETECTORS = ("hustvl/yolos-tiny", "PekingU/rtdetr_r18vd", "facebook/detr-resnet-50")
"""Detectors that are known to transformers; the last needs the package timm."""
THRESHOLD = 0.5
"""An object counts from this score on; YOLOv5's own default is 0.25, on another scale."""
BATCH = 16


@dataclass(frozen=True)
class Detector:
    """A detector and what prepares its images."""

    name: str
    model: Any
    processor: Any

    @torch.no_grad()
    def count(self, images: Sequence[Any]) -> list[int]:
        """How many objects each image shows."""
        inputs = self.processor(images=list(images), return_tensors="pt")
        outputs = self.model(**inputs)
        sizes = [(image.height, image.width) for image in images]
        found = self.processor.post_process_object_detection(outputs, threshold=THRESHOLD, target_sizes=sizes)
        return [len(one["scores"]) for one in found]


def read_detector(name: str) -> Detector:
    """A detector by folder or name.

    Raises:
        CheckpointError: it is not at hand; says what to fetch, where to put it and what runs without it.
    """
    try:
        model = read_pretrained(AutoModelForObjectDetection.from_pretrained, name, "the object detector")
        return Detector(name, model.eval(), read_image_processor(name))
    except CheckpointError as fault:
        fetch = "give the folder of one" if is_folder(name) else f"where there is a network: hf download {name}"
        cure = (
            f"{fetch}; a folder with config.json, model.safetensors and preprocessor_config.json will do: --detector "
            f"FOLDER; known to work: {', '.join(DETECTORS)}; without a detector everything but table3 runs, and table3 "
            "on a generated world, whose objects are known"
        )
        raise CheckpointError(f"the object detector is not at hand: {fault.problem}", where=name, cure=cure) from fault


def counted(name: str, mentions: Sequence[Mention], cache: Path, say: Say) -> list[int | None]:
    """The number of objects in each mention's image; ``None`` where there is no image or it cannot be opened.

    Args:
        name: the detector.
        mentions: whose images are looked at.
        cache: a JSON file in which the numbers are kept, by detector and image.
        say: told of images that cannot be opened.

    Raises:
        CheckpointError: the detector is not at hand, and the cache does not have all numbers.
        StorageError: the disk refused the cache.
    """
    known: dict[str, int | None] = _kept(cache, name)
    keys = [None if mention.image is None else _key(mention.image) for mention in mentions]
    images = {key: m.image for key, m in zip(keys, mentions, strict=True) if key is not None and m.image is not None}
    left = [key for key in images if key not in known]
    if left:
        detector = read_detector(name)
        with progress("counting objects", len(left)) as advance:
            for start in range(0, len(left), BATCH):
                known |= _batch(detector, {key: images[key] for key in left[start : start + BATCH]}, say)
                atomic_write_json(cache, {"detector": name, "threshold": THRESHOLD, "objects": known})
                advance(len(left[start : start + BATCH]))
    return [None if key is None else known[key] for key in keys]


def _batch(detector: Detector, images: dict[str, ImageSource], say: Say) -> dict[str, int | None]:
    found: dict[str, int | None] = dict.fromkeys(images)
    opened = {}
    for key, source in images.items():
        try:
            opened[key] = open_image(source)
        except ImageError as fault:
            say(f"{fault.where or key}: {fault.problem}: its objects are not counted")
    if opened:
        found |= dict(zip(opened, detector.count(list(opened.values())), strict=True))
    return found


def _kept(cache: Path, name: str) -> dict[str, int | None]:
    """What an earlier call counted with the same detector."""
    if not cache.is_file():
        return {}
    kept = json.loads(cache.read_text(encoding="utf-8"))
    return kept["objects"] if (kept["detector"], kept["threshold"]) == (name, THRESHOLD) else {}


def _key(image: ImageSource) -> str:
    if isinstance(image, (str, Path)):
        return str(image)
    content = image if isinstance(image, bytes) else image.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
