"""The kernel ``numba``: widths, refusals, and compiled code that is kept, shared or neither."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from otmel.kernels import numba_kernel as vectors

HERE = importlib.util.find_spec("numba") is not None
if HERE:
    from otmel.kernels.vector_compiled import _Entry
    from otmel.kernels.vector_memory import set_float
    from otmel.kernels.vector_types import SHAPES, host_width

needs_numba = pytest.mark.skipif(not HERE, reason="numba is not installed: pip install 'otmel[fast]'")


def test_it_says_why_it_refuses(make_case, monkeypatch):
    refusal, formula = vectors.KERNEL.refusal, make_case("PAPER", 4, 2).formula
    assert refusal(formula, "bfloat16") == "it computes in float32, not in bfloat16"
    assert "0.005" in str(refusal(make_case("logarithms", 4, 2).formula, "float32"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refusal(formula, "float32") == "numba is not installed: pip install 'otmel[fast]'"


@needs_numba
@pytest.mark.slow
@pytest.mark.parametrize("width", [4, 16])
def test_every_width_computes_the_same(width, make_case, every_pair):
    for name in ("PAPER", "RELEASED", "default", "attention, max", "unbalanced"):
        case = make_case(name, 10, 12, entities=40)
        blocks, mentions = case.packed.blocks, case.mentions
        late = vectors.Vectorised(case.formula).tile(mentions, blocks)
        other = vectors.Vectorised(case.formula, 1, width)
        assert torch.allclose(other.tile(mentions, blocks), late, atol=1e-5)
        mention, slot = every_pair(mentions, blocks)
        assert torch.equal(other.pairs(mentions, blocks, mention, slot), other.tile(mentions, blocks)[mention, slot])


@needs_numba
def test_a_host_has_a_width_that_there_is():
    assert host_width() in SHAPES


@needs_numba
def test_calls_from_many_threads_do_not_meet(make_case):
    from concurrent.futures import ThreadPoolExecutor

    cases = [make_case(name, 9, length, entities=60) for name in ("PAPER", "default") for length in (3, 11, 20)]
    scorings = [vectors.Vectorised(case.formula, 2) for case in cases]
    late = [scoring.tile(case.mentions, case.packed.blocks) for scoring, case in zip(scorings, cases, strict=True)]

    def again(turn: int) -> bool:
        n = turn % len(cases)
        return torch.equal(scorings[n].tile(cases[n].mentions, cases[n].packed.blocks), late[n])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(again, range(60)))


def _set_first(w, address):
    """The smallest piece of jitted code."""
    set_float(address, 0, 7)


def _called(entry) -> float:
    number = np.zeros(1, dtype=np.float32)
    entry(SHAPES[4], number.ctypes.data)
    return float(number[0])


@needs_numba
def test_code_is_compiled_for_the_process_where_no_folder_can_be_written(monkeypatch, caplog):
    from numba.core.caching import CacheImpl

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with caplog.at_level("INFO"):
        assert _called(_Entry(_set_first, SHAPES[4])) == 7
    assert "for this process alone" in caplog.text


@needs_numba
def test_code_is_compiled_for_the_process_where_the_folder_goes_away(monkeypatch, tmp_path, caplog):
    import numba

    kept = tmp_path / "kept"
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(kept))
    made = _Entry(_set_first, SHAPES[4])
    shutil.rmtree(kept)
    kept.write_text("no folder")
    with caplog.at_level("WARNING"):
        assert _called(made) == 7
        assert _called(made) == 7
    assert "cannot be kept or read" in caplog.text


@needs_numba
def test_a_broken_file_of_code_is_not_run(monkeypatch, tmp_path):
    import numba

    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path))
    assert _called(_Entry(_set_first, SHAPES[4])) == 7
    files = list(tmp_path.rglob("*.nbc"))
    assert len(files) == 1
    files[0].write_bytes(files[0].read_bytes()[:100])
    assert _called(_Entry(_set_first, SHAPES[4])) == 7


_CHILD = """
import json, sys, torch
from otmel.kernels import Formula, Senders, vector_call, vector_types
from otmel.ot import Attention, SoftPool
lanes, (form, held) = vector_types.SHAPES[4], vector_call.form_of(Formula(Attention(), SoftPool()))
mentions = Senders(torch.arange(6.0).view(1, 2, 3), torch.arange(6.0).view(1, 2, 3), torch.tensor([2]))
from otmel.kernels import pack
blocks = pack(torch.ones(1, 1, 3), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 3)).blocks
call = vector_call.Call(lanes, form, mentions, blocks)
print(json.dumps(call.held[-3].flatten().tolist()))
"""


@needs_numba
@pytest.mark.slow
def test_processes_may_compile_at_once(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen([sys.executable, "-c", _CHILD], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [json.loads(child.communicate(timeout=240)[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert answers[0] == answers[1]
    written = {path: path.stat().st_mtime_ns for path in Path(tmp_path).rglob("*.nb*")}
    assert written
    last = subprocess.run([sys.executable, "-c", _CHILD], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(last.stdout) == answers[0]
    assert {path: path.stat().st_mtime_ns for path in Path(tmp_path).rglob("*.nb*")} == written
