"""The page says what the figures say: targets met and missed, and what is worse than the plain way."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("benchmarks_page"), importlib.import_module("benchmarks_drawings")
    finally:
        sys.path.pop(0)


def row(name, value, unit="pairs/s", ratio=None, note=""):
    return {"name": name, "value": value, "unit": unit, "ratio_to_baseline": ratio, "note": note}


def record(*rows, **changes):
    machine = {"cpu": "a CPU", "cores": 2, "memory_gib": 8.0, "flags": ["avx2"], "gpu": None}
    found = {"machine": machine, "versions": {"torch": "2"}, "commit": "c" * 40, "dirty": False, "rows": list(rows)}
    return found | {"date": "2026-01-02T03:04:05", "load": {"before": 0, "after": 1}, "seconds": 60.0} | changes


THREE = "paper's formula, 3 iterations"


def test_targets_and_disappointments(pages):
    page, _ = pages
    kernels = record(
        row(f"{THREE}, numba float32, 1 thread", 50_000, ratio=25.0),
        row(f"{THREE}, lanes float32, 1 thread", 5_000, ratio=7.5, note="disturbed: 2 s"),
        row("another", 1, ratio=0.5),
        row("plain torch", 1, ratio=0.4),
        dirty=True,
    )
    text = page.page({"kernels": kernels, "trained-world": record(row("x", 1.0))})
    assert f"| {THREE}, numba float32, 1 thread | ≥ 20 × | 25 × | met |" in text
    assert f"| {THREE}, lanes float32, 1 thread | ≥ 8 × | 7.5 × | **missed** |" in text
    disappoints = text.split("## What disappoints")[1].split("\n## ")[0]
    assert f"{THREE}, lanes float32, 1 thread: asked ≥ 8 ×, measured 7.5 ×" in disappoints
    assert "numba float32, 1 thread: asked ≥ 20 ×" not in disappoints
    assert "another: 0.5× the baseline, that is worse" in disappoints
    assert "plain torch" not in disappoints
    assert "no commit holds" in disappoints
    assert "1 rows were measured while something else ran" in disappoints
    assert "most memory of the process: asked ≤ 4,096 MiB, not measured" in disappoints
    assert "## Trained: world" in text


def test_known_figures_come_in_the_pages_order(pages, tmp_path):
    page, _ = pages
    for name in ("trained-a", "latency@h100", "latency", "kernels"):
        (tmp_path / f"{name}.json").write_text("{}", encoding="utf-8")
    assert list(page.read(tmp_path)) == ["kernels", "latency", "latency@h100", "trained-a"]
    (tmp_path / "unknown.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SystemExit, match="unknown"):
        page.read(tmp_path)


def test_the_committed_page_is_up_to_date(pages):
    page, _ = pages
    if not page.read():
        pytest.skip("no figures are committed")
    assert page.main(["--check"]) is None


def test_the_same_figures_give_the_same_drawing(pages, tmp_path):
    _, drawings = pages
    rows = [row("a, 1 thread", 100.0, ratio=1.0), row("b, 1 thread", 2000.0, ratio=20.0), row("b, 2 threads", 1.0)]
    for name in ("one.svg", "two.svg"):
        drawings.draw("kernels", rows, tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one == two
    assert b"<svg" in one
