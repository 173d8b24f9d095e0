"""A causal language model and a vision tower as one model of transformers, which saves and loads as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

MODEL_TYPE = "causal-vision"


class CausalVisionConfig(PretrainedConfig):
    """Configuration of a ``CausalVisionModel``.

    Args:
        text_config: of the language model, as a configuration or as plain values.
        vision_config: of the vision tower, likewise; ``None`` where there is none.
    """

    model_type = MODEL_TYPE
    sub_configs = {"text_config": AutoConfig, "vision_config": AutoConfig}  # noqa: RUF012 # pyright: ignore

    def __init__(
        self,
        text_config: PretrainedConfig | Mapping[str, Any] | None = None,
        vision_config: PretrainedConfig | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.text_config = _config(text_config)
        self.vision_config = _config(vision_config)
        super().__init__(**kwargs)


def _config(values: PretrainedConfig | Mapping[str, Any] | None) -> PretrainedConfig | None:
    if values is None or isinstance(values, PretrainedConfig):
        return values
    rest = dict(values)
    return AutoConfig.for_model(rest.pop("model_type"), **rest)


class CausalVisionModel(PreTrainedModel):
    """A causal language model with its head, and a vision tower or none, in one folder."""

    config_class = CausalVisionConfig
    base_model_prefix = "causal_vision"
    _supports_sdpa = _supports_flash_attn = True
    text_model: PreTrainedModel

    def __init__(
        self,
        config: CausalVisionConfig,
        text_model: PreTrainedModel | None = None,
        vision_model: PreTrainedModel | None = None,
    ) -> None:
        super().__init__(config)
        self.text_model = text_model or AutoModelForCausalLM.from_config(config.text_config)
        config.text_config = self.text_model.config  # one object: what is noted in either is saved
        if config.vision_config is not None:
            self.vision_model = vision_model or AutoModel.from_config(config.vision_config)
            config.vision_config = self.vision_model.config
        self.post_init()

    @classmethod
    def of(cls, text_model: PreTrainedModel, vision_model: PreTrainedModel | None) -> CausalVisionModel:
        """Both models as one."""
        # Copies: a new configuration resets how the ones inside it attend.
        vision = None if vision_model is None else vision_model.config.to_dict()
        return cls(CausalVisionConfig(text_model.config.to_dict(), vision), text_model, vision_model)

    def _init_weights(self, module: nn.Module) -> None:
        """Nothing: both models have initialised themselves."""


AutoConfig.register(MODEL_TYPE, CausalVisionConfig)
AutoModel.register(CausalVisionConfig, CausalVisionModel)
