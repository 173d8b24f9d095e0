"""The program of the kernel triton compiles for real GPUs, and keeps all it works on in registers."""

from __future__ import annotations

import re

import pytest
import torch

from otmel.kernels.triton_device import bucketed
from otmel.kernels.triton_form import compiled, numbers, parameters, warps
from otmel.kernels.triton_operands import Given, Operand, Sets, Work

triton = pytest.importorskip("triton", reason="Triton, the optional extra 'cuda', is absent")
LENGTHS = (40, 50)


class _Driver:
    """A GPU of a compute capability, as far as compiling asks."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_device(self) -> int:
        return self.capability

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.capability, 32)


@pytest.fixture
def gpu(request, monkeypatch, tmp_path):
    """Triton compiles for this compute capability, anew."""
    from triton.runtime import driver

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    before = driver.active if torch.cuda.is_available() else None
    driver.set_active(_Driver(request.param))
    yield request.param
    driver.set_active(before)


def operand():
    halves, whole = torch.zeros(64, dtype=torch.half), torch.zeros(64, dtype=torch.int)
    return Operand(halves, halves, torch.zeros(64), whole.long(), whole)


def work():
    return Work(torch.zeros(16, dtype=torch.int), torch.zeros(16, dtype=torch.int), torch.zeros(7, dtype=torch.long))


def spilled(said: str) -> int:
    """Bytes that the assembler kept in memory for want of registers, of what it says."""
    found = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", said)
    assert len(found) == 1, said
    return sum(map(int, found[0]))


@pytest.mark.parametrize(
    ("preset", "arithmetic", "gpu"),
    [
        *[("PAPER", "float32", gpu) for gpu in (80, 90)],
        ("RELEASED", "float32", 90),  # compiling it takes most of a minute
        *[("default", "float32", gpu) for gpu in (80, 90)],
        *[("PAPER", "bfloat16", gpu) for gpu in (80, 90)],
    ],
    indirect=["gpu"],
)
def test_nothing_spills(preset, arithmetic, gpu, make_case, monkeypatch, capsys):
    from otmel.kernels.triton_score import score

    formula = make_case(preset, 96, 2).formula
    sizes = {bucket for length in LENGTHS for bucket in bucketed(torch.tensor([length]))}
    assert sizes == {64}  # texts of 40 and images of 50 tokens are one and the same program
    form = compiled(formula, arithmetic, 96)._replace(rows=64, columns=64)
    given = Given(
        operand(), operand(), operand(), torch.zeros(64), parameters(formula, torch.device("cpu")), numbers(formula, 96)
    )
    monkeypatch.setattr(triton.knobs.nvidia, "dump_ptxas_log", True)
    kernel = score.warmup(given, work(), torch.zeros(64), form, grid=(1,), num_warps=warps(form))
    assert f"sm_{gpu}" in kernel.asm["ptx"]
    assert spilled(capsys.readouterr().out) == 0


@pytest.mark.parametrize("gpu", [80], indirect=True)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int8])
def test_blocks_of_every_precision_are_prepared(dtype, gpu, make_case):
    from otmel.kernels.triton_tiles import prepare

    form = compiled(make_case("PAPER", 4, 2).formula, "float32", 96)
    whole = torch.zeros(64, dtype=torch.long)
    scales = torch.zeros(64) if dtype == torch.int8 else None
    sets = Sets(torch.zeros(64, dtype=dtype), scales, whole, whole, whole.int(), 1536, 16)
    kernel = prepare.warmup(sets, operand(), 1e-12, form, grid=(1,), num_warps=4)
    assert "sm_80" in kernel.asm["ptx"]
