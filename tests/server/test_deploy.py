"""The unit and the container's recipe: what they call exists, and what makes them safe stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from otmel.cli.main import build_app

ROOT = Path(__file__).resolve().parents[2]
UNIT, RECIPE = ROOT / "deploy" / "otmel.service", ROOT / "Containerfile"


def parsed(words: list[str]) -> None:
    """Raises unless the command line says something to otmel."""
    build_app().parse_args(words, print_error=False, exit_on_error=False)


def test_the_unit_calls_what_there_is_and_is_shut_in() -> None:
    lines = [line for line in UNIT.read_text().splitlines() if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    program, *words = shlex.split(values["ExecStart"])
    assert program.endswith("/otmel")
    parsed(words)
    assert values["User"] == "otmel"
    assert (values["NoNewPrivileges"], values["ProtectSystem"], values["CapabilityBoundingSet"]) == (
        "yes",
        "strict",
        "",
    )
    assert int(values["TimeoutStopSec"]) > 20


def test_the_container_runs_as_nobody_special_and_looks_after_itself() -> None:
    recipe = RECIPE.read_text()
    assert re.search(r"^USER 10001", recipe, re.MULTILINE)
    assert "HEALTHCHECK" in recipe
    assert "ARG TORCH=cpu" in recipe
    entry, command = (re.search(rf"^{name} (\[.*\])$", recipe, re.MULTILINE) for name in ("ENTRYPOINT", "CMD"))
    assert entry is not None
    assert command is not None
    _, *words = [*eval(entry[1]), *eval(command[1])]
    parsed(words)
    for source in re.findall(r"^COPY (?!--from)(.*) \S+$", recipe, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", [UNIT, RECIPE])
def test_no_secret_stands_in_them(path: Path) -> None:
    assert not re.search(r"OTMEL_TOKEN=\S", path.read_text())
