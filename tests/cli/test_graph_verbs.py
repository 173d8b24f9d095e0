"""``otmel graph …``: every verb on a small graph, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otmel.cli.main import main


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    good = [{"id": f"Q{n}", "name": f"name {n}"} for n in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in good) + "{broken\n")
    return path


@pytest.fixture
def graph(tmp_path: Path, rows: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["graph", "build", str(rows), "--out", str(tmp_path / "my.kg")]) == 0
    said = capsys.readouterr().out
    assert "5 read = 4 accepted + 1 rejected" in said
    assert str(tmp_path / "my.kg" / "rejects.jsonl") in said
    return tmp_path / "my.kg"


def answer(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    assert main(["graph", *words, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_a_graph_is_changed_listed_written_and_trimmed(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.jsonl").write_text('{"id": "Q1", "name": "changed"}\n{"id": "Q9", "name": "nine"}\n')
    (tmp_path / "gone.txt").write_text("Q9\r\nQ0\nQ404\n")
    upserted = answer(capsys, "upsert", str(graph), str(tmp_path / "more.jsonl"))
    assert (upserted["counts"]["added"], upserted["counts"]["replaced"], upserted["rows"]) == (1, 1, 5)
    deleted = answer(capsys, "delete", str(graph), "Q3", "--file", str(tmp_path / "gone.txt"))
    assert deleted["counts"] == {"deleted": 3, "unknown": 1}
    assert [one["operation"] for one in answer(capsys, "snapshots", str(graph))] == ["build", "upsert", "delete"]
    assert answer(capsys, "info", str(graph))["newest"]["rows"] == 2
    assert answer(capsys, "verify", str(graph))["sound"] is True
    assert answer(capsys, "export", str(graph), str(tmp_path / "out.jsonl"), "--snapshot", "1")["entities"] == 4
    assert answer(capsys, "expire", str(graph), "--keep", "1")["kept"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["info"], "4 entities"),
        (["snapshots"], "build"),
        (["verify"], "sound"),
        (["delete", "Q1", "Q2", "Q404"], "2 deleted, 1 unknown"),
        (["expire", "--older-than", "1"], "expired 0 snapshots"),
    ],
)
def test_every_verb_speaks_in_words(
    graph: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", words[0], str(graph), *words[1:]]) == 0
    assert said in capsys.readouterr().out


def test_damage_is_the_exit_status(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = next((graph / "entities.lance" / "data").iterdir())
    data.write_bytes(data.read_bytes()[:-1])
    found = answer(capsys, "verify", str(graph), status=1)
    assert found["faults"][0]["file"] == f"entities.lance/data/{data.name}"
    assert found["faults"][0]["offset"] == data.stat().st_size
    assert main(["graph", "verify", str(graph)]) == 1
    assert "truncated" in capsys.readouterr().out


def test_refusals_have_a_cure(graph: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, cure in (
        (["build", str(rows), "--out", str(graph)], "--replace"),
        (["build", str(rows), "--out", str(graph), "--replace", "--images", "path"], "another graph"),
        (["build", str(rows), "--out", str(tmp_path / "s.kg"), "--strict"], "without --strict"),
        (["delete", str(graph)], "--file"),
        (["expire", str(graph)], "how many to keep"),
        (["upsert", str(tmp_path / "absent.kg"), str(rows)], "otmel graph build"),
        (["upsert", str(graph), str(rows), "--claims", "106"], ""),
    ):
        assert main(["graph", *words]) == 2, words
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "error: " in captured.err
        assert cure in captured.err
    assert not (tmp_path / "s.kg").exists()


def test_names_of_wikidatas_ids_come_from_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = {"value": {"id": "Q33999"}, "type": "wikibase-entityid"}
    claim = {"rank": "normal", "mainsnak": {"snaktype": "value", "datatype": "wikibase-item", "datavalue": value}}
    item = {
        "type": "item",
        "id": "Q1",
        "labels": {"en": {"language": "en", "value": "Anna"}},
        "claims": {"P106": [claim]},
    }
    (tmp_path / "dump.json").write_text(f"[\n{json.dumps(item)}\n]\n")
    (tmp_path / "names.csv").write_text("id,name\nP106,occupation\nQ33999,actor\n")
    words = ("build", str(tmp_path / "dump.json"), "--format", "wikidata", "--claims", "P106")
    names = ("--labels", str(tmp_path / "names.csv"))
    for more, attributes in (((), "P106: Q33999"), (names, "occupation: actor")):
        graph, out = tmp_path / f"{len(more)}.kg", tmp_path / f"{len(more)}.jsonl"
        answer(capsys, *words, "--out", str(graph), *more)
        answer(capsys, "export", str(graph), str(out))
        assert json.loads(out.read_text())["attributes"] == attributes


@pytest.mark.parametrize(("rows", "said"), [("id,name\nP106,\n", "name missing"), ("id,name\n,x\n", "id missing")])
def test_a_table_of_names_with_a_hole_is_refused_by_its_row(
    rows: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.csv").write_text(rows)
    (tmp_path / "dump.json").write_text("[\n]\n")
    words = ["graph", "build", str(tmp_path / "dump.json"), "--format", "wikidata", "--out", str(tmp_path / "g.kg")]
    assert main([*words, "--labels", str(tmp_path / "names.csv")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "names.csv" in error


def test_replacing_is_one_more_snapshot(graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.csv").write_text("id,name\nA,a\n")
    replaced = answer(capsys, "build", str(tmp_path / "other.csv"), "--out", str(graph), "--replace")
    assert (replaced["operation"], replaced["rows"], replaced["number"]) == ("replace", 1, 2)


@pytest.mark.data
def test_the_real_graphs_build(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    emoji = answer(capsys, "build", str(data_root / "emoji-kg" / "entities.jsonl"), "--out", str(tmp_path / "emoji.kg"))
    assert (emoji["rows"], emoji["counts"]["rejected"], emoji["counts"]["images"]) == (1644, 0, 1644)
    congress = answer(
        capsys, "build", str(data_root / "congress-mel"), "--out", str(tmp_path / "congress.kg"), "--images", "path"
    )
    assert (congress["rows"], congress["counts"]["images"]) == (6382, 6382)
    assert answer(capsys, "verify", str(tmp_path / "emoji.kg"))["sound"] is True


def test_a_run_links_over_a_graphs_folder(
    tiny_run: Path, tiny_dataset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["graph", "build", str(tiny_dataset_folder), "--out", str(tmp_path / "tiny.kg"), "--images", "path"]) == 0
    )
    capsys.readouterr()
    links = []
    for graph in (tiny_dataset_folder, tmp_path / "tiny.kg"):
        assert (
            main(
                ["link", str(tiny_run), "Anna Bell", "--context", "Anna Bell paints.", "--graph", str(graph), "--json"]
            )
            == 0
        )
        links.append(json.loads(capsys.readouterr().out))
    first, second = ([(one["id"], one["score"]) for one in link["candidates"]] for link in links)
    assert first == second
