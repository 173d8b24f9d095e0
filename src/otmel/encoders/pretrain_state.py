"""The unfinished state of a pretraining: weights, optimiser and log, saved so that a kill costs little."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from otmel.storage import atomic_path, atomic_write_text

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Progress:
    """Saves and restores a run in a folder of its own; a state of other settings or data is started over.

    Args:
        folder: where.
        parameters: what is trained, in a fixed order.
        optimizer: an AdamW over exactly these.
        fingerprint: changes with the settings and the data.
    """

    def __init__(
        self, folder: Path, parameters: list[nn.Parameter], optimizer: torch.optim.AdamW, fingerprint: str
    ) -> None:
        self.folder, self.parameters, self.optimizer, self.fingerprint = folder, parameters, optimizer, fingerprint
        self.log = folder / "log.jsonl"

    @property
    def _state(self) -> Path:
        return self.folder / "state.safetensors"

    def save(self, step: int) -> None:
        """Save the state after ``step`` steps, in full or not at all. Raises ``StorageError``."""
        tensors = {f"{place}.weight": parameter.detach() for place, parameter in enumerate(self.parameters)}
        for place, parameter in enumerate(self.parameters):
            for moment, value in self.optimizer.state[parameter].items():
                tensors[f"{place}.{moment}"] = value
        with atomic_path(self._state) as path:
            save_file(tensors, path, metadata={"step": str(step), "fingerprint": self.fingerprint})

    def restore(self) -> int:
        """Load the saved state, if there is one of these settings and data; the number of steps it has behind it."""
        try:
            with safe_open(self._state, "pt") as file:
                told = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        except (OSError, SafetensorError):
            told, tensors = {}, {}
        if told.get("fingerprint") != self.fingerprint:
            atomic_write_text(self.log, "")
            return 0
        step = int(told["step"])
        self._load(tensors)
        kept = [line for line in self._lines() if line["step"] < step]
        atomic_write_text(self.log, "".join(json.dumps(line) + "\n" for line in kept))
        return step

    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for place, parameter in enumerate(self.parameters):
                parameter.copy_(tensors[f"{place}.weight"])
                moments = {m: tensors[f"{place}.{m}"] for m in MOMENTS if f"{place}.{m}" in tensors}
                if moments:
                    self.optimizer.state[parameter] = moments

    def write(self, line: Mapping[str, float]) -> None:
        """Append one line to the log."""
        with self.log.open("a", encoding="utf8") as file:
            file.write(json.dumps(line) + "\n")

    def recent_loss(self) -> float:
        """Mean loss of the last ten lines of the log."""
        losses = [line["loss"] for line in self._lines() if "loss" in line][-10:]
        return sum(losses) / max(1, len(losses))

    def discard(self) -> None:
        """Remove the unfinished state."""
        shutil.rmtree(self.folder)

    def _lines(self) -> list[dict[str, float]]:
        lines = self.log.read_text(encoding="utf8").splitlines() if self.log.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("}")]
