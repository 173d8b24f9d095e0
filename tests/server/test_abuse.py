"""Abuse and bad luck (row 22): slow clients, clients that go away, too many of them, a signal in flight."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from otmel.data.records import Mention
from otmel.linking import Linker

from .conftest import Running

ASKED = b'{"mention": "Robert"}'
HEAD = b"POST /v1/link HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
CLIENTS = int(os.environ.get("OTMEL_SERVER_CLIENTS", "500"))


def connected(one: Running) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", one.port))
    line.settimeout(30)
    return line


def everything(line: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    pieces = []
    with line:
        while True:
            try:
                piece = line.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            pieces.append(piece)
    return b"".join(pieces)


def counted(one: Running, pattern: str) -> float:
    with one.client() as client:
        return sum(float(value) for value in re.findall(pattern + r"\S* ([0-9.e+]+)", client.get("/metrics").text))


@pytest.fixture(scope="module")
def hasty(start: Callable[..., Any]) -> Any:
    """A server without patience."""
    with start(body_seconds=1.5, idle_seconds=0.6, header_seconds=0.6, connections=40) as one:
        yield one


def test_headers_that_never_end_are_cut_off(hasty: Running) -> None:
    for sent in (b"", b"POST /v1/li", b"GET / HTTP/1.1\r\nHost: x\r\nX: "):
        line = connected(hasty)
        line.sendall(sent)
        assert everything(line) == b""


def dripped(line: socket.socket, data: bytes) -> None:
    for letter in data:
        line.sendall(bytes([letter]))
        time.sleep(0.02)


def test_headers_in_drops_are_cut_off(hasty: Running) -> None:
    line, began = connected(hasty), time.monotonic()
    with pytest.raises(OSError):
        dripped(line, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 1000)
    line.close()
    assert time.monotonic() - began < 15


def test_a_body_that_stops_is_answered(hasty: Running) -> None:
    line = connected(hasty)
    line.sendall(HEAD % 100 + ASKED)
    assert everything(line).startswith(b"HTTP/1.1 400 ")


def test_a_body_in_drops_is_answered_in_the_end(hasty: Running) -> None:
    line, answer = connected(hasty), b""
    line.sendall(HEAD % 10_000)
    line.settimeout(0.05)
    for _ in range(400):
        try:
            line.sendall(b" ")
            answer += line.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if answer:
            break
    line.settimeout(60)
    while b"too_slow" not in answer and (more := line.recv(65536)):  # the body may come after the headers
        answer += more
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"too_slow" in answer
    line.close()


def test_connections_too_many_are_told_so(hasty: Running) -> None:
    lines = [connected(hasty) for _ in range(50)]
    told = [everything(line) for line in lines]
    full = [one for one in told if one.startswith(b"HTTP/1.1 503 ") and b"retry-after" in one]
    assert 8 <= len(full) <= 12
    with hasty.client() as client:
        assert client.post("/v1/link", content=ASKED, headers={"content-type": "application/json"}).status_code == 200


def test_clients_that_go_away_leave_nothing_behind(server: Running) -> None:
    whole = HEAD % len(ASKED) + ASKED
    for cut in (0, 5, len(whole) - 60, len(whole) - 10, len(whole)):
        for _ in range(5):
            with connected(server) as line:
                line.sendall(whole[:cut])
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # go with a reset
    with server.client() as client:
        assert client.post("/v1/link", json={"mention": "Robert"}).status_code == 200
    for _ in range(100):
        if counted(server, "otmel_requests_in_flight") <= 1 and counted(server, "otmel_bodies_bytes") == 0:
            return
        time.sleep(0.05)
    pytest.fail("something is held still")


class Held:
    """Keeps the linking thread busy until told otherwise."""

    def __init__(self, one: Running) -> None:
        self.going, self.began = threading.Event(), threading.Event()
        one.service.submit([self._wait])
        assert self.began.wait(30)

    def _wait(self, linker: Linker) -> None:
        self.began.set()
        assert self.going.wait(60)


def test_a_full_queue_is_429_and_what_nobody_waits_for_is_dropped(start: Callable[..., Any]) -> None:
    with start(queue=8, mentions=8, batch=4) as one, one.client() as client:
        held = Held(one)
        lines = [connected(one) for _ in range(8)]
        for line in lines:
            line.sendall(HEAD % len(ASKED) + ASKED)
        while counted(one, "otmel_queue_mentions") < 8:
            time.sleep(0.01)
        answer = client.post("/v1/link", json={"mention": "a"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        for line in lines[2:]:
            line.close()
        time.sleep(0.3)
        held.going.set()
        assert all(b"HTTP/1.1 200 OK" in line.recv(65536) for line in lines[:2])
        assert counted(one, 'otmel_links_total{outcome="dropped"}') == 6
        for line in lines:
            line.close()


def test_an_answer_that_takes_too_long_is_503(start: Callable[..., Any]) -> None:
    with start(seconds=0.4) as one, one.client() as client:
        held = Held(one)
        answer = client.post("/v1/link", json={"mention": "a"})
        held.going.set()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "late")
        assert int(answer.headers["retry-after"]) >= 1
        assert client.post("/v1/link", json={"mention": "a"}).status_code == 200


def test_hundreds_of_clients_are_all_answered_right(server: Running, library: Linker) -> None:
    mentions = [Mention(f"Robert {number}", "Robert acts.") for number in range(16)]
    right = {one.mention.name: [c.id for c in one.candidates] for one in library.link(mentions, k=3)}
    bodies = [json.dumps({"mention": m.name, "context": m.context, "k": 3}).encode() for m in mentions]
    lines = [connected(server) for _ in range(CLIENTS)]
    for number, line in enumerate(lines):
        body = bodies[number % 16]
        line.sendall((HEAD % len(body)).replace(b"Host: x", b"Host: x\r\nConnection: close") + body)
    answers = [everything(line) for line in lines]
    for number, answer in enumerate(answers):
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        assert status in (200, 429, 503), head
        if status == 200:
            found = [one["id"] for one in json.loads(body)["candidates"]]
            assert found == right[mentions[number % 16].name]
    assert sum(b" 200 OK" in answer[:20] for answer in answers) >= CLIENTS // 2


CHILD = """
import socket, sys
opened = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        opened.append(f"{event} {arguments[1:]}")
sys.addaudithook(watch)
from otmel.cli.main import main
status = main(sys.argv[1:])
own = [one for one in opened if "getaddrinfo ('127.0.0.1', 0" not in one]
print("OPENED", own, flush=True)
sys.exit(status)
"""


@pytest.fixture
def child(tiny_run: Path, tiny_store: Path) -> Any:
    """``otmel serve`` in a process of its own: the process, and where it listens."""
    words = ["serve", str(tiny_run), "--graph", str(tiny_store), "--port", "0", "--set", "drain_seconds=30"]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OTMEL_TOKEN": "a-secret-that-must-not-be-logged"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            yield process, found[0]
            break
    process.kill()
    process.wait()


def test_sigterm_lets_requests_in_flight_end(child: tuple[subprocess.Popen[str], str]) -> None:
    process, url = child
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client, ThreadPoolExecutor(10) as pool:
        body = {"mentions": [{"mention": f"Robert {n}"} for n in range(6)]}
        client.post("/v1/link", json={"mention": "a"}, headers={"x-request-id": "seen-in-the-log"})
        futures = [pool.submit(client.post, "/v1/link/batch", json=body) for _ in range(10)]
        while not any(future.done() for future in futures):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        answers = []
        for future in futures:
            try:
                answers.append(future.result().status_code)
            except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
                continue  # not accepted any more: it had not been begun
        out, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert {200} <= set(answers) <= {200, 503}
    assert "OPENED []" in out
    assert "must-not-be-logged" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line.get("request_id") == "seen-in-the-log" and line["status"] == 200 for line in lines)
    assert "Traceback" not in log


def test_what_waits_when_the_time_is_up_is_answered(start: Callable[..., Any]) -> None:
    with ThreadPoolExecutor(4) as pool:
        with start(drain_seconds=0.3) as one:
            held = Held(one)
            with one.client() as client:
                futures = [pool.submit(client.post, "/v1/link", json={"mention": "a"}) for _ in range(4)]
                while counted(one, "otmel_queue_mentions") < 4:
                    time.sleep(0.01)
                threading.Timer(1.5, held.going.set).start()
                one.stop()
                answers = [future.result() for future in futures]
        assert [answer.status_code for answer in answers] == [503] * 4
        assert {answer.json()["error"]["code"] for answer in answers} == {"draining"}
