"""The gate lets equal, better and slightly worse ratios pass, and nothing else."""

from __future__ import annotations

import json

import pytest
from benchmarks.gate import compared, main
from hypothesis import given
from hypothesis import strategies as st


def record(ratios, **changes):
    rows = [{"name": name, "value": 1.0, "unit": "s", "ratio_to_baseline": r} for name, r in ratios.items()]
    return {"format": 1, "benchmark": "b", "size": "quick", "machine": {"flags": ["avx2"]}, "rows": rows} | changes


def failed(fresh, committed, **how):
    return [verdict.name for verdict in compared(record(fresh), record(committed), **how) if verdict.failed]


@given(st.floats(0.01, 1e4), st.floats(0, 1))
def test_what_is_less_than_fifteen_per_cent_worse_passes(ratio, loss):
    assert bool(failed({"a": ratio * (1 - loss)}, {"a": ratio})) == (ratio * (1 - loss) < 0.85 * ratio)


def test_what_is_missing_or_no_number_fails():
    committed = {"a": 2.0, "b": 3.0, "c": 1.0, "d": None}
    assert failed({"a": 2.0, "b": None, "e": 0.1}, committed) == ["b", "c"]
    assert failed({"a": float("nan"), "b": 3.0, "c": 1.0}, committed) == ["a"]


def test_how_much_is_allowed_can_be_said():
    assert failed({"a": 0.6}, {"a": 1.0}, allowed=0.5) == []


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_folders_are_compared_file_by_file(tmp_path, capsys):
    for name, ratio in (("one", 1.0), ("two", 2.0)):
        write(tmp_path / "committed" / f"{name}.json", record({name: ratio}))
        write(tmp_path / "fresh" / f"{name}.json", record({name: ratio}))
    paths = [str(tmp_path / "fresh"), str(tmp_path / "committed")]
    assert main(paths) == 0
    write(tmp_path / "fresh" / "two.json", record({"two": 1.0}, machine={"flags": []}))
    assert main(paths) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    assert "other instruction sets" in said
    (tmp_path / "fresh" / "two.json").unlink()
    assert main(paths) == 2


@pytest.mark.parametrize("changes", [{"size": "full"}, {"benchmark": "c"}, {"format": 2}])
def test_different_things_are_not_compared(tmp_path, capsys, changes):
    write(tmp_path / "fresh.json", record({"a": 1.0}, **changes))
    write(tmp_path / "committed.json", record({"a": 1.0}))
    assert main([str(tmp_path / "fresh.json"), str(tmp_path / "committed.json")]) == 2
    assert next(iter(changes)) in capsys.readouterr().out
