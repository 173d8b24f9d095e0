"""Two processes that train together do what one does with their batches joined."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

COMMON = """
    import sys, torch
    import torch.distributed as dist
    from otmel.data.token_track import TokenTrackSettings, token_track
    from otmel.models.otmel import new_model
    from otmel.models.settings import ModelSettings
    from otmel.models.token_track import feature_widths, features
    from otmel.models.variants import variant
    from otmel.objectives.total import TrainingBatch, total_loss
    from otmel.types import concatenate

    torch.set_num_threads(1)
    track = token_track(TokenTrackSettings(entities=12, train=12, dev=0, test=0, dimensions=8,
                                           mention_without_image=0.3, entity_without_image=0.3))
    gold = torch.from_numpy(track.splits["train"].gold)
    settings = ModelSettings(hidden=8)

    def model():
        torch.manual_seed(0)
        return new_model(settings, widths=feature_widths(track.entities)).double()

    def batch(mentions, extra):
        mentions = torch.tensor(mentions)
        rows = torch.unique(torch.cat([gold[mentions], torch.tensor(extra, dtype=torch.long)]))
        sides = features(track.splits["train"]).side(mentions), features(track.entities).side(rows)
        return TrainingBatch(*sides, gold[mentions], rows).to(torch.float64)
"""
# Shares of different size, with entities in common, so that padding and repetition are met.
SHARES = [([0, 1, 2, 3, 4, 5], [1, 7]), ([6, 7, 8, 9, 10, 11], [2, 3, 4, 5, 6, 7, 8, 9])]

PROCESS = """
    rank, meeting, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    dist.init_process_group("gloo", init_method="file://" + meeting, rank=rank, world_size=2)
    replica = torch.nn.parallel.DistributedDataParallel(model(), find_unused_parameters=True)
    losses = total_loss(replica, batch(*SHARES[rank]))
    losses.total.backward()
    mean = losses.total.detach().clone()
    dist.all_reduce(mean)
    gradients = {name: weight.grad for name, weight in replica.module.named_parameters() if weight.grad is not None}
    if rank == 0:
        torch.save({"loss": mean / 2, "gradients": gradients}, out)
    dist.destroy_process_group()
"""


def prelude() -> str:
    return textwrap.dedent(COMMON) + f"\nSHARES = {json.dumps(SHARES)}\n"


def in_one_process() -> dict:
    space: dict = {}
    exec(prelude(), space)
    (one, extra), (two, more) = SHARES
    model = space["model"]()
    together = space["batch"](one + two, extra + more)
    losses = space["total_loss"](model, together)
    losses.total.backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return {"loss": losses.total.detach(), "gradients": gradients}


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path: Path):
    code, out = prelude() + textwrap.dedent(PROCESS), tmp_path / "two.pt"
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning:otmel", "-c", code, str(rank), str(tmp_path / "meet"), str(out)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    faults = [process.communicate(timeout=100)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], faults
    two, one = torch.load(out), in_one_process()
    torch.testing.assert_close(two["loss"], one["loss"], atol=1e-6, rtol=0)  # counts travel as float32
    assert two["gradients"].keys() == one["gradients"].keys()
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, atol=1e-6, rtol=1e-5)
