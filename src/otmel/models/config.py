"""A system's configuration as transformers keeps it: its settings, the encoder's widths, the encoder's own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from transformers import PretrainedConfig

from otmel.encoders import TwoTowerEncoder, Widths
from otmel.models.settings import SystemSettings


class LinkerConfig(PretrainedConfig):
    """Configuration of any system in transformers' form.

    Args:
        settings: the system's settings as plain values; ``kind`` says which system.
        widths: the encoder's widths (``Widths``) as plain values.
        encoder: the encoder's transformers configuration, or ``None`` where ready features are given.
    """

    model_type = "otmel"

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        widths: dict[str, int] | None = None,
        encoder: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.settings = settings or {}
        self.widths = widths or {"text": 64, "image": 64, "text_cls": 64, "image_cls": 64}
        self.encoder = encoder
        super().__init__(**kwargs)


def config_of(settings: SystemSettings, encoder: TwoTowerEncoder | None, widths: Widths | None) -> LinkerConfig:
    """The configuration of a system over a pretrained encoder, or over features of the given widths."""
    if encoder is not None:
        widths = encoder.widths
    assert widths is not None, "give an encoder or the widths of ready features"
    return LinkerConfig(
        settings=settings.model_dump(mode="json"),
        widths=asdict(widths),
        encoder=None if encoder is None else encoder.config.to_dict(),
    )
