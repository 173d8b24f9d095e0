"""Eq. 26–29 on transformers' ``Trainer``; validation ranks against the whole graph."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

from otmel.errors import CheckpointError, StorageError, TrainingError
from otmel.models.device import device
from otmel.models.model import LinkerModel
from otmel.objectives.caching import Pieces, cached_gradients
from otmel.objectives.gather import agreed, average_gradients
from otmel.objectives.total import Losses, TrainingBatch, total_loss
from otmel.training.callbacks import FinalValidation
from otmel.training.checkpoints import is_sound, seal
from otmel.training.settings import TrainingSettings

Validate = Callable[[], dict[str, float]]


class LinkerTrainer(Trainer):
    """Minimises Eq. 29 and validates by ranking.

    Args:
        validate: gives ``{"mrr": …, "h1": …}`` of the model as it stands.
        names: what to call the training mentions in errors.
        chunk: size of the pieces that a batch is computed in; ``None``: as a whole.
        kwargs: as for ``Trainer``.

    Attributes:
        together: whether the processes must encode together.
    """

    together: ClassVar[bool] = False

    def __init__(
        self, *args: Any, validate: Validate, names: list[str], chunk: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._validate, self._names, self._chunk = validate, names, chunk
        self._terms: dict[str, list[float]] = {}
        self.add_callback(FinalValidation())

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The gradients of one batch, as a whole or in pieces."""
        if self._chunk is None:
            return super().training_step(model, inputs, num_items_in_batch)
        assert isinstance(self.model, LinkerModel)
        model.train()
        # On the model itself: what wraps it would average the gradients of every piece by itself.
        pieces = Pieces(self._chunk, lambda: self.accelerator.autocast(), self.together)
        losses = cached_gradients(self.model, inputs["batch"].to(self.args.device), pieces)
        self._note(losses, inputs["rows"])
        average_gradients(self.model)
        return losses.total

    def compute_loss(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Eq. 29 of one batch. Raises ``TrainingError``, naming the batch, if it is not finite."""
        batch: TrainingBatch = inputs["batch"]
        losses = total_loss(model, batch.to(self.args.device))
        self._note(losses, inputs["rows"])
        return losses.total

    def _note(self, losses: Losses, rows: Tensor) -> None:
        if not torch.isfinite(losses.total):
            names = [self._names[row] for row in rows.tolist()]
            raise TrainingError(
                f"the loss is {losses.total.item()} at step {self.state.global_step + 1}",
                where=f"batch of the mentions {', '.join(names[:5])}{' …' if len(names) > 5 else ''}",
                cure="lower training.learning_rate, or look at these mentions; the last good checkpoint is kept",
            )
        for term, value in losses.terms.items():
            self._terms.setdefault(f"loss_{term}", []).append(value.item())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the mean of each term of the loss since the last time."""
        if "loss" in logs:
            logs |= {term: sum(values) / len(values) for term, values in self._terms.items()}
            self._terms.clear()
        super().log(logs, start_time)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint and seal it; what a full disk leaves of one is removed, the older ones stay."""
        checkpoint = self._checkpoint(self.state.global_step)
        self._refuse_broken_weights()
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()  # each process has a file in it
            if self.is_world_process_zero():
                seal(checkpoint)
        except (OSError, RuntimeError, SafetensorError) as fault:
            shutil.rmtree(checkpoint, ignore_errors=True)
            raise StorageError(
                f"the checkpoint cannot be written: {fault}", where=str(checkpoint), cure="make room and use --resume"
            ) from fault

    def _checkpoint(self, step: int) -> Path:
        return Path(self._get_output_dir(None)) / f"checkpoint-{step}"

    def _refuse_broken_weights(self) -> None:
        """A finite loss may have a gradient that is not: such weights must not become the newest checkpoint."""
        if broken := self._broken_weights():
            raise TrainingError(
                f"after step {self.state.global_step} {len(broken)} weights are not finite, such as {broken[0]}",
                cure="lower training.learning_rate; the last good checkpoint is kept",
            )

    def _broken_weights(self) -> list[str]:
        assert isinstance(self.model, nn.Module)
        return [name for name, weight in self.model.named_parameters() if not weight.isfinite().all()]

    def _load_best_model(self) -> None:
        """The weights of the best validation. Raises ``CheckpointError`` if the disk has damaged them since."""
        assert self.state.best_global_step is not None
        best = self._checkpoint(self.state.best_global_step)  # not the path of the time: the run may have moved
        if self.is_world_process_zero() and not is_sound(best):
            raise CheckpointError(
                "the best checkpoint is damaged", where=str(best), cure="--resume trains again from a sound one"
            )
        self.state.best_model_checkpoint = str(best)
        super()._load_best_model()

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Rank the validation mentions against the whole graph."""
        assert isinstance(self.model, nn.Module)
        self.model.eval()
        validated = agreed(self._validate())  # last bits may differ, and must not part the processes
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in validated.items()}
        self.model.train()
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def training_arguments(settings: TrainingSettings, seed: int, steps_per_epoch: int, **kwargs: Any) -> TrainingArguments:
    """The settings in the Trainer's words: validation and checkpoint together, the best and the last two kept."""
    interval = steps_per_epoch * settings.evaluate_every
    return TrainingArguments(
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=int(settings.warmup * steps_per_epoch * settings.epochs),
        weight_decay=settings.weight_decay,
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.gradient_clip,
        bf16=settings.precision == "bfloat16",
        use_cpu=device().type == "cpu",
        eval_strategy="steps",
        eval_steps=interval,
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=3,
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,  # patience goes on where it was
        metric_for_best_model="mrr",
        greater_is_better=True,
        logging_steps=max(1, steps_per_epoch // 4),
        logging_nan_inf_filter=False,
        seed=seed,
        data_seed=seed,
        dataloader_drop_last=True,
        dataloader_num_workers=settings.workers,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        disable_tqdm=True,
        ddp_find_unused_parameters=True,
        **kwargs,
    )
