"""The page on scale: its line foretells, its figures come from the committed benchmarks, and it is up to date."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("scale_page")
    finally:
        sys.path.pop(0)


def test_a_line_through_two_points_gives_both_back(script):
    line = script.Line.through([(10.0, 7.0), (30.0, 11.0), (90.0, 100.0)])
    assert (line.at(10), line.at(30)) == (pytest.approx(7), pytest.approx(11))
    assert (line.fixed, line.each) == (pytest.approx(5), pytest.approx(0.2))


def test_the_plan_multiplies_what_was_measured(script):
    figures = script.Figures.read()
    page = script.page(figures)
    index = figures.value("latency", "1,000,000 entities, int8, index on disk") / 10**6 * 10**8 / 2**20
    assert f"| the index on disk, int8 | {index:,.2f} TiB |" in page
    assert all(f"{entities:,} entities" in page for entities, _ in script.SIZES)


def test_what_was_not_measured_stops_the_page(script):
    figures = script.Figures.read()
    with pytest.raises(KeyError):
        script.page(script.Figures({**figures.rows, "graph": {}}, figures.machines))


def test_the_committed_page_is_up_to_date(script):
    assert script.main(["--check"]) is None
