"""``otmel models`` lists what ``otmel train`` takes."""

from __future__ import annotations

import json

import pytest

from otmel.cli.main import main
from otmel.models.registry import SYSTEMS
from otmel.models.variants import VARIANTS
from otmel.training.settings import PRESETS, RunSettings


def test_every_preset_and_variant_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert words == [*SYSTEMS, *PRESETS, *VARIANTS]


def test_with_json_the_settings_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {name: RunSettings.model_validate(values) for name, values in listed["presets"].items()} == dict(PRESETS)
    assert list(listed["variants"]) == list(VARIANTS)
