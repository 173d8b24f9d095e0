"""``otmel explain``: terms, plans and pictures of one link, from words or from a data set's mention."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from otmel.cli.main import main


def test_a_mention_of_a_data_set_is_explained(
    tiny_run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(tiny_run), "--data", str(tiny_dataset_folder), "--mention-id", "dev-0"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("'Dunn' → ")
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    added = sum(term["contribution"] for part in told["parts"].values() for term in part["terms"])
    assert added == pytest.approx(told["score"], abs=1e-6)
    assert f"{told['score']:+.4f}" in text
    assert [plan["part"] for plan in told["plans"]] == ["F", "F", "F", "F", "T", "V"]


def test_the_same_words_give_the_same_score_as_linking_them(
    tiny_run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(tiny_dataset_folder / "mention_image" / "dev-0.jpg")
    mention = [str(tiny_run), "Dunn", "--context", "Judge Dunn adjourned the trial.", "--image", image, "--json"]
    mention += ["--graph", str(tiny_dataset_folder)]
    assert main(["link", *mention]) == 0
    link = json.loads(capsys.readouterr().out)
    for rank in (1, 3):
        assert main(["explain", *mention, "--rank", str(rank)]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["entity"]["id"] == link["candidates"][rank - 1]["id"]
        assert told["score"] == pytest.approx(link["candidates"][rank - 1]["score"], rel=1e-6, abs=1e-6)
    assert main(["explain", *mention, "--entity", "Q9"]) == 0
    assert json.loads(capsys.readouterr().out)["entity"]["id"] == "Q9"


def test_pictures_and_pages_are_written(
    tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(tiny_run), "Dunn", "--context", "Nothing.", "--graph", str(tiny_dataset_folder)]
    picture, page = tmp_path / "why.svg", tmp_path / "why.html"
    assert main([*words, "--out", str(picture), "--out", str(page)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "note: mention not in its sentence",
        f"wrote {picture}",
        f"wrote {page}",
    ]
    assert "<svg" in picture.read_text("utf8")
    assert "data:image/png" in page.read_text("utf8")


def test_from_a_shell(tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path) -> None:
    words = ["explain", str(tiny_run), "--data", str(tiny_dataset_folder), "--split", "test", "--mention-id", "test-0"]
    done = subprocess.run(
        [sys.executable, "-m", "otmel.cli.main", *words, "--out", str(tmp_path / "a.png"), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mention"]["id"] == "test-0"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


MISTAKES = {
    "nothing": ([], "there is no mention to explain", "otmel explain RUN"),
    "both": (["Dunn", "--mention-id", "dev-0"], "both given", "otmel explain RUN"),
    "no data": (["--mention-id", "dev-0"], "--mention-id needs the data set", "--data FOLDER"),
    "typing error": (["--mention-id", "dev0", "--data", "DATA"], "no mention 'dev0'", "did you mean 'dev-0'?"),
    "split": (["--mention-id", "dev-0", "--data", "DATA", "--split", "x"], "no split 'x'", "train, dev, test"),
    "entity": (["Dunn", "--graph", "DATA", "--entity", "Q99"], "no entity with the id 'Q99'", ""),
    "rank": (["Dunn", "--graph", "DATA", "--rank", "0"], "--rank 0", ""),
    "suffix": (["Dunn", "--graph", "DATA", "--out", "/tmp/x.gif"], "no picture's format", ".png"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_cure(
    mistake: str, tiny_run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, problem, cure = MISTAKES[mistake]
    words = [str(tiny_dataset_folder) if word == "DATA" else word for word in words]
    assert main(["explain", str(tiny_run), *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert problem in told.err
    assert cure in told.err


def test_mentions_without_ids_cannot_be_asked_for_by_id(
    tiny_run: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_folder / "Tiny_dev.json"
    rows = json.loads(path.read_text("utf8"))
    path.write_text(json.dumps([{k: v for k, v in row.items() if k != "id"} for row in rows]), "utf8")
    assert main(["explain", str(tiny_run), "--data", str(tiny_folder), "--mention-id", "7"]) == 2
    assert "its mentions have no ids" in capsys.readouterr().err
