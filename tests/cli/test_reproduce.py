"""``otmel reproduce`` from the command line: whole, killed and started again, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from otmel.cli.main import main

SHORT = ("training.epochs=2", "training.batch_size=8", "training.evaluate_every=1", "training.hard_negatives=0")
LONG = pytest.mark.timeout(1800)
"""A dozen processes that each read torch first: a minute and more on a quiet machine, far more on a busy one."""
ROWS = ("--only", "clip", "--only", "ot", "--seeds", "1")


def words(world: Path, encoder: Path, out: Path, *more: str) -> list[str]:
    given = [
        "reproduce",
        "table1",
        "--scale",
        "tiny",
        "--data",
        str(world),
        "--encoder",
        str(encoder),
        "--out",
        str(out),
    ]
    return [*given, *ROWS, *(word for setting in SHORT for word in ("--set", setting)), *more]


def started(*line: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "otmel", *line]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def until(process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def measured(out: Path) -> dict:
    """The report without what names its own folder."""
    values = json.loads((out / "table1" / "table1.json").read_text())
    return {key: value for key, value in values.items() if key != "command"}


@pytest.fixture(scope="module")
def whole(tiny_world: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reproduction of two rows that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with started(*words(tiny_world, tiny_encoder, out, "--json")) as process:
        said, _ = process.communicate(timeout=880)
    assert process.returncode == 0, said
    return out


@LONG
@pytest.mark.slow
def test_two_systems_from_nothing_to_a_report(whole, tiny_world, tiny_encoder, capsys):
    values = measured(whole)
    systems = values["values"]["world"]["systems"]
    assert set(systems) == {"CLIP", "OT-MEL (OT)"}
    assert all(one["runs"][0]["system"]["hash"] for one in systems.values())
    assert not list(whole.glob("runs/world/*/seed-0/checkpoints"))  # of finished runs, they go
    log = (whole / "runs" / "world" / "clip" / "seed-0.log").read_text()
    assert log.count("$ otmel ") == 2
    before = [(path, path.stat().st_mtime_ns) for path in whole.rglob("model.safetensors")]
    assert main(words(tiny_world, tiny_encoder, whole, "--json")) == 0  # nothing is left to run
    assert [(path, path.stat().st_mtime_ns) for path in whole.rglob("model.safetensors")] == before
    assert json.loads(capsys.readouterr().out)["values"] == values["values"]


@LONG
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the child in /proc")
def test_child_and_command_killed_it_ends_in_the_same_numbers(whole, tiny_world, tiny_encoder, tmp_path):
    """First the child of one row is killed, then, in the next row, the command itself; then it is started again."""
    out = tmp_path / "out"
    line = words(tiny_world, tiny_encoder, out)
    with started(*line) as process:
        first, second = (out / "runs" / "world" / key / "seed-0" for key in ("clip", "ot"))
        until(process, lambda: any(first.glob("checkpoints/checkpoint-*/seal.json")) or (first / "eval-test").exists())
        os.kill(children(process.pid)[0], signal.SIGKILL)
        until(process, lambda: (second / "run.json").exists())
        process.kill()
        said, _ = process.communicate()
    assert "1 of 2  world clip seed 0: failed:" in said
    assert "SIGKILL" in said
    with started(*line) as process:
        said, _ = process.communicate(timeout=880)
    assert process.returncode == 0, said
    assert measured(out) == measured(whole)


@LONG
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the child in /proc")
def test_ctrl_c_stops_the_run_with_a_checkpoint_and_says_how_to_go_on(tiny_world, tiny_encoder, tmp_path):
    out = tmp_path / "out"
    with started(*words(tiny_world, tiny_encoder, out, "--set", "training.epochs=200")) as process:
        run = out / "runs" / "world" / "clip" / "seed-0"
        until(process, lambda: any(run.glob("checkpoints/checkpoint-*/seal.json")))
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: otmel reproduce table1" in said
    assert any(run.glob("checkpoints/checkpoint-*/seal.json"))


def test_a_dry_run_says_what_is_missing_and_makes_nothing(tiny_world, tiny_encoder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(words(tiny_world, tiny_encoder, out, "--dry-run", "--json")) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [run["state"] for run in plan["runs"]] == ["to run"] * 2
    assert not out.exists()
    assert main(["reproduce", "table1", "--scale", "tiny", "--out", str(out), "--dry-run"]) == 0
    assert "data world:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "problem", "cure"),
    [
        (["tabel1"], "nothing to reproduce by the name 'tabel1'", "table1"),
        (["table1"], "no data set is named", "--scale tiny"),
        (["table1", "--scale", "tiny", "--seeds", "0"], "--seeds 0", ""),
        (["table2", "--scale", "tiny", "--only", "nobody"], "no row 'nobody'", "f1"),
        (["table5", "--data", "nowhere"], "there is no such folder", "MIMIC"),
        (["table2", "--scale", "tiny", "--set", "training.epoch=1"], "no setting", "epochs"),
    ],
)
def test_what_cannot_be_understood_has_a_cure(line, problem, cure, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *line]) == 2
    said = capsys.readouterr().err
    assert problem in said
    assert cure in said
    assert list(tmp_path.iterdir()) == []
