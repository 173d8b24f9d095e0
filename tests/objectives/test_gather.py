"""Two processes that train together do what one does with their batches joined."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

COMMON = """
    import sys, torch
    import torch.distributed as dist
    from otmel.data.token_track import TokenTrackSettings, token_track
    from otmel.models.registry import new_model
    from otmel.models.settings import ModelSettings
    from otmel.models.token_track import feature_widths, features
    from otmel.models.variants import variant
    from otmel.objectives.caching import Pieces, cached_gradients
    from otmel.objectives.gather import agreed, anywhere, average_gradients
    from otmel.objectives.total import TrainingBatch, total_loss
    from otmel.ot import Shape

    torch.set_num_threads(1)
    track = token_track(TokenTrackSettings(entities=12, train=12, dev=0, test=0, dimensions=8,
                                           mention_without_image=0.3, entity_without_image=0.3))
    gold = torch.from_numpy(track.splits["train"].gold)

    def model(name):
        torch.manual_seed(0)
        settings = variant(name, ModelSettings(hidden=8, shape=Shape(residual=True)))
        return new_model(settings, widths=feature_widths(track.entities)).double()

    def batch(mentions, extra):
        mentions = torch.tensor(mentions)
        rows = torch.unique(torch.cat([gold[mentions], torch.tensor(extra, dtype=torch.long)]))
        sides = features(track.splits["train"]).side(mentions), features(track.entities).side(rows)
        return TrainingBatch(*sides, gold[mentions], rows).to(torch.float64)
"""
# Shares of different size, with entities in common, so that padding and repetition are met.
SHARES = [([0, 1, 2, 3, 4, 5], [1, 7]), ([6, 7, 8, 9, 10, 11], [2, 3, 4, 5, 6, 7, 8, 9])]

TRAIN = """
    # The divergence of Eq. 28 counts an entity once for every process that has it: these have none in common.
    APART = [([m for m in range(12) if (gold[m] < 7) == first], []) for first in (True, False)]
    WAYS = [(name, cached) for name in ("ot", "kd", "f2") for cached in (False, True)]

    def shares(name):
        return APART if name == "kd" else SHARES

    def train(name, cached, rank):
        own, share = model(name), batch(*shares(name)[rank])
        if cached:
            losses = cached_gradients(own, share, Pieces(4))
            average_gradients(own)
            return own, losses
        replica = torch.nn.parallel.DistributedDataParallel(own, find_unused_parameters=True)
        losses = total_loss(replica, share)
        losses.total.backward()
        return own, losses
"""
OTHER = """
    dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=1, world_size=2)
    for way in WAYS:
        _, losses = train(*way, 1)
        dist.all_reduce(losses.total.detach().clone())
    assert (agreed("second"), anywhere(True), anywhere(False)) == ("first", True, False)
    dist.barrier()
    dist.destroy_process_group()
"""


def prelude() -> str:
    return textwrap.dedent(COMMON) + f"\nSHARES = {json.dumps(SHARES)}\n" + textwrap.dedent(TRAIN)


def found(losses: Any, model: torch.nn.Module) -> dict[str, Any]:
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return {"loss": losses.total.detach(), "gradients": gradients}


def in_one_process(space: dict[str, Any], name: str) -> dict[str, Any]:
    (one, extra), (two, more) = space["shares"](name)
    model = space["model"](name)
    losses = space["total_loss"](model, space["batch"](one + two, extra + more))
    losses.total.backward()
    return found(losses, model)


@pytest.fixture
def meeting(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """This process is the first of two; the second runs the same code as a child."""
    space: dict[str, Any] = {}
    exec(prelude(), space)
    code, place = prelude() + textwrap.dedent(OTHER), tmp_path / "meet"
    other = subprocess.Popen([sys.executable, "-c", code, str(place)], stderr=subprocess.PIPE, text=True)
    options = {"rank": 0, "world_size": 2, "timeout": timedelta(seconds=100)}
    dist.init_process_group("gloo", init_method=f"file://{place}", **options)
    try:
        yield space
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        try:
            faults = other.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:  # it waits for a first process that has failed
            other.kill()
            faults = other.communicate()[1]
    assert other.returncode == 0, faults


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_gradients_of_one(meeting):
    """As whole batches and in pieces; with late terms, with what is distilled, and with matching alone."""
    together = []
    for way in meeting["WAYS"]:
        model, losses = meeting["train"](*way, 0)
        together.append(found(losses, model))
        dist.all_reduce(together[-1]["loss"])
    told = meeting["agreed"]("first"), meeting["anywhere"](False), meeting["anywhere"](False)
    assert told == ("first", True, False)
    dist.barrier()
    dist.destroy_process_group()
    for (name, _), two in zip(meeting["WAYS"], together, strict=True):
        one = in_one_process(meeting, name)
        torch.testing.assert_close(two["loss"] / 2, one["loss"], atol=1e-10, rtol=0)
        assert two["gradients"].keys() == one["gradients"].keys()
        for weight, gradient in one["gradients"].items():
            torch.testing.assert_close(two["gradients"][weight], gradient, atol=1e-9, rtol=1e-7)
