"""A run folder at an address: trained in a copy here, of which every finished checkpoint is sent, and the end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from otmel.errors import ConfigurationError, StorageError
from otmel.objectives.gather import agreed, anywhere, is_first
from otmel.remote import Place, placed
from otmel.remote.cache import CACHE, Nest
from otmel.remote.faults import Moved
from otmel.remote.writing import Change, change
from otmel.training.layout import TRAINING, Sent

Say = Callable[[str], None]


@dataclass(frozen=True)
class RunFolder:
    """Where a run is trained.

    Attributes:
        path: the folder, on this machine.
        change: how it is sent; ``None`` where it is not.
    """

    path: Path
    change: Change | None = None

    def send(self, ended: bool = False) -> None:
        """Have the address hold what the folder does; with the weights if it ``ended``. Only the first process sends.

        Raises:
            StorageError: another writer was quicker, or the store refuses: it holds then what was sent before.
        """
        if self.change is None:
            return
        Sent.of(self.path, ended).write(self.path)
        try:
            self.change.send()
        except Moved:
            raise
        except StorageError as fault:
            cure = f"go on with --resume: all that was done is kept below {self.path.parent}"
            raise StorageError(fault.problem, where=fault.where, cure=cure) from None


@contextmanager
def run_folder(out: Place | RunFolder, wait: float = 0.0, say: Say = print) -> Iterator[RunFolder]:
    """The folder in which a run is trained; of an address, one in the cache, which has the newest checkpoints of it.

    Args:
        out: the run folder, or its address; one that is open already stays as it is.
        wait: seconds to wait for another writer to an address.
        say: told what is worth knowing.

    Raises:
        StorageError: another writer is at work at the address, or the store refuses.
        CheckpointError: the record of its checkpoints is damaged.
        ConfigurationError: the processes do not see the same folder.
    """
    place = out if isinstance(out, RunFolder) else placed(out)
    if isinstance(place, RunFolder):
        yield place
    elif isinstance(place, Path):
        yield RunFolder(place)
    elif is_first():
        with change(place, Nest.of(place).apart("training"), TRAINING, wait, say) as one:
            yield RunFolder(_shared(one.folder), one)
    else:
        yield RunFolder(_shared(None))


def _shared(folder: Path | None) -> Path:
    """The first process's folder, which every process must see; ``folder``: what the first one says."""
    path, token = agreed((folder, secrets.token_hex(8)))
    assert path is not None
    mark = path.parent / f".{token}"
    if folder is not None:
        mark.touch()
    agreed(None)  # it is there now
    unseen = anywhere(not mark.exists())
    if folder is not None:
        mark.unlink()
    if unseen:
        problem = f"not every process sees {path.parent}, where the first one trains"
        cure = f"let {CACHE} name a folder that all machines mount, or train on one machine"
        raise ConfigurationError(problem, cure=cure)
    return path
