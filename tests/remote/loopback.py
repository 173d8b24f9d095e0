"""An S3 server on loopback, and a proxy before it that injects faults, drawn from a seed or as a test says.

Run as a program, it starts both and then a command that finds them in its environment, and ends with its status:

    python tests/remote/loopback.py --rate 0.05 --seed 1 --bucket graphs -- otmel graph info s3://graphs/people.kg
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEY, SECRET, TOKEN = "AKIANOTAREALKEY00000", "not-a-real-secret-but-as-long-as-one-0000", "not-a-real-token"
KINDS = ("500", "503", "reset", "lost answer", "truncated", "stall")
STALL_SECONDS = 1.0
HOP = ("connection", "transfer-encoding", "keep-alive", "expect", "content-length")
ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>"

Choose = Callable[[str, str], str | None]
"""Method and path of a request → the fault to inject, if any."""


@dataclass
class Drawn:
    """Faults at random, with a rate, from a seed."""

    rate: float
    seed: int
    kinds: tuple[str, ...] = KINDS
    _random: random.Random = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def __call__(self, method: str, path: str) -> str | None:
        with self._lock:
            return self._random.choice(self.kinds) if self._random.random() < self.rate else None


class Proxy(ThreadingHTTPServer):
    """A reverse proxy; ``choose`` may be exchanged at any time.

    Attributes:
        seen: method and path of every request, in order.
        injected: fault → how often.
        signed: refuse what is not signed, as a bucket that is not public does.
        distance: seconds that every answer takes longer, as from a store that is far away.
    """

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.choose, self.signed, self.distance = target, nothing, False, 0.0
        self.seen: list[tuple[str, str]] = []
        self.injected: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is not worth a word."""


def nothing(method: str, path: str) -> str | None:
    """No fault."""
    return None


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server: Proxy  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        body = self._body()
        self.server.seen.append((self.command, self.path))
        time.sleep(self.server.distance)
        if self.server.signed and "authorization" not in self.headers:
            return self._error(403, "AccessDenied")
        fault = self.server.choose(self.command, self.path)
        if fault is not None:
            self.server.injected[fault] += 1
        if fault in ("500", "503"):
            return self._error(int(fault), {"500": "InternalError", "503": "SlowDown"}[fault])
        if fault == "stall":
            time.sleep(STALL_SECONDS)
        if fault in ("reset", "stall"):
            return self._reset()
        status, headers, data = self._forwarded(body)
        if fault == "lost answer":
            return self._reset()
        self._answer(status, headers, data, cut=fault == "truncated")
        return None

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _forwarded(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        if body or self.command in ("PUT", "POST"):
            headers["Content-Length"] = str(len(body))
        with suppress_close(connection):
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, answer.getheaders(), data

    def _answer(self, status: int, headers: Iterable[tuple[str, str]], data: bytes, cut: bool) -> None:
        self.send_response_only(status)
        length = None
        for name, value in headers:
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._reset()

    def _error(self, status: int, code: str) -> None:
        data = b"" if self.command == "HEAD" else ERROR.format(code=code).encode()
        self._answer(status, [("Content-Type", "application/xml")], data, cut=False)

    def _reset(self) -> None:
        with suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


@contextmanager
def suppress_close(connection: http.client.HTTPConnection) -> Iterator[None]:
    """Close a connection in the end."""
    try:
        yield
    finally:
        connection.close()


@contextmanager
def s3_server() -> Iterator[int]:
    """Moto's server, and the port at which it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([str(program), "-H", "127.0.0.1", "-p", str(port)], **quiet)  # type: ignore[call-overload]
    try:
        for _ in range(600):
            assert process.poll() is None, "moto's server ended at once"
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def faulty(target: int) -> Iterator[Proxy]:
    """A proxy before a server."""
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join(timeout=10)


def environment(url: str) -> Mapping[str, str]:
    """What a command needs to find a server."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def create_bucket(port: int, name: str) -> None:
    """Make a bucket."""
    from pyarrow.fs import S3FileSystem

    server = {"endpoint_override": f"http://127.0.0.1:{port}", "region": "us-east-1"}
    S3FileSystem(access_key=KEY, secret_key=SECRET, **server, allow_bucket_creation=True).create_dir(name)


def main() -> int:
    """Start a server, a proxy and a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=0.0, help="share of requests with a fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--distance", type=float, default=0.0, help="seconds that every answer takes longer")
    parser.add_argument("--bucket", default="otmel")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    command = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    with s3_server() as port, faulty(port) as proxy:
        create_bucket(port, asked.bucket)
        proxy.distance = asked.distance
        proxy.choose = Drawn(asked.rate, asked.seed, tuple(asked.kinds.split(",")))
        status = subprocess.run(command, env={**os.environ, **environment(proxy.url)}, check=False).returncode
        sys.stderr.write(f"{len(proxy.seen):,} requests; injected: {dict(proxy.injected)}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
