"""The kernel triton: against the definition under the interpreter and on a GPU, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from otmel.kernels import Formula, pack
from otmel.kernels.triton_kernel import KERNEL
from otmel.ot import Attention, Sinkhorn, SoftPool, Transport

ABSENT = find_spec("triton") is None
here = pytest.mark.skipif(ABSENT, reason="Triton, the optional extra 'cuda', is absent")
on_a_gpu = pytest.mark.skipif(ABSENT or not torch.cuda.is_available(), reason="there is no CUDA device here")


def interpreted():
    """What the kernel scores in a process whose Triton interprets."""
    script = Path(__file__).with_name("interpreted_triton.py")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-W", "error", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@here
def test_interpreted_it_agrees_on_every_formula_with_the_same_bits_in_any_company():
    # One test, so that the process runs once however tests are spread over workers.
    found = interpreted()
    for name, one in found["formulas"].items():
        refused = ("logarithms", "null key", "learned marginals", "over their marginal", "matched")
        assert ("refused" in one) == any(what in name for what in refused), name
        if "refused" not in one:
            assert one["error"] <= one["own"] + KERNEL.tolerance, name
            assert not one["empty"], name
    for name in ("PAPER", "RELEASED"):
        one = found["formulas"][name]
        assert one["differing"] == [], name
        assert one["error"] < one["first pass"] < 1e-3, name
    assert found["chunks"] == {"blocks": 6, "sparse": True, "chunked": True}


@here
def test_refuses_what_it_does_not_cover_by_name(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    small = Formula(Transport(solver=Sinkhorn(epsilon=0.01)), SoftPool())
    assert KERNEL.refusal(Formula(Attention(), SoftPool()), "float32") is None
    assert "ε = 0.01" in (KERNEL.refusal(small, "float32") or "")


def test_refuses_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert "otmel[cuda]" in (KERNEL.refusal(Formula(Attention(), SoftPool()), "float32") or "")


@here
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_refuses_without_a_gpu(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert KERNEL.refusal(Formula(Attention(), SoftPool()), "float32") == "there is no CUDA device"


ON_A_GPU = ("PAPER", "RELEASED", "default", "unbalanced", "max", "mean, LayerNorm", "attention, residual, LayerNorms")


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("width", [20, 96, 200])
@pytest.mark.parametrize("preset", ON_A_GPU)
def test_agrees_on_a_gpu(preset, width, make_case):
    for length in (1, 7, 16, 40, 50, 77, 128):
        case = make_case(preset, width, length)
        truth, packed = case.plain(torch.float64), case.packed
        own = ((case.plain(torch.float32).double() - truth).abs() / case.largest()).max()
        stop = getattr(getattr(case.formula.assignment, "solver", None), "tolerance", None) or 0.0
        for arithmetic, slack in (("float32", KERNEL.tolerance), ("bfloat16", 2e-3)):
            late = case.rows(packed, KERNEL.bind(case.formula, 1, arithmetic).tile(case.mentions, packed.blocks))
            assert ((late.double() - truth).abs() / case.largest()).max() <= own + slack + stop


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("preset", ON_A_GPU)
def test_bits_do_not_depend_on_the_company_on_a_gpu(preset, make_case, every_pair):
    case = make_case(preset, 96, 40, mentions=5, entities=70)
    for precision in ("float32", "float16", "int8"):
        blocks = pack(case.formula.queries(case.tokens), case.entity_mask, case.target, precision).blocks
        mentions, scoring = case.mentions, KERNEL.bind(case.formula, 1, "float32")
        late = scoring.tile(mentions, blocks)
        mention, slot = every_pair(mentions, blocks)
        assert torch.equal(scoring.pairs(mentions, blocks, mention, slot), late[mention, slot])
        assert torch.equal(scoring.pairs(mentions, blocks, mention[:9], slot[:9]), late[mention[:9], slot[:9]])
        assert torch.equal(torch.cat([scoring.tile(mentions[m : m + 1], blocks) for m in range(5)]), late)
        parts = [scoring.tile(mentions, blocks.part(b, b + 1)) for b in range(len(blocks))]
        assert torch.equal(torch.cat(parts, 1), late)
        assert torch.equal(KERNEL.bind(case.formula, 1, "float32").tile(mentions, blocks), late)
