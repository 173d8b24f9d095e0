"""The comparison of the family: differences from runs, and going on with a file of its own protocol alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from otmel.errors import ConfigurationError

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_family.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_family", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs(**tests: list[float]) -> dict:
    return {name.replace("_", "/"): {str(s): {"test": x} for s, x in enumerate(of)} for name, of in tests.items()}


def test_differences_are_paired_by_seed_with_student_s_interval(script):
    held = runs(messages_balanced=[50, 60, 70], messages_attention=[51, 62, 73, 99], alone_softmax=[80])
    (one,) = script.differences(held)
    assert one["point"] == "messages/attention"
    assert one["seeds"] == 3
    assert one["difference"] == pytest.approx(2)
    half = 4.302653 / 3**0.5  # t of two degrees of freedom, standard deviation 1
    assert (one["low"], one["high"]) == (pytest.approx(2 - half, abs=1e-5), pytest.approx(2 + half, abs=1e-5))


def test_a_file_is_gone_on_with_and_another_protocol_refused(script, tmp_path):
    path, held = tmp_path / "family.json", runs(messages_balanced=[50.0])
    assert script.opened(path, script.Protocol()) == {}
    script.save(path, script.Protocol(), held)
    assert script.opened(path, script.Protocol()) == held
    with pytest.raises(ConfigurationError, match="another protocol"):
        script.opened(path, script.Protocol(epochs=1))


def test_what_is_there_is_not_run_again(script, tmp_path, monkeypatch, capsys):
    path, done = tmp_path / "family.json", []

    def run(settings, seed, protocol):
        done.append(seed)
        return {"test": 50.0 + seed + (settings.interaction is not None), "dev": 0.0}

    monkeypatch.setattr(script, "run", run)
    for seeds in ("2", "3"):
        monkeypatch.setattr(sys, "argv", ["", "--out", str(path), "--seeds", seeds, "--only", "added/null*"])
        script.main()
    assert done == [0, 0, 1, 1, 2, 2]
    assert "+1.00" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["", "--out", str(path), "--only", "nothing"])
    with pytest.raises(ConfigurationError, match="no point"):
        script.main()


def test_runs_in_several_processes_are_the_same_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))  # the processes import it by its name
    script = importlib.import_module("compare_family")
    protocol = script.Protocol(epochs=0)
    missing = [("alone/attention", "1")]
    here, elsewhere = (list(script.run_all(missing, protocol, jobs)) for jobs in (1, 2))
    assert here[0][:2] == elsewhere[0][:2] == missing[0]
    assert here[0][2]["test"] == elsewhere[0][2]["test"]
