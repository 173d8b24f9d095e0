"""4,096 transport problems 40×50 with uniform marginals, solved until ``‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁`` is at most 1e-4.

Every solver has a measure of its own for when to stop; its threshold is set so that the sum above is surely small
enough, and the note of a row has the largest sum that is left. The solvers get ready costs and give plans. The kernels
get tokens: their time also holds cosines, transported tokens and pooling down to a score, and no plan leaves them.
POT's loop is timed on some of the problems and its time extrapolated.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

if __name__ == "__main__":  # modules are named from the repository's root: `kernels` is a package of others
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks._features import World
from benchmarks._machine import usable_cores
from benchmarks._measure import Timing, in_turns, threads
from benchmarks._operands import Operands, formula
from benchmarks._report import Benchmark, Options, Row
from benchmarks._works import by_kernels
from otmel.kernels import Formula
from otmel.models.base import LateState
from otmel.ot import Sides, Sinkhorn, Transport
from otmel.ot.cost import cosine_cost
from otmel.ot.transport import Problem, solve

ROWS, COLUMNS = 40, 50
TOLERANCE = 1e-4
EUCLIDEAN = TOLERANCE / COLUMNS**0.5
"""POT stops by the Euclidean norm of one side's error, the other side's being zero."""
MOST = 1000
BASELINE = "POT batch"
DEFAULT = "POT batch, logarithms (its default)"


@dataclass(frozen=True)
class Extent:
    """Mentions × entities that make the problems, problems of POT's loop, rounds, temperatures."""

    sides: tuple[int, int]
    looped: int
    repeats: int
    epsilons: tuple[float, ...]


EXTENTS = {
    "full": Extent((64, 64), 512, 5, (0.6, 0.1, 0.05)),
    "quick": Extent((64, 64), 64, 2, (0.6, 0.05)),
    "tiny": Extent((4, 16), 8, 1, (0.6,)),
}


@dataclass(frozen=True)
class Solver:
    """A way to solve problems.

    Attributes:
        run: solves; gives the plans, or nothing where plans never exist.
        problems: how many it solves.
    """

    run: Callable[[], Tensor | None]
    problems: int


def rows(options: Options) -> Iterator[Row]:
    """Every temperature with every number of threads that there are cores for."""
    extent = EXTENTS[options.size]
    for epsilon in extent.epsilons:
        for count in [count for count in options.threads if count <= len(usable_cores())]:
            with threads(count), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # POT's, of problems that reach the tolerance late
                solvers = _solvers(_operand(extent.sides), epsilon, extent.looped, count)
                timings = in_turns({name: one.run for name, one in solvers.items()}, extent.repeats)
                yield from _rows(f"ε = {epsilon:g}", count, solvers, timings)


def _operand(sides: tuple[int, int]) -> Operands:
    """Clustered tokens: entities receive with 40 tokens, mentions send 50."""
    world = World("clustered")
    entity, mention = world.entities(0, sides[1]).late["T"], world.mentions(sides[0]).late["V"]
    return Operands(LateState(mention.tokens, mention.mask, mention.values), entity)


def _solvers(operand: Operands, epsilon: float, looped: int, count: int) -> dict[str, Solver]:
    sides = Sides(operand.entity.tokens, operand.mention.tokens, operand.entity.mask, operand.mention.mask, "crossed")
    cost = cosine_cost(sides).flatten(0, 1)
    mine = Sinkhorn(epsilon=epsilon, iterations=MOST, tolerance=TOLERANCE)
    problem = Problem(cost, torch.full((1, ROWS), 1 / ROWS), torch.full((1, COLUMNS), 1 / COLUMNS))
    form = _form(epsilon)
    found = {
        BASELINE: Solver(lambda: _batch(cost, epsilon, "sinkhorn"), len(cost)),
        DEFAULT: Solver(lambda: _batch(cost, epsilon, "log_sinkhorn"), len(cost)),
        "POT loop": Solver(lambda: _loop(cost[:looped], epsilon), min(looped, len(cost))),
        "otmel.ot.solve": Solver(lambda: solve(problem, mine).matrix, len(cost)),
    }
    for work in by_kernels(form, {"T": operand}, count):
        found[f"kernel {work.name}, the whole score"] = Solver(_no_plan(work.run), len(cost))
    return found


def _form(epsilon: float) -> Formula:
    form = formula("PAPER")
    assert isinstance(form.assignment, Transport)
    solver = Sinkhorn(epsilon=epsilon, iterations=MOST, tolerance=TOLERANCE)
    return replace(form, assignment=form.assignment.model_copy(update={"solver": solver}))


def _no_plan(run: Callable[[], object]) -> Callable[[], None]:
    def alone() -> None:
        run()

    return alone


def _batch(cost: Float[Tensor, "B n m"], epsilon: float, method: str) -> Tensor:
    from ot.batch import solve_batch

    plan = solve_batch(cost, reg=epsilon, max_iter=MOST, tol=EUCLIDEAN, method=method, grad="detach").plan
    assert isinstance(plan, Tensor)
    return plan


def _loop(costs: Float[Tensor, "B n m"], epsilon: float) -> Tensor:
    import ot

    a, b = ot.unif(ROWS), ot.unif(COLUMNS)
    plans = [ot.sinkhorn(a, b, one, epsilon, numItermax=MOST, stopThr=EUCLIDEAN) for one in costs.double().numpy()]
    return torch.stack([torch.from_numpy(plan) for plan in plans])


def _rows(title: str, count: int, solvers: Mapping[str, Solver], timings: Mapping[str, Timing]) -> Iterator[Row]:
    seconds = {name: timings[name].seconds(count) / one.problems for name, one in solvers.items()}
    for name, one in solvers.items():
        plans = one.run()
        left = "" if plans is None else f"error left: {_error(plans):.1e}"
        whole = solvers[BASELINE].problems
        part = f"; {one.problems} problems timed, extrapolated to {whole:,}" if one.problems < whole else ""
        ratio = seconds[BASELINE] / seconds[name]
        name_and_threads = f"{title}, {name}, {count} thread{'s'[: count > 1]}"
        yield Row(name_and_threads, seconds[name] * whole * 1e3, "ms", ratio, left + part)
        if plans is None:
            gain = seconds[DEFAULT] / seconds[name]
            yield Row(f"{name_and_threads}, over POT batch's default", gain, "×", gain)


def _error(plans: Float[Tensor, "B n m"]) -> float:
    rows = (plans.double().sum(-1) - 1 / ROWS).abs().sum(-1)
    return float((rows + (plans.double().sum(-2) - 1 / COLUMNS).abs().sum(-1)).max())


BENCHMARK = Benchmark("sinkhorn", "4,096 transport problems 40×50 to 1e-4: milliseconds", rows)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
