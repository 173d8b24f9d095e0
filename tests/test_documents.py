"""What the documents tell a reader to type or to open is there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

import otmel
from otmel.cli.main import build_app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def blocks(language: str) -> list[tuple[str, str]]:
    """``(document, content)`` of every code block in ``language``."""
    found = [(path.name, BLOCK.findall(path.read_text(encoding="utf-8"))) for path in DOCUMENTS]
    return [(name, text) for name, there in found for kind, text in there if kind == language]


def commands(program: str) -> list[tuple[str, str]]:
    """Every command of ``program``, its continued lines joined and its comments and redirections taken off."""
    found = []
    for name, text in blocks("bash"):
        for line in text.replace("\\\n", " ").splitlines():
            command = re.split(r"\s(?:>|\||#)\s?", line.strip())[0].strip()
            if command.split(" ")[0] == program:
                found.append((name, command))
    return found


@pytest.mark.parametrize(("document", "command"), commands("otmel"))
def test_every_command_of_otmel_has_its_verb_and_flags(document: str, command: str) -> None:
    function, bound, _ = build_app().parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)
    assert function.__module__.startswith("otmel.cli."), f"{document}: {command} calls no verb"
    assert bound.arguments, f"{document}: {command}"


@pytest.mark.parametrize(("document", "command"), commands("make"))
def test_every_target_of_make_is_there(document: str, command: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert command.split()[1] in targets, document


@pytest.mark.parametrize(("document", "text"), blocks("python"))
def test_python_uses_public_names_only(document: str, text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "otmel":
            assert node.attr in otmel.__all__, f"{document}: otmel.{node.attr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_readme_names_the_two_commands_of_a_newcomer() -> None:
    assert {command for document, command in commands("make") if document == "README.md"} == {"make demo", "make test"}


def test_the_readme_shows_both_ways_to_use_it() -> None:
    assert any(document == "README.md" for document, _ in commands("otmel"))
    assert any(document == "README.md" for document, _ in blocks("python"))
