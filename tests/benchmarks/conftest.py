"""Benchmarks are no part of the package: their folder is named from the repository's root."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))


@pytest.fixture
def measured(tmp_path):
    """A benchmark's record at its smallest size, by one thread."""

    def run(name, *words):
        path = tmp_path / "figures.json"
        main = importlib.import_module(f"benchmarks.{name}").main
        assert main(["--tiny", "--threads", "1", "--json", str(path), *map(str, words)]) == 0
        return json.loads(path.read_text(encoding="utf-8"))

    return run


@pytest.fixture
def without_processes(monkeypatch):
    """Work that has a process of its own is done here: starting one takes longer than the work at this size."""

    def here(module, function, values):
        result = getattr(importlib.import_module(module), function)(**json.loads(json.dumps(values)))
        return {**json.loads(json.dumps(result)), "peak_mib": 1.0}

    for name in ("caching", "graph", "latency", "documents"):
        monkeypatch.setattr(importlib.import_module(f"benchmarks.{name}"), "child", here)
