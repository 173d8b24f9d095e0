"""Answers over HTTP are those of the library, alone and in company."""

from __future__ import annotations

import httpx

from otmel.data.records import Mention
from otmel.linking import Linker


def test_a_link_is_the_librarys(client: httpx.Client, library: Linker) -> None:
    answer = client.post("/v1/link", json={"mention": "Robert", "context": "Robert acts.", "k": 3})
    assert answer.status_code == 200, answer.text
    expected = library.link(Mention("Robert", "Robert acts."), 3)[0].as_json()
    given = answer.json()
    assert [one["id"] for one in given["candidates"]] == [one["id"] for one in expected["candidates"]]
