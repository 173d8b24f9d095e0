"""What a model sees of an image: proven against the pixels that the processor hands over."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessorPil

from otmel.linking.sight import cut_as_seen, data_url, seen_image

SQUARE = {"height": 32, "width": 32}


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    across = np.tile(np.linspace(0, 255, width), (height, 1))
    down = np.tile(np.linspace(0, 255, height)[:, None], (1, width))
    return Image.fromarray(np.stack([across, down, 0 * across], -1).astype(np.uint8))


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (250, 250), (1000, 40)])
@pytest.mark.parametrize(
    "options",
    [
        {"size": {"shortest_edge": 32}, "crop_size": SQUARE, "do_center_crop": True},
        {"size": {"shortest_edge": 40}, "crop_size": SQUARE, "do_center_crop": True},
        {"size": {"height": 64, "width": 64}, "crop_size": SQUARE, "do_center_crop": True},
        {"size": SQUARE, "crop_size": SQUARE, "do_center_crop": False},
    ],
    ids=["clip", "larger", "stretched", "whole"],
)
def test_the_cut_shows_what_the_pixels_show(size: tuple[int, int], options: dict) -> None:
    image = gradient(*size)
    processor = CLIPImageProcessorPil(do_normalize=False, **options)
    pixels = processor(images=[image], return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    cut = np.asarray(cut_as_seen(image, processor).resize((32, 32), Image.Resampling.BICUBIC)) / 255
    assert np.abs(cut - pixels).max() < 0.08


def test_the_first_that_opens_is_seen() -> None:
    processor = CLIPImageProcessorPil(size=SQUARE, crop_size=SQUARE, do_center_crop=False)
    image = gradient(8, 9)
    seen = seen_image([b"broken", "absent.png", image], processor)
    assert seen is not None
    assert seen.size == (8, 9)
    assert seen_image([b"broken"], processor) is None
    assert seen_image([], processor) is None
    assert seen_image([image], None) is None


def test_without_a_known_size_nothing_is_cut() -> None:
    processor = CLIPImageProcessorPil(size={"longest_edge": 32}, crop_size=SQUARE, do_center_crop=True)
    assert cut_as_seen(gradient(40, 20), processor).size == (40, 20)


def test_a_data_url_is_a_bounded_picture_that_opens() -> None:
    for size, kind, expected in (((48, 30), "png", (48, 30)), ((2000, 500), "jpeg", (512, 128))):
        url = data_url(Image.new("RGB", size, "teal"))
        head, data = url.split(",")
        assert head == f"data:image/{kind};base64"
        with Image.open(BytesIO(b64decode(data))) as shown:
            assert shown.size == expected
            assert shown.format == kind.upper()
