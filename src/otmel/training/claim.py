"""Who owns a run folder: what the run is made of, and whether the folder is free for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import distributed

from otmel.data.dataset import Dataset
from otmel.errors import CheckpointError
from otmel.evaluation.results import versions
from otmel.models.bundle import RUN_FILE, read_record
from otmel.objectives.gather import is_first, processes
from otmel.remote.told import told
from otmel.storage import atomic_write_json
from otmel.training.settings import RunSettings

CHECKPOINTS, LOG_FILE = "checkpoints", "log.jsonl"


def record_of(dataset: Dataset, settings: RunSettings) -> dict[str, Any]:
    """What ``run.json`` says of a run before it has ended."""
    return {
        "settings": settings.model_dump(mode="json"),
        "dataset": dataset.name,
        "dataset_root": None if dataset.root is None else told(str(dataset.root)),
        "data": {"train": dataset.digest("train"), "graph": dataset.graph.snapshot, "entities": len(dataset.graph)},
        "processes": processes(),
        "versions": versions(),
    }


def claim(out: Path, record: dict[str, Any]) -> None:
    """Take the folder, once nothing stands in the way of training; of several processes, the first one takes it."""
    if processes() > 1:
        distributed.barrier()  # every process has found the folder free
    if not (out / RUN_FILE).exists() and is_first():
        atomic_write_json(out / RUN_FILE, record)


def check_free(out: Path, record: dict[str, Any], resume: bool) -> None:
    """Make sure that no run stands in the folder, or that it is the one to resume."""
    if not (out / RUN_FILE).exists():
        if out.is_dir() and any(path.name != CHECKPOINTS for path in out.iterdir()):
            problem = "there is no run to resume" if resume else "the folder holds something that is no run"
            raise CheckpointError(problem, where=str(out), cure="name a new folder with --out")
        return
    if not resume:
        raise CheckpointError(
            "a run stands here already", where=str(out), cure="resume it with --resume, or choose another --out"
        )
    before = read_record(out)
    _check_processes(before.get("processes", 1), record["processes"], out)
    for key in ("settings", "data"):
        if before.get(key) != record[key]:
            raise CheckpointError(
                f"the run was started with other {key}: {_difference(before.get(key), record[key])}",
                where=str(out),
                cure="resume with the same command, or start a new run in another folder",
            )


def _check_processes(before: int, now: int, out: Path) -> None:
    """Another number of processes would make other batches, and draw other numbers for dropout."""
    if before != now:
        raise CheckpointError(
            f"the run was started with {before} process{'es' * (before > 1)}, and this is {now}",
            where=str(out),
            cure=f"resume with as many (torchrun … -m otmel train …), or start a new run; {before} × "
            "training.batch_size mentions make a batch",
        )


def _difference(before: Any, now: Any, place: str = "") -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                return _difference(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    return f"{place} was {before!r} and is now {now!r}"
