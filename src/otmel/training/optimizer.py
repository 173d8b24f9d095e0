"""What steps the weights: AdamW, in groups of weights that are stepped alike."""

from __future__ import annotations

import torch
from torch import nn

from otmel.encoders import TwoTowerEncoder
from otmel.models.model import LinkerModel
from otmel.training.settings import TrainingSettings


def optimizer(model: LinkerModel, settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW with the encoder's own learning rate, and no decay on vectors (biases, norms, the name weight).

    Weights that may be in shards stand in groups of their own, also where they are whole: torch steps no group of both.
    """
    units = model.encoder.units if isinstance(model.encoder, TwoTowerEncoder) else []
    shards = {id(weight) for unit in units for weight in unit.parameters()}
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        own = settings.encoder_learning_rate if name.startswith("encoder.") else None
        decay = settings.weight_decay if weight.dim() > 1 else 0.0
        key = (own or settings.learning_rate, decay, id(weight) in shards)
        groups.setdefault(key, []).append(weight)
    return torch.optim.AdamW(
        [{"params": weights, "lr": rate, "weight_decay": decay} for (rate, decay, _), weights in groups.items()],
        lr=settings.learning_rate,
        eps=settings.adam_epsilon,
    )
