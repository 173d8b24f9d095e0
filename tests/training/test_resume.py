"""Training that is killed, interrupted, out of disk or damaged, and resumed, ends in the bits of one that was not."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otmel.models.base import Side
from otmel.models.bundle import WEIGHTS_FILE
from otmel.training.checkpoints import is_sound, newest_sound, step_of
from otmel.training.claim import CHECKPOINTS, LOG_FILE

CHILD = Path(__file__).with_name("child.py")


def child(out: Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHILD), str(out), json.dumps(options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment)


def weights(out: Path) -> bytes:
    return (out / WEIGHTS_FILE).read_bytes()


def log(out: Path) -> list[dict]:
    rows = [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]
    kept = ("step", "eval_mrr", "eval_h1", "learning_rate")
    return [{key: row[key] for key in kept if key in row} for row in rows if "train_runtime" not in row]


def checkpoints(out: Path) -> list[Path]:
    return sorted((out / CHECKPOINTS).glob("checkpoint-*"), key=step_of)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """A run killed with ``kill -9`` in its third epoch: copied by each test that goes on with it."""
    out = tmp_path_factory.mktemp("killed") / "run"
    step = random.Random(7).choice([11, 12])  # between the checkpoints of steps 10 and 12
    done = child(out, step=step, signal=signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (out / WEIGHTS_FILE).exists()
    return out


@pytest.fixture
def copy(killed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "moved"))


@pytest.mark.slow
def test_killed_and_resumed_it_ends_in_the_same_bits(copy, uninterrupted, train_small):
    newest = step_of(checkpoints(copy)[-1])
    said: list[str] = []
    train_small(copy, resume=True, say=said.append, checkpoint_every=2)
    assert f"resuming after step {newest}" in said
    assert weights(copy) == weights(uninterrupted)
    assert log(copy) == log(uninterrupted)


class Stopped(Exception):
    """Stands for whatever ends a run within this process."""


def stop(side: Side) -> Side:
    raise Stopped


def test_stopped_before_its_first_checkpoint_it_starts_from_the_beginning(
    tmp_path, uninterrupted, train_small, with_batch
):
    with pytest.raises(Stopped):
        train_small(tmp_path, material=with_batch(2, stop), checkpoint_every=2)
    said: list[str] = []
    train_small(tmp_path, resume=True, say=said.append, checkpoint_every=2)
    assert "no checkpoint yet: starting from the beginning" in said
    assert weights(tmp_path) == weights(uninterrupted)


def flip_a_byte(checkpoint: Path) -> None:
    content = bytearray((checkpoint / WEIGHTS_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (checkpoint / WEIGHTS_FILE).write_bytes(content)


def truncate(checkpoint: Path) -> None:
    path = checkpoint / "optimizer.pt"
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE = {
    "a flipped byte": flip_a_byte,
    "cut short": truncate,
    "a file lost": lambda checkpoint: (checkpoint / "scheduler.pt").unlink(),
    "never sealed": lambda checkpoint: (checkpoint / "seal.json").unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_newest_checkpoint_falls_back_and_ends_in_the_same_bits(copy, uninterrupted, train_small, damage):
    *_, before, newest = checkpoints(copy)
    DAMAGE[damage](newest)
    assert not is_sound(newest)
    said: list[str] = []
    train_small(copy, resume=True, say=said.append, checkpoint_every=2)
    assert said[0] == f"{newest.name} is incomplete or damaged and was removed"
    assert said[1] == f"resuming after step {step_of(before)}"
    assert weights(copy) == weights(uninterrupted)


@pytest.mark.slow
def test_with_every_checkpoint_damaged_it_starts_anew(copy, uninterrupted, train_small):
    for checkpoint in checkpoints(copy):
        truncate(checkpoint)
    said: list[str] = []
    train_small(copy, resume=True, say=said.append, checkpoint_every=2)
    assert "no checkpoint yet: starting from the beginning" in said
    assert weights(copy) == weights(uninterrupted)


@pytest.mark.slow
def test_a_damaged_best_checkpoint_is_not_built_upon(copy, uninterrupted, train_small):
    """The newest one is sound, but the best validation's weights are lost: they are made again."""
    newest = checkpoints(copy)[-1]
    state = json.loads((newest / "trainer_state.json").read_text())
    best = newest.with_name(f"checkpoint-{state['best_global_step']}")
    assert best != newest
    flip_a_byte(best)
    found, broken = newest_sound(copy / CHECKPOINTS)
    assert newest in broken
    assert found is None or step_of(found) < step_of(best)
    train_small(copy, resume=True, checkpoint_every=2)
    assert weights(copy) == weights(uninterrupted)


@pytest.mark.slow
def test_ctrl_c_writes_a_checkpoint_and_resumes_to_the_same_bits(tmp_path, uninterrupted, train_small):
    """It is pressed in step eight, at whose end a validation is due."""
    out = tmp_path / "run"
    stopped = child(out, step=8, signal=signal.SIGINT)
    assert stopped.returncode == 130, stopped.stderr
    assert "interrupted: a checkpoint is written: go on with --resume" in stopped.stdout
    assert is_sound(checkpoints(out)[-1])
    assert step_of(checkpoints(out)[-1]) == 8
    assert [row["step"] for row in log(out) if "eval_mrr" in row] == [4, 8]
    assert not (out / WEIGHTS_FILE).exists()
    train_small(out, resume=True, checkpoint_every=2)
    assert weights(out) == weights(uninterrupted)


@pytest.mark.slow
def test_a_full_disk_is_a_storage_error_and_the_earlier_checkpoints_stay(copy, uninterrupted, train_small):
    before = {path: path.read_bytes() for path in (copy / CHECKPOINTS).rglob("*") if path.is_file()}
    size = (checkpoints(copy)[-1] / WEIGHTS_FILE).stat().st_size
    done = child(copy, resume=True, limit=size // 2)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "StorageError" in done.stdout
    assert "--resume" in done.stdout
    assert {path: path.read_bytes() for path in (copy / CHECKPOINTS).rglob("*") if path.is_file()} == before
    train_small(copy, resume=True, checkpoint_every=2)
    assert weights(copy) == weights(uninterrupted)


def test_patience_goes_on_where_it_was(tmp_path, train_small, with_batch):
    """Without any gain in validation it stops after patience + 1 epochs, resumed or not."""
    how = {"learning_rate": 1e-12, "patience": 2, "checkpoint_every": 2}
    whole = train_small(tmp_path / "whole", **how)
    assert whole.record["best"]["steps"] == 12
    with pytest.raises(Stopped):
        train_small(tmp_path / "stopped", material=with_batch(11, stop), **how)
    resumed = train_small(tmp_path / "stopped", resume=True, **how)
    assert resumed.record["best"] == whole.record["best"]
    assert log(tmp_path / "stopped") == log(tmp_path / "whole")
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
