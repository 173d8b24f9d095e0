"""Object counts by a real detector of transformers, small and in random weights, from a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from otmel.data.datasets import load_dataset
from otmel.data.records import Mention
from otmel.errors import CheckpointError
from otmel.reproduction import detector as module
from otmel.reproduction.detector import counted, read_detector


@pytest.fixture(scope="module")
def yolos(tmp_path_factory) -> Path:
    """A YOLOS of two layers in random weights, with its image processor."""
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = YolosConfig(**sizes, image_size=[32, 32], patch_size=8, num_detection_tokens=12, num_labels=3)
    folder = tmp_path_factory.mktemp("yolos")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 48}).save_pretrained(folder)
    return folder


def test_counts_lie_between_none_and_all_and_fall_with_the_threshold(yolos, tiny_world, monkeypatch):
    detector = read_detector(str(yolos))
    mentions = [m for m in load_dataset(tiny_world).split("test") if m.image is not None]
    images = [Image.open(str(m.image)).convert("RGB") for m in mentions]
    counts = []
    for threshold in (0.0, 0.3, 1.0):
        monkeypatch.setattr(module, "THRESHOLD", threshold)
        counts.append(detector.count(images))
    assert counts[0] == [12] * len(images)
    assert counts[2] == [0] * len(images)
    assert all(low >= middle for low, middle in zip(counts[0], counts[1], strict=True))


def test_counts_are_kept_and_the_detector_is_then_not_needed(yolos, tiny_world, tmp_path, monkeypatch):
    mentions, cache = load_dataset(tiny_world).split("test"), tmp_path / "objects" / "world.json"
    first = counted(str(yolos), mentions, cache, lambda _: None)
    assert [number is None for number in first] == [mention.image is None for mention in mentions]
    assert json.loads(cache.read_text())["detector"] == str(yolos)
    monkeypatch.setattr(module, "read_detector", lambda name: pytest.fail("it was read again"))
    assert counted(str(yolos), mentions, cache, lambda _: None) == first


def test_an_image_that_cannot_be_opened_is_told_and_not_counted(yolos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    said: list[str] = []
    assert (
        counted(str(yolos), [Mention("a", image=broken), Mention("b")], tmp_path / "c.json", said.append) == [None] * 2
    )
    assert "not counted" in said[0]


@pytest.mark.parametrize("name", ["/nowhere/yolos", "nobody/no-yolos"])
def test_a_detector_that_is_not_at_hand_says_what_to_fetch_and_what_runs_without(name, monkeypatch, tmp_path):
    monkeypatch.setattr("otmel.inputs.pretrained._online", lambda: False)
    with pytest.raises(CheckpointError) as fault:
        read_detector(name)
    cure = fault.value.cure or ""
    assert "--detector FOLDER" in cure
    assert "hustvl/yolos-tiny" in cure
    assert "everything but table3" in cure
    assert ("hf download nobody/no-yolos" in cure) == (name == "nobody/no-yolos")
