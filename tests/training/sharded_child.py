"""Two processes train with replicas and with shards, side by side. Called by the test beside it.

``sharded_child.py RANK PORT ENCODER WORLD OUT``
"""

from __future__ import annotations

import copy
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from otmel.cli.train import one_voice
from otmel.data.datasets import load_dataset
from otmel.encoders import load_encoder
from otmel.errors import ConfigurationError
from otmel.models.base import Side
from otmel.models.model import LinkerModel
from otmel.models.names import NameVectorizer
from otmel.models.registry import new_model
from otmel.models.tables import entity_table, mention_table
from otmel.objectives.caching import Pieces, cached_gradients
from otmel.objectives.gather import average_gradients
from otmel.objectives.total import TrainingBatch, total_loss
from otmel.settings import overridden
from otmel.training import run
from otmel.training.batches import Collator
from otmel.training.settings import DEFAULT, RunSettings, preset
from otmel.training.sharding import check_shards, clipped, keep_whole, shard, whole, whole_weights

TRAINING = {
    "freeze_encoder": "false",
    "epochs": 2,
    "evaluate_every": 1,
    "hard_negatives": 1,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    # The keys' biases shift all scores of attention alike: their gradient is rounding, which must not be scaled up.
    "adam_epsilon": 1e-5,
}


def settings_of(encoder: str, **training: object) -> RunSettings:
    changes = [f"training.{name}={value}" for name, value in (TRAINING | training).items()]
    return overridden(DEFAULT.model_copy(update={"encoder": encoder}), ["model.hidden=8", *changes])


def share(rank: int, encoder: str, world: str) -> tuple[LinkerModel, TrainingBatch]:
    """A model in double precision, and batches that differ: the second has no image, and fewer entities."""
    dataset = load_dataset(world)
    towers, processor = load_encoder(encoder)
    names = NameVectorizer.fit(["a"])
    torch.manual_seed(3)
    model = new_model(DEFAULT.model.model_copy(update={"hidden": 8}), encoder=towers).double().train()
    mentions = [slice(0, 4), slice(4, 8)][rank]
    chosen = mention_table(dataset.split("train")[mentions], processor, names).side(torch.arange(4)).to(torch.float64)
    rows = torch.arange(7 if rank == 0 else 2)
    entities = entity_table(dataset.graph, processor, names).side(rows).to(torch.float64)
    if rank == 1:
        chosen, entities = blind(chosen), blind(entities)
    return model, TrainingBatch(chosen, entities, torch.tensor([0, 1, 1, 0]), rows)


def blind(side: Side) -> Side:
    content = side.content
    return replace(side, content=replace(content, has_image=torch.zeros_like(content.has_image)))


def gradients(model: LinkerModel, batch: TrainingBatch, size: int | None, norm: float) -> dict[str, torch.Tensor]:
    """Of both processes together, clipped; of replicas, and of shards."""
    sharded = any(isinstance(weight, DTensor) for weight in model.parameters())
    if size is None:
        total_loss(model, batch).total.backward()
    else:
        cached_gradients(model, batch, Pieces(size, together=sharded))
    average_gradients(model)
    before = clipped(list(model.parameters()), norm)
    named = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    joined = {name: one.full_tensor() if isinstance(one, DTensor) else one for name, one in named.items()}
    return {**joined, "norm": before}


def side_by_side(rank: int, encoder: str, world: str) -> dict[str, object]:
    """Gradients of replicas and of shards; and what whole weights are after sharding, and after ``whole``."""
    found: dict[str, object] = {}
    for size, norm in ((None, 1e9), (2, 0.01)):
        model, batch = share(rank, encoder, world)
        halves = copy.deepcopy(model)
        shard(halves)
        found[str(size)] = [gradients(one, batch, size, norm) for one in (model, halves)]
    before, after = model.state_dict(), whole_weights(halves)
    found["state"] = [before, after, whole(halves).state_dict()]
    inside = [weight for weight in halves.encoder.parameters() if isinstance(weight, DTensor)]
    found["first"] = len(whole_weights(halves, only_first=True))
    steps = torch.optim.AdamW(halves.parameters(), lr=0.0)
    keep_whole(steps)
    steps.step()
    moments = [one["exp_avg"] for one in steps.state_dict()["state"].values()]
    found["moments"] = sum((one.to_local() if isinstance(one, DTensor) else one).numel() for one in moments)
    found["held"] = [sum(one.to_local().numel() for one in inside), sum(one.numel() for one in inside)]
    return found


def refused(encoder: str) -> list[str]:
    """What cannot be sharded though there are two processes."""
    said = []
    for system, frozen in (("ot-mel", True), ("blink", False)):
        towers = load_encoder(encoder)[0].requires_grad_(not frozen)
        try:
            check_shards(new_model(preset("default", system_name=system).model, encoder=towers))
        except ConfigurationError as fault:
            said.append(str(fault))
    return said


def stopping(step: int):
    """A collator whose processes stop, all of them, while a step is made."""
    asked: list[int] = []

    class Stopping(Collator):
        def __call__(self, rows):
            asked.append(1)
            if len(asked) == step:
                raise InterruptedError
            return super().__call__(rows)

    return Stopping


def main(rank: int, encoder: str, world: str, out: Path) -> None:
    torch.set_num_threads(1)
    dataset = load_dataset(world)
    found = side_by_side(rank, encoder, world)

    def train(name: str, **training: object) -> LinkerModel:
        settings = settings_of(encoder, **training)
        return run.train(dataset, settings, out / name, say=said.append, resume=(out / name).exists()).model

    said: list[str] = []
    for parallel in ("replicated", "sharded"):
        model = train(parallel, parallel=parallel)
    assert not any(isinstance(weight, DTensor) for weight in model.parameters())
    kept, run.Collator = run.Collator, stopping(3)
    try:
        train("cut", parallel="sharded")
    except InterruptedError:
        run.Collator = kept
    train("cut", parallel="sharded")
    found["said"] = said
    found["refused"] = refused(encoder)
    torch.save(found, out / f"found-{rank}.pt")


if __name__ == "__main__":
    rank, port, encoder, world, out = sys.argv[1:]
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with one_voice():
        main(int(rank), encoder, world, Path(out))
