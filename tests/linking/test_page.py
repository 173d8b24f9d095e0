"""The page of an explanation stands by itself, and what it quotes stays text."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

from otmel.data.records import Entity, Mention
from otmel.linking.page import html

from .conftest import made_up


class Read(HTMLParser):
    """Tags that are open, and every text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.said: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(page: str) -> Read:
    reader = Read()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_it_holds_picture_and_numbers() -> None:
    explanation = made_up(5)
    page = html(explanation)
    said = " ".join(read(page).said)
    assert f"{explanation.score:+.4f}" in said
    assert all(term.name in said for part in explanation.parts for term in part.terms)
    assert all(plan.name in said for plan in explanation.plans)
    assert "<mark>Robert</mark>" in page
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert picture is not None
    assert b64decode(picture[1]).startswith(b"\x89PNG")


def test_it_fetches_nothing() -> None:
    page = re.sub(r'src="data:[^"]+"', "", html(made_up(5)))
    assert "http" not in page
    assert "src=" not in page
    assert "url(" not in page


def test_hostile_texts_stay_texts() -> None:
    bad = '<script>alert("x")</script>\ud800'
    explanation = replace(
        made_up(5, None), mention=Mention(bad, f"a {bad} b"), entity=Entity(bad, bad, attributes=bad), notes=(bad,)
    )
    page = html(explanation)
    assert "script" not in read(page).seen
    page.encode("utf8")


def test_without_plans_there_is_no_table_of_plans() -> None:
    page = html(replace(made_up(5, None), plans=(), mention=Mention("", "", None)))
    assert page.count("<table>") == 1
    assert "<mark>" not in page
