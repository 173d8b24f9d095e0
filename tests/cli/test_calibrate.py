"""``otmel calibrate``: what is written is what links use, and printed; too little is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from otmel.cli.main import main
from otmel.data.datasets import load_dataset
from otmel.evaluation.calibration.record import read_calibration
from otmel.linking import Linker
from otmel.models.bundle import weights_hash


@pytest.fixture
def run(calibrated_run: Path, tmp_path: Path) -> Path:
    """A calibrated run, which the test may change."""
    shutil.copytree(calibrated_run, tmp_path / "run")
    return tmp_path / "run"


def test_the_run_is_calibrated_whole(calibrated_run: Path, calibration_world: Path) -> None:
    calibration = read_calibration(calibrated_run, weights_hash(calibrated_run))
    assert calibration is not None
    dataset = load_dataset(calibration_world)
    assert calibration.task.graph == dataset.graph.snapshot
    assert (calibration.mentions, calibration.folds, calibration.seed, calibration.k) == (48, 5, 0, 20)
    assert calibration.losses[calibration.map.method] == min(calibration.losses.values())
    assert calibration.removal is not None
    report = json.loads((calibrated_run / "calibration" / "report.json").read_text())
    assert {key: report[key] for key in calibration.model_dump()} == calibration.model_dump(mode="json")
    assert len(report["removed"]) == calibration.removal.entities
    answers = {mention.answer for mention in dataset.split("dev")}
    assert set(report["removed"]) <= answers
    assert len(report["removed"]) == round(0.2 * len(answers))
    assert sum(one["mentions"] for one in report["reliability"]["after"]) == 48
    for name, curve in report["risk_coverage"].items():
        figures = calibration.removal.figures if "removed" in name else getattr(calibration, name)
        assert sum(curve["risk"]) / 48 == pytest.approx(figures.aurc)
    for plot in ("reliability.png", "risk_coverage.png"):
        with Image.open(calibrated_run / "calibration" / plot) as image:
            assert min(image.size) > 600


def test_its_links_say_how_sure_they_are(calibrated_run: Path, calibration_world: Path) -> None:
    dataset = load_dataset(calibration_world)
    linker = Linker.load(calibrated_run, dataset.graph)
    links = linker.link(list(dataset.split("dev")))
    assert linker.calibration is not None
    threshold = linker.calibration.threshold
    assert all(link.probability is not None for link in links)
    assert len({link.probability for link in links}) > 4
    for link in links:
        assert link.nil == (None if threshold is None else (link.probability or 0) < threshold)


def test_the_same_command_gives_the_same_record_and_prints_it(
    run: Path, calibration_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "calibration.json").read_bytes()
    words = ["calibrate", str(run), "--data", str(calibration_world), "--precision", "0.8"]
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == json.loads((run / "calibration" / "report.json").read_text())
    assert f"wrote {run / 'calibration.json'}" in told.err
    assert (run / "calibration.json").read_bytes() == before
    assert main(words) == 0
    text, record = capsys.readouterr().out, json.loads(before)
    assert f"{record['task']['dataset']}, dev: 48 mentions, 24 entities" in text
    for key in ("before", "after"):
        assert f"{record[key]['ece']:.3f}" in text
    assert record["map"]["feature"] is not None or "temperature" in text
    assert "NIL recall %" in text or "No threshold" in text


def test_the_threshold_may_be_chosen_by_nil_mentions(
    run: Path, calibration_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", str(run), str(calibration_world), "--threshold", "nil", "--nil-share", "0.4", "--seed", "3"]
    assert main([*words, "--folds", "4", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rule"], report["seed"], report["folds"], report["removal"]["share"]) == ("nil", 3, 4, 0.4)
    nil = report["removal"]["nil"]
    assert nil["nil"] > 0
    assert nil["recall"] is not None
    assert main([*words[:-4], "--nil-share", "0"]) == 2
    told = capsys.readouterr().err
    assert "the threshold is to be chosen by NIL mentions, and there are none" in told
    assert "--nil-share 0.2" in told


def test_a_target_that_is_not_reached_is_said(
    run: Path, calibration_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", str(run), str(calibration_world), "--precision", "1.0", "--nil-share", "0"]
    assert main(words) == 0
    text = " ".join(capsys.readouterr().out.split())
    record = json.loads((run / "calibration.json").read_text())
    assert record["threshold"] is None
    assert (record["nil"], record["removal"]) == (None, None)
    assert "No threshold: there is none above which 100.0% of the links are right" in text
    assert f"the best reaches {record['best_precision']:.1%}" in text
    (link,) = Linker.load(run, calibration_world).link(load_dataset(calibration_world).split("dev")[0])
    assert link.probability is not None
    assert link.nil is None


def test_evaluate_and_link_use_it(run: Path, calibration_world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "calibration.json"
    record = {**json.loads(path.read_text()), "threshold": 0.999999}
    path.write_text(json.dumps(record))
    assert main(["evaluate", str(run), str(calibration_world), "--split", "test", "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    nil = json.loads((run / "eval-test" / "result.json").read_text())["nil"]
    assert "NIL-aware" in text
    assert f"| accuracy % | {100 * nil['accuracy']:.1f} |" in text
    assert nil["mentions"] == 12
    mention = load_dataset(calibration_world).split("dev")[0]
    words = ["link", str(run), mention.name, "--graph", str(calibration_world)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "probability" in told.out
    assert "NIL: the best entity is too improbable" in told.out
    assert told.err.split("\n")[:-1] == ["note: empty sentence"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["nil"] is True
    assert f"{answer['probability']:.1%}" in told.out


def test_another_graph_is_noted_once(
    run: Path, tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"mention": "Clara"}\n{"mention": "Keller"}\n')
    for words in (["Clara"], ["--input", str(rows)]):
        assert main(["link", str(run), *words, "--graph", str(tiny_world)]) == 0
        assert capsys.readouterr().err.count("probabilities were calibrated on the graph") == 1


def test_too_few_mentions_leave_the_run_as_it_was(
    trained_run: Path, tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run, ignore=shutil.ignore_patterns("checkpoints"))
    assert main(["calibrate", str(run), str(tiny_world)]) == 2
    told = capsys.readouterr().err
    assert "the split has 8 mentions with a stated answer, a calibration needs 20" in told
    assert "--split" in told
    assert not (run / "calibration.json").exists()
    assert not (run / "calibration").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--precision", "1.2"], "precision"),
        (["--folds", "1"], "folds"),
        (["--nil-share", "1"], "nil_share"),
        (["--split", "devv"], "there is no split 'devv'"),
    ],
)
def test_a_wrong_value_is_refused_at_once(
    words: list[str], said: str, run: Path, calibration_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "calibration.json").read_bytes()
    assert main(["calibrate", str(run), str(calibration_world), *words]) == 2
    assert said in capsys.readouterr().err
    assert (run / "calibration.json").read_bytes() == before


def test_a_broken_calibration_is_named_by_all_who_read_it_and_replaced_by_a_new_one(
    run: Path, calibration_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "calibration.json").write_text("{")
    for words in (
        ["evaluate", str(run), str(calibration_world)],
        ["link", str(run), "A", "--graph", str(calibration_world)],
    ):
        assert main(words) == 2
        told = capsys.readouterr().err
        assert f"{run / 'calibration.json'}: the calibration cannot be read" in told
        assert f"otmel calibrate {run}" in told
    assert main(["calibrate", str(run), str(calibration_world), "--nil-share", "0"]) == 0
    assert read_calibration(run, weights_hash(run)) is not None
