"""Two processes under ``torchrun``: killed and resumed they end in the bits of two that were not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otmel.errors import CheckpointError
from otmel.models.bundle import WEIGHTS_FILE
from otmel.training.checkpoints import is_sound, step_of
from otmel.training.claim import CHECKPOINTS, LOG_FILE, check_free

CHILD = Path(__file__).with_name("child.py")
PIECES = {"chunk": 3, "batch_size": 4, "epochs": 2}
"""Pieces of a batch, with dropout: four steps of an epoch, each of eight mentions."""


def two(out: Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
    words = [*command, str(CHILD), str(out), json.dumps({"training": PIECES, **options})]
    return subprocess.run(words, capture_output=True, text=True, timeout=240, check=False, env=environment)


def log(out: Path) -> list[dict]:
    rows = [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]
    kept = ("step", "eval_mrr", "loss", "grad_norm")
    return [{key: row[key] for key in kept if key in row} for row in rows if "train_runtime" not in row]


@pytest.mark.slow
def test_killed_and_resumed_two_processes_end_in_the_same_bits(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = two(whole)
    assert done.returncode == 0, done.stderr
    killed = two(cut, batch=7, signal=signal.SIGKILL)  # while the sixth step is made
    assert killed.returncode != 0
    assert not (cut / WEIGHTS_FILE).exists()
    (newest,) = [one for one in (cut / CHECKPOINTS).glob("checkpoint-*") if step_of(one) == 4]
    assert is_sound(newest)
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= json.loads((newest / "seal.json").read_text()).keys()
    resumed = two(cut, resume=True)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.count("resuming after step 4") == 1
    assert (cut / WEIGHTS_FILE).read_bytes() == (whole / WEIGHTS_FILE).read_bytes()
    assert log(cut) == log(whole)


@pytest.mark.parametrize(("before", "now"), [(2, 1), (1, 2), (None, 2)])
def test_another_number_of_processes_is_refused(tmp_path, before, now):
    record = {"settings": {}, "data": {}, "processes": before}
    if before is None:
        del record["processes"]  # of a run from before this was kept: it was one
    (tmp_path / "run.json").write_text(json.dumps(record))
    check_free(tmp_path, {**record, "processes": before or 1}, resume=True)
    with pytest.raises(CheckpointError, match=f"started with {before or 1} process(es)?, and this is {now}") as fault:
        check_free(tmp_path, {**record, "processes": now}, resume=True)
    assert "torchrun" in str(fault.value)
