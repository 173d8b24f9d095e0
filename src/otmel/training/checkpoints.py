"""Checkpoints that can be trusted: each is sealed by its files' digests, and only a sealed one is resumed from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

from transformers.trainer import TRAINER_STATE_NAME

from otmel.errors import CheckpointError
from otmel.storage import atomic_write_json

SEAL = "seal.json"


def seal(checkpoint: Path) -> None:
    """Write the digests of all files of a finished checkpoint."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    atomic_write_json(checkpoint / SEAL, {str(path.relative_to(checkpoint)): _digest(path) for path in files})


def is_sound(checkpoint: Path) -> bool:
    """Whether a checkpoint is complete and every byte of it is as it was written."""
    try:
        digests = json.loads((checkpoint / SEAL).read_text())
        return all(_digest(checkpoint / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


def newest_sound(folder: Path) -> tuple[Path | None, list[Path]]:
    """The newest sound checkpoint, and the broken ones above it, which are removed.

    A broken checkpoint is one that was being written when the process died, or that the disk has damaged; or one that
    calls such a one the best, which could then not be loaded in the end.
    """
    broken = []
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if is_sound(checkpoint) and is_sound(_best_of(checkpoint)):
            return checkpoint, broken
        broken.append(checkpoint)
        shutil.rmtree(checkpoint)
    return None, broken


def dated_by_step(folder: Path) -> None:
    """Give checkpoints times in the order of their steps, by which the oldest go: copies have those of the copying."""
    checkpoints = sorted(folder.glob("checkpoint-*"), key=step_of)
    for number, checkpoint in enumerate(reversed(checkpoints)):
        then = time.time() - 2 - number
        os.utime(checkpoint, (then, then))


def _best_of(checkpoint: Path) -> Path:
    """The checkpoint of the best validation until then: itself, as long as there was none."""
    step = json.loads((checkpoint / TRAINER_STATE_NAME).read_text()).get("best_global_step")
    return checkpoint if step is None else checkpoint.with_name(f"checkpoint-{step}")


def step_of(checkpoint: Path) -> int:
    """The step at which a checkpoint was written."""
    try:
        return int(checkpoint.name.rpartition("-")[2])
    except ValueError:
        raise CheckpointError("this is no checkpoint", where=str(checkpoint)) from None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
