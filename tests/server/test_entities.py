"""Entities over HTTP: shown, found, put and deleted."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from otmel.data.graph import KnowledgeGraph
from otmel.data.store import GraphStore
from otmel.linking import Linker

from .conftest import TOKEN, build

AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}


def picture(color: str = "teal", size: tuple[int, int] = (60, 40)) -> bytes:
    Image.new("RGB", size, color).save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def test_an_entity_is_the_graphs(client: httpx.Client, library: Linker) -> None:
    for entity in library.graph:
        shown = client.get(f"/v1/entities/{entity.id}").json()
        assert (shown["name"], shown["attributes"]) == (entity.name, entity.attributes)
        assert shown["graph"] == library.graph.snapshot
        assert len(shown["images"]) == len(entity.images)


def test_images_are_small_jpegs_with_a_tag(client: httpx.Client, library: Linker) -> None:
    entity = next(one for one in library.graph if one.images)
    answer = client.get(f"/v1/entities/{entity.id}/image", params={"size": 16})
    assert answer.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(answer.content)).size) <= 16
    again = client.get(
        f"/v1/entities/{entity.id}/image", params={"size": 16}, headers={"if-none-match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    without = next(one for one in library.graph if not one.images)
    assert client.get(f"/v1/entities/{without.id}/image").status_code == 404


def test_names_are_listed_best_first(client: httpx.Client, library: Linker) -> None:
    everything = client.get("/v1/entities", params={"limit": 100}).json()
    assert [one["id"] for one in everything["entities"]] == list(library.graph.ids)
    name = library.graph[0].name
    found = client.get("/v1/entities", params={"name": name.upper()}).json()
    assert found["entities"][0]["name"] == name
    assert (
        client.get("/v1/entities", params={"limit": 2, "offset": 1}).json()["entities"] == everything["entities"][1:3]
    )


@pytest.mark.parametrize("entity_id", ["Q999", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "a%00b", "%F0%9F%98%80"])
def test_unknown_ids_are_not_found(client: httpx.Client, entity_id: str) -> None:
    for path in (f"/v1/entities/{entity_id}", f"/v1/entities/{entity_id}/image"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["error"]["code"] == "not_found"


@pytest.fixture
def editable(
    start: Callable[..., Any], tiny_dataset_folder: Path, tmp_path: Path
) -> Iterator[tuple[httpx.Client, Path]]:
    folder = build(tiny_dataset_folder, tmp_path / "own.kg")
    with start(folder, TOKEN, watch=0.1) as one, one.client() as client:
        yield client, folder


def test_what_is_put_is_linked_by_the_next_request(editable: tuple[httpx.Client, Path]) -> None:
    client, folder = editable
    before = client.get("/v1/info").json()
    new = {
        "id": "X 1/2",
        "name": "Zebedee Quux",
        "aliases": ["Zeb"],
        "attributes": "Sex: male.",
        "description": "A man",
    }
    body = {"entities": [{**new, "images": [base64.b64encode(picture()).decode()]}]}
    put = client.put("/v1/entities", json=body, headers=AUTHORIZED)
    assert put.status_code == 200, put.text
    assert {key: put.json()[key] for key in ("inserted", "updated", "unchanged")} == {
        "inserted": 1,
        "updated": 0,
        "unchanged": 0,
    }
    link = client.post("/v1/link", json={"mention": "Zebedee Quux", "candidates": ["X 1/2"]}).json()
    assert (link["entity"], link["graph"]) == ("X 1/2", put.json()["graph"])
    assert link["candidates"][0]["image"] == "/v1/entities/X%201%2F2/image"
    assert client.get(link["candidates"][0]["image"]).status_code == 200
    assert client.get("/v1/entities/X%201%2F2").json()["aliases"] == ["Zeb"]
    assert client.get("/v1/entities", params={"name": "quux zeb"}).json()["total"] == 1
    again = client.put("/v1/entities", json=body, headers=AUTHORIZED).json()
    assert (again["unchanged"], again["graph"]) == (1, put.json()["graph"])
    gone = client.delete("/v1/entities/X%201%2F2", headers=AUTHORIZED).json()
    assert gone["deleted"] is True
    assert client.post("/v1/link", json={"mention": "Z", "candidates": ["X 1/2"]}).json()["entity"] is None
    assert client.delete("/v1/entities/X%201%2F2", headers=AUTHORIZED).json()["deleted"] is False
    assert client.get("/v1/info").json()["entities"] == before["entities"]
    assert KnowledgeGraph.open(folder).snapshot == gone["graph"]


def test_nobody_edits_without_the_token(editable: tuple[httpx.Client, Path], client: httpx.Client) -> None:
    body = {"entities": [{"id": "X", "name": "x"}]}
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"authorization": "Bearer é"}):
        encoded = {key: value.encode() for key, value in headers.items()}
        answer = editable[0].put("/v1/entities", json=body, headers=encoded)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert editable[0].delete("/v1/entities/Q1", headers=encoded).status_code == 401
    assert client.put("/v1/entities", json=body, headers=AUTHORIZED).status_code == 403


def test_bad_entities_change_nothing(editable: tuple[httpx.Client, Path]) -> None:
    client, folder = editable
    good, before = {"id": "X", "name": "x"}, KnowledgeGraph.open(folder).snapshot
    bad = [
        [good, good],
        [good, {"id": "", "name": "y"}],
        [good, {"id": "Y"}],
        [good, {"id": "Y", "name": "y", "images": ["no base64!"]}],
        [good, {"id": "Y", "name": "y", "images": [base64.b64encode(b"no image").decode()]}],
        [good, {"id": "Y", "name": "y", "further": 1}],
        [good, {"id": "Y", "name": 7}],
        [],
    ]
    for entities in bad:
        answer = client.put("/v1/entities", json={"entities": entities}, headers=AUTHORIZED)
        assert answer.status_code == 422, answer.text
    assert KnowledgeGraph.open(folder).snapshot == before


def test_another_process_changes_are_taken_over(editable: tuple[httpx.Client, Path]) -> None:
    client, folder = editable
    graph = KnowledgeGraph.open(folder)
    GraphStore.open(folder).delete([graph.ids[0]])
    newest = KnowledgeGraph.open(folder).snapshot
    for _ in range(200):
        answer = client.post("/v1/link", json={"mention": "Robert"}).json()
        if answer["graph"] == newest:
            break
    else:
        pytest.fail("the snapshot was not taken over")
    assert client.get(f"/v1/entities/{graph.ids[0]}").status_code == 404


def test_a_graph_that_cannot_be_followed_is_said_and_the_old_one_served(
    editable: tuple[httpx.Client, Path],
) -> None:
    client, folder = editable
    before = client.get("/readyz").json()
    (folder / "snapshots" / "000099.json").write_text("{}")
    for _ in range(300):
        ready = client.get("/readyz").json()
        if ready["trouble"]:
            break
    assert "damaged" in ready["trouble"]
    link = client.post("/v1/link", json={"mention": "Robert"})
    assert (link.status_code, link.json()["graph"]) == (200, before["graph"])
    assert 'otmel_graph_follows_total{outcome="failed"}' in client.get("/metrics").text
    (folder / "snapshots" / "000099.json").unlink()
    for _ in range(300):
        if not client.get("/readyz").json()["trouble"]:
            return
    pytest.fail("it did not recover")
