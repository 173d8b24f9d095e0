"""Tiny encoders of every kind, with random weights: the classes are the real ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertModel,
    CLIPModel,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    VisionTextDualEncoderModel,
    ViTConfig,
    ViTModel,
)

from otmel.data.records import Mention
from otmel.encoders import TwoTowerEncoder, save_encoder
from otmel.encoders.settings import TowerSettings
from otmel.encoders.tiny import clip_config, image_processor, initialise, vision_config
from otmel.encoders.tokenizer import train_tokenizer
from otmel.inputs import InputProcessor, InputSettings

TOWERS = TowerSettings(
    width=32, text_layers=1, vision_layers=1, heads=2, image_size=16, patch_size=8, text_positions=48
)
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXTS = ["James Holland met the pilot of the lions.", "Clara Keller, the chemist from Chile, won the palm."]
RED, BLUE = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
MENTIONS = (
    Mention("Holland", "James Holland met the pilot of the lions", image=RED),
    Mention("Keller", "Keller"),
    Mention("Clara", "Clara Keller, the chemist", image=BLUE),
    Mention("", ""),
)
KINDS = ("clip", "dual", "vit", "siglip", "text")


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS * 4, vocabulary=400)


def encoder_of(kind: str, tokenizer: PreTrainedTokenizerFast, cls: str = "output") -> TwoTowerEncoder:
    """An encoder of a kind: CLIP, BERT + CLIP's vision tower, BERT + ViT, SigLIP or BERT alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bert = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=48, pad_token_id=0, **SMALL)
        if kind == "clip":
            model = CLIPModel(clip_config(TOWERS, tokenizer))
        elif kind == "dual":
            model = VisionTextDualEncoderModel(
                text_model=BertModel(bert), vision_model=CLIPVisionModel(vision_config(TOWERS))
            )
        elif kind == "vit":
            vit = ViTModel(ViTConfig(image_size=16, patch_size=8, **SMALL))
            model = VisionTextDualEncoderModel(text_model=BertModel(bert), vision_model=vit)
        elif kind == "siglip":
            text = {**SMALL, "vocab_size": len(tokenizer), "max_position_embeddings": 48, "pad_token_id": 0}
            model = SiglipModel(
                SiglipConfig(text_config=text, vision_config={**SMALL, "image_size": 16, "patch_size": 8})
            )
        else:
            model = BertModel(bert)
        initialise(model)
    return TwoTowerEncoder(model.eval(), cls)  # type: ignore[arg-type]


def processor_of(kind: str, tokenizer: PreTrainedTokenizerFast) -> InputProcessor:
    images = None if kind == "text" else image_processor(16)
    return InputProcessor(tokenizer, images, InputSettings(), patch_size=8)


@pytest.fixture
def make_encoder(tokenizer: PreTrainedTokenizerFast) -> Callable[..., TwoTowerEncoder]:
    """``make_encoder(kind, cls="output")``: the same weights each time."""
    return lambda kind, cls="output": encoder_of(kind, tokenizer, cls)


@pytest.fixture
def make_processor(tokenizer: PreTrainedTokenizerFast) -> Callable[[str], InputProcessor]:
    """``make_processor(kind)``."""
    return lambda kind: processor_of(kind, tokenizer)


@pytest.fixture
def mentions() -> list[Mention]:
    """Two with an image, two without; the last is empty."""
    return list(MENTIONS)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def saved(kind: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Path:
    """A folder with an encoder of the kind."""
    folder = tmp_path / kind
    save_encoder(encoder_of(kind, tokenizer), processor_of(kind, tokenizer), folder)
    return folder
