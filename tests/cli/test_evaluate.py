"""``otmel evaluate``: tables and files agree, name match stands beside, and what cannot be evaluated is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otmel.cli.main import main
from otmel.data.datasets import load_dataset
from otmel.evaluation.files import read_evaluation

from ..conftest import write_tiny


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """The trained run, which the test may change."""
    shutil.copytree(trained_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    return tmp_path / "run"


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_both_results_are_written_and_printed(run: Path, tiny_world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), str(tiny_world), "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    folder = run / "eval-dev"
    assert f"wrote {folder}" in captured.err
    model, floor = read_evaluation(folder), read_evaluation(folder / "name-match")
    assert printed["model"] == model.result.model_dump(mode="json")
    assert printed["name match"] == floor.result.model_dump(mode="json")
    assert printed["folder"] == str(folder)
    assert (model.result.system.label, floor.result.system.label) == ("tiny default ot", "name match")
    assert model.result.task == floor.result.task
    assert len(model.mentions) == len(load_dataset(tiny_world).split("dev"))
    # The model's own part N, alone, is the name match that stands beside it.
    assert model.result.parts["N"] == floor.result.headline


def test_the_data_set_of_the_run_is_taken_where_none_is_named(
    run: Path, tiny_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), str(tiny_world), "--json"]) == 0
    named = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["task"] == named["model"]["task"]
    assert found["model"]["measures"] == named["model"]["measures"]


def test_the_tables_say_everything_needed_to_read_them(
    run: Path, tiny_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(run), str(tiny_world), "--split", "test"]
    assert main(words) == 0
    text = capsys.readouterr().out
    result = read_evaluation(run / "eval-test").result
    for measure in ("H@1 %", "H@3 %", "H@5 %", "H@10 %", "H@20 %", "MRR %", "MR"):
        assert measure in text
    for row in ("tiny default ot", "name match", "optimistic", "realistic", "pessimistic", "F", "T", "V", "N", "all"):
        assert f"│ {row} " in text
    assert f"world, test: {result.task.entities} entities, all entities as candidates" in text
    assert f"{result.counts.ranked} ranked mentions" in text
    assert f"{100 * (result.headline['MRR'] or 0):.1f}" in text
    assert "mention with image" not in text
    assert main([*words, "--slices"]) == 0
    sliced = capsys.readouterr().out
    assert "mention with image" in sliced
    assert sliced.count("all ranked") == 2


@pytest.mark.parametrize("format", ["markdown", "latex", "csv"])
def test_every_format_holds_the_same_numbers(
    format: str, run: Path, tiny_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), str(tiny_world), "--format", format]) == 0
    text = capsys.readouterr().out
    values = [read_evaluation(run / "eval-dev").result.headline[name] or 0 for name in ("H@1", "H@3", "H@5")]
    shown = [f"{100 * value:.1f}" for value in values]
    if format == "csv":
        header, model, *_ = csv.reader(io.StringIO(text))
        assert header[:4] == ["model", "H@1 %", "H@3 %", "H@5 %"]
        assert model[:4] == ["tiny default ot", *shown]
    else:
        between = " | " if format == "markdown" else " & "
        assert between.join(["tiny default ot", *shown]) in text


def test_another_folder_can_be_written(run: Path, tiny_world: Path, tmp_path: Path) -> None:
    assert main(["evaluate", str(run), str(tiny_world), "--out", str(tmp_path / "here")]) == 0
    assert read_evaluation(tmp_path / "here").result.task.split == "dev"
    assert read_evaluation(tmp_path / "here" / "name-match").result.system.model == "name match"
    assert not (run / "eval-dev").exists()


def test_another_graph_is_evaluated_on_with_a_warning(
    run: Path, tiny_dataset_folder: Path, tiny_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), str(tiny_dataset_folder)]) == 0
    error = capsys.readouterr().err
    trained, here = (load_dataset(folder).graph.snapshot for folder in (tiny_world, tiny_dataset_folder))
    assert trained != here
    assert f"warning: the run was trained on the graph {trained}, this is the graph {here}" in error
    assert "found while reading: image missing, 2 times" in error
    assert main(["evaluate", str(run), str(tiny_world)]) == 0
    assert "warning" not in capsys.readouterr().err


def test_mentions_that_cannot_be_ranked_are_counted_apart(
    run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), str(tiny_dataset_folder), "--split", "test", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["model"]["counts"]
    assert (counts["mentions"], counts["ranked"], counts["nil"]) == (4, 3, 1)
    assert main(["evaluate", str(run), str(tiny_dataset_folder), "--split", "test", "--format", "markdown"]) == 0
    assert "counted apart: 1 NIL" in capsys.readouterr().out


@pytest.mark.parametrize("split", ["devv", "unseen"])
def test_an_absent_split_names_those_there_are(
    split: str, run: Path, tiny_dataset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), str(tiny_dataset_folder), "--split", split]) == 2
    error = capsys.readouterr().err
    assert f"there is no split '{split}'" in error
    assert "train, dev, test" in error
    assert not (run / f"eval-{split}").exists()


def test_an_empty_split_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_tiny(tmp_path / "data")
    (data / "Tiny_dev.json").write_text("[]")
    assert main(["evaluate", str(run), str(data)]) == 2
    assert "the split 'dev' holds no mention" in capsys.readouterr().err


def test_a_folder_that_is_no_finished_run_is_refused(
    run: Path, tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(folder: Path, *data: str) -> str:
        assert main(["evaluate", str(folder), *data]) == 2
        return capsys.readouterr().err

    world = str(tiny_world)
    assert "there is no such run folder" in error(tmp_path / "nowhere", world)
    assert "the folder is no run: it has no run.json" in error(tiny_world, world)
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in error(run, str(tmp_path / "nowhere"))
    (run / "tokenizer.json").unlink()
    (run / "tokenizer_config.json").unlink()
    assert f"{run}: the tokenizer cannot be read" in error(run, world)
    (run / "input_settings.json").unlink()
    assert f"{run / 'input_settings.json'}: the input settings cannot be read" in error(run, world)
    (run / "model.safetensors").unlink()
    unfinished = error(run, world)
    assert "the run has no weights yet" in unfinished
    assert "--resume" in unfinished
    (run / "run.json").write_text("{")
    assert "run.json cannot be read" in error(run, world)
    assert not (run / "eval-dev").exists()


def test_a_run_that_cannot_read_a_data_set_or_does_not_say_where_it_is_says_so(
    run: Path, tiny_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewritten(run / "run.json", lambda record: record.pop("dataset_root", None))
    assert main(["evaluate", str(run)]) == 2
    error = capsys.readouterr().err
    assert "the run does not say where its data are" in error
    assert f"otmel evaluate {run} DATA" in error
    rewritten(run / "run.json", lambda record: record["settings"].update(encoder=None))
    assert main(["evaluate", str(run), str(tiny_world)]) == 2
    assert "trained on ready features" in capsys.readouterr().err
