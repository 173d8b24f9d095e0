"""Random transport problems and token sides, ragged or full."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from otmel.ot import Problem, Sides


def _masks(batch: int, length: int, ragged: bool) -> Tensor:
    mask = torch.ones(batch, length, dtype=torch.bool)
    if ragged:
        for row in range(batch):
            mask[row, max(1, length - row) :] = False
    return mask


def random_sides(batch=3, n=4, m=5, d=8, seed=0, dtype=torch.float64, ragged=False, layout="aligned") -> Sides:
    """Gaussian tokens; with ``ragged``, item ``b`` lacks its last ``b`` tokens on both sides, at least one stays."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(batch, n, d, generator=generator, dtype=torch.float64).to(dtype)
    columns = torch.randn(batch, m, d, generator=generator, dtype=torch.float64).to(dtype)
    return Sides(rows, columns, _masks(batch, n, ragged), _masks(batch, m, ragged), layout)


def random_problem(batch=3, n=4, m=5, seed=0, dtype=torch.float64) -> Problem:
    """Costs uniform in [0, 1] and random marginals without zeros."""
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(batch, n, m, generator=generator, dtype=torch.float64)
    rows = 0.2 + torch.rand(batch, n, generator=generator, dtype=torch.float64)
    columns = 0.2 + torch.rand(batch, m, generator=generator, dtype=torch.float64)
    rows, columns = rows / rows.sum(-1, keepdim=True), columns / columns.sum(-1, keepdim=True)
    return Problem(cost.to(dtype), rows.to(dtype), columns.to(dtype))


@pytest.fixture
def make_sides() -> Callable[..., Sides]:
    return random_sides


@pytest.fixture
def make_problem() -> Callable[..., Problem]:
    return random_problem


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
