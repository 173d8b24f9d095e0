"""``otmel data info``, ``check`` and ``world`` on the tiny data set and on a small world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from otmel.cli.main import main

SMALL_WORLD = ("entities=12", "train=6", "dev=4", "test=4", "unseen=2", "captions=3", "image_size=24")


def small(*words: str) -> list[str]:
    return ["data", "world", *words, *(word for setting in SMALL_WORLD for word in ("--set", setting))]


def test_info_counts_what_is_there(tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "info", str(tiny_dataset_folder), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["entities"], info["entities_with_image"]) == (12, 10)
    assert info["mentions"] == {"train": 6, "dev": 4, "test": 4}
    assert info["mentions_with_image"] == {"train": 5, "dev": 2, "test": 3}
    assert info["findings"]["image missing"] == 2


def test_info_is_readable(tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "info", str(tiny_dataset_folder)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["entities", "12", "with", "image", "10"] in rows
    assert ["test", "4", "with", "image", "3"] in rows
    assert ["found", "while", "reading:", "image", "missing,", "2", "times"] in rows


@pytest.mark.parametrize("verb", ["info", "check"])
def test_an_absent_folder_is_an_error_that_names_it(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", verb, str(tmp_path / "absent")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(tmp_path / "absent") in captured.err


def test_check_reports_as_text_as_json_and_as_a_picture(
    tiny_dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tiny_dataset_folder)
    assert main(["data", "check", folder]) == 0
    assert "12" in capsys.readouterr().out
    assert main(["data", "check", folder, "--json", "--no-decode", "--plot", str(tmp_path / "plot.png")]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)
    assert captured.err == f"wrote {tmp_path / 'plot.png'}\n"
    with Image.open(tmp_path / "plot.png") as picture:
        assert min(picture.size) > 100


def test_a_world_is_written_and_is_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(small("--out", str(tmp_path / "world"), "--json")) == 0
    summary = json.loads(capsys.readouterr().out)
    assert main(["data", "info", str(tmp_path / "world"), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["entities"] == summary["entities"] == 12
    assert info["mentions"] == summary["mentions"]
    assert info["mentions_with_image"] == summary["mention_images"]


def test_a_world_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(small("--out", str(tmp_path / "world"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"wrote {tmp_path / 'world'}"
    assert lines[1].startswith("  12 entities, ")
    assert lines[-1] == "  3 captioned scenes"


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    def world(name: str, seed: str) -> dict[str, bytes]:
        assert main(small("--out", str(tmp_path / name), "--seed", seed)) == 0
        return {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}

    first = world("a", "1")
    assert first == world("b", "1")
    assert first != world("c", "2")


def test_an_unknown_setting_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "world", "--out", str(tmp_path / "world"), "--set", "entites=3"]) == 2
    assert "did you mean 'entities'?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
