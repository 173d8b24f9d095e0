"""The steps of ``serve.py``, each in a process: run and graph, the library's answers, service and clients."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from otmel.errors import OtmelError

FIRST, LAST = ("Ada", "Béla", "Clara", "Dmitri", "Esther", "Femi", "Gita"), ("Keller", "Okoro", "Smith", "Varga", "Xu")
JOBS = ("painter", "pilot", "judge", "goalkeeper", "chemist", "poet")
K = 5


def prepare(folder: str, entities: int, mentions: int, width: int, layers: int, image: int) -> dict[str, Any]:
    """Write a run, a graph with its index, and the mentions' requests."""
    from benchmarks._tiny_run import tiny_run
    from otmel.data.graph import KnowledgeGraph
    from otmel.data.records import Entity
    from otmel.data.store import GraphStore
    from otmel.encoders.settings import TowerSettings
    from otmel.index.build import build_index
    from otmel.index.source import RunSource

    draw, place = random.Random(0), Path(folder)
    named = [f"{draw.choice(FIRST)} {draw.choice(LAST)}" for _ in range(entities)]
    made = [
        Entity(f"E{n}", name, attributes=f"Occupation: {draw.choice(JOBS)}. Number: {n}.", images=(_picture(n),))
        for n, name in enumerate(named)
    ]
    GraphStore.create(place / "graph").build(made)
    towers = TowerSettings(
        width=width, text_layers=layers, vision_layers=layers, heads=2, image_size=image, patch_size=8
    )
    tiny_run(place / "run", sorted(set(named)), towers)
    build_index(RunSource.load(place / "run", KnowledgeGraph.open(place / "graph")), place / "index")
    requests = []
    for number in range(mentions):
        name = draw.choice(named)
        request = {"mention": name, "context": f"{name}, the {draw.choice(JOBS)}, number {number}.", "k": K}
        requests.append(request | ({"image": base64.b64encode(_picture(number)).decode()} if number % 2 else {}))
    (place / "requests.json").write_text(json.dumps(requests))
    return {}


def _picture(number: int) -> bytes:
    from PIL import Image

    noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((160, 120)).save(file := io.BytesIO(), "JPEG", quality=80)
    return file.getvalue()


def library(folder: str, threads: int, seconds: float) -> dict[str, Any]:
    """Link one mention after the other, and keep the answers."""
    import torch

    from otmel.data.records import Mention
    from otmel.linking import Linker

    torch.set_num_threads(threads)
    place = Path(folder)
    linker = Linker.load(place / "run", place / "graph", place / "index")
    requests = json.loads((place / "requests.json").read_text())
    images = [base64.b64decode(one["image"]) if "image" in one else None for one in requests]
    mentions = [Mention(one["mention"], one["context"], image) for one, image in zip(requests, images, strict=True)]
    answers = [[(one.id, one.score) for one in linker.link(mention, K)[0].candidates] for mention in mentions]
    (place / "answers.json").write_text(json.dumps(answers))
    count, began, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        linker.link(mentions[count % len(mentions)], K)
        count += 1
    return {
        "rate": count / (time.perf_counter() - began),
        "cpu": 1e3 * (time.process_time() - used) / count,
    }


def service(folder: str, threads: int, clients: Sequence[int], requests: int) -> dict[str, Any]:
    """Start the service, load it, and look at its memory."""
    with _serving(Path(folder), threads) as (process, port):
        ready = _memory(process.pid)
        loads = []
        for count in clients:
            used = _processor_seconds(process.pid)
            one = asyncio.run(_Load(Path(folder), port).run(count, requests))
            loads.append({**one, "cpu": 1e3 * (_processor_seconds(process.pid) - used) / one["answered"]})
        return {"loads": loads, "ready_mib": ready, "most_mib": _memory(process.pid)}


@contextmanager
def _serving(place: Path, threads: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    words = [sys.executable, "-m", "otmel", "serve", str(place / "run"), "--port", "0"]
    words += ["--graph", str(place / "graph"), "--index", str(place / "index")]
    with (place / "log").open("w") as log:
        process = subprocess.Popen([*words, "--threads", str(threads)], stderr=log, text=True)
    try:
        until = time.monotonic() + 600
        while not (found := re.search(r"serving http://[\d.]+:(\d+)", (place / "log").read_text())):
            if process.poll() is not None or time.monotonic() > until:
                raise OtmelError(f"the service did not start: {(place / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield process, int(found[1])
    finally:
        process.terminate()
        if (status := process.wait(60)) != 0:
            raise OtmelError(f"the service ended with {status}: {(place / 'log').read_text()[-2000:]}")


def _processor_seconds(process: int) -> float:
    """Processor time that a process has used; NaN where the system does not say."""
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return float("nan")
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: int) -> float:
    """The most memory that a process has had, in MiB; NaN where the system does not say."""
    path = Path(f"/proc/{process}/status")
    found = re.search(r"VmHWM:\s+(\d+)", path.read_text()) if path.exists() else None
    return round(int(found[1]) / 1024, 1) if found else float("nan")


class _Load:
    """Clients that ask without a pause."""

    def __init__(self, place: Path, port: int) -> None:
        self.port = port
        requests = json.loads((place / "requests.json").read_text())
        self.bodies = [json.dumps(one).encode() for one in requests]
        self.answers = json.loads((place / "answers.json").read_text())
        self.seconds: list[float] = []
        self.wrong = self.refused = self.next = 0

    async def run(self, clients: int, requests: int) -> dict[str, float]:
        """So many requests, shared among so many clients."""
        total = max(requests, 2 * clients)
        began = time.perf_counter()
        await asyncio.gather(*(self._client(total) for _ in range(clients)))
        passed, milliseconds = time.perf_counter() - began, 1e3 * np.array(self.seconds)
        return {
            "rate": len(self.seconds) / passed,
            "p50": float(np.percentile(milliseconds, 50)),
            "p99": float(np.percentile(milliseconds, 99)),
            "wrong": self.wrong,
            "refused": self.refused,
            "answered": len(self.seconds),
        }

    async def _client(self, total: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while self.next < total:
            number = self.next % len(self.bodies)
            self.next += 1
            await self._ask(reader, writer, number)
        writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        body, began = self.bodies[number], time.perf_counter()
        head = "POST /v1/link HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        while True:
            writer.write(head.encode() + body)
            told = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", told, re.IGNORECASE)
            assert length is not None, told
            answer = json.loads(await reader.readexactly(int(length[1])))
            if told.startswith(b"HTTP/1.1 200 "):
                break
            self.refused += 1
            assert told.startswith((b"HTTP/1.1 429 ", b"HTTP/1.1 503 ")), (told, answer)
            await asyncio.sleep(1)
        self.seconds.append(time.perf_counter() - began)
        self.wrong += not self._right(answer["candidates"], self.answers[number])

    def _right(self, given: list[dict[str, Any]], expected: list[list[Any]]) -> bool:
        same = [one["id"] for one in given] == [one for one, _ in expected]
        return same and all(abs(one["score"] - score) < 1e-5 for one, (_, score) in zip(given, expected, strict=True))
