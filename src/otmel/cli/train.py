"""``otmel train``: train a linker, or go on with a run that was interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel.cli.console import Json, emit, note
from otmel.cli.places import Here, Where
from otmel.cli.run_options import RunOptions
from otmel.remote import is_remote
from otmel.settings import validated

if TYPE_CHECKING:
    from otmel.training.settings import RunSettings

NO_OPTIONS = RunOptions()


@dataclass(frozen=True)
class Trained:
    """What ``otmel train`` has to say in the end."""

    run: Where
    data: Where
    record: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The folder and everything in its ``run.json``."""
        return {"run": str(self.run), **self.record}

    def as_text(self) -> str:
        """The best validation, the folder, and what to type next."""
        best = self.record["best"]
        return (
            f"best validation: MRR {100 * best['mrr']:.1f} after step {best['step']} of {best['steps']}\n"
            f"wrote {self.run}\n"
            f"next: otmel evaluate {self.run} {self.data} --split dev"
        )


def train(
    data: Where,
    *,
    out: Where,
    options: RunOptions = NO_OPTIONS,
    resume: bool = False,
    features: Here | None = None,
    wait: float = 0.0,
    dry_run: bool = False,
    json: Json = False,
) -> None:
    """Train a linker.

    Args:
        data: the data set. It, the encoder and the run may be addresses: s3://BUCKET/PATH.
        out: the run folder to write.
        options: what decides the settings.
        resume: go on with the run that stands in the folder; its settings need not be given again.
        features: keep what a frozen encoder gives in this folder, for further runs on the same data.
        wait: seconds to wait while another process is training at the address.
        dry_run: print the settings as JSON, and train nothing.
        json: print the result as JSON, and nothing else.
    """
    # Those of a run at an address stand in the folder that it is trained in, which is not open yet.
    settings = None if resume and is_remote(out) and not dry_run else _settings(out, options, resume)
    if dry_run and settings is not None:
        emit(settings.model_dump(mode="json"), json=True)
        return
    from otmel.data.datasets import load_dataset
    from otmel.training import run

    with one_voice() as first:
        say = note if first else _silent
        dataset = load_dataset(data.resolve())
        for kind, number in dataset.findings.counts.most_common():
            say(f"found while reading: {kind}, {number:,} times (otmel data check names the places)")
        with run.run_folder(out, wait, say) as folder, _resumable((data, out), folder.path):
            settings = settings or _settings(folder.path, options, resume)
            with redirect_stdout(sys.stderr):  # what a tracker prints is no result
                bundle = run.train(dataset, settings, folder, resume=resume, say=say, features=features)
    if first:
        emit(Trained(out, data, bundle.record), json)


def _settings(out: Where, options: RunOptions, resume: bool) -> RunSettings:
    """The settings that the command line asks for, over those of the run that stands in ``out`` if it is resumed."""
    from otmel.models.bundle import RUN_FILE, read_record
    from otmel.remote import RUN, local
    from otmel.training.settings import RunSettings

    folder = local(out, RUN) if resume else Path()
    if resume and ((folder / RUN_FILE).exists() or options == NO_OPTIONS):
        recorded = validated(RunSettings, read_record(folder)["settings"], where=str(folder / RUN_FILE))
        return options.settings(recorded)
    return options.settings()


@contextmanager
def _resumable(asked: tuple[Where, Where], folder: Path) -> Iterator[None]:
    """Ctrl-C says how to go on: with ``--resume`` once the run has begun, by the same command before."""
    from otmel.models.bundle import RUN_FILE

    try:
        yield
    except KeyboardInterrupt:
        (data, out), begun = asked, (folder / RUN_FILE).exists()
        raise KeyboardInterrupt(f"go on with: otmel train {data} --out {out} --resume" if begun else "") from None


@contextmanager
def one_voice() -> Iterator[bool]:
    """Under ``torchrun`` the processes meet here, and all but the first fall silent; yields whether this is it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    import torch
    import torch.distributed.nn  # before there is a group: its functions' defaults would hold it, and its threads
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl")
    else:
        os.environ["ACCELERATE_USE_CPU"] = "true"  # else every process would train alone, on all of the data
        distributed.init_process_group("gloo")
    try:
        if distributed.get_rank() == 0:
            yield True
        else:
            with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
                yield False
    finally:
        distributed.destroy_process_group()


def _silent(message: str) -> None:
    """What the other processes say."""
