"""``otmel train`` in two processes under ``torchrun``: they share the work, and one of them speaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from otmel.cli.train import one_voice


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)


def test_one_process_has_one_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import distributed

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with one_voice() as first:
        assert first
        assert not distributed.is_initialized()


@pytest.mark.slow
def test_two_processes_train_one_run(tiny_world: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    words = ["train", str(tiny_world), "--out", str(tmp_path / "run"), "--encoder", str(tiny_encoder), "--json"]
    settings = ["--set", "training.epochs=2", "--set", "training.evaluate_every=1", "--set", "training.batch_size=4"]
    done = torchrun("-m", "otmel", *words, *settings)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["best"]["steps"] == 4  # as of one process with batches of 8
    assert done.stderr.count("epoch 1: ") == done.stderr.count("epoch 2: ") == 1
