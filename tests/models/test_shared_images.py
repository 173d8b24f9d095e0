"""Sharing an image changes no bit of any system's mentions, and spares the vision tower its repetitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from otmel.data.datasets import load_dataset
from otmel.data.records import Mention
from otmel.encoders import load_encoder
from otmel.index.encode import Encoding, encoded_alike
from otmel.models.model import LinkerModel
from otmel.models.registry import SYSTEMS, new_model
from otmel.models.shared_images import SharedImages
from otmel.models.systems import System
from otmel.models.tables import mention_table
from otmel.training.settings import preset


def seen(model: LinkerModel) -> list[int]:
    """Takes the number of images whenever the vision tower reads some."""
    counts: list[int] = []
    assert model.encoder is not None
    tower = model.encoder.vision_tower
    if tower is not None:
        tower.register_forward_hook(
            lambda _, args, options, output: counts.append(len(options["pixel_values"])), with_kwargs=True
        )
    return counts


def mentions_of(folder: Path) -> list[Mention]:
    """Twice three mentions of one image each, one of another, and one without."""
    every = [mention for mention in load_dataset(folder).split("train") if mention.image is not None]
    shared = [replace(one, image=every[n // 3].image) for n, one in enumerate(every[:6])]
    return [*shared, replace(every[7], image=None), every[6]]


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_every_system_gives_the_same_bits(system: System, tiny_world: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    encoder, processor = load_encoder(system.small_encoder(tiny_encoder, tmp_path / "encoder"))
    settings = preset("default", system_name=system.name).model.model_copy(update={"hidden": 16, "name_match": False})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = new_model(settings, encoder=encoder).eval()
        model.prepare(processor)
    mentions = mentions_of(tiny_world)
    plain, counts = Encoding.mentions(model), seen(model)
    sharing = replace(plain, encode=SharedImages(model).encode_mentions)
    alone = encoded_alike(plain, mention_table(mentions, processor, None))
    repeated, counts[:] = list(counts), []
    together = encoded_alike(sharing, mention_table(mentions, processor.shared(), None))
    assert alone.has_image.tolist() == together.has_image.tolist()
    for part, vector in alone.dense.items():
        assert torch.equal(vector, together.dense[part])
    for part, late in alone.late.items():
        other = together.late[part]
        assert torch.equal(late.tokens, other.tokens)
        assert torch.equal(late.mask, other.mask)
        assert late.values is None or torch.equal(late.values, other.values)
    if repeated and not encoder.joint:
        assert (repeated, counts) == ([1] * 7, [1] * 3)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch, tiny_world: Path, tiny_encoder: Path) -> None:
    encoder, processor = load_encoder(tiny_encoder)
    settings = preset("default").model.model_copy(update={"hidden": 16, "name_match": False})
    model = new_model(settings, encoder=encoder).eval()
    mentions, counts = mentions_of(tiny_world), seen(model)
    monkeypatch.setattr("otmel.models.shared_images.KEPT_BYTES", 1)
    sharing = replace(Encoding.mentions(model), encode=SharedImages(model).encode_mentions)
    encoded_alike(sharing, mention_table([mentions[n] for n in (0, 1, 3, 2)], processor, None))
    assert len(counts) == 3  # the last image alone was kept
