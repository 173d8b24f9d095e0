"""``otmel pretrain``: a few steps, going on after Ctrl-C, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from otmel.cli.main import main
from otmel.encoders import load_encoder

SMALL = ("steps=2", "batch=16", "vocabulary=300", "towers.width=16", "towers.heads=2", "towers.image_size=24")


def words(data: Path, out: Path, *more: str) -> list[str]:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    return ["pretrain", str(data), "--out", str(out), *settings, *more]


def test_it_reports_sizes_seconds_and_retrieval(
    tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "encoder"
    assert main(words(tiny_world, out)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"wrote {out}"
    assert lines[-1] == f"next: otmel train {tiny_world} --out RUN --encoder {out}"
    report = json.loads((out / "pretrain_report.json").read_text())
    assert lines[1] == f"  {report['texts']} texts, {report['images']} images"
    assert lines[2] == f"  {report['parameters']:,} trained parameters, {report['vocabulary']} tokens"
    assert lines[3].startswith("  2 steps, ")
    assert f"text finds image, entities: H@1 {100 * report['entities']['hit1']:.1f} %" in lines[4]
    encoder, processor = load_encoder(out)
    assert encoder.widths.text == 16
    assert processor.image_shape == (24, 24)


def test_with_json_it_prints_the_report_alone(
    tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tiny_world, tmp_path / "encoder", "--seed", "5", "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / "encoder" / "pretrain_report.json").read_text())
    assert written["settings"]["seed"] == 5
    assert {key: written[key] for key in report} == report


def test_beside_a_text_tower_only_the_vision_tower_is_trained(
    tiny_world: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tiny_world, tmp_path / "encoder", "--text", str(tiny_encoder), "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    encoder, _ = load_encoder(tmp_path / "encoder")
    whole = sum(parameter.numel() for parameter in encoder.parameters())
    text = sum(parameter.numel() for parameter in encoder.text_tower.parameters())
    assert report["parameters"] == whole - text
    assert encoder.widths.text == 32


def test_captions_are_learned_from_too(
    tiny_dataset_folder: Path, tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = []
    for name, more in (("without", ()), ("with", ("--captions", str(tiny_world / "captions.jsonl")))):
        assert main(words(tiny_dataset_folder, tmp_path / name, *more, "--json")) == 0
        counts.append(json.loads(capsys.readouterr().out)["texts"])
    assert counts[1] - counts[0] == 24


def test_after_ctrl_c_the_same_command_goes_on(
    tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words(tiny_world, tmp_path / "encoder", "--set", "steps=16", "--set", "checkpoint_every=1")
    state = tmp_path / "encoder.unfinished" / "state.safetensors"

    def interrupt() -> None:
        while not state.exists():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    assert main(command) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("→ run the same command again: it goes on from the last state that was saved\n")
    assert not (tmp_path / "encoder").exists()
    assert main(command) == 0
    assert "16 steps, of which " in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_what_cannot_be_pretrained_on_is_refused(
    tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jsonl").write_text('{"text": "a"}\n')
    for more, problem in (
        (("--set", "stps=3"), "did you mean 'steps'?"),
        (("--set", "towers.widht=3"), "did you mean 'width'?"),
        (("--set", "batch=1"), "batch: "),
        (("--captions", str(tmp_path / "absent.jsonl")), f"{tmp_path / 'absent.jsonl'}: the captions cannot be read"),
        (("--captions", str(tmp_path / "broken.jsonl")), f"{tmp_path / 'broken.jsonl'}:1: this is no caption"),
        (("--text", str(tmp_path / "nowhere")), f"{tmp_path / 'nowhere'}: there is no such folder"),
    ):
        assert main(words(tiny_world, tmp_path / "encoder", *more)) == 2
        assert problem in capsys.readouterr().err
        assert not (tmp_path / "encoder").exists()
    assert main(words(tmp_path / "nowhere", tmp_path / "encoder")) == 2
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in capsys.readouterr().err
    assert main(words(tiny_world, tmp_path)) == 2
    assert f"{tmp_path}: the folder holds something else" in capsys.readouterr().err
