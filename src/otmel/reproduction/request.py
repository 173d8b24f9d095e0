"""What is asked for: a target, data, a scale and where to put everything."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otmel.data.dataset import Dataset
from otmel.data.datasets import load_dataset, recognise
from otmel.data.records import Mention
from otmel.data.world_files import MARK
from otmel.errors import ConfigurationError, DataError, nearest
from otmel.reproduction.scale import Scale
from otmel.reproduction.target import Row, Target


@dataclass(frozen=True)
class Request:
    """What a reproduction is asked to do.

    Attributes:
        target: the table or figure.
        scale: how large.
        out: where everything goes.
        data: folders of data sets; none: a generated world, at the scale tiny.
        seeds: how many, from 0.
        encoders: system → its encoder by name or folder; the key ``""`` serves every system over two towers.
        only: keys or labels of rows; empty for all.
        preset: in place of the scale's.
        set: settings of every run, on top of all others.
        detector: name or folder of an object detector, for what counts objects.
        mention: id of the mention that figure 4 shows.
        jobs: runs at a time.
    """

    target: Target
    scale: Scale
    out: Path
    data: tuple[Path, ...] = ()
    seeds: int = 3
    encoders: dict[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    preset: str | None = None
    set: tuple[str, ...] = ()
    detector: str | None = None
    mention: str | None = None
    jobs: int = 1

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are asked for. Raises ``ConfigurationError`` where one is unknown."""
        names = {name.casefold(): row for row in self.target.rows for name in (row.label, row.key)}
        for one in self.only:
            if one.casefold() not in names:
                cure = nearest(one, [row.key for row in self.target.rows])
                raise ConfigurationError(f"{self.target.name} has no row {one!r}", where="--only", cure=cure)
        wanted = {one.casefold() for one in self.only}
        return tuple(
            row for row in self.target.rows if not wanted or {row.label.casefold(), row.key.casefold()} & wanted
        )

    @property
    def threads(self) -> int:
        """Of each run: the cores are shared by the runs that go on at a time."""
        return int(os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // self.jobs))

    def words(self) -> list[str]:
        """The command that asks for the same, as typed."""
        words = ["otmel", "reproduce", self.target.name, "--scale", self.scale.name, "--seeds", str(self.seeds)]
        words += [word for folder in self.data for word in ("--data", str(folder))]
        for name, encoder in self.encoders.items():
            words += ["--encoder", f"{name}={encoder}" if name else encoder]
        words += [word for row in self.only for word in ("--only", row)]
        words += [word for one in self.set for word in ("--set", one)]
        for flag in ("preset", "detector", "mention"):
            value: Any = getattr(self, flag)
            words += [] if value is None else [f"--{flag}", value]
        return [*words, "--out", str(self.out)]


@dataclass(frozen=True)
class Data:
    """A data set as a reproduction uses it.

    Attributes:
        name: of its folders in the output, unique.
        folder: where it is.
        generated: whether it is the world that the reproduction makes.
        dataset: what was read; ``None`` while it is not there.
    """

    name: str
    folder: Path
    generated: bool = False
    dataset: Dataset | None = None

    @property
    def loaded(self) -> Dataset:
        """What was read."""
        assert self.dataset is not None, f"{self.name} is not there yet"
        return self.dataset

    @property
    def is_world(self) -> bool:
        """Whether it is a generated world, with captions to pretrain on."""
        return self.generated or (self.folder / MARK).is_file()

    @property
    def split(self) -> str:
        """What is measured: the test mentions, or the development mentions where the data have no others."""
        return "test" if self.dataset is None or self.dataset.splits.get("test") else "dev"

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """The mentions that are measured."""
        return self.loaded.split(self.split)

    @property
    def benchmark(self) -> str | None:
        """Its name in the paper, where it is one of the paper's."""
        known = recognise(self.folder)
        return None if known is None else known.name

    @property
    def pictured(self) -> bool:
        """Whether any mention or entity has an image."""
        if self.dataset is None:
            return True
        mentions = (mention for split in self.dataset.splits.values() for mention in split)
        return any(m.image is not None for m in mentions) or any(e.images for e in self.dataset.graph)

    @property
    def described(self) -> bool:
        """Whether any entity has a description."""
        return self.dataset is None or any(entity.description for entity in self.dataset.graph)


def data_of(request: Request) -> tuple[Data, ...]:
    """The data sets of a request, read where they are there.

    Raises:
        ConfigurationError: none is named at the scale full, or two folders have one name.
        DataError: a folder is no data set, or has no mentions to train on or to measure.
    """
    if not request.data:
        if request.scale.name != "tiny":
            cure = "name the folders with --data, or reproduce at the scale tiny on a generated world: --scale tiny"
            raise ConfigurationError("no data set is named", cure=cure)
        folder = (request.out / "data" / "world").resolve()
        there = load_dataset(folder) if (folder / MARK).is_file() else None
        return (Data("world", folder, True, there),)
    names = [re.sub(r"[^\w.-]+", "-", folder.resolve().name) for folder in request.data]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(
            f"two data sets are called {twice!r}", where="--data", cure="rename one of the folders"
        )
    return tuple(_read(name, folder) for name, folder in zip(names, request.data, strict=True))


def _read(name: str, folder: Path) -> Data:
    folder = folder.resolve()
    return Data(name, folder, dataset=load_dataset(folder))


def check_splits(data: Sequence[Data]) -> None:
    """Raise ``DataError`` where a data set has nothing to train on or to measure."""
    for one in data:
        for split in () if one.dataset is None else ("train", one.split):
            try:
                one.loaded.split(split)
            except DataError as fault:
                cure = fault.cure or "a reproduction trains on the split train and measures on test, or on dev"
                raise DataError(fault.problem, where=fault.where, cure=cure) from None
