"""Weights in shards: each of several processes holds its share of the encoder's (torch's FSDP2, ``fully_shard``).

The encoder says in which ``units`` it is cut, a transformer block and the rest of a tower each. Every process keeps a
share of every weight of a unit, of its gradient and of the optimiser's state; a unit's weights are whole only while it
computes. Gathering them takes all processes at once, so all encode equally often (``TwoTowerEncoder.anywhere``,
``caching.Pieces.together``). What stands on the encoder is small, and whole in every process.

``DistributedDataParallel`` wraps no weights in shards, and accelerate, as of 1.15, shards none on a CPU: so torch's own
functions are used, and ``ShardedTrainer`` takes the place of what accelerate does for replicas. What is written is
whole: files do not tell how the weights were held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from otmel.errors import ConfigurationError
from otmel.models.config import LinkerConfig
from otmel.models.device import placed
from otmel.models.model import LinkerModel
from otmel.objectives.gather import anywhere, is_first, processes


def check_shards(model: LinkerModel) -> None:
    """Make sure that there is something to shard, and that all processes will encode equally often.

    Raises:
        ConfigurationError: there is one process alone, the encoder is not trained, or the system has a second stage.
    """
    encoder, why, cure = model.encoder, None, "--set training.parallel=replicated"
    if processes() == 1:
        why = "takes at least two processes, and this is one alone"
        cure = f"start with torchrun --nproc-per-node 2 -m otmel train …, or {cure}"
    elif encoder is None or not any(weight.requires_grad for weight in encoder.parameters()):
        why = "is of an encoder that is trained, and this one is frozen"
        cure = f"{cure}, or --set training.freeze_encoder=false"
    elif model.second_stage:
        why = f"is not for {model.settings.kind!r}: its second stage reads in one process, and in another not"
    if why is not None:
        raise ConfigurationError(f"sharding {why}", where="training.parallel", cure=cure)


def shard(model: LinkerModel) -> None:
    """Cut the encoder; every process calls it, with the same model. The first one's weights are everyone's."""
    assert model.encoder is not None
    for weight in model.parameters():
        distributed.broadcast(weight.detach(), 0)
    mesh = init_device_mesh(model.device.type, (processes(),))
    for unit in model.encoder.units:
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)
    model.encoder.anywhere = anywhere
    model.register_load_state_dict_pre_hook(_cut_on_loading)


def whole(model: LinkerModel) -> LinkerModel:
    """The same model with whole weights, in every process; all call it at once."""
    made = type(model)(cast(LinkerConfig, model.config))
    made.load_state_dict(whole_weights(model))
    return placed(made)


def whole_weights(model: nn.Module, *, only_first: bool = False) -> dict[str, Tensor]:
    """A model's state with whole weights, on the CPU; all processes call it at once. Tied weights stay one tensor.

    Args:
        model: the model.
        only_first: whether the first process alone needs it; the others give their shares, and get nothing.
    """
    joined: dict[int, Tensor] = {}
    named = model.state_dict(keep_vars=True)
    for weight in named.values():
        if id(weight) not in joined:
            one = _whole(weight.detach())
            if is_first() or not only_first:
                joined[id(weight)] = one.cpu()
    return {name: joined[id(weight)] for name, weight in named.items() if id(weight) in joined}


def keep_whole(optimizer: torch.optim.Optimizer) -> None:
    """Let an optimiser say and take its state with whole tensors; all processes ask it at once.

    The first process gets them, on its CPU; the others give their shares one by one, and get these back.
    """
    optimizer.register_state_dict_post_hook(_join_state)
    optimizer.register_load_state_dict_pre_hook(_cut_state)


def clipped(weights: list[nn.Parameter], largest: float) -> Tensor:
    """Scale the gradients down to a norm of at most ``largest``, all together; gives the norm that they had.

    As ``clip_grad_norm_``, which takes no mixture of shards and whole tensors.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    kinds = [[one for one in gradients if isinstance(one, DTensor) is kind] for kind in (True, False)]
    norms = [_whole(nn.utils.get_total_norm(kind)) for kind in kinds if kind]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    scale = (largest / (norm + 1e-6)).clamp(max=1.0).item()
    for gradient in gradients:
        gradient.mul_(scale)
    return norm


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _on_first(tensor: Tensor) -> Tensor:
    """A whole tensor on the CPU of the first process. No device ever holds more of the whole than this one."""
    joined = _whole(tensor)
    return joined.cpu() if is_first() else tensor


def _cut(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's share of a whole tensor that belongs to the weight ``like``; others are left as they are."""
    if not isinstance(like, DTensor) or isinstance(tensor, DTensor) or tensor.shape != like.shape:
        return tensor
    return distribute_tensor(tensor, like.device_mesh, like.placements)


def _cut_on_loading(model: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for name, weight in model.named_parameters():
        if prefix + name in state:
            state[prefix + name] = _cut(state[prefix + name], weight)


def _join_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "state": {row: _each(of, _on_first) for row, of in state["state"].items()}}


def _cut_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    cut = {row: _each(of, lambda one, row=row: _cut(one, weights[row])) for row, of in state["state"].items()}
    return {**state, "state": cut}


def _each(values: Mapping[str, Any], change: Any) -> dict[str, Any]:
    return {name: change(value) if isinstance(value, Tensor) else value for name, value in values.items()}
