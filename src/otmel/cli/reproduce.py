"""``otmel reproduce``: a table or figure of the paper, from its runs to its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from otmel.cli.console import Json, Set, emit, note, resumable
from otmel.cli.places import Here

if TYPE_CHECKING:
    from otmel.reproduction.request import Request

Often = Annotated[tuple[str, ...], Parameter(show_default=False)]


def reproduce(
    target: str,
    *,
    data: Annotated[tuple[Here, ...], Parameter(show_default=False)] = (),
    out: Here = Path("reproduction"),
    seeds: int = 3,
    scale: Literal["full", "tiny"] = "full",
    encoder: Often = (),
    only: Often = (),
    preset: str | None = None,
    set: Set = (),
    detector: str | None = None,
    mention: str | None = None,
    jobs: int = 1,
    dry_run: bool = False,
    json: Json = False,
) -> None:
    """Reproduce a table or a figure.

    Args:
        target: table1 … table7, figure3, figure4, figure6, figure7, low-resource or text-composition.
        data: a data set's folder. May be given often; without one, scale tiny generates a world.
        out: the folder of encoders, runs and reports. Targets share what they have in common.
        seeds: how many training runs of each row. Intervals over training runs need two.
        scale: full is the paper's setting; tiny needs no download, small data, and hours on two cores.
        encoder: a pretrained encoder by folder or name for all systems over two towers, or SYSTEM=ENCODER for one. May
            be given often; by default the published one of each system, at scale tiny one pretrained on the data.
        only: a row to run and to report, in place of all. May be given often.
        preset: start the settings from this one: PAPER (scale full), default (scale tiny) or RELEASED.
        set: override a setting of every run: key=value. May be given often.
        detector: folder or name of an object detector of transformers (RT-DETR, YOLOS, DETR), to count objects with.
        mention: the id of the mention that figure4 shows.
        jobs: runs at a time; the cores are shared among them.
        dry_run: print what would be run and what is missing, and run nothing.
        json: print the result as JSON, and nothing else.
    """
    from otmel.errors import ConfigurationError
    from otmel.reproduction.encoders import named_encoders
    from otmel.reproduction.plan import planned
    from otmel.reproduction.reproduce import reproduce as run
    from otmel.reproduction.request import Request
    from otmel.reproduction.scale import scale as scale_of
    from otmel.reproduction.targets import target as target_of

    for flag, number in (("--seeds", seeds), ("--jobs", jobs)):
        if number < 1:
            raise ConfigurationError(f"{flag} {number}: at least one is needed")
    request = Request(
        target=target_of(target),
        scale=scale_of(scale),
        out=out,
        data=data,
        seeds=seeds,
        encoders=named_encoders(encoder),
        only=only,
        preset=preset,
        set=set,
        detector=detector,
        mention=mention,
        jobs=jobs,
    )
    if dry_run:
        emit(planned(request), json)
        return
    with resumable(f"nothing is lost: go on with: {_command(request)}"):
        emit(run(request, note), json)


def _command(request: Request) -> str:
    import shlex

    return shlex.join(request.words())
