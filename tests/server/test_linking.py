"""Answers over HTTP are those of the library, alone and in company."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx

from otmel.data.records import Mention
from otmel.linking import Linker


def test_a_link_is_the_librarys(client: httpx.Client, library: Linker) -> None:
    answer = client.post("/v1/link", json={"mention": "Robert", "context": "Robert acts.", "k": 3})
    assert answer.status_code == 200, answer.text
    expected = library.link(Mention("Robert", "Robert acts."), 3)[0].as_json()
    given = answer.json()
    assert [one["id"] for one in given["candidates"]] == [one["id"] for one in expected["candidates"]]


def test_what_holds_of_all_links_is_told(start: Callable[..., Any], client: httpx.Client) -> None:
    assert client.get("/v1/info").json()["remark"] is None
    with start() as one, one.client() as own:
        one.service.linker.calibration = SimpleNamespace(task=SimpleNamespace(graph="another"))
        info = own.get("/v1/info").json()
    assert info["calibrated"] is True
    assert "calibrated on the graph another" in info["remark"]
