"""Pixels of Eq. 5, and what is said of images that are missing or broken."""

from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPImageProcessorPil

from otmel.data.findings import Findings
from otmel.data.images import open_image
from otmel.encoders.tiny import image_processor
from otmel.inputs.image import Pixels, SharedPixels


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


def test_items_that_share_an_image_open_it_once(tmp_path: Path, monkeypatch):
    opened = []
    monkeypatch.setattr("otmel.inputs.image.open_image", lambda source: opened.append(source) or open_image(source))
    Image.new("RGB", (40, 30), (255, 0, 128)).save(tmp_path / "red.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image at all")
    alone = Pixels(image_processor(16))
    encoded, picture = (tmp_path / "red.png").read_bytes(), Image.new("RGB", (8, 8), "blue")
    sources = [tmp_path / "red.png", str(tmp_path / "red.png"), encoded, bytes(bytearray(encoded)), picture, picture]
    sources += [tmp_path / "broken.jpg", tmp_path / "broken.jpg", picture.copy()]
    places, shared = [f"mention {n}" for n in range(len(sources))], SharedPixels(alone)
    findings = Findings()
    pixels, has_image = shared.stack([[source] for source in sources], places, findings)
    again, _ = shared.stack([[sources[0]]], ["again"], findings)
    assert len(opened) == 5  # path, bytes, picture, broken, and a copy, which may differ
    expected, _ = alone.stack([[source] for source in sources], places, Findings())
    assert torch.equal(pixels, expected)
    assert torch.equal(again[0], pixels[0])
    assert has_image.tolist() == [True] * 6 + [False, False, True]
    assert findings.examples == {"image file is no image": ["mention 6", "mention 7"]}
    assert shared.fault(tmp_path / "broken.jpg") == "image file is no image"
    assert shared.fault(picture) is shared.fault(tmp_path / "never seen.png") is None


def test_shared_pixels_keep_the_last_images_only(monkeypatch):
    monkeypatch.setattr("otmel.inputs.image.SHARED_BYTES", 2 * 3 * 16 * 16 * 4)
    opened = []
    monkeypatch.setattr("otmel.inputs.image.open_image", lambda source: opened.append(source) or open_image(source))
    first, second, third = (Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue"))
    shared = SharedPixels(Pixels(image_processor(16)))
    for source in (first, second, first, third, first, second):
        shared.stack([[source]], ["a"], Findings())
    assert [one.getpixel((0, 0)) for one in opened] == [one.getpixel((0, 0)) for one in (first, second, third, second)]
