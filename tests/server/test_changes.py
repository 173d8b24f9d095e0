"""Upserts and deletes under readers: every answer is of one snapshot, and right for it."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Mention
from otmel.linking import Linker

from .conftest import TOKEN, Running, build

OPERATIONS = int(os.environ.get("OTMEL_SERVER_OPERATIONS", "40"))
READERS = 8
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}


def test_every_answer_is_of_one_snapshot(
    start: Callable[..., Any], tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path
) -> None:
    folder = build(tiny_dataset_folder, tmp_path / "own.kg")
    with start(folder, TOKEN, watch=0.2, queue=4096, seconds=300) as one:
        stop, seen, faults = threading.Event(), [], []
        readers = [threading.Thread(target=reading, args=(one, stop, seen, faults)) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        changed(one)
        stop.set()
        for reader in readers:
            reader.join()
    assert not faults
    assert len(seen) >= READERS
    check(seen, folder, Linker.load(tiny_run, KnowledgeGraph.open(folder)))


def reading(one: Running, stop: threading.Event, seen: list[dict[str, Any]], faults: list[str]) -> None:
    """Link until told to stop; every third time a batch, of which all must be of one snapshot."""
    draw = random.Random(threading.get_ident())
    with one.client() as client:
        while not stop.is_set():
            body: dict[str, Any] = {"mention": f"Changing {draw.randrange(4)}", "k": 3}
            if draw.randrange(3) == 0:
                answer = client.post("/v1/link/batch", json={"mentions": [body] * 3})
                links = answer.json().get("links", [{}])
                if len({link.get("graph") for link in links}) != 1:
                    faults.append(answer.text)
            else:
                answer = client.post("/v1/link", json=body)
                links = [answer.json()]
            if answer.status_code != 200:
                faults.append(answer.text)
            else:
                seen.append(links[0])


def changed(one: Running) -> None:
    """Upserts and deletes, each visible to the request after it."""
    draw, names = random.Random(1), {}
    with one.client() as client:
        for number in range(OPERATIONS):
            entity = f"C{draw.randrange(6)}"
            if entity in names and draw.randrange(3) == 0:
                answer = client.delete(f"/v1/entities/{entity}", headers=AUTHORIZED)
                assert answer.json()["deleted"] is True
                assert client.get(f"/v1/entities/{entity}").status_code == 404
                del names[entity]
                continue
            names[entity] = f"Changing {number}"
            body = {"entities": [{"id": entity, "name": names[entity], "attributes": f"Number: {number}."}]}
            answer = client.put("/v1/entities", json=body, headers=AUTHORIZED)
            assert answer.status_code == 200, answer.text
            link = client.post("/v1/link", json={"mention": "Changing", "candidates": [entity]}).json()
            assert (link["name"], link["graph"]) == (names[entity], answer.json()["graph"])


def check(seen: list[dict[str, Any]], folder: Path, linker: Linker) -> None:
    """Answers against the library's over the snapshot that each names (some of them, when there are many)."""
    snapshots = sorted({one["graph"] for one in seen})
    for snapshot in random.Random(2).sample(snapshots, min(len(snapshots), 12)):
        graph = KnowledgeGraph.open(folder, snapshot)
        own = {one["mention"]: one for one in seen if one["graph"] == snapshot}
        for mention, link in zip(own, linker.at(graph).link([Mention(name) for name in own], 3), strict=True):
            expected = [(one.id, one.name) for one in link.candidates]
            assert [(one["id"], one["name"]) for one in own[mention]["candidates"]] == expected
            scores = [one["score"] for one in own[mention]["candidates"]]
            assert max(abs(a - b.score) for a, b in zip(scores, link.candidates, strict=True)) < 1e-5
