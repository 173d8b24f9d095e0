"""What happens beside the steps: the log, the progress bar, extra checkpoints and a stop that loses nothing."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from otmel.errors import StorageError
from otmel.objectives.gather import anywhere
from otmel.progress import Advance
from otmel.storage import atomic_write_text


class JsonLog(TrainerCallback):
    """One JSON line per logging step: loss and its terms, learning rate, validation.

    Args:
        path: the file, appended to; on resumption, lines after the resumed step are taken back first.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._start = path, time.monotonic()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Take back what was logged after the step that training resumes from."""
        if state.is_world_process_zero and self.path.exists():
            kept = [line for line in self.path.read_text().splitlines() if _step(line) <= state.global_step]
            atomic_write_text(self.path, "".join(f"{line}\n" for line in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write one line."""
        if state.is_world_process_zero and logs:
            seconds = round(time.monotonic() - self._start, 2)
            row = {"step": state.global_step, "epoch": round(state.epoch or 0, 4), "seconds": seconds, **logs}
            try:
                with self.path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            except OSError as fault:
                problem = f"the log cannot be written: {fault.strerror}"
                raise StorageError(problem, where=str(self.path), cure="make room and use --resume") from fault


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line cut short by a kill


class Bar(TrainerCallback):
    """Moves the progress bar, and says each validation."""

    def __init__(self, advance: Advance, say: Callable[[str], None]) -> None:
        self.advance, self.say = advance, say

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar."""
        self.advance(1)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Say the validation."""
        if metrics:
            shown = f"H@1 {100 * metrics['eval_h1']:.1f}, MRR {100 * metrics['eval_mrr']:.1f}"
            self.say(f"epoch {state.epoch or 0:g}: {shown} on the validation mentions, whole graph")


class ExtraCheckpoints(TrainerCallback):
    """A checkpoint every so many steps, beside those at each validation."""

    def __init__(self, every: int) -> None:
        self.every = every

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for a checkpoint when it is time."""
        if state.global_step % self.every == 0:
            control.should_save = True


class Sending(TrainerCallback):
    """Sends what the run folder holds to where it belongs: once it is taken, and after every checkpoint.

    Args:
        send: does it; raises ``StorageError``.
    """

    def __init__(self, send: Callable[[], object]) -> None:
        self.send = send

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Say there that the run has begun, and send what an interrupted command could not."""
        if state.is_world_process_zero:
            self.send()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Send the checkpoint, which is sealed."""
        if state.is_world_process_zero:
            self.send()


class FinalValidation(TrainerCallback):
    """A validation and a checkpoint at the very end, also where ``evaluate_every`` does not divide ``epochs``."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for both after the last step."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = True


class Interruption(TrainerCallback):
    """Ctrl-C or SIGTERM ends the current step, writes a checkpoint and stops; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop after this step if any of the processes was asked to."""
        self.asked = anywhere(self.asked)
        if self.asked:
            # A validation that is due now is still done: the checkpoint lies after it, and resuming would miss it.
            control.should_save = True
            control.should_training_stop = True
