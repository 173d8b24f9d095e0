"""One command runs all benchmarks, each as one would type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.run import JOBS, main


@pytest.mark.slow
def test_it_runs_them_and_says_which_failed(tmp_path, capfd):
    words = ["--tiny", "--only", "kernels", "--threads", "1", "--out", str(tmp_path)]
    assert main([*words, "--trained", f"none={tmp_path}"]) == 1
    assert json.loads((tmp_path / "kernels.json").read_text(encoding="utf-8"))["benchmark"] == "kernels"
    assert "failed: trained-none" in capfd.readouterr().out


def test_every_script_is_there():
    for script, *_ in JOBS.values():
        assert (Path(__file__).parents[2] / "benchmarks" / script).is_file()
