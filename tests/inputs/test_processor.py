"""Records as batches, and the processor's own files."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import SiglipImageProcessorPil, ViTImageProcessorPil

from otmel.data.records import Entity, Mention
from otmel.encoders.tiny import image_processor
from otmel.errors import CheckpointError, ConfigurationError
from otmel.inputs import InputProcessor, InputSettings

RED = Image.new("RGB", (30, 20), "red")
MENTIONS = [
    Mention("Holland", "James Holland met the pilot", image=RED, id="m1"),
    Mention("Keller", "Keller"),
    Mention("", "", id="m3"),
]


@pytest.fixture
def processor(tokenizer) -> InputProcessor:
    return InputProcessor(tokenizer, image_processor(16), patch_size=8)


def test_mentions_have_text_pixels_and_masks(processor):
    batch = processor.mentions(MENTIONS)
    assert batch.has_image.tolist() == [True, False, False]
    assert batch.pixels.shape == (3, 3, 16, 16)
    assert not batch.pixels[1:].any()
    assert batch.attention_mask.sum(1).tolist() == [len(processor.mentions([m]).input_ids[0]) for m in MENTIONS]


def test_no_image_in_the_whole_batch_still_has_pixels_of_full_shape(processor):
    batch = processor.mentions(MENTIONS[1:])
    assert batch.pixels.shape == (2, 3, 16, 16)
    assert not batch.has_image.any()


def test_entities_read_the_chosen_texts(tokenizer):
    entity = Entity("Q1", "Clara Keller", ("Claire",), "chemist", "Country: Chile", (RED,))
    settings = InputSettings(entity_text=("description", "attributes"), entity_length=20)
    processor = InputProcessor(tokenizer, image_processor(16), settings)
    batch = processor.entities([entity])
    assert tokenizer.decode(batch.input_ids[0]) == "[CLS] clara keller[SEP] chemist. country: chile[END]"
    assert batch.has_image.all()
    long = processor.entities([Entity("Q2", "Clara", attributes="Country: Chile. " * 40)])
    assert long.input_ids.shape == (1, 20)


def test_findings_count_a_record_once_however_often_it_is_read(processor):
    for _ in range(3):
        processor.mentions(MENTIONS)
        processor.entities([Entity("Q1", "Bell")])
    assert processor.findings.counts == {"image not stated": 3}
    assert processor.findings.examples["image not stated"] == ["mention Keller", "mention m3", "entity Q1"]


def test_texts_alone_have_no_image(processor):
    batch = processor.texts([("Clara", "won the palm"), ("", "x")], length=8)
    assert not batch.has_image.any()
    assert batch.input_ids.shape[1] <= 8


def test_tokens_are_readable_and_one_to_an_id(processor):
    batch = processor.mentions(MENTIONS)
    tokens = processor.tokens(batch.input_ids[1])
    assert len(tokens) == batch.input_ids.shape[1]
    assert tokens[0] == "[CLS]"
    assert tokens[-1] == "[PAD]"
    assert "keller" in tokens
    assert processor.tokens(processor.tokenizer(" ", add_special_tokens=False)["input_ids"])[-1] == "␣"


def test_the_patch_grid_is_the_images_size_over_the_patchs(tokenizer, processor):
    assert processor.patch_grid == (2, 2)
    assert InputProcessor(tokenizer, image_processor(16)).patch_grid is None
    assert InputProcessor(tokenizer, None, patch_size=8).patch_grid is None
    assert processor.image_shape == (16, 16)


@pytest.mark.parametrize(
    "images",
    [
        image_processor(16),
        ViTImageProcessorPil(size={"height": 24, "width": 24}),
        SiglipImageProcessorPil(size={"height": 24, "width": 24}),
    ],
)
def test_saved_and_loaded_it_gives_the_same_batches(tokenizer, tmp_path: Path, images):
    saved = InputProcessor(tokenizer, images, InputSettings(mention_length=12, window=False), patch_size=4)
    (tmp_path / "config.json").write_text('{"model_type": "some linker"}')  # as in the folder of a trained linker
    saved.save_pretrained(tmp_path)
    loaded = InputProcessor.from_pretrained(tmp_path)
    assert (loaded.settings, loaded.patch_grid) == (saved.settings, saved.patch_grid)
    assert type(loaded.image_processor) is type(images)
    for field in ("input_ids", "attention_mask", "pixels", "has_image"):
        assert torch.equal(getattr(loaded.mentions(MENTIONS), field), getattr(saved.mentions(MENTIONS), field))


def test_a_text_processor_and_a_clip_tokenizer_are_saved_too(clip_tokenizer, tmp_path: Path):
    saved = InputProcessor(clip_tokenizer, None)
    saved.save_pretrained(tmp_path)
    loaded = InputProcessor.from_pretrained(tmp_path)
    assert loaded.image_processor is None
    assert torch.equal(loaded.mentions(MENTIONS).input_ids, saved.mentions(MENTIONS).input_ids)
    other = InputProcessor.from_pretrained(tmp_path, InputSettings(mention_length=9))
    assert other.mentions(MENTIONS).input_ids.shape[1] == 9


def test_missing_and_broken_files_are_named(processor, tmp_path: Path):
    with pytest.raises(CheckpointError, match="input settings cannot be read"):
        InputProcessor.from_pretrained(tmp_path / "nothing")
    processor.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="the image processor cannot be read"):
        InputProcessor.from_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    path = tmp_path / "input_settings.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "settings": {"wordings": "pair"}}))
    with pytest.raises(ConfigurationError, match=r"did you mean 'wording'"):
        InputProcessor.from_pretrained(tmp_path)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="input settings cannot be read"):
        InputProcessor.from_pretrained(tmp_path)
    for file in tmp_path.glob("*tokenizer*"):
        file.write_text("{")
    path.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="the tokenizer cannot be read"):
        InputProcessor.from_pretrained(tmp_path)


def test_images_can_be_left_out_of_every_batch(tokenizer, processor):
    """Text alone: no image is opened, none is counted as missing, and every mask says so."""
    blind = InputProcessor(tokenizer, image_processor(16), InputSettings(images=False), patch_size=8)
    assert processor.mentions(MENTIONS).has_image.tolist() == [True, False, False]
    assert blind.mentions(MENTIONS).has_image.tolist() == [False, False, False]
    assert not blind.findings
