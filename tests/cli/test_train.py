"""``otmel train``: two steps on a tiny world, going on after Ctrl-C to the same bits, and what is refused."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from otmel.cli import train as verb
from otmel.cli.main import main

from ..conftest import write_tiny

TWO_STEPS = ("--set", "training.epochs=1", "--set", "training.batch_size=8")


@pytest.fixture
def train(tiny_world: Path, tiny_encoder: Path, tmp_path: Path) -> Callable[..., int]:
    """The verb, two steps long, writing to ``run`` in the test's folder."""

    def call(*words: str, data: Path = tiny_world, encoder: Path | str = tiny_encoder, out: str = "run") -> int:
        given = ["train", str(data), "--out", str(tmp_path / out), "--encoder", str(encoder), *TWO_STEPS, *words]
        return main(given)

    return call


def test_it_says_each_validation_the_best_the_folder_and_what_comes_next(
    train: Callable[..., int], tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--variant", "kd", "--seed", "3") == 0
    captured = capsys.readouterr()
    best, wrote, following = captured.out.splitlines()
    assert best.startswith("best validation: MRR ")
    assert best.endswith(" after step 2 of 2")
    assert wrote == f"wrote {tmp_path / 'run'}"
    assert following == f"next: otmel evaluate {tmp_path / 'run'} {tiny_world} --split dev"
    assert "epoch 1: H@1 " in captured.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["settings"]["variant"], record["settings"]["seed"]) == ("kd", 3)
    assert float(best.split()[3]) == round(100 * record["best"]["mrr"], 1)


def test_with_json_it_prints_the_record_alone(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record.pop("run") == str(tmp_path / "run")
    assert record == json.loads((tmp_path / "run" / "run.json").read_text())


def test_a_dry_run_prints_the_settings_and_writes_nothing(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--preset", "paper", "--variant", "o2", "--dry-run") == 0
    settings = json.loads(capsys.readouterr().out)
    assert (settings["preset"], settings["variant"], settings["training"]["epochs"]) == ("PAPER", "o2", 1)
    assert settings["model"]["pool"] == {"kind": "max"}
    assert list(tmp_path.iterdir()) == []


def test_after_ctrl_c_it_goes_on_to_the_same_weights(
    trained_run: Path,
    tiny_world: Path,
    train: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    heard = verb.note

    def note_and_interrupt(message: str) -> None:
        heard(message)
        if message.startswith("epoch 1"):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(verb, "note", note_and_interrupt)
        assert train("--set", "training.epochs=2", "--set", "training.evaluate_every=1") == 130
    captured = capsys.readouterr()
    command = f"otmel train {tiny_world} --out {tmp_path / 'run'} --resume"
    assert captured.out == ""
    assert captured.err.endswith(f"error: interrupted\n  → go on with: {command}\n")
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert main(command.split()[1:]) == 0
    assert "resuming after step 3" in capsys.readouterr().err
    for weights in ("model.safetensors", "checkpoints/checkpoint-4/model.safetensors"):
        first, second = (load_file(run / weights) for run in (trained_run, tmp_path / "run"))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_interrupted_before_it_began_the_same_command_is_advised(
    train: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("otmel.training.run.train", interrupt)
    assert train() == 130
    assert "run the same command again" in capsys.readouterr().err


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert train() == 0
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    for words, problem in (
        ((), "a run stands here already"),
        (("--resume", "--seed", "1"), "started with other settings: seed was 0 and is now 1"),
        (("--resume", "--set", "training.epochs=9"), "training.epochs was 1 and is now 9"),
        (("--resume", "--variant", "a1"), "started with other settings: "),
    ):
        capsys.readouterr()
        assert train(*words) == 2
        error = capsys.readouterr().err
        assert problem in error
        assert str(tmp_path / "run") in error
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights


def test_other_data_cannot_be_resumed_on(
    train: Callable[..., int], tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    assert train("--resume", data=tiny_dataset_folder) == 2
    assert "the run was started with other data" in capsys.readouterr().err


def test_only_a_run_can_be_resumed(tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(tiny_world), "--resume", "--out"]
    assert main([*words, str(tmp_path / "absent")]) == 2
    assert "there is no such run folder" in capsys.readouterr().err
    assert main([*words, str(tiny_world)]) == 2
    assert "the folder is no run" in capsys.readouterr().err
    (tmp_path / "run.json").write_text('{"settings": {"presett": "PAPER"}}')
    assert main([*words, str(tmp_path)]) == 2
    assert f"{tmp_path / 'run.json'}: there is no setting 'presett'" in capsys.readouterr().err


def test_what_is_mistyped_gets_the_nearest_name(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, problem, cure in (
        (("--preset", "RELESED"), "there is no preset 'RELESED'", "did you mean 'RELEASED'?"),
        (("--variant", "kdd"), "there is no variant 'kdd'", "did you mean 'kd'?"),
        (("--set", "training.epoch=3"), "there is no setting 'training.epoch'", "did you mean 'epochs'?"),
        (("--set", "training.epochs=none"), "training.epochs: ", "none"),
        (("--config", str(tmp_path / "absent.toml")), "there is no such file", "configs/"),
    ):
        assert train(*words) == 2
        error = capsys.readouterr().err
        assert problem in error
        assert cure in error
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named_with_its_cure(
    train: Callable[..., int], tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tiny_world), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "no encoder is named" in error
    assert "otmel pretrain" in error
    assert train(data=tmp_path / "nowhere") == 2
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in capsys.readouterr().err
    assert train(encoder=tmp_path / "nowhere", out="other") == 2
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in capsys.readouterr().err


def test_what_cannot_be_trained_on_is_refused(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--set", "training.batch_size=512", out="a") == 2
    assert "a batch of 512 × 1 is more than the " in capsys.readouterr().err
    assert train("--set", "training.validation=devv", out="b") == 2
    assert "there is no split 'devv'" in capsys.readouterr().err
    empty = write_tiny(tmp_path / "empty")
    (empty / "Tiny_train.json").write_text("[]")
    assert train(data=empty, out="c") == 2
    assert "the split 'train' holds no mention" in capsys.readouterr().err
    absent = write_tiny(tmp_path / "absent")
    (absent / "Tiny_train.json").unlink()
    assert train(data=absent, out="d") == 2
    assert "there is no split 'train'" in capsys.readouterr().err
