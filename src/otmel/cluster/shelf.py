"""The folder of answers: parts, each with a marker that says what it was made from, here or at an address."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otmel.cluster.parts import Part
from otmel.errors import ConfigurationError, StorageError
from otmel.linking.rows import Tally
from otmel.locks import writer_lock
from otmel.remote import Uri, written
from otmel.remote.store import Store
from otmel.storage import atomic_path, atomic_write_json, json_text, refusals_named

FORMAT: Final = 1
LOCK: Final = "lock"
AGAIN: Final = "name another --output, or remove this one"


@dataclass(frozen=True)
class Finished:
    """A part that is done.

    Attributes:
        number: of its file.
        made_of: what tells the part (``Part.made_of``).
        linked: rows with an answer.
        bad: rows with an error in its place.
    """

    number: int
    made_of: Mapping[str, Any]
    linked: int
    bad: int


@dataclass(frozen=True)
class Shelf:
    """A folder of parts.

    Attributes:
        place: where it is.
        made: all that decides what the lines say, beside the mentions; plain values.
    """

    place: Path | Uri
    made: Mapping[str, Any]

    def open(self, wait: float = 0.0) -> AbstractContextManager[None]:
        """Hold the folder, which is made where there is none. Raises ``StorageError``."""
        if isinstance(self.place, Uri):  # two commands at one address write the same lines into the same parts
            return nullcontext()
        with refusals_named(self.place):
            self.place.mkdir(parents=True, exist_ok=True)
            for left in self.place.glob(".part-*.tmp*"):  # of a killed worker; a living one writes it anew
                left.unlink(missing_ok=True)
        return writer_lock(self.place / LOCK, wait)

    def finished(self) -> list[Finished]:
        """The parts that are done. Raises ``ConfigurationError`` where one was made by another command."""
        return [self._read(name, size) for name, size in self._markers().items()]

    def plan(self, parts: Sequence[Part]) -> tuple[list[Finished], list[tuple[int, Part]]]:
        """What is done already, and what is to be done, with the number of its file.

        Raises:
            ConfigurationError: something else is done already: by another model, or of other mentions.
        """
        done = self.finished()
        wanted = {json_text(part.made_of, None): part for part in parts}
        for one in done:
            if json_text(dict(one.made_of), None) not in wanted:
                rows = f"rows {one.made_of['first'] + 1:,} to {one.made_of['last']:,} of {one.made_of['file']}"
                problem = f"part {one.number} was made from {rows}, which the input does not hold any more"
                raise ConfigurationError(problem, where=self._where(one.number), cure=AGAIN)
        there = {json_text(dict(one.made_of), None) for one in done}
        used, number, missing = {one.number for one in done}, 0, []
        for key, part in wanted.items():
            if key not in there:
                while number in used:
                    number += 1
                missing.append((number, part))
                number += 1
        return done, missing

    def write(self, number: int, part: Part, lines: Iterable[str], tally: Tally) -> None:
        """Write a part, then its marker; ``tally`` is read when the lines are through.

        Raises:
            StorageError: the disk or the store refuses.
        """
        name = f"part-{number:05d}"
        with written(self.place / f"{name}.jsonl") as target, atomic_path(target) as path:
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
            size = path.stat().st_size
        counts = {"bytes": size, "linked": tally.linked, "bad": tally.bad}
        marker = {"format": FORMAT, "made": self.made, "part": part.made_of, **counts}
        if isinstance(self.place, Uri):
            Store(self.place).write(f"{name}.json", (json_text(marker) + "\n").encode())
        else:
            atomic_write_json(self.place / f"{name}.json", marker)

    def _markers(self) -> dict[str, int]:
        """The markers of parts that are there → the size of their part."""
        if isinstance(self.place, Uri):
            sizes = {name: entry.size for name, entry in Store(self.place).content().items()}
        else:
            sizes = {path.name: path.stat().st_size for path in self.place.glob("part-*.json*")}
        names = (name for name in sizes if name.startswith("part-") and name.endswith(".json"))
        return {name: sizes[f"{name}l"] for name in sorted(names) if f"{name}l" in sizes}

    def _read(self, name: str, size: int) -> Finished:
        try:
            text = Store(self.place).read(name) if isinstance(self.place, Uri) else (self.place / name).read_bytes()
            marker = json.loads(text)
            made, number = dict(marker["made"]), int(name.removeprefix("part-").removesuffix(".json"))
            found = Finished(number, dict(marker["part"]), int(marker["linked"]), int(marker["bad"]))
            whole = int(marker["bytes"]) == size and marker["format"] == FORMAT
        except (OSError, ValueError, KeyError, TypeError):
            raise StorageError("the marker of a part is damaged", where=f"{self.place}/{name}", cure=AGAIN) from None
        if not whole:
            problem = f"a part has {size:,} bytes and was written with {marker['bytes']:,}"
            cure = f"remove {name}: the part is then made again"
            raise StorageError(problem, where=f"{self.place}/{name}l", cure=cure)
        differ = [key for key in sorted({*made, *self.made}) if made.get(key) != self.made.get(key)]
        if differ:
            said = "; ".join(f"{key} was {made.get(key)!r} and is now {self.made.get(key)!r}" for key in differ)
            raise ConfigurationError(f"another command's parts are here: {said}", where=self._where(number), cure=AGAIN)
        return found

    def _where(self, number: int) -> str:
        return f"{self.place}/part-{number:05d}.json"
