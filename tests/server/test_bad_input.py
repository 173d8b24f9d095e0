"""Bad requests (rows 12, 13, 15–17 and 22 of the table of faults): each is answered with a reason, and no 5xx."""

from __future__ import annotations

import base64
import io
import json
import random
import socket
import struct
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from .conftest import Running

JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=b"}


def refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The error of an answer, in the one shape that errors have."""
    assert answer.status_code in statuses, answer.text[:500]
    values = answer.json()
    assert set(values) == {"error", "request_id"}
    assert values["request_id"] == answer.headers["x-request-id"]
    assert {"code", "message"} <= set(values["error"]) <= {"code", "message", "cure", "where"}
    assert "Traceback" not in answer.text
    return values["error"]


def picture(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    Image.new(mode, size, 77 if mode in ("L", "I;16", "I", "F", "1") else None).save(  # type: ignore[arg-type]
        file := io.BytesIO(), kind, **options
    )
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 999)) + chunk(b"IEND", b"")
    )


BODIES = {
    "empty": b"",
    "no JSON": b"{",
    "half": b'{"mention": "Rob',
    "random": random.Random(0).randbytes(1000),
    "no UTF-8": b'{"mention": "\xff\xfe"}',
    "UTF-16": json.dumps({"mention": "a"}).encode("utf-16"),
    "NaN": b'{"mention": "a", "k": NaN}',
    "infinity": b'{"mention": "a", "k": -Infinity}',
    "deep": b'{"mention": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep and open": b"[" * 1_000_000,
    "a number without end": b'{"mention": "a", "k": ' + b"9" * 10_000 + b"}",
    "two values": b'{"mention": "a"} {}',
    "many quotes": b'{"a": "' + b'\\"' * 100_000,
}


@pytest.mark.parametrize("route", ["/v1/link", "/v1/link/batch", "/v1/explain"])
@pytest.mark.parametrize("name", BODIES)
def test_what_cannot_be_read_is_400(client: httpx.Client, name: str, route: str) -> None:
    error = refused(client.post(route, content=BODIES[name], headers=JSON), 400)
    assert error["code"] == "unparsable"


SENSELESS: dict[str, Any] = {
    "no object": [],
    "a text": "mention",
    "null": None,
    "nothing to link": {},
    "blank": {"mention": " \t"},
    "wrong type": {"mention": 7},
    "k is a text": {"mention": "a", "k": "5"},
    "k is true": {"mention": "a", "k": True},
    "k is half": {"mention": "a", "k": 1.5},
    "k is infinite": {"mention": "a", "k": 1e999},
    "k is 0": {"mention": "a", "k": 0},
    "k is huge": {"mention": "a", "k": 10**6},
    "unknown field": {"mention": "a", "mentions": []},
    "half a character": {"mention": "\ud800"},
    "half a character in the sentence": {"mention": "a", "context": "a \udfff"},
    "span outside": {"context": "abc", "span": [1, 9]},
    "span turned": {"context": "abc", "span": [2, 1]},
    "span empty": {"context": "abc", "span": [1, 1]},
    "span below": {"context": "abc", "span": [-1, 2]},
    "span of three": {"context": "abc", "span": [0, 1, 2]},
    "span says another": {"mention": "c", "context": "abc", "span": [0, 1]},
    "span without sentence": {"span": [0, 1]},
    "candidates are no list": {"mention": "a", "candidates": "Q1"},
    "candidates are numbers": {"mention": "a", "candidates": [1]},
    "no base64": {"mention": "a", "image": "<svg>"},
    "an image alone that is none": {"image": base64.b64encode(b"GIF89a").decode()},
    "a bomb alone": {"image": base64.b64encode(bomb(60_000, 60_000)).decode()},
    "an address": {"mention": "a", "image_url": "http://127.0.0.1/"},
}


@pytest.mark.parametrize("route", ["/v1/link", "/v1/explain"])
@pytest.mark.parametrize("name", SENSELESS)
def test_what_makes_no_sense_is_422(client: httpx.Client, name: str, route: str) -> None:
    body = json.dumps(SENSELESS[name], ensure_ascii=True).replace("Infinity", "1e999")
    refused(client.post(route, content=body.encode(), headers=JSON), 422)


def test_one_bad_mention_is_one_bad_entry(client: httpx.Client) -> None:
    bad = [value for name, value in SENSELESS.items() if name != "k is infinite"]
    listed = [{"mention": "Robert"}, *bad, {"mention": "Clara", "k": 2}]
    answer = client.post("/v1/link/batch", content=json.dumps({"mentions": listed, "k": 1}).encode(), headers=JSON)
    links = answer.json()["links"]
    assert [set(one) == {"error"} for one in links] == [False, *(True for _ in bad), False]
    assert (len(links[0]["candidates"]), len(links[-1]["candidates"])) == (1, 2)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/xml", "application/x-www-form-urlencoded", "image/png"]
)
def test_other_types_are_415(client: httpx.Client, kind: str) -> None:
    refused(client.post("/v1/link", content=b'{"mention": "a"}', headers={"content-type": kind}), 415)
    refused(client.post("/v1/link/batch", content=b"--b--", headers=FORM), 415)


FORMS = {
    "cut off": b'--b\r\nContent-Disposition: form-data; name="mention"\r\n\r\nRobert',
    "no last boundary": b'--b\r\nContent-Disposition: form-data; name="mention"\r\n\r\nRobert\r\n--b\r\n',
    "no part": b"random bytes",
    "no name": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    "no disposition": b"--b\r\n\r\nx\r\n--b--\r\n",
    "bad header": b"--b\r\n\xff\xff: \0\r\n\r\nx\r\n--b--\r\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_that_cannot_be_read_are_400(client: httpx.Client, name: str) -> None:
    refused(client.post("/v1/link", content=FORMS[name], headers=FORM), 400)


def test_forms_are_read_as_json_is(client: httpx.Client) -> None:
    image = picture()
    form = {"mention": "Robert", "context": "Robert acts.", "k": "3", "candidates": ["Q1", "Q2"]}
    answer = client.post("/v1/link", data=form, files={"image": ("a.png", image, "image/png")})
    body = {**form, "k": 3, "image": base64.b64encode(image).decode()}
    expected = client.post("/v1/link", json=body).json()
    given = answer.json()
    for one in (given, expected):
        one.pop("request_id")
    assert given == expected
    spanned = client.post("/v1/link", files={"context": (None, "Robert acts."), "span": (None, "0,6")})
    assert spanned.json()["mention"] == "Robert"


@pytest.mark.parametrize(
    ("files", "statuses"),
    [
        ([("k", (None, "x")), ("mention", (None, "a"))], (422,)),
        ([("mention", (None, "a")), ("mention", (None, "b"))], (422,)),
        ([("mention", ("a.txt", b"a"))], (422,)),
        ([("image", ("a", picture())), ("image", ("b", picture()))], (400,)),
        ([("unknown", (None, "a")), ("mention", (None, "a"))], (422,)),
        ([("span", (None, "[[[[")), ("context", (None, "a"))], (422,)),
        ([("candidates", (None, "a"))] * 2000, (400, 413)),
    ],
)
def test_forms_that_make_no_sense(client: httpx.Client, files: list[Any], statuses: tuple[int, ...]) -> None:
    refused(client.post("/v1/link", files=files), *statuses)


EXOTIC = {
    "CMYK": picture("JPEG", "CMYK"),
    "16 bits": picture("PNG", "I;16"),
    "alpha": picture("PNG", "RGBA"),
    "palette": picture("GIF", "P"),
    "one bit": picture("TIFF", "1"),
    "float": picture("TIFF", "F"),
    "WebP": picture("WEBP"),
    "BMP": picture("BMP"),
    "turned": picture("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    "moving": picture("GIF", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")] * 5),
}


@pytest.mark.parametrize("name", EXOTIC)
def test_exotic_images_are_seen(client: httpx.Client, name: str) -> None:
    body = {"image": base64.b64encode(EXOTIC[name]).decode()}
    answer = client.post("/v1/link", json=body)
    assert (answer.status_code, [n for n in answer.json()["notes"] if "image" in n]) == (200, []), answer.text


BROKEN = {
    "image has too many pixels": bomb(60_000, 60_000),
    "image file empty": b"",
    "image file is no image": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "image truncated": picture("JPEG", size=(200, 200))[:-300],
    "image broken": b"\x89PNG\r\n\x1a\n" + bytes(100),
}


@pytest.mark.parametrize("note", BROKEN)
def test_broken_images_are_noted_and_the_words_linked(client: httpx.Client, note: str) -> None:
    body = {"mention": "Robert", "image": base64.b64encode(BROKEN[note]).decode()}
    answer = client.post("/v1/link", json=body)
    assert answer.status_code == 200, answer.text
    assert note in answer.json()["notes"]
    explained = client.post("/v1/explain", json=body).json()
    assert note in explained["notes"]
    assert explained["images"]["mention"] is None


def test_a_body_that_says_it_is_too_large_is_not_read(server: Running) -> None:
    head = b"POST /v1/link HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(head + b"{")
        answer = line.recv(65536)
        while b"request_id" not in answer and (more := line.recv(65536)):  # the body may come after the headers
            answer += more
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"104,857,600 bytes" in answer


@pytest.fixture(scope="module")
def narrow(start: Callable[..., Any]) -> Any:
    """A server with limits that are soon reached."""
    with start(
        body=200_000,
        bodies=250_000,
        mentions=20,
        text=100,
        candidates=10,
        body_seconds=1.5,
        idle_seconds=0.6,
        header_seconds=0.6,
    ) as one:
        yield one


def test_hundred_megabytes_in_pieces_are_not_read(narrow: Running) -> None:
    def pieces() -> Any:
        for _ in range(1600):
            yield bytes(65536)

    with narrow.client() as client:
        for content in (pieces(), bytes(100 << 20)):
            refused(client.post("/v1/link", content=content, headers=JSON), 413)
        assert client.post("/v1/link", json={"mention": "Robert"}).status_code == 200


def test_a_million_mentions_are_too_many(narrow: Running, client: httpx.Client) -> None:
    few = b'{"mentions": [' + b",".join([b'{"mention":"a"}'] * 21) + b"]}"
    many = b'{"mentions": [' + b",".join([b"{}"] * 1_000_000) + b"]}"
    with narrow.client() as own:
        refused(own.post("/v1/link/batch", content=few, headers=JSON), 413)
    refused(client.post("/v1/link/batch", content=many, headers=JSON), 413)


def test_long_texts_and_many_candidates_are_too_much(narrow: Running) -> None:
    bodies: list[dict[str, Any]] = [
        {"mention": "a" * 101},
        {"mention": "a", "context": "a" * 101},
        {"mention": "a", "candidates": ["Q1"] * 11},
        {"mention": "a", "candidates": ["Q" * 101]},
    ]
    with narrow.client() as client:
        for body in bodies:
            refused(client.post("/v1/link", json=body), 413)
        assert client.post("/v1/link", json={"mention": "a", "image": "A" * 400}).status_code == 200


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "multipart/form-data; boundary=b", "x"]))
def test_random_bytes_are_never_a_fault(client: httpx.Client, body: bytes, kind: str) -> None:
    for route in ("/v1/link", "/v1/link/batch", "/v1/explain"):
        refused(client.post(route, content=body, headers={"content-type": kind}), 400, 413, 415, 422)


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2fpyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.index.html",
        "/index.html%00.js",
        "/__init__.py",
        "/web/index.html",
        "/INDEX.HTML",
        "/" + "a" * 5000 + ".js",
        "/v1/nothing",
        "/docs",
    ],
)
def test_names_that_lead_elsewhere_lead_nowhere(server: Running, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), answer[:200]


@pytest.mark.parametrize("query", ["limit=1&limit=2", "name=a&name=b", "limit=%0A7", "limit=%D9%A7", "offset=1_0"])
def test_queries_that_make_no_sense_are_422(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/v1/entities?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.text


def test_other_methods_are_405(client: httpx.Client) -> None:
    for method, path in (
        ("GET", "/v1/link"),
        ("POST", "/healthz"),
        ("PATCH", "/v1/entities/Q1"),
        ("TRACE", "/v1/info"),
    ):
        answer = client.request(method, path)
        refused(answer, 405)
        assert answer.headers["allow"]


def test_request_ids_are_taken_when_sane(client: httpx.Client) -> None:
    for given_id, sane in (("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("<script>", False)):
        answer = client.get("/healthz", headers={"x-request-id": given_id})
        assert (answer.headers["x-request-id"] == given_id) is sane


def test_answers_have_the_headers_that_keep_pages_safe(client: httpx.Client) -> None:
    for path in ("/", "/v1/info", "/nothing"):
        headers = client.get(path).headers
        assert "'unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert "server" not in headers
