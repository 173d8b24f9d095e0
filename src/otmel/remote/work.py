"""The copy that a writer changes: kept until what it holds stands in the store, whatever happens meanwhile."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from otmel.remote.cache import Nest, link_or_copy, walked
from otmel.remote.lease import Lease
from otmel.remote.store import Entry, fingerprint
from otmel.settings import Settings
from otmel.storage import atomic_write_json

RECORD: Final = "work.json"
SENT: Final = "work.sent"


class Begun(Settings):
    """What ``work.json`` says.

    Attributes:
        stamp: the state in the store that the copy was made of; empty: there was nothing.
        claim: the name of this copy's claim to write.
        files: name → size and time here, of the files that the store has.
        heads: name → SHA-256, of those that make commits.
    """

    stamp: str
    claim: str
    files: dict[str, tuple[int, int]] = Field(default_factory=dict)
    heads: dict[str, str] = Field(default_factory=dict)


@dataclass
class Work:
    """A writer's copy.

    Attributes:
        nest: where it lies.
        begun: of what it was made.
    """

    nest: Nest
    begun: Begun
    _sent: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def found(cls, nest: Nest) -> Work:
        """The copy that an earlier writer left, or an empty one."""
        try:
            begun = Begun.model_validate(json.loads((nest.root / RECORD).read_bytes()))
        except (OSError, ValueError, ValidationError):
            begun = Begun(stamp="", claim=Lease.new_name())
            shutil.rmtree(nest.work, ignore_errors=True)
        work = cls(nest, begun)
        nest.work.mkdir(parents=True, exist_ok=True)
        work._save()
        work._sent = work._read_sent()
        return work

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.nest.work

    def renew(self, view: Path | None) -> None:
        """Begin with the files of a view; with nothing at all for ``None``. ``settle`` is to follow."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for name in () if view is None else walked(view):
            link_or_copy(view / name, self.folder / name)  # pyright: ignore[reportOptionalOperand]

    def settle(self, stamp: str, files: Mapping[str, Entry], heads: Iterable[str]) -> None:
        """Note that the store holds these files as they are here. With this, nothing is left to be sent."""
        listed = {name: (one.size, one.time) for name, one in files.items()}
        hashes = {name: fingerprint((self.folder / name).read_bytes()) for name in heads}
        self.begun = Begun(stamp=stamp, claim=self.begun.claim, files=listed, heads=hashes)
        self._save()
        (self.nest.root / SENT).unlink(missing_ok=True)
        self._sent = {}

    def changed(self, files: Mapping[str, Entry]) -> list[str]:
        """Of the files here, those that the store did not have."""
        return [name for name, one in files.items() if self.begun.files.get(name) != (one.size, one.time)]

    def is_sent(self, name: str, here: Entry, there: Entry | None) -> bool:
        """Whether an interrupted writer has sent a file already, and it still stands there."""
        return there is not None and self._sent.get(name) == _figures(here, there)

    def note_sent(self, name: str, here: Entry, there: Entry) -> None:
        """Note that a file was sent."""
        line = json.dumps([name, *_figures(here, there)])
        with (self.nest.root / SENT).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _save(self) -> None:
        atomic_write_json(self.nest.root / RECORD, self.begun.model_dump(mode="json"))

    def _read_sent(self) -> dict[str, list[int]]:
        """What was sent; a last line that was not written to its end is none."""
        found: dict[str, list[int]] = {}
        try:
            lines = (self.nest.root / SENT).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return {}
        for line in lines:
            try:
                name, *figures = json.loads(line)
            except (ValueError, TypeError):
                continue
            found[name] = figures
        return found


def _figures(here: Entry, there: Entry) -> list[int]:
    """What tells a file that was sent; stores are asked for times in ways that agree to the second."""
    return [here.size, here.time, there.size, there.time // 10**9]
