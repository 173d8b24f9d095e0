"""Settings of pretraining and of the towers it trains."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from otmel.inputs import InputSettings
from otmel.settings import Settings

Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]


class TowerSettings(Settings):
    """Size of the towers that are trained from scratch.

    Attributes:
        width: channels of both towers and of the space they share.
        text_layers: layers of the text tower.
        vision_layers: layers of the vision tower.
        heads: attention heads of both.
        image_size: pixels of the image's side.
        patch_size: pixels of a patch's side.
        text_positions: the longest text, in tokens, that the text tower can ever read.
    """

    width: int = Field(default=64, ge=8)
    text_layers: int = Field(default=2, ge=1)
    vision_layers: int = Field(default=3, ge=1)
    heads: int = Field(default=2, ge=1)
    image_size: int = Field(default=48, ge=8)
    patch_size: int = Field(default=8, ge=2)
    text_positions: int = Field(default=64, ge=8)


class ViewSettings(Settings):
    """How two views of the same text or image come to differ.

    Attributes:
        drop_attribute: share of an entity's attribute sentences left out; the others change places.
        drop_name: how often an entity's name is left out, so that its attributes must be read.
        drop_word: share of the words left out of sentences and captions.
        zoom: an image shows between ``1 - zoom`` and all of its height and width.
        turn: largest turn of an image, in radians.
        flip: how often an image is mirrored.
        light: largest relative change of brightness and of contrast.
    """

    drop_attribute: Share = 0.3
    drop_name: Share = 0.3
    drop_word: Share = 0.05
    zoom: Share = 0.1
    turn: Share = 0.1
    flip: Share = 0.5
    light: Share = 0.1


class PretrainSettings(Settings):
    """Settings of ``pretrain``.

    Attributes:
        towers: size of the CLIP.
        views: augmentation.
        inputs: wording and lengths, saved with the encoder.
        text: a pretrained text tower by name or folder (``minilm``), kept frozen, its tokens averaged; the vision tower
            alone is then trained. Empty: the text tower is trained too, over a BPE trained on the data's own text.
        vocabulary: most tokens of that BPE.
        steps: optimiser steps.
        batch: samples of a step.
        learning_rate: its highest value, after ``warmup`` steps; it falls to 2 % of it along a cosine.
        warmup: steps over which the learning rate rises.
        weight_decay: of AdamW.
        text_image: weight of the contrast between text and image.
        text_views: weight of the contrast between two texts of the same entity.
        image_views: weight of the contrast between two images of the same entity.
        use_mentions: read the training mentions too: their text and image are further views of their entity.
        seed: the same seed, settings and data give the same weights.
        checkpoint_every: steps between two savings of the unfinished state.
    """

    towers: TowerSettings = TowerSettings()
    views: ViewSettings = ViewSettings()
    inputs: InputSettings = InputSettings()
    text: str = ""
    vocabulary: int = Field(default=4000, ge=300)
    steps: int = Field(default=380, ge=1)
    batch: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=3e-3, gt=0)
    warmup: int = Field(default=40, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    text_image: Weight = 1.0
    text_views: Weight = 0.3
    image_views: Weight = 0.3
    use_mentions: bool = True
    seed: int = 0
    checkpoint_every: int = Field(default=100, ge=1)
