"""Pixels of Eq. 5, and what is said of images that are missing or broken."""

from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPImageProcessorPil

from otmel.data.findings import Findings
from otmel.encoders.tiny import image_processor
from otmel.inputs.image import Pixels


def test_a_pixel_is_scaled_and_normalised():
    processor = image_processor(16)
    pixels, has_image = Pixels(processor).stack([[Image.new("RGB", (40, 30), (255, 0, 128))]], ["a"], Findings())
    expected = (torch.tensor([255, 0, 128]) / 255 - torch.tensor(processor.image_mean)) / torch.tensor(
        processor.image_std
    )
    assert has_image.all()
    assert torch.allclose(pixels, expected[None, :, None, None].expand(1, 3, 16, 16), atol=1e-5)


def test_the_shape_is_the_processors_crop():
    assert Pixels(CLIPImageProcessorPil()).shape == (224, 224)
    assert Pixels(image_processor(48)).shape == (48, 48)
    assert Pixels(None).shape == (1, 1)


def test_a_missing_and_a_broken_image_are_counted_and_absent(tmp_path: Path):
    (tmp_path / "broken.jpg").write_bytes(b"no image at all")
    findings = Findings()
    sources = [[], [tmp_path / "broken.jpg"], [tmp_path / "absent.jpg"]]
    pixels, has_image = Pixels(image_processor(16)).stack(sources, ["a", "b", "c"], findings)
    assert not has_image.any()
    assert pixels.shape == (3, 3, 16, 16)
    assert not pixels.any()
    assert findings.counts["image not stated"] == 1
    assert findings.counts.total() == 3


def test_the_first_image_that_opens_is_used(tmp_path: Path):
    (tmp_path / "broken.jpg").write_bytes(b"")
    findings = Findings()
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    pixels = Pixels(image_processor(16))
    chosen, has_image = pixels.stack([[tmp_path / "broken.jpg", red, blue]], ["a"], findings)
    assert has_image.all()
    assert torch.equal(chosen, pixels.stack([[red]], ["a"], findings)[0])
    assert findings.counts.total() == 1


def test_images_are_kept_by_path_up_to_the_limit(tmp_path: Path):
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8, 8), (100 * number, 9, 9)).save(path)
    pixels = Pixels(image_processor(16), cache_bytes=3 * 16 * 16 * 4)
    before, _ = pixels.stack([[path] for path in paths], ["a", "b"], Findings())
    for path in paths:
        path.unlink()
    after, has_image = pixels.stack([[path] for path in paths], ["a", "b"], Findings())
    assert has_image.tolist() == [True, False]  # the second did not fit and is read again
    assert torch.equal(after[0], before[0])


def test_without_a_vision_tower_nothing_is_opened_or_counted():
    findings = Findings()
    pixels, has_image = Pixels(None).stack([[Image.new("RGB", (8, 8))], []], ["a", "b"], findings)
    assert pixels.shape == (2, 3, 1, 1)
    assert not has_image.any()
    assert not findings
