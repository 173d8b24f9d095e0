"""VGG-16 takes torchvision's weights by key, computes what the paper says, and serves as a vision tower."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from PIL import Image
from torch.nn.functional import conv2d, linear, max_pool2d, relu
from transformers import AutoModel, AutoModelForCausalLM

from otmel.data.records import Mention
from otmel.encoders import Widths, build_encoder, load_encoder, save_encoder
from otmel.encoders.loading import read_tower
from otmel.encoders.vgg import VggConfig, VggModel, vgg_from_torchvision, vgg_image_processor
from otmel.errors import CheckpointError
from otmel.inputs.pretrained import quiet

CONVOLUTIONS = {  # torchvision's places of the convolutions in ``features``, with their channels
    **{0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)},
    **{17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512)},
}
DENSE = {0: (25088, 4096), 3: (4096, 4096), 6: (4096, 1000)}
SMALL = {"blocks": [[8], [8, 12]], "hidden_size": 20, "grid": 4, "classes": 3, "image_size": 16}


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Keys and shapes of torchvision's ``vgg16-397923af.pth``."""
    shapes: dict[str, tuple[int, ...]] = {}
    for place, (narrow, wide) in CONVOLUTIONS.items():
        shapes |= {f"features.{place}.weight": (wide, narrow, 3, 3), f"features.{place}.bias": (wide,)}
    for place, (narrow, wide) in DENSE.items():
        shapes |= {f"classifier.{place}.weight": (wide, narrow), f"classifier.{place}.bias": (wide,)}
    return shapes


def small() -> VggModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VggModel(VggConfig(**SMALL)).eval()


def test_its_keys_and_shapes_are_torchvisions():
    with torch.device("meta"):
        own = VggModel(VggConfig()).state_dict()
    assert {key: tuple(value.shape) for key, value in own.items()} == published_shapes()
    assert sum(value.numel() for value in own.values()) == 138_357_544  # Table 2 of the paper: 138 million


@torch.no_grad()
def test_it_is_the_papers_network():
    model, pixels = small(), torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    weights = model.state_dict()

    def convolved(x: torch.Tensor, place: int) -> torch.Tensor:
        return relu(conv2d(x, weights[f"features.{place}.weight"], weights[f"features.{place}.bias"], padding=1))

    grid = max_pool2d(convolved(pixels, 0), 2)
    grid = max_pool2d(convolved(convolved(grid, 3), 5), 2)
    dense = grid.flatten(1)
    for place in (0, 3):
        dense = relu(linear(dense, weights[f"classifier.{place}.weight"], weights[f"classifier.{place}.bias"]))
    read = model(pixel_values=pixels)
    torch.testing.assert_close(read.pooler_output, dense)
    assert read.last_hidden_state.shape == (2, 16, 12)
    torch.testing.assert_close(read.last_hidden_state[1, 4 * 2 + 3], grid[1, :, 2, 3])


@torch.no_grad()
def test_images_of_any_size_have_the_same_grid():
    read = small()(pixel_values=torch.zeros(1, 3, 40, 24))
    assert read.last_hidden_state.shape == (1, 16, 12)


@pytest.mark.slow
def test_torchvisions_file_becomes_a_folder_that_loads_beside_a_text_tower(
    tmp_path, tokenizer, make_encoder, make_processor
):
    generator = torch.Generator().manual_seed(0)
    weights = {
        key: torch.randn(shape, generator=generator) / 100 if "features" in key else torch.full(shape, 1e-4)
        for key, shape in published_shapes().items()
    }
    torch.save(weights, tmp_path / "vgg16.pth", _use_new_zipfile_serialization=False)  # as torchvision's is
    made = vgg_from_torchvision(tmp_path / "vgg16.pth", tmp_path / "vgg16")
    tower = read_tower(str(tmp_path / "vgg16"), "vision")
    assert isinstance(tower, VggModel)
    for key, value in weights.items():
        assert torch.equal(tower.state_dict()[key], value)
        assert torch.equal(made.state_dict()[key], value)
    save_encoder(make_encoder("text"), make_processor("text"), tmp_path / "text")
    encoder, processor = load_encoder(f"{tmp_path / 'text'}+{tmp_path / 'vgg16'}")
    assert processor.image_shape == (224, 224)
    assert processor.patch_grid == (7, 7)
    assert encoder.widths == Widths(32, 512, 32, 4096)
    with torch.no_grad():
        views = encoder(processor.mentions([Mention("a", image=Image.new("RGB", (50, 30), "red")), Mention("b")]))
    assert views.image.tokens.shape == (2, 49, 512)
    assert views.image.cls.shape == (2, 4096)
    assert views.image.present.tolist() == [True, False]
    assert not views.image.cls[1].any()
    assert "torchvision" not in sys.modules


@pytest.mark.parametrize("what", ["absent", "broken", "another", "unsafe"])
def test_what_is_no_vgg16_is_refused(tmp_path, what):
    path = tmp_path / "weights.pth"
    if what == "broken":
        path.write_bytes(b"no weights")
    elif what == "another":
        torch.save(small().state_dict(), path)
    elif what == "unsafe":
        torch.save(AutoModelForCausalLM, path)
    with pytest.raises(CheckpointError, match=r"these are no weights of VGG-16(.|\n)*vgg16-397923af"):
        vgg_from_torchvision(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pixels_are_normalised_as_for_imagenet():
    processor = vgg_image_processor(VggConfig(**SMALL))
    pixels = processor(images=[Image.new("RGB", (30, 9), (255, 0, 51))], return_tensors="pt")["pixel_values"][0]
    assert pixels.shape == (3, 16, 16)
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    torch.testing.assert_close(pixels.mean((1, 2)), torch.tensor(expected), atol=1e-5, rtol=0)


@torch.no_grad()
def test_it_survives_saving_and_its_configuration_builds_it_again(tmp_path, make_encoder, make_processor, mentions):
    with quiet():
        small().save_pretrained(tmp_path / "vgg")
        loaded = AutoModel.from_pretrained(tmp_path / "vgg")
    vgg_image_processor(VggConfig(**SMALL)).save_pretrained(tmp_path / "vgg")
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in small().state_dict().items())
    save_encoder(make_encoder("text"), make_processor("text"), tmp_path / "text")
    for cls, widths in (("output", Widths(32, 12, 32, 20)), ("pooled", Widths(32, 12, 512, 512))):
        encoder, processor = load_encoder(f"{tmp_path / 'text'}+{tmp_path / 'vgg'}", cls=cls)
        built = build_encoder(json.loads(json.dumps(encoder.config.to_dict())), cls=cls).eval()
        built.model.load_state_dict(encoder.model.state_dict())
        batch = processor.mentions(mentions)
        assert encoder.widths == built.widths == widths
        assert encoder(batch).image.cls.shape == (4, widths.image_cls)
        assert encoder(batch).image.tokens.shape == (4, 16, 12)
        assert torch.equal(encoder(batch).image.cls, built(batch).image.cls)


def test_variance_passes_through_its_initial_weights():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = VggModel(VggConfig(blocks=[[64], [64], [64], [64]], hidden_size=64, grid=2, classes=2))
        with torch.no_grad():
            spread = model.eval()(pixel_values=torch.randn(16, 3, 32, 32)).pooler_output.std()
    assert 0.1 < spread < 10
