"""Systems of other packages: found by their entry points, or refused with the package's name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from otmel.errors import ConfigurationError
from otmel.models.plugged import GROUP, with_plugged
from otmel.models.registry import OURS, OWN, SYSTEMS

PLUG = """
from dataclasses import replace
from typing import Literal
from otmel.models.baselines.bert import SYSTEM as BERT, BertSettings
class PlugSettings(BertSettings):
    kind: Literal["plug"] = "plug"
SYSTEM = replace(BERT, name="plug", title="PLUG", settings=PlugSettings)
"""


def point(value: str, name: str = "plug") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_otmels_own_come_first_and_in_their_order() -> None:
    assert list(SYSTEMS)[: len(OWN)] == [one.name for one in OWN]
    assert list(with_plugged(OWN, [])) == [one.name for one in OWN]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_package:SYSTEM", "does not load"),
        ("otmel.models.registry:NOTHING", "does not load"),
        ("otmel.models.registry:SYSTEMS", "no System"),
        ("otmel.models.registry:OURS", f"{OURS.name!r} already"),
    ],
)
def test_what_is_no_new_system_is_refused_by_name(value: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        with_plugged(OWN, [point(value)])
    assert value in str(raised.value)


def test_an_installed_package_is_listed_and_its_settings_are_known(tmp_path: Path) -> None:
    (tmp_path / "plug_linker.py").write_text(PLUG)
    about = tmp_path / "plug_linker-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-linker\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nplug = plug_linker:SYSTEM\n")
    ask = (
        "import json, otmel.models.registry as r, otmel.training.settings as t\n"
        "s = t.preset('default', system_name='plug')\n"
        "again = t.RunSettings.model_validate(json.loads(s.model_dump_json()))\n"
        "print(json.dumps([list(r.SYSTEMS), type(again.model).__name__, again == s]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    out = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    names, settings, same = json.loads(out.stdout)
    assert names == [*SYSTEMS, "plug"]
    assert (settings, same) == ("PlugSettings", True)


def test_a_broken_package_stops_with_its_name(tmp_path: Path) -> None:
    about = tmp_path / "broken_linker-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-linker\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nbroken = broken_linker:SYSTEM\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "otmel", "models"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert out.returncode == 2 or out.returncode == 1
    assert "broken-linker" in out.stderr
    assert "Traceback" not in out.stderr
