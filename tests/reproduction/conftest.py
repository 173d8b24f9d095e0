"""Synthetic evaluations: run folders as ``otmel train`` and ``otmel evaluate`` leave them, without any training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from otmel.data.datasets import load_dataset
from otmel.evaluation.files import Evaluation, MentionResult, write_evaluation
from otmel.evaluation.ranks import Ranks
from otmel.evaluation.results import System, Task, summarise
from otmel.models.bundle import RUN_FILE
from otmel.reproduction.plan import FLOOR, Plan, Run, planned
from otmel.reproduction.request import Request
from otmel.reproduction.scale import scale
from otmel.reproduction.targets import target
from otmel.storage import atomic_write_json
from otmel.training.claim import record_of

Asked = Callable[..., Request]


@pytest.fixture
def asked(tmp_path: Path, tiny_world: Path, tiny_encoder: Path) -> Asked:
    """A request at the scale tiny on the tiny world, with an encoder that is there."""

    def ask(name: str, **changes: object) -> Request:
        given = {"scale": scale("tiny"), "data": (tiny_world,), "encoders": {"": str(tiny_encoder)}, "seeds": 2}
        return Request(target(name), **(given | {"out": tmp_path / "out"} | changes))

    return ask


def pretend(run: Run, luck: float = 0.5) -> None:
    """Write a finished run with ranks by lot; ``luck`` is the chance of a rank of 1."""
    atomic_write_json(run.folder / RUN_FILE, {**record_of(run.data.loaded, run.settings), "best": {"mrr": 0.5}})
    for folder, name, fate in ((run.evaluation, run.row.key, luck), (run.evaluation / FLOOR, "name match", 0.3)):
        seed = run.seed if name == run.row.key else None
        rng = random.Random(f"{run.data.name}/{name}/{seed}")
        write_evaluation(evaluation(run, System(model=name, seed=seed), lambda rng=rng, f=fate: drawn(rng, f)), folder)


def drawn(rng: random.Random, luck: float) -> int:
    return 1 if rng.random() < luck else rng.randint(2, 16)


def evaluation(run: Run, system: System, rank: Callable[[], int]) -> Evaluation:
    dataset, split = run.data.loaded, run.data.split
    mentions, graph = dataset.split(split), dataset.graph
    ranks = [rank() if mention.answer in graph else 0 for mention in mentions]
    rows = [
        MentionResult(id=m.id or f"#{n}", mention=m.name, answer=m.answer, optimistic=r, pessimistic=r)
        for n, (m, r) in enumerate(zip(mentions, ranks, strict=True))
    ]
    import numpy as np

    held = np.array(ranks, dtype=np.int64)
    result = summarise(Ranks(held, held), mentions, graph).result(system, Task.of(dataset, split))
    return Evaluation(result, tuple(rows))


@pytest.fixture
def finished() -> Callable[[Request], Plan]:
    """The plan of a request whose runs are all finished, the first row luckiest."""

    def finish(request: Request) -> Plan:
        plan = planned(request)
        for run in plan.runs:
            pretend(run, 0.9 if run.row.key == plan.runs[0].row.key else 0.5)
        return plan

    return finish


@pytest.fixture
def tiny_data(tiny_world: Path):
    return load_dataset(tiny_world)
