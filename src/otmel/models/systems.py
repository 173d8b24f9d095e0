"""``System``: a record of the registry, which says what a system is, where it comes from and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from transformers import PretrainedConfig

from otmel.encoders import build_encoder
from otmel.models.model import LinkerConfig, LinkerModel
from otmel.models.settings import SystemSettings


@dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        name: the ``kind`` of its settings, and what ``--system`` takes.
        title: its row in the paper's tables.
        year: of its publication.
        citation: authors, title and venue of its paper.
        settings: class of its settings, whose defaults are the system.
        model: its class.
        reads: the modalities that it reads, ``text`` and ``image``.
        encoder: its published pretrained parts, as ``--encoder`` takes them.
        published: the configuration of these parts.
        group: of the paper's §4.2: ``text``, ``vision-language``, ``multimodal linking``, ``generative``, ``ours``.
    """

    name: str
    title: str
    year: int
    citation: str
    settings: type[SystemSettings]
    model: type[LinkerModel]
    reads: tuple[str, ...]
    encoder: str
    published: Callable[[], PretrainedConfig]
    group: str = "multimodal linking"

    def build(self, settings: SystemSettings | None = None) -> LinkerModel:
        """The system over its published architecture, with random weights."""
        settings = settings or self.settings()  # pyright: ignore[reportCallIssue]
        encoder = build_encoder(self.published(), settings.cls)
        values = settings.model_dump(mode="json")
        config = LinkerConfig(values, asdict(encoder.widths), encoder.config.to_dict())
        return self.model(config, encoder)

    def parameters(self) -> tuple[int, int]:
        """Parameters of its own layers, and of the published encoder; counted without allocating any."""
        with torch.device("meta"):
            model = self.build()
        assert model.encoder is not None
        inside = sum(weight.numel() for weight in model.encoder.parameters())
        return sum(weight.numel() for weight in model.parameters()) - inside, inside
