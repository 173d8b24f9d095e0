"""The log on disk and the stop on demand."""

from __future__ import annotations

import json
import os
import signal

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from otmel.errors import CheckpointError, StorageError
from otmel.training.callbacks import Interruption, JsonLog
from otmel.training.checkpoints import step_of


@pytest.fixture
def arguments(tmp_path):
    return TrainingArguments(output_dir=str(tmp_path / "out"))


def test_lines_after_the_resumed_step_and_half_lines_are_taken_back(arguments, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 2}\n{"step": 2}\n{"step": 3}\nnot json\n{"st')
    log, control = JsonLog(path), TrainerControl()
    log.on_train_begin(arguments, TrainerState(global_step=2), control)
    log.on_log(arguments, TrainerState(global_step=3, epoch=0.5), control, logs={"loss": 1.5})
    log.on_log(arguments, TrainerState(global_step=3), control, logs={})
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert rows[-1]["loss"] == 1.5
    assert rows[-1]["epoch"] == 0.5


def test_other_processes_keep_away_from_the_log(arguments, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 9}\n')
    state = TrainerState(global_step=2, is_world_process_zero=False)
    log = JsonLog(path)
    log.on_train_begin(arguments, state, TrainerControl())
    log.on_log(arguments, state, TrainerControl(), logs={"loss": 1.0})
    assert path.read_text() == '{"step": 9}\n'


def test_a_log_that_cannot_be_written_is_a_storage_error(arguments, tmp_path):
    log = JsonLog(tmp_path / "absent" / "log.jsonl")
    with pytest.raises(StorageError, match="the log cannot be written"):
        log.on_log(arguments, TrainerState(global_step=1), TrainerControl(), logs={"loss": 1.0})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_the_step_the_second_stops_at_once(arguments, number):
    before, control = signal.getsignal(number), TrainerControl()
    with Interruption() as stop:
        stop.on_step_end(arguments, TrainerState(), control)
        assert not control.should_training_stop
        os.kill(os.getpid(), number)
        assert stop.asked
        control.should_evaluate = True
        stop.on_step_end(arguments, TrainerState(), control)
        assert control.should_training_stop
        assert control.should_save
        assert control.should_evaluate  # what is due is done
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_checkpoint_has_a_step(tmp_path):
    assert step_of(tmp_path / "checkpoint-12") == 12
    with pytest.raises(CheckpointError, match="no checkpoint"):
        step_of(tmp_path / "checkpoint-tmp")
