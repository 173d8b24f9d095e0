"""Rows in, answers out: as many, in order, and a bad row costs itself alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from otmel.data.tables import RawRow, read_lines, read_table
from otmel.linking import Linker
from otmel.linking.rows import RowLinker, Tally, line_of


def answers(linker: Linker, lines: list[str], root: Path) -> tuple[list[dict], Tally]:
    tally = Tally()
    stream = io.BytesIO("".join(line + "\n" for line in lines).encode("utf8", "surrogatepass"))
    batches = RowLinker(linker, 2, root, tally).answers(read_lines(stream, "input"))
    return [answer for batch in batches for answer in batch], tally


def test_answers_keep_the_order_of_the_rows(linker: Linker, tiny_dataset_folder: Path) -> None:
    names = ["Dunn", "Jansen", "Lamptey", "Paul Quist", "Bell"] * 14
    rows = [json.dumps({"id": n, "mention": name, "sentence": f"{name} was there."}) for n, name in enumerate(names)]
    rows[40] = "{"
    found, tally = answers(linker, rows, tiny_dataset_folder)
    assert len(found) == len(rows)
    for number, answer in enumerate(found):
        if number == 40:
            assert answer == {"line": 41, "error": "broken JSON"}
            continue
        assert (answer["id"], answer["mention"]) == (str(number), names[number])
        assert answer["entity"] == answer["candidates"][0]["id"]
        assert len(answer["candidates"]) == 2
    assert (tally.linked, tally.bad) == (69, 1)


BAD = [
    ("no json", "broken JSON"),
    ("[1]", "no object"),
    ('{"mention": 3}', "mention is no text"),
    ('{"mention": "a\\u0000"}', "NUL character"),
    ('{"mention": "", "sentence": "x"}', "neither words nor an image"),
    ('{"mention": " ", "image": "absent.jpg"}', "neither words nor an image (image missing)"),
    ('{"mention": "x", "image": 7}', "image is no file name"),
    ('{"mention": "x", "candidates": {"a": 1}}', "candidates is no list of texts"),
    ("{}", "neither words nor an image"),
]


@pytest.mark.parametrize("line, why", BAD)
def test_a_bad_row_says_why(line: str, why: str, linker: Linker, tiny_dataset_folder: Path) -> None:
    found, tally = answers(linker, ["", line, '{"mention": "Dunn"}'], tiny_dataset_folder)
    assert found[0]["line"] == 2
    assert why in found[0]["error"]
    assert found[1]["mention"] == "Dunn"
    assert (tally.linked, tally.bad) == (1, 1)


def test_names_of_columns_and_images(linker: Linker, tiny_dataset_folder: Path) -> None:
    rows = [
        {"mention": "Dunn", "sentence": "Judge Dunn", "image": "dev-0.jpg"},
        {"name": "Dunn", "context": "Judge Dunn", "image": "dev-0.jpg"},
        {"mention": "Dunn", "sentence": "Judge Dunn", "image": "../kb_image/Q1.jpg"},
        {"mention": "Dunn", "sentence": "Nobody", "image": "absent.jpg", "answer": "nil"},
        {"mention": "Dunn", "sentence": "Judge Dunn"},
    ]
    before = linker.findings.counts.copy()
    found, _ = answers(linker, [json.dumps(row) for row in rows], tiny_dataset_folder / "mention_image")
    assert [answer["notes"] for answer in found] == [
        [],
        [],
        ["image outside its folder"],
        ["image missing", "mention not in its sentence"],
        [],
    ]
    assert found[0]["score"] == pytest.approx(found[1]["score"])
    assert found[2]["score"] == pytest.approx(found[4]["score"])
    assert found[3]["answer"] == "NIL"
    counted = {kind: count - before[kind] for kind, count in linker.findings.counts.items()}
    for kind in ("image outside its folder", "image missing", "mention not in its sentence"):
        assert counted[kind] == 1


def test_a_table_serves_too(linker: Linker, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("mention,sentence\nDunn,Judge Dunn\nx\nJansen,Minister Jansen\n", "utf8")
    batches = list(RowLinker(linker, 1, tmp_path, Tally()).answers(read_table(tmp_path / "m.csv")))
    assert [answer.get("mention", answer.get("line")) for answer in batches[0]] == ["Dunn", 3, "Jansen"]


def test_nothing_in_nothing_out(linker: Linker, tmp_path: Path) -> None:
    assert answers(linker, [], tmp_path) == ([], Tally())


@pytest.mark.parametrize(
    "where, number", [("a line 3.jsonl: line 12", 12), ("x: line 7, column 4", 7), ("m.parquet: row 9", 9)]
)
def test_the_number_of_a_line(where: str, number: int) -> None:
    assert line_of(RawRow(where, {})) == number
