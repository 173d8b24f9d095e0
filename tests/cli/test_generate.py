"""``otmel generate``: figures under three rules, names in a file, and what cannot be written is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from otmel.cli.main import main
from otmel.data.datasets import load_dataset
from otmel.linking.ambiguity import generation
from otmel.models.bundle import Bundle


def test_figures_and_names_are_those_of_the_library(
    gemel_run: Path, tiny_dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(gemel_run), str(tiny_dataset_folder), "--split", "test", "--beams", "3"]
    assert main(["generate", *words, "--out", str(tmp_path / "names.jsonl"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    dataset = load_dataset(tiny_dataset_folder)
    expected = generation(Bundle.load(gemel_run), dataset, "test", beams=3)
    assert printed == json.loads(json.dumps(expected.as_json()))
    rows = [json.loads(line) for line in (tmp_path / "names.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["test-0", "test-1", "test-2"]
    for row, names in zip(rows, expected.written, strict=True):
        assert [one["name"] for one in row["written"]] == [one.name for one in names]
        assert row["written"][0]["entities"] == [dataset.graph.ids[number] for number in names[0].rows]


def test_for_reading_the_counts_stand_below_the_rules(gemel_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(gemel_run), "--limit", "2"]) == 0  # the run says where its data are
    page = capsys.readouterr().out
    assert "2 mentions, 5 beams" in page
    assert "one of its entities is drawn" in page
    assert "12 entities have 10 names; 4 of them share theirs, at most 2 one; 0 mentions" in page


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--beams", "0"], "--beams 0: at least 1"),
        (["--limit", "0"], "--limit 0: at least 1"),
        (["--split", "train2"], "train2"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], problem: str, gemel_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(gemel_run), *words]) != 0
    assert problem in capsys.readouterr().err


def test_a_run_that_writes_no_names_is_refused(
    tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    record = json.loads((tiny_run / "run.json").read_text())
    record["settings"]["encoder"] = "tiny"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert main(["generate", str(tmp_path / "run"), str(tiny_dataset_folder)]) != 0
    assert "the run's system 'ot-mel' writes no names" in capsys.readouterr().err
