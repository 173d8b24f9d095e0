"""``System``: a record of the registry, which says what a system is, where it comes from and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from otmel.encoders import TwoTowerEncoder, build_encoder, load_encoder, save_encoder, wrapped
from otmel.inputs import InputProcessor
from otmel.inputs.pretrained import quiet
from otmel.models.config import LinkerConfig
from otmel.models.model import LinkerModel
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
        small: an encoder of its own kind for data without pretrained ones, from two pretrained towers, of which it may
            keep what it can use, and their processor, whose tokenizer and image size it takes. What is new in it has
            random weights. ``None``: any pretrained two towers serve.
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
    small: Callable[[TwoTowerEncoder, InputProcessor], PreTrainedModel] | None = None
    group: str = "multimodal linking"

    def as_json(self) -> dict[str, Any]:
        """What `otmel models` says of it."""
        own, encoder = self.parameters()
        counted = {"parameters": own, "encoder parameters": encoder}
        listed = {"title": self.title, "year": self.year, "group": self.group, "reads": list(self.reads)}
        return {**listed, **counted, "encoder": self.encoder, "citation": self.citation}

    def build(self, settings: SystemSettings | None = None) -> LinkerModel:
        """The system over its published architecture, with random weights."""
        settings = settings or self.settings()  # pyright: ignore[reportCallIssue]
        encoder = build_encoder(self.published(), settings.cls)
        values = settings.model_dump(mode="json")
        config = LinkerConfig(values, asdict(encoder.widths), encoder.config.to_dict())
        return self.model(config, encoder)

    def small_encoder(self, towers: Path, out: Path) -> Path:
        """The folder of an encoder for data without pretrained weights: ``towers``, or one of its own kind in ``out``.

        Args:
            towers: a pretrained encoder, such as ``otmel pretrain`` writes.
            out: where an encoder of the system's own kind is written, if it needs one.
        """
        if self.small is None:
            return towers
        encoder, processor = load_encoder(towers)
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(0)
            model = self.small(encoder, processor)
        save_encoder(wrapped(model), processor, out)
        return out

    def parameters(self) -> tuple[int, int]:
        """Parameters of its own layers, and of the published encoder; counted without allocating any."""
        with torch.device("meta"):
            model = self.build()
        assert model.encoder is not None
        inside = sum(weight.numel() for weight in model.encoder.parameters())
        return sum(weight.numel() for weight in model.parameters()) - inside, inside
