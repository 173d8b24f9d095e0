"""``ShardedTrainer``: the Trainer on an encoder in shards. Gradients, norms and files are those of replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.lr_scheduler import LRScheduler
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from otmel.objectives.gather import average_gradients, from_all
from otmel.training.sharding import clipped, keep_whole, whole_weights
from otmel.training.trainer import LinkerTrainer


class ShardedTrainer(LinkerTrainer):
    """``LinkerTrainer`` for a model whose encoder ``sharding.shard`` has cut."""

    together = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keep_whole(self._steps)

    @property
    def _steps(self) -> torch.optim.Optimizer:
        assert isinstance(self.optimizer, torch.optim.Optimizer)  # accelerate's own kind is one, too
        return self.optimizer

    @property
    def _weights(self) -> list[nn.Parameter]:
        assert isinstance(self.model, nn.Module)
        return list(self.model.parameters())

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """As for replicas; nothing wraps the model, so the gradients of whole weights are averaged here."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        if self._chunk is None:
            average_gradients(model)
        return loss

    def _move_model_to_device(self, *_: Any, **__: Any) -> None:
        """It is where it computes: shards were cut there."""

    def _wrap_model(self, model: nn.Module, training: bool = True, dataloader: Any = None) -> nn.Module:
        """Precision alone: without this, accelerate would wrap the model in ``DistributedDataParallel``."""
        return self.accelerator.prepare_model(model, device_placement=False, evaluation_mode=True)

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        return clipped(self._weights, self.args.max_grad_norm)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Tensor | None = None) -> Tensor:
        return clipped(self._weights, float("inf")) if grad_norm is None else grad_norm

    def _broken_weights(self) -> list[str]:
        """Each process looks at its own shares, and hears of the others'."""
        assert isinstance(self.model, nn.Module)
        named = self.model.named_parameters()
        shares = ((name, one.to_local() if isinstance(one, DTensor) else one) for name, one in named)
        here = {name for name, share in shares if not share.isfinite().all()}
        return sorted(set().union(*from_all(here)))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        assert isinstance(self.model, nn.Module)
        super()._save(output_dir, whole_weights(self.model, only_first=True))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.args.should_save:
            self._steps.state_dict()  # the first process's is whole only if all give their shares
        super()._save_optimizer_and_scheduler(output_dir)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """From the CPU: only shares of the state go to the devices."""
        if checkpoint is None:
            return
        assert isinstance(self.lr_scheduler, LRScheduler)
        for name, takes in ((OPTIMIZER_NAME, self._steps), (SCHEDULER_NAME, self.lr_scheduler)):
            takes.load_state_dict(torch.load(Path(checkpoint) / name, map_location="cpu", weights_only=True))
