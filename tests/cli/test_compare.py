"""``otmel compare``: what is the same has no difference, seeds are one system, and other tasks are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from otmel.cli.main import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_world: Path, tiny_encoder: Path) -> Path:
    """Two seeds of OT and one of attention, two steps each, evaluated on dev; the first one on test too."""
    folder = tmp_path_factory.mktemp("compared")
    steps = ("--set", "training.epochs=1", "--set", "training.batch_size=8")
    for name, options in (("ot-0", ()), ("ot-1", ("--seed", "1")), ("att", ("--variant", "a1"))):
        words = [str(tiny_world), "--out", str(folder / name), "--encoder", str(tiny_encoder)]
        assert main(["train", *words, *steps, *options]) == 0
        assert main(["evaluate", str(folder / name), str(tiny_world)]) == 0
    assert main(["evaluate", str(folder / "ot-0"), str(tiny_world), "--split", "test"]) == 0
    return folder


def test_a_run_does_not_differ_from_itself(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", f"one={runs / 'ot-0'}", f"other={runs / 'ot-0'}", "--no-floor", "--json"]) == 0
    (first, second) = json.loads(capsys.readouterr().out)["differences"]
    assert [first["measure"], second["measure"]] == ["H@1", "MRR"]
    for difference in (first, second):
        assert difference["difference"] == difference["low"] == difference["high"] == 0
        assert not difference["separated"]
    assert main(["compare", f"one={runs / 'ot-0'}", f"other={runs / 'ot-0'}", "--no-floor"]) == 0
    assert capsys.readouterr().out.count("not separated") == 2


def test_the_differences_are_those_of_the_results(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs / "ot-0"), str(runs / "att"), "--measures", "H@1, MRR,MR", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    names = {
        "tiny default ot": "ot-0/eval-dev",
        "tiny default a1": "att/eval-dev",
        "name match": "att/eval-dev/name-match",
    }
    values = {
        label: json.loads((runs / place / "result.json").read_text())["measures"]["realistic"]
        for label, place in names.items()
    }
    assert list(compared["systems"]) == ["name match", "tiny default ot", "tiny default a1"]
    assert len(compared["differences"]) == 9
    for difference in compared["differences"]:
        measure = difference["measure"]
        expected = values[difference["system"]][measure] - values[difference["baseline"]][measure]
        assert difference["difference"] == pytest.approx(expected, abs=1e-9)
        assert difference["low"] <= difference["difference"] <= difference["high"]
        if difference["low"] <= 0 <= difference["high"]:
            assert not difference["separated"]


def test_runs_that_differ_in_the_seed_alone_are_one_system(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", str(runs / "ot-0"), str(runs / "ot-1"), "--method", "both"]
    assert main([*words, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["systems"]["tiny default ot"]["seeds"] == [0, 1]
    assert {d["paired_seeds"] for d in compared["differences"]} == {2}
    assert {d["over"] for d in compared["differences"]} == {"both"}
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "tiny default ot (2 seeds)" in text
    assert "(2 paired seeds, " in text
    assert "intervals over seeds and mentions" in text


def test_names_put_runs_together_or_apart(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"OT={runs / 'ot-0'}", f"OT={runs / 'ot-1'}", f"ATT={runs / 'att'}", "--baseline", "ATT", "--json"]
    assert main(["compare", *words]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["systems"]["OT"]["seeds"] == [0, 1]
    assert {(d["system"], d["baseline"]) for d in compared["differences"]} == {("OT", "ATT"), ("name match", "ATT")}


def test_a_plot_is_drawn(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs / "ot-0"), "--plot", str(tmp_path / "plot.png")]) == 0
    assert f"wrote {tmp_path / 'plot.png'}" in capsys.readouterr().err
    with Image.open(tmp_path / "plot.png") as picture:
        assert min(picture.size) > 100


def test_an_evaluation_in_another_folder_can_be_named_itself(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs / "ot-0" / "eval-test"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["task"]["split"] == "test"


@pytest.mark.parametrize(
    ("words", "problem", "cure"),
    [
        (["{}/ot-0", "{}/ot-0", "--no-floor"], "1 system given, a comparison needs two", "NAME=RUN"),
        (["A={}/ot-0", "A={}/ot-0"], "'A' has two evaluations with the seed 0", "NAME=RUN"),
        (["{}/ot-0", "--baseline", "OTT"], "there is no system 'OTT'", "Valid: name match, tiny default ot"),
        (["{}/ot-0", "--measures", "H@1,MRRR"], "there is no measure 'MRRR'", "did you mean 'MRR'?"),
        (["{}/ot-0", "{}/att", "--method", "seeds"], "needs at least two paired seeds", "train with more seeds"),
        (["{}/att", "--split", "test"], "not evaluated on the split 'test'", "otmel evaluate {}/att --split test"),
        (["{}/nowhere"], "{}/nowhere: there is no such run folder", ""),
        (["{}/ot-0/eval-dev", "A={}/ot-0/eval-test"], "cannot be compared: ", "on the same split"),
        ([], "0 system given", ""),
        (["{}/ot-0", "--method", "guess"], "guess", "otmel compare --help"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    words: list[str], problem: str, cure: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *(word.replace("{}", str(runs)) for word in words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert problem.replace("{}", str(runs)) in captured.err
    assert cure.replace("{}", str(runs)) in captured.err


def test_without_its_floor_an_evaluation_says_so(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("result.json", "mentions.jsonl"):
        (tmp_path / name).write_bytes((runs / "att" / "eval-dev" / name).read_bytes())
    assert main(["compare", str(tmp_path), f"A={runs / 'ot-0'}"]) == 2
    assert f"{tmp_path / 'name-match' / 'result.json'}: there is no such file" in capsys.readouterr().err
    assert main(["compare", str(tmp_path), f"A={runs / 'ot-0'}", "--no-floor"]) == 0
