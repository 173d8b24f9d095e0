"""``reproduce``: plan, run what is missing, read what was measured, write the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from otmel.errors import TrainingError
from otmel.models.bundle import RUN_FILE
from otmel.reproduction.analyses import analysed, check_needs
from otmel.reproduction.collected import collected
from otmel.reproduction.encoders import check_at_hand
from otmel.reproduction.jobs import Job, Say, Workers, alone
from otmel.reproduction.plan import Plan, Run, planned
from otmel.reproduction.report import Report, written
from otmel.reproduction.request import Request
from otmel.training.run import discard_checkpoints


def reproduce(request: Request, say: Say) -> Report:
    """Run what is missing for a target, and write its report to ``OUT/<target>``.

    The same call goes on after a kill, and ends in the same numbers.

    Raises:
        ConfigurationError, DataError, CheckpointError: as ``planned``; or what it needs is not at hand.
        StorageError: the disk refused.
        TrainingError: a run failed; the report, which lists it, is written all the same.
        KeyboardInterrupt: after Ctrl-C; every run has written a checkpoint.
    """
    plan = planned(request)  # faults first: nothing is made for a request that cannot be met
    with alone(request.out.resolve(), say) as lock:
        workers = Workers(request.jobs, request.threads, say, lock)
        if any(data.dataset is None for data in plan.data):
            _required(workers, _worlds(plan))
            plan = planned(request)
        check_needs(plan)
        check_at_hand({run.row.key: _encoder(run) for run in plan.runs if Path(_encoder(run)) not in _made(plan)})
        _required(workers, _towers(plan))
        for encoder in plan.encoders:
            if not encoder.is_there:
                encoder.make()
        features = request.out.resolve() / "features"
        jobs = [_job(run, features) for run in plan.runs if run.state != "finished"]
        if jobs:
            say(f"{len(jobs)} of {len(plan.runs)} runs to do, {request.jobs} at a time, {request.threads} threads each")
        failed = workers.run(jobs)
        report = written(analysed(collected(plan, failed), say), request.out.resolve() / request.target.name)
    if failed:
        first = next(iter(failed.items()))
        raise TrainingError(
            f"{len(failed)} of {len(plan.runs)} runs failed; {first[0]}: {first[1]}",
            cure=f"see the log, and run the same command again; the report so far: {report.files[0]}",
        )
    return report


def _required(workers: Workers, jobs: Iterator[Job]) -> None:
    """Run jobs without which nothing else can be run. Raises ``TrainingError``."""
    for label, fault in workers.run(list(jobs)).items():
        raise TrainingError(f"{label} failed: {fault}", cure="see the log, and run the same command again")


def _worlds(plan: Plan) -> Iterator[Job]:
    for data in plan.data:
        if data.dataset is None:
            command = ("data", "world", "--out", str(data.folder))
            yield Job(f"generating {data.name}", "world", (command,), _log(plan.request, data.name))


def _towers(plan: Plan) -> Iterator[Job]:
    for encoder in plan.encoders:
        if encoder.data is not None and not encoder.is_there:
            log = _log(plan.request, f"encoder-{encoder.name}")
            yield Job(f"encoder of {encoder.name}", "encoder", (tuple(encoder.command()),), log)


def _log(request: Request, name: str) -> Path:
    return request.out.resolve() / "logs" / f"{name}.log"


def _encoder(run: Run) -> str:
    return str(run.settings.encoder)


def _made(plan: Plan) -> set[Path]:
    return {encoder.folder for encoder in plan.encoders if encoder.folder is not None}


def _job(run: Run, features: Path) -> Job:
    """Training, if it has not ended, then the evaluation; the checkpoints of a finished run go.

    ``features``: the folder in which what a frozen encoder gives is kept for all runs on the same data.
    """
    resume = ("--resume",) if (run.folder / RUN_FILE).exists() else ()
    kept = ("--features", str(features)) if run.settings.training.freeze_encoder else ()
    train = ("train", str(run.data.folder), "--out", str(run.folder), *run.words, *kept, *resume)
    evaluate = ("evaluate", str(run.folder), str(run.data.folder), "--split", run.data.split, *kept)
    commands = (evaluate,) if run.state == "to evaluate" else (train, evaluate)
    log = run.folder.with_name(f"{run.folder.name}.log")
    return Job(run.label, f"{run.data.name} {run.row.key}", commands, log, _discard(run))


def _discard(run: Run) -> Callable[[], None]:
    return lambda: discard_checkpoints(run.folder)
