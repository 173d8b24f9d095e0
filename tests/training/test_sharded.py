"""Two processes with the encoder in shards compute, write and resume as two replicas do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from otmel.data.datasets import load_dataset
from otmel.errors import ConfigurationError
from otmel.evaluation.run import evaluate
from otmel.models.bundle import WEIGHTS_FILE, Bundle
from otmel.settings import overridden
from otmel.training.claim import CHECKPOINTS, LOG_FILE
from otmel.training.run import train
from otmel.training.settings import DEFAULT

CHILD = Path(__file__).with_name("sharded_child.py")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def together(tiny_world, tiny_encoder, tmp_path_factory) -> Path:
    """What two processes have left: gradients, and runs with replicas and with shards."""
    out = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
    words = [port, str(tiny_encoder), str(tiny_world), str(out)]
    pair = [
        subprocess.Popen([sys.executable, str(CHILD), rank, *words], stderr=subprocess.PIPE, text=True, env=environment)
        for rank in ("0", "1")
    ]
    try:
        faults = [one.communicate(timeout=300)[1] for one in pair]
    finally:
        for one in pair:
            one.kill()
    assert [one.returncode for one in pair] == [0, 0], "\n".join(faults)
    return out


@pytest.fixture(scope="module")
def found(together) -> list[dict[str, Any]]:
    return [torch.load(together / f"found-{rank}.pt") for rank in (0, 1)]


def log(out: Path) -> list[dict]:
    rows = [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]
    kept = ("step", "eval_mrr", "loss", "grad_norm")
    return [{key: row[key] for key in kept if key in row} for row in rows if "train_runtime" not in row]


@pytest.mark.parametrize("size", ["None", "2"])
def test_gradients_are_those_of_replicas(found, size):
    """Also where one process has no image and the other more pieces; as they are, and in pieces and clipped."""
    for one in found:
        replicas, shards = one[size]
        assert replicas.keys() == shards.keys()
        for name, gradient in replicas.items():
            torch.testing.assert_close(shards[name], gradient, atol=1e-12, rtol=1e-9, msg=f"{name} differs")
        assert any(shards[name].abs().max() > 0 for name in shards if "vision_model" in name)


def test_each_holds_its_share_and_all_of_it_is_told(found):
    held = [one["held"] for one in found]
    assert held[0][0] + held[1][0] == held[0][1] == held[1][1]
    assert max(held[0][0], held[1][0]) < 0.52 * held[0][1]
    for one in found:
        before, after, again = one["state"]
        assert list(before) == list(after) == list(again)
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert all(torch.equal(before[name].float(), again[name]) for name in before)


def test_what_is_written_is_whole_in_the_first_process_alone(found):
    first, other = found
    assert (first["first"], other["first"]) == (len(first["state"][0]), 0)
    apart = first["held"][1] - other["held"][0]  # what the other process has not of the encoder
    assert first["moments"] - other["moments"] == apart > 0


def test_trained_weights_logs_and_files_are_those_of_replicas(together):
    replicas, shards = (together / parallel for parallel in ("replicated", "sharded"))
    for one, other in zip(log(replicas), log(shards), strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    files = [sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file()) for run in (replicas, shards)]
    assert files[0] == files[1]
    for path in files[0]:
        if path.name == WEIGHTS_FILE:
            whole, joined = load_file(replicas / path), load_file(shards / path)
            assert list(whole) == list(joined)
            for name, weight in whole.items():
                torch.testing.assert_close(joined[name], weight, atol=1e-6, rtol=0, msg=f"{path}: {name} differs")


def test_the_state_of_the_optimiser_is_written_whole(together):
    path = together / "sharded" / CHECKPOINTS / "checkpoint-4" / "optimizer.pt"
    other = together / "replicated" / path.relative_to(together / "sharded")
    shards, replicas = torch.load(path), torch.load(other)
    assert shards["param_groups"] == replicas["param_groups"]
    assert shards["state"].keys() == replicas["state"].keys()
    for row, of in replicas["state"].items():
        for name, value in of.items():
            assert type(shards["state"][row][name]) is torch.Tensor
            torch.testing.assert_close(shards["state"][row][name], value, atol=1e-6, rtol=0)


def test_stopped_and_resumed_it_ends_in_the_same_bits(together, found):
    assert "resuming after step 2" in found[0]["said"]
    assert (together / "cut" / WEIGHTS_FILE).read_bytes() == (together / "sharded" / WEIGHTS_FILE).read_bytes()
    assert log(together / "cut") == log(together / "sharded")


def test_one_process_reads_the_run(together, tiny_world):
    assert Bundle.load(together / "sharded").record["processes"] == 2
    replicas, shards = (
        evaluate(together / parallel, load_dataset(tiny_world), "test").model.result.headline["MRR"]
        for parallel in ("replicated", "sharded")
    )
    assert shards == pytest.approx(replicas)


def test_what_cannot_be_sharded_is_refused(found, tiny_world, tiny_encoder, tmp_path):
    for one in found:
        frozen, second = one["refused"]
        assert "this one is frozen" in frozen
        assert "second stage" in second
    settings = overridden(DEFAULT.model_copy(update={"encoder": str(tiny_encoder)}), ["training.parallel=sharded"])
    with pytest.raises(ConfigurationError, match="at least two processes, and this is one alone") as fault:
        train(load_dataset(tiny_world), settings, tmp_path / "run", say=lambda line: None)
    assert "torchrun" in str(fault.value)
    assert not (tmp_path / "run").exists()
