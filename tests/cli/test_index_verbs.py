"""``otmel index build|update|info|verify``: what they print, what they refuse, and with which status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otmel.cli.main import main


def said(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def words(tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path) -> list[str]:
    """The arguments of build and update."""
    return [str(tiny_run), "--graph", str(tiny_dataset_folder), "--out", str(tmp_path / "index")]


def test_build_info_verify_and_update(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = str(tmp_path / "index")
    assert main(["index", "build", *words, "--dtype", "float16", "--json"]) == 0
    built = said(capsys)
    assert (built["encoded"], built["kept"], built["entities"], built["changed"]) == (12, 0, 12, True)
    assert main(["index", "info", index, "--json"]) == 0
    info = said(capsys)
    assert (info["entities"], info["precision"], info["model"]) == (12, "float16", built["model"])
    assert main(["index", "verify", index, "--json"]) == 0
    assert said(capsys)["sound"] is True
    assert main(["index", "update", *words, "--json"]) == 0
    assert (said(capsys)["changed"]) is False
    assert main(["index", "build", *words, "--dtype", "float16"]) == 0
    assert "is up to date" in capsys.readouterr().out


def test_what_is_printed_for_reading(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = str(tmp_path / "index")
    assert main(["index", "build", *words]) == 0
    text = capsys.readouterr().out
    assert "12 entities encoded" in text
    assert text.splitlines()[-1].startswith("next: otmel link ")
    assert main(["index", "info", index]) == 0
    assert "masked: 0 of 12 entries" in capsys.readouterr().out
    assert main(["index", "verify", index]) == 0
    assert capsys.readouterr().out.endswith("sound\n")


def test_damage_is_listed_and_status_1(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "build", *words]) == 0
    path = tmp_path / "index" / "segments" / "000001" / "late.V.tokens.npy"
    path.write_bytes(path.read_bytes()[:-40])
    capsys.readouterr()
    assert main(["index", "verify", str(tmp_path / "index")]) == 1
    assert "late.V.tokens.npy: truncated" in capsys.readouterr().out
    assert main(["index", "verify", str(tmp_path / "index"), "--json"]) == 1
    fault = said(capsys)["faults"][0]
    assert (fault["file"], fault["offset"]) == ("segments/000001/late.V.tokens.npy", path.stat().st_size)
    assert main(["index", "info", str(tmp_path / "index")]) == 2
    assert "otmel index verify" in capsys.readouterr().err
    assert main(["index", "build", *words]) == 0
    assert "segment 000001 is of no use" in capsys.readouterr().err
    assert main(["index", "verify", str(tmp_path / "index")]) == 0


def test_an_index_links_as_the_graph_does(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_run: Path, tiny_dataset_folder: Path
) -> None:
    assert main(["index", "build", *words]) == 0
    capsys.readouterr()
    asked = ["link", str(tiny_run), "Dunn", "--context", "Judge Dunn adjourned.", "--graph", str(tiny_dataset_folder)]
    assert main([*asked, "--json"]) == 0
    plain = said(capsys)
    assert main([*asked, "--json", "--index", str(tmp_path / "index")]) == 0
    assert said(capsys)["candidates"] == plain["candidates"]


def test_the_default_place_is_in_the_run_folder(
    tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for path in tiny_run.iterdir():
        if path.is_file():
            (run / path.name).write_bytes(path.read_bytes())
    assert main(["index", "build", str(run), "--graph", str(tiny_dataset_folder), "--json"]) == 0
    assert said(capsys)["folder"] == str(run / "index" / tiny_dataset_folder.name)
    assert main(["index", "update", str(run), "--graph", str(tiny_dataset_folder)]) == 0


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--memory-limit", "plenty"], "'plenty' is no amount of memory"),
        (["--memory-limit", "1MiB"], "a memory limit of 1,048,576 bytes is too small"),
        (["--dtype", "float64"], "float64"),
    ],
)
def test_mistakes_are_named(
    words: list[str], capsys: pytest.CaptureFixture[str], more: list[str], problem: str
) -> None:
    assert main(["index", "build", *words, *more]) == 2
    assert problem in capsys.readouterr().err


def test_an_update_of_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "update", *words]) == 2
    assert "there is no index here" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "otmel", "index", "build", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    while not (tmp_path / "index" / "lock").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate()
    assert (child.returncode, "run the same command again" in told) in ((130, True), (0, False))
    assert main(["index", "build", *words, "--json"]) == 0
    assert said(capsys)["entities"] == 12
