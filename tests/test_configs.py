"""The published settings load by the code path of the command line, and say what the presets do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otmel.cli.main import main
from otmel.cli.run_options import RunOptions, read_config
from otmel.data.datasets import BENCHMARKS
from otmel.training.settings import PRESETS

FOLDER = Path(__file__).parents[1] / "configs"
CONFIGS = sorted(FOLDER.glob("*.toml"))
CLIP = "openai/clip-vit-base-patch32"


def leaves(table: dict[str, Any], *path: str) -> dict[str, Any]:
    """``a.b`` → value of every value in nested tables."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= leaves(value, *path, key) if isinstance(value, dict) else {".".join((*path, key)): value}
    return found


def test_there_is_one_file_for_each_benchmark_and_published_preset() -> None:
    assert {path.stem for path in CONFIGS} == {
        f"{preset}-{benchmark.name.lower()}" for preset in ("paper", "released") for benchmark in BENCHMARKS.values()
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_file_is_its_preset_with_the_papers_encoder(path: Path) -> None:
    settings = RunOptions(config=path).settings()
    assert settings == PRESETS[path.stem.split("-")[0].upper()].model_copy(update={"encoder": CLIP})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_value_in_a_file_is_the_one_that_is_used(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "data/unread", "--out", "runs/unwritten", "--config", str(path), "--dry-run"]) == 0
    used = leaves(json.loads(capsys.readouterr().out))
    for key, value in leaves(read_config(path)).items():
        assert used[key] == value, key


@pytest.mark.parametrize("path", [path for path in CONFIGS if "paper" in path.stem], ids=lambda path: path.stem)
def test_what_section_4_3_states_is_in_the_paper_files(path: Path) -> None:
    settings = RunOptions(config=path).settings()
    model = leaves(settings.model_dump())
    assert (settings.training.batch_size, settings.training.learning_rate) == (256, 2e-5)
    assert (settings.model.hidden, settings.encoder, settings.training.validation) == (96, CLIP, "dev")
    assert model["model.fusion.solver.epsilon"] == model["model.matching.solver.epsilon"] == 0.6


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_command_in_a_file_names_that_file(path: Path) -> None:
    commands = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#   otmel train")]
    assert commands
    assert all(f"--config configs/{path.name}" in command for command in commands)
