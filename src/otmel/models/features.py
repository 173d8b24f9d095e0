"""What a frozen encoder gives, kept on the disk: encoded once for all runs that share encoder, wording and data."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from otmel.data.dataset import Dataset, mentions_digest
from otmel.data.findings import Findings
from otmel.data.records import Mention
from otmel.inputs import InputProcessor
from otmel.models.model import LinkerModel
from otmel.models.tables import Advance, Live, Table, held
from otmel.storage import atomic_path
from otmel.types import Elements, Views

FORMAT = 2
"""Version of what a file holds."""


@dataclass(frozen=True)
class FeatureStore:
    """A folder of encoded tables, each under a name that says all that it follows from.

    An image that changes under its old name is not noticed: remove the folder then.

    Attributes:
        folder: made when something is first kept.
        model: whose encoder encodes; frozen.
        processor: what reads the records.
    """

    folder: Path
    model: LinkerModel
    processor: InputProcessor

    def held(self, table: Table, data: str, advance: Advance = lambda done: None) -> Table:
        """The table as features in memory: read, or else encoded and kept.

        Args:
            table: live records.
            data: digest of the records, with what they are: ``graph`` or a split.
            advance: told how many rows are done.
        """
        if not isinstance(table.content, Live):
            return table
        path = self.folder / f"{self._key(data)}.safetensors"
        views, missing = _read(path)
        if views is None or len(views) != len(table):
            before = Counter(self.processor.findings.counts)
            encoded = held(table, self.model, advance=advance)
            assert isinstance(encoded.content, Views)
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as fresh:
                missing = Counter(self.processor.findings.counts) - before
                safetensors.torch.save_file(_tensors(encoded.content), fresh, {"missing": json.dumps(missing)})
            return encoded
        self.processor.findings.merge(Findings(Counter(missing)))
        advance(len(table))
        return Table(views, table.names)

    def _key(self, data: str) -> str:
        return hashlib.sha256(f"{data}\0{self._encoding}".encode()).hexdigest()[:32]

    @cached_property
    def _encoding(self) -> str:
        """Digest of everything but the data: the encoder's weights take a while."""
        assert self.model.encoder is not None
        digest = hashlib.sha256(f"{FORMAT}\0{self.model.encoder.cls}\0".encode())
        digest.update(self.processor.settings.model_dump_json().encode())
        tokenizer: Any = self.processor.tokenizer
        digest.update(tokenizer.backend_tokenizer.to_str().encode())
        if self.processor.image_processor is not None:
            digest.update(json.dumps(self.processor.image_processor.to_dict(), sort_keys=True, default=str).encode())
        for name, weight in sorted(self.model.encoder.state_dict().items()):
            digest.update(name.encode() + weight.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def _tensors(views: Views) -> dict[str, Tensor]:
    sides = {"text": views.text, "image": views.image}
    found = {
        f"{side}.{name}": getattr(elements, name).contiguous()
        for side, elements in sides.items()
        for name in ("tokens", "mask", "cls")
    }
    return found if views.ids is None else {**found, "ids": views.ids.contiguous()}


def _read(path: Path) -> tuple[Views | None, dict[str, int]]:
    """The features in a file, and what was missing; ``None`` without one, or with a broken one: it is written anew."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            missing = json.loads(file.metadata()["missing"])
        text, image = (
            Elements(*(found[f"{side}.{name}"] for name in ("tokens", "mask", "cls"))) for side in ("text", "image")
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None, {}
    return Views(text, image, found.get("ids")), missing


def graph_data(dataset: Dataset) -> str:
    """What to call the entities of a data set among kept features."""
    return f"graph {dataset.graph.snapshot} of {dataset.root}"


def mention_data(dataset: Dataset, mentions: Sequence[Mention]) -> str:
    """What to call mentions of a data set among kept features."""
    return f"mentions {mentions_digest(mentions)} of {dataset.root}"
