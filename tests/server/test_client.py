"""The client against the real server: what it sends, what it reads, and how it waits."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from otmel.client import (
    AsyncClient,
    BadRequest,
    Client,
    Link,
    NotAllowed,
    NotFound,
    Overloaded,
    ServiceError,
    Unreachable,
    mention,
)
from otmel.data.records import Mention
from otmel.linking import Linker

from .conftest import TOKEN, Running, build


def picture(path: Path) -> Path:
    Image.new("RGB", (40, 30), "olive").save(path)
    return path


def test_a_link_reads_as_the_librarys(server: Running, library: Linker, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    with Client(server.url) as client:
        link = client.link("Robert", context="Robert acts.", image=image, k=3)
    expected = library.link(Mention("Robert", "Robert acts.", image), 3)[0]
    assert (link.entity, link.graph, link.model) == (expected.candidates[0].id, expected.graph, expected.model)
    assert [one.score for one in link.candidates] == pytest.approx([one.score for one in expected.candidates])
    assert [one.rank for one in link.candidates] == [1, 2, 3]


def test_every_call_has_its_answer(server: Running, library: Linker, tmp_path: Path) -> None:
    entity = next(one for one in library.graph if one.images)
    with Client(server.url) as client:
        links = client.link_batch([mention("Robert"), mention(" "), mention(context="Robert acts", span=[0, 6])], k=1)
        assert isinstance(links[0], Link)
        assert isinstance(links[1], ServiceError)
        assert "neither" in links[1].problem
        assert client.explain("Robert", entity=entity.id)["entity"]["id"] == entity.id
        assert client.entity(entity.id).name == entity.name
        page = client.entities(entity.name, limit=5)
        assert page.entities[0].name == entity.name
        assert page.entities[0].image is not None
        assert Image.open(io.BytesIO(client.image(page.entities[0].image, 32))).format == "JPEG"
        assert client.info()["entities"] == len(library.graph)


def test_what_is_refused_is_an_exception_with_a_reason(server: Running) -> None:
    with Client(server.url, retries=0) as client:
        with pytest.raises(NotFound, match="Q404"):
            client.entity("Q404")
        with pytest.raises(BadRequest) as fault:
            client.link("a", k=10_000)
        assert (fault.value.status, fault.value.where, bool(fault.value.request_id)) == (422, "k", True)
        with pytest.raises(NotAllowed):
            client.upsert([{"id": "x", "name": "x"}])
    with Client("http://127.0.0.1:9", retries=0, timeout=2) as nowhere, pytest.raises(Unreachable):
        nowhere.info()


def test_it_edits_and_awaits(start: Callable[..., Any], tiny_dataset_folder: Path, tmp_path: Path) -> None:
    async def edited(url: str) -> None:
        async with AsyncClient(url, token=TOKEN) as client:
            done = await client.upsert([{"id": "N", "name": "Zed", "images": [picture(tmp_path / "b.png")]}])
            link = await client.link("Zed", candidates=["N"])
            assert (done.inserted, link.entity, link.graph) == (1, "N", done.graph)
            links = await asyncio.gather(*(client.link("Robert") for _ in range(20)))
            assert len({one.entity for one in links}) == 1
            assert await client.delete("N")
            assert not await client.delete("N")

    with start(build(tiny_dataset_folder, tmp_path / "own.kg"), TOKEN) as one:
        asyncio.run(edited(one.url))


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[float]]]:
    """A server that gives these answers, one after the other."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            pass

        def do_GET(self) -> None:
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", left  # type: ignore[misc]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_it_has_no_time_for_is_asked_again() -> None:
    soon = (503, {"retry-after": "0"}, b'{"error": {"code": "late", "message": "later"}, "request_id": "x"}')
    with answering(soon, (429, *soon[1:]), (200, {}, b'{"model": "m"}')) as (url, left), Client(url) as client:
        assert client.info() == {"model": "m"}
        assert not left
    with answering(soon, soon) as (url, _), Client(url, retries=1) as client, pytest.raises(Overloaded, match="later"):
        client.info()


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"error": 7}', b"null"])
def test_answers_of_something_else_are_errors_too(body: bytes) -> None:
    for status in (200, 404, 500, 502):
        with answering((status, {}, body)) as (url, _), Client(url, retries=0) as client, pytest.raises(ServiceError):
            client.entities()
