"""A run on disk: weights, processor, name match and settings in one folder, each in the form its library reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import safetensors.numpy
from safetensors import SafetensorError

from otmel.encoders.loading import own_memory
from otmel.errors import CheckpointError
from otmel.inputs import InputProcessor
from otmel.inputs.pretrained import quiet
from otmel.models.config import LinkerConfig
from otmel.models.device import placed
from otmel.models.model import LinkerModel
from otmel.models.names import NameVectorizer
from otmel.models.registry import model_class
from otmel.remote import RUN, Place, local
from otmel.storage import atomic_path, atomic_write_json

RUN_FILE, NAMES_FILE, WEIGHTS_FILE = "run.json", "names.safetensors", "model.safetensors"


@dataclass
class Bundle:
    """A linker with everything that linking needs beside a graph.

    Attributes:
        model: the weights.
        processor: records to batches; ``None`` for a model on ready features.
        vectorizer: names to vectors, with the IDF of the graph it was trained on.
        record: what ``run.json`` says: settings, data, seed, best validation.
    """

    model: LinkerModel
    processor: InputProcessor | None
    vectorizer: NameVectorizer
    record: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: str | Path) -> None:
        """Write everything to ``folder``; the weights last but one, ``run.json`` last."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / NAMES_FILE) as path:
            safetensors.numpy.save_file(self.vectorizer.state(), path)
        if self.processor is not None:
            self.processor.save_pretrained(folder)
        with quiet(), atomic_path(folder / ".saved") as path:
            self.model.save_pretrained(folder)
            path.touch()
        (folder / ".saved").unlink()
        atomic_write_json(folder / RUN_FILE, self.record)

    @classmethod
    def load(cls, folder: Place) -> Bundle:
        """Read what ``save`` wrote; the model computes where ``otmel.models.device`` says.

        Of a run at an address (``s3://…``), a copy is read, without its checkpoints.

        Raises:
            CheckpointError: a file is missing, broken or does not belong to the others.
        """
        folder = local(folder, RUN)
        record = read_record(folder)
        if not (folder / WEIGHTS_FILE).is_file():
            raise CheckpointError(
                "the run has no weights yet", where=str(folder), cure="its training has not ended: run it with --resume"
            )
        model = _model(folder)
        processor = InputProcessor.from_pretrained(folder) if model.encoder is not None else None
        return cls(model, processor, _vectorizer(folder / NAMES_FILE), record)


def read_record(folder: Place) -> dict[str, Any]:
    """The contents of ``run.json``. Raises ``CheckpointError``."""
    folder = local(folder, RUN)
    path = folder / RUN_FILE
    if not folder.is_dir():
        raise CheckpointError(
            "there is no such run folder", where=str(folder), cure="train one: otmel train DATA --out RUN"
        )
    try:
        record = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError:
        cure = "a run folder is what `otmel train --out` wrote"
        raise CheckpointError("the folder is no run: it has no run.json", where=str(folder), cure=cure) from None
    except (OSError, ValueError) as fault:
        raise CheckpointError(f"run.json cannot be read: {fault}", where=str(path)) from fault
    if not isinstance(record, dict) or "settings" not in record:
        raise CheckpointError("run.json is not the record of a run", where=str(path))
    return record


def weights_hash(folder: Place) -> str:
    """Sixteen hexadecimal digits of the weights and the configuration they belong to."""
    digest, folder = hashlib.sha256(), local(folder, RUN)
    for name in ("config.json", WEIGHTS_FILE):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def _model(folder: Path) -> LinkerModel:
    if not (folder / "config.json").is_file():  # transformers would take its defaults in silence
        raise CheckpointError("the run has no config.json", where=str(folder), cure="train it again, or copy it whole")
    try:
        with quiet():
            config = LinkerConfig.from_pretrained(folder)
            kind = model_class(config)
            # Sizes that differ are reported below, by name, rather than refused here without one.
            options = {"config": config, "output_loading_info": True, "ignore_mismatched_sizes": True}
            model, report = cast(Any, kind.from_pretrained)(folder, **options)
    except (SafetensorError, OSError, ValueError, RuntimeError) as fault:
        first = str(fault).strip().splitlines()[0]
        raise CheckpointError(f"the weights cannot be read: {first}", where=str(folder)) from fault
    wrong = sorted(map(str, [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]))
    if wrong:
        raise CheckpointError(
            f"the weights and config.json differ in {len(wrong)} tensors, such as {wrong[0]}",
            where=str(folder),
            cure="both files must come from the same run",
        )
    return placed(own_memory(model).eval())


def _vectorizer(path: Path) -> NameVectorizer:
    try:
        state = safetensors.numpy.load_file(path)
    except (SafetensorError, OSError) as fault:
        raise CheckpointError(f"the name match cannot be read: {fault}", where=str(path)) from fault
    return NameVectorizer.from_state(state)
