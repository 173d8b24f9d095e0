"""The page of results says what the committed reports say, and is up to date."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from otmel.reproduction.report import FORMAT
from otmel.reproduction.targets import TARGETS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("results_page")
    finally:
        sys.path.pop(0)


def record(name: str, **changes: object) -> dict[str, object]:
    target = TARGETS[name]
    grid = {"title": "world", "columns": ["model", "H@1 %"], "rows": [["OT-MEL (OT)", "12.3 ± 0.4"]], "caption": "c"}
    values = {"format": FORMAT, "target": name, "title": target.title, "place": target.place, "tables": [grid]}
    values |= {"pictures": [], "notes": ["a note"], "deviations": ["a deviation"], "threads": 1}
    return values | {"command": f"otmel reproduce {name}", "versions": {"torch": "2"}} | changes


def test_every_report_is_a_section_with_figures_notes_and_command(script):
    text = script.page({"table2": record("table2", pictures=["plot"]), "figure6": record("figure6")})
    section = text.split("## table2")[1].split("## figure6")[0]
    assert "| OT-MEL (OT) | 12.3 ± 0.4 |" in section
    assert "![plot](results/table2/plot.svg)" in section
    assert "- a note" in section
    assert "- a deviation" in section
    assert "otmel reproduce table2" in section
    missing = text.split("Not measured yet: ")[1].split(".")[0]
    assert missing.split(", ") == [name for name in TARGETS if name not in ("table2", "figure6")]


def test_reports_are_taken_with_their_pictures_in_the_targets_order(script, tmp_path):
    for name in ("figure6", "table2"):
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / f"{name}.json").write_text(
            json.dumps(record(name, pictures=["plot"], command=f"otmel reproduce {name} --data /a/world"))
        )
        (tmp_path / "out" / name / "plot.svg").write_text("<svg/>")
    folder = tmp_path / "results"
    assert script.take(tmp_path / "out", folder) == ["table2", "figure6"]
    assert list(script.read(folder)) == ["table2", "figure6"]
    assert (folder / "table2" / "plot.svg").is_file()
    assert script.read(folder)["table2"]["command"] == "otmel reproduce table2 --data world"
    assert script.take(tmp_path / "out", folder, "@mine") == ["table2@mine", "figure6@mine"]
    assert list(script.read(folder)) == ["table2", "table2@mine", "figure6", "figure6@mine"]
    assert "](results/table2@mine/plot.svg)" in script.page(script.read(folder))
    (folder / "other.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"other\.json"):
        script.read(folder)


def test_the_committed_page_is_up_to_date(script):
    if not script.read():
        pytest.skip("no results are committed")
    assert script.main(["--check"]) is None


def test_comparisons_of_the_family_are_the_last_section_best_first(script, tmp_path):
    assert script.family(tmp_path) == ""
    runs = {"messages/balanced": {"0": {"test": 70.0}, "1": {"test": 72.0}}, "added/x": {"0": {"test": 75.0}}}
    apart = {"point": "added/x", "difference": 4.0, "low": 1.0, "high": 7.0}
    (tmp_path / "token-track.json").write_text(json.dumps({"runs": runs, "differences": [apart]}))
    section = script.family(tmp_path)
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert rows == ["| added/x | 75.0 | +4.0 [+1.0, +7.0], separated | 1 |", "| messages/balanced | 71.0 | – | 2 |"]
    text = script.page({"table2": record("table2")}, section)
    assert text.index("## table2") < text.index("## family")
    assert "- [family](#family)" in text
