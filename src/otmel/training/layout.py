"""What of a run in a store is needed to train it on, and what makes a commit of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from otmel.errors import CheckpointError
from otmel.models.bundle import RUN_FILE
from otmel.remote import Tree
from otmel.remote.layouts import Needs, Read
from otmel.remote.store import Listing
from otmel.settings import Settings
from otmel.storage import atomic_write_text, json_text
from otmel.training.checkpoints import SEAL, step_of
from otmel.training.claim import CHECKPOINTS, LOG_FILE

RECORD: Final = f"{CHECKPOINTS}/record.json"
COPIED: Final = Tree(under=(RUN_FILE, f"{CHECKPOINTS}/"))
"""What tells the states of a run apart that was put there by another tool, and has no record."""


class Sent(Settings):
    """What ``record.json`` says: with it, what was sent becomes the state of the run.

    Attributes:
        run: SHA-256 of ``run.json``.
        checkpoints: name → SHA-256 of the seal.
        ended: whether the weights at the top belong to it.
    """

    run: str
    checkpoints: dict[str, str] = Field(default_factory=dict)
    ended: bool = False

    @classmethod
    def of(cls, folder: Path, ended: bool) -> Sent:
        """What a run folder holds now. Raises ``OSError``."""
        seals = sorted(folder.glob(f"{CHECKPOINTS}/checkpoint-*/{SEAL}"), key=lambda seal: step_of(seal.parent))
        named = {seal.parent.name: _sum(seal) for seal in seals}
        return cls(run=_sum(folder / RUN_FILE), checkpoints=named, ended=ended)

    def write(self, folder: Path) -> None:
        """Write it, unless it stands there. Raises ``StorageError``."""
        text, path = json_text(self.model_dump(mode="json")) + "\n", folder / RECORD
        if not path.is_file() or path.read_bytes() != text.encode():
            atomic_write_text(path, text)


@dataclass(frozen=True)
class TrainingLayout:
    """A run with its checkpoints. Their record makes a commit; at the end ``run.json`` goes before it."""

    def committed(self, listed: Listing) -> bool:
        """Whether a run has begun."""
        return RUN_FILE in listed

    def owns(self, name: str) -> bool:
        """Whether a file can be part of a run that has just begun."""
        return name in (RUN_FILE, LOG_FILE) or name.startswith(f"{CHECKPOINTS}/")

    def stamp(self, listed: Listing, read: Read) -> str:
        """A hash of the record."""
        return hashlib.sha256(read(RECORD)).hexdigest()[:16] if RECORD in listed else COPIED.stamp(listed, read)

    def rounds(self, listed: Listing, folder: Path) -> Iterator[Needs]:
        """The records, the seals of checkpoints, then these; what one lacks shows when it is to be resumed from."""
        yield dict.fromkeys(name for name in (RUN_FILE, LOG_FILE, RECORD) if name in listed)
        there = {Path(name).parent.name for name in listed if name.endswith(f"/{SEAL}")}
        sent = _sent(folder)
        names = sorted(there if sent is None else there & sent.checkpoints.keys())
        yield dict.fromkeys(seal for seal in map(_seal, names) if seal in listed)
        yield dict.fromkeys(file for name in names for file in _sealed(folder, name) if file in listed)

    def content(self, here: Listing, folder: Path) -> set[str]:
        """What the record names; at the end of training also the files at the top."""
        sent = _sent(folder)
        files = {RUN_FILE, LOG_FILE, RECORD, *_checkpoints(folder, sent)}
        if sent is not None and sent.ended:
            files |= {name for name in here if "/" not in name and not name.startswith(".")}
        return files & here.keys()

    def heads(self, changed: Collection[str], known: Collection[str]) -> list[str]:
        """``run.json``, which says whether the run has ended, and the record."""
        return [name for name in (RUN_FILE, RECORD) if name in changed]

    def garbage(self, names: Iterable[str], folder: Path) -> list[str]:
        """Checkpoints that have been replaced, or were half sent."""
        kept = _checkpoints(folder, _sent(folder))
        return [name for name in names if name.startswith(f"{CHECKPOINTS}/checkpoint-") and name not in kept]


TRAINING: Final = TrainingLayout()


def _checkpoints(folder: Path, sent: Sent | None) -> set[str]:
    """The files of the checkpoints that the record names."""
    return {file for name in (sent.checkpoints if sent else ()) for file in (_seal(name), *_sealed(folder, name))}


def _sent(folder: Path) -> Sent | None:
    """The record; ``None`` where there is none. Raises ``CheckpointError``."""
    path = folder / RECORD
    try:
        return Sent.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError):
        cure = "remove it: all checkpoints that are whole count then"
        raise CheckpointError("the record of the checkpoints is damaged", where=str(path), cure=cure) from None


def _seal(name: str) -> str:
    return f"{CHECKPOINTS}/{name}/{SEAL}"


def _sealed(folder: Path, name: str) -> list[str]:
    """The files that a checkpoint's seal names; none where it is damaged."""
    try:
        return [f"{CHECKPOINTS}/{name}/{file}" for file in json.loads((folder / _seal(name)).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
