"""``otmel link``: one mention as a table, a file of them as lines, and every mistake with its cure."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otmel.cli.main import main

ROWS = [
    {"id": "a", "mention": "Dunn", "sentence": "Judge Dunn adjourned the trial."},
    {"id": "b", "mention": "Lamptey", "sentence": "Lamptey read two new poems.", "image": "dev-2.jpg"},
    {"id": "c", "mention": "", "sentence": "Nobody."},
    {"id": "d", "mention": "Quist", "sentence": "Nothing of the kind."},
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "mentions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf8")
    return path


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_mention_is_a_table(tiny_run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(tiny_dataset_folder / "mention_image" / "dev-0.jpg")
    words = ["link", str(tiny_run), "Dunn", "--context", "Judge Dunn adjourned the trial.", "--image", image, "-k", "3"]
    assert main([*words, "--graph", str(tiny_dataset_folder)]) == 0
    told = capsys.readouterr()
    header, *candidates = told.out.splitlines()
    assert header.split() == ["entity", "id", "score", "F", "T", "V", "N"]
    assert [row.split()[0] for row in candidates] == ["1", "2", "3"]
    assert told.err == ""
    assert main([*words, "--data", str(tiny_dataset_folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    for row, candidate in zip(candidates, answer["candidates"], strict=True):
        assert row.split()[-5:] == [f"{v:.3f}" for v in (candidate["score"], *candidate["parts"].values())]
        assert candidate["name"] in row
        assert candidate["id"] in row


def test_what_is_odd_is_said(tiny_run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["link", str(tiny_run), "Dunn", "--context", "Nothing.", "--image", "absent.png", "--json"]
    assert main([*words, "--graph", str(tiny_dataset_folder)]) == 0
    told = capsys.readouterr()
    assert sorted(told.err.splitlines()) == ["note: image missing", "note: mention not in its sentence"]
    assert json.loads(told.out)["entity"]


def test_a_file_gives_a_line_per_row(
    tiny_run: Path, tiny_dataset_folder: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = rows.with_name("links.jsonl")
    words = ["link", str(tiny_run), "--graph", str(tiny_dataset_folder), "--input", str(rows), "-k", "2"]
    folder = ["--image-root", str(tiny_dataset_folder / "mention_image")]
    assert main([*words, *folder, "--output", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "1 × mention not in its sentence (such as mentions.jsonl: line 4: 'Quist')",
        "1 × row not linked: the output has an error in its place",
        f"linked 3 mentions, wrote {out}",
    ]
    found = lines(out.read_text("utf8"))
    assert [answer.get("id", answer.get("line")) for answer in found] == ["a", "b", 3, "d"]
    assert "neither words nor an image" in found[2]["error"]
    assert found[1]["image"] == str(tiny_dataset_folder / "mention_image" / "dev-2.jpg")
    assert main([*words, *folder]) == 0
    assert capsys.readouterr().out == out.read_text("utf8")


def test_image_names_are_relative_to_the_file(
    tiny_run: Path, tiny_dataset_folder: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["link", str(tiny_run), "--graph", str(tiny_dataset_folder), "--input", str(rows)]) == 0
    told = capsys.readouterr()
    assert "image" not in lines(told.out)[1]
    assert "1 × image missing (such as mentions.jsonl: line 2: 'dev-2.jpg')" in told.err
    shutil.copy(tiny_dataset_folder / "mention_image" / "dev-2.jpg", rows.parent)
    assert main(["link", str(tiny_run), "--graph", str(tiny_dataset_folder), "--input", str(rows)]) == 0
    assert lines(capsys.readouterr().out)[1]["image"] == str(rows.parent / "dev-2.jpg")


def test_a_pipe_is_read_and_written(tiny_run: Path, tiny_dataset_folder: Path) -> None:
    command = [sys.executable, "-m", "otmel.cli.main", "link", str(tiny_run)]
    done = subprocess.run(
        [*command, "--graph", str(tiny_dataset_folder), "--input", "-", "-k", "1"],
        input=b'{"mention": "Dunn"}\nnot json\n{"mention": "Keller \xc3\xa9"}\n',
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, third = lines(done.stdout.decode("utf8"))
    assert (first["mention"], second, third["mention"]) == ("Dunn", {"line": 2, "error": "broken JSON"}, "Keller é")
    assert len(first["candidates"]) == 1


def test_the_standard_input_may_be_text(
    tiny_run: Path, tiny_dataset_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"mention": "Dunn"}\n'))
    assert main(["link", str(tiny_run), "--graph", str(tiny_dataset_folder), "--input", "-"]) == 0
    assert lines(capsys.readouterr().out)[0]["mention"] == "Dunn"


def test_a_run_that_remembers_its_data_needs_no_graph(
    tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    record = json.loads((run / "run.json").read_text("utf8"))
    assert main(["explain", str(run), "--mention-id", "dev-0"]) == 2
    assert "--data FOLDER" in capsys.readouterr().err
    for place, status in ((tiny_dataset_folder, 0), (tmp_path / "moved", 2)):
        (run / "run.json").write_text(json.dumps({**record, "dataset_root": str(place)}), "utf8")
        assert main(["link", str(run), "Dunn", "--json"]) == status
        assert main(["explain", str(run), "--mention-id", "dev-0", "--out", str(tmp_path / "a.svg")]) == status
    assert (tmp_path / "a.svg").is_file()
    told = capsys.readouterr()
    assert json.loads(told.out.partition("\n}\n")[0] + "}")["graph"] == record["data"]["graph"]
    assert f"{tmp_path / 'moved'}: the data set that the run was trained on is not there any more" in told.err
    assert "--graph" in told.err


MISTAKES = {
    "nothing": ([], "there is nothing to link", "otmel link RUN"),
    "both": (["Dunn", "--input", "x.jsonl"], "a mention and --input are given together", "otmel link RUN"),
    "no graph": (["Dunn"], "the run does not say where its graph is", "--graph"),
    "k": (["Dunn", "-k", "0"], "-k 0", ""),
    "absent graph": (["Dunn", "--graph", "/absent/graph"], "/absent/graph", ""),
    "empty": (["", "--graph", "DATA"], "neither words nor an image", "give it a text or an image"),
    "absent input": (["--input", "/absent.jsonl", "--graph", "DATA"], "/absent.jsonl: there is no such file", ""),
    "odd input": (["--input", "/absent.xyz", "--graph", "DATA"], "the format is unknown", ".jsonl"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_cure(
    mistake: str, tiny_run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, problem, cure = MISTAKES[mistake]
    words = [str(tiny_dataset_folder) if word == "DATA" else word for word in words]
    assert main(["link", str(tiny_run), *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert problem in told.err
    assert cure in told.err


def test_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", str(tmp_path), "Dunn"]) == 2
    assert "the folder is no run" in capsys.readouterr().err


def test_an_interrupted_file_leaves_no_half_written_output(
    tiny_run: Path,
    tiny_dataset_folder: Path,
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from otmel.linking import Linker

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Linker, "link", stop)
    out = rows.with_name("links.jsonl")
    out.write_text("what stood there", "utf8")
    words = ["link", str(tiny_run), "--graph", str(tiny_dataset_folder), "--input", str(rows), "--output", str(out)]
    assert main(words) == 130
    assert "interrupted" in capsys.readouterr().err
    assert out.read_text("utf8") == "what stood there"
    assert sorted(path.name for path in out.parent.iterdir()) == ["links.jsonl", "mentions.jsonl"]
