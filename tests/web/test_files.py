"""The page's files: nothing from elsewhere, no markup made of strings, short enough to be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import otmel

WEB = Path(otmel.__file__).parent / "web"
FILES = sorted(path for path in WEB.iterdir() if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_short_and_asks_nothing_of_others(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.suffix in (".html", ".css", ".js", ".svg")
    assert set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text)) <= {"http://www.w3.org/2000/svg"}
    assert len(text.splitlines()) <= 250
    assert path.suffix != ".js" or max(map(len, text.splitlines())) <= 125
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)


def test_the_policy_of_the_service_lets_all_of_it_pass() -> None:
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)
    named = set(re.findall(r"(?:src|href)=\"([\w./-]+\.\w+)\"", page))
    for module in WEB.glob("*.js"):
        named |= {name for name in re.findall(r"from \"\./([\w.-]+)\"", module.read_text(encoding="utf-8"))}
    assert named == {path.name for path in FILES} - {"index.html"}
