"""Fetching images by their address, from a real server on loopback that plays every trick."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from otmel.server.addresses import is_public
from otmel.server.errors import ApiError
from otmel.server.urls import Fetcher

LOOPBACK = ipaddress.ip_address("127.0.0.1")
HOSTS = ("images.test", "inner.test", "*.below.test")


class Tricks(BaseHTTPRequestHandler):
    """Answers by the path."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["host"]))
        with suppress(OSError):
            getattr(self, "_" + self.path.strip("/").partition("?")[0].partition("/")[0], self._image)()
        self.close_connection = True

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _image(self) -> None:
        self._answer(200, b"an image")

    def _to(self) -> None:
        self._answer(302, location=self.path.partition("?")[2])

    def _loop(self) -> None:
        self._answer(301, location="/loop")

    def _drip(self) -> None:
        self._answer(200, content_length="1000")
        for _ in range(1000):
            self.wfile.write(b".")
            time.sleep(0.05)

    def _slowheaders(self) -> None:
        for _ in range(1000):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def _longheaders(self) -> None:
        while True:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000)

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    def _claims(self) -> None:
        self._answer(200, content_length=str(10**10))

    def _short(self) -> None:
        self._answer(200, b"half", content_length="8")

    def _zipped(self) -> None:
        self._answer(200, b"x", content_encoding="gzip")

    def _missing(self) -> None:
        self._answer(404)

    def _garbage(self) -> None:
        self.wfile.write(b"\0\1\2 no HTTP at all\r\n\r\n")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tricks)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetcher() -> Fetcher:
    places = {"inner.test": ["10.0.0.1"], "mixed.below.test": ["127.0.0.1", "10.0.0.1"]}
    return Fetcher(
        HOSTS,
        most=1000,
        seconds=1.0,
        resolve=lambda host, port: places.get(host, ["127.0.0.1"]),
        allow=lambda address: address == LOOPBACK,
        ports=None,
    )


def fetched(fetcher: Fetcher, url: str) -> bytes:
    return asyncio.run(fetcher.get(url))


def why_not(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(ApiError) as fault:
        fetched(fetcher, url)
    assert (fault.value.status, fault.value.where) == (422, "image_url")
    return fault.value.message


def test_an_image_arrives_with_the_right_host(fetcher: Fetcher, port: int) -> None:
    assert fetched(fetcher, f"http://images.test:{port}/a%20b/ü.png?x=1") == b"an image"
    assert Tricks.asked[-1] == ("/a%20b/%C3%BC.png?x=1", f"images.test:{port}")
    assert fetched(fetcher, f"http://a.below.test:{port}/") == b"an image"


def test_no_proxy_of_the_environment_is_used(fetcher: Fetcher, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetched(fetcher, f"http://images.test:{port}/") == b"an image"


def test_redirects_are_followed_thrice(fetcher: Fetcher, port: int) -> None:
    assert fetched(fetcher, f"http://images.test:{port}/to?/to?/to?/image") == b"an image"
    assert "redirects" in why_not(fetcher, f"http://images.test:{port}/to?/to?/to?/to?/image")
    assert "redirects" in why_not(fetcher, f"http://images.test:{port}/loop")


@pytest.mark.parametrize(
    "place",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:{port}/image",
        "http://localhost:{port}/image",
        "http://2130706433:{port}/image",
        "http://0x7f.1:{port}/image",
        "http://[::1]:{port}/image",
        "http://[::ffff:127.0.0.1]:{port}/image",
        "http://inner.test:{port}/image",
        "http://mixed.below.test:{port}/image",
        "http://images.test.evil.test:{port}/image",
        "http://below.test:{port}/image",
        "http://127.0.0.1.below.test@evil.test:{port}/",
        "http://user:word@images.test:{port}/image",
        "//evil.test/image",
        "file:///etc/passwd",
        "ftp://images.test/image",
        "gopher://images.test/image",
        "data:image/png;base64,AAAA",
        "http://images.test:99999/",
        "http://[::1/image",
        "http://images.test:{port}/a\r\nHost: evil.test",
        "http://\u2488\u2488.test/",
    ],
)
def test_inward_and_foreign_addresses_are_refused_first_and_as_redirects(
    fetcher: Fetcher, port: int, place: str
) -> None:
    url = place.format(port=port)
    asked = len(Tricks.asked)
    why_not(fetcher, url)
    assert len(Tricks.asked) == asked
    if "\n" not in url:
        why_not(fetcher, f"http://images.test:{port}/to?{url}")
        assert [path for path, _ in Tricks.asked[asked:] if path.startswith("/image")] == []


def test_ports_other_than_the_webs_are_refused(fetcher: Fetcher, port: int) -> None:
    assert "port" in why_not(replace(fetcher, ports=(80, 443)), f"http://images.test:{port}/")


def test_a_name_that_means_something_else_a_moment_later_does_not_matter(fetcher: Fetcher, port: int) -> None:
    told: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        told.append("127.0.0.1" if not told else "10.0.0.1")
        return [told[-1]]

    bound = replace(fetcher, resolve=rebinding)
    assert fetched(bound, f"http://images.test:{port}/") == b"an image"
    assert told == ["127.0.0.1"]
    told.clear()
    assert "public" in why_not(bound, f"http://images.test:{port}/to?/image")


def test_by_default_loopback_is_no_place_to_fetch_from(fetcher: Fetcher, port: int) -> None:
    assert "public" in why_not(replace(fetcher, allow=is_public), f"http://images.test:{port}/")


@pytest.mark.parametrize("path", ["drip", "slowheaders"])
def test_slow_hosts_are_given_up(fetcher: Fetcher, port: int, path: str) -> None:
    began = time.monotonic()
    assert "seconds" in why_not(replace(fetcher, seconds=0.3), f"http://images.test:{port}/{path}")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("endless", "more than"),
        ("claims", "more than"),
        ("longheaders", "fetched"),
        ("short", "fetched"),
        ("zipped", "compressed"),
        ("missing", "404"),
        ("garbage", "fetched"),
    ],
)
def test_bad_answers_are_refused(fetcher: Fetcher, port: int, path: str, said: str) -> None:
    assert said in why_not(fetcher, f"http://images.test:{port}/{path}")


def test_nobody_there(fetcher: Fetcher) -> None:
    assert "fetched" in why_not(fetcher, "http://images.test:9/")
    assert "allowed" in why_not(fetcher, "http:///image")
    gone = replace(fetcher, resolve=lambda host, port: [])
    assert "public" in why_not(gone, "http://images.test/")

    def fails(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    assert "found" in why_not(replace(fetcher, resolve=fails), "http://images.test/")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_proves_the_hosts_name_though_the_address_is_pinned(fetcher: Fetcher, tmp_path: Path) -> None:
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=images.test"]
    words += ["-addext", "subjectAltName=DNS:images.test", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tricks)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = own.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    trusting = replace(fetcher, tls=ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))
    try:
        assert fetched(trusting, f"https://images.test:{server.server_port}/") == b"an image"
        assert "fetched" in why_not(trusting, f"https://a.below.test:{server.server_port}/")
        assert "fetched" in why_not(fetcher, f"https://images.test:{server.server_port}/")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
