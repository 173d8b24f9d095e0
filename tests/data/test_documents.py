"""Rows as documents: offsets in code points, and one bad mention spoils its document with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.documents import BY_TEXT, Document, Span, checked, document_of
from otmel.data.fields import RowError
from otmel.data.findings import Findings
from otmel.data.tables import RawRow, read_table

TEXT = "Émile 🦀 met Bell."


def read(values: dict[str, Any], folder: Path = Path("/nowhere")) -> Document:
    return document_of(RawRow("docs.jsonl: line 1", values), folder, Findings())


@given(text=st.text(min_size=1), places=st.tuples(st.integers(-3, 40), st.integers(-3, 40)))
def test_a_place_is_taken_exactly_when_it_holds_something(text: str, places: tuple[int, int]) -> None:
    start, end = places
    good = 0 <= start < end <= len(text) and bool(text[start:end].strip())
    try:
        assert checked(text, start, end) == (start, end)
        assert good
    except RowError:
        assert not good


def test_mentions_of_all_forms() -> None:
    document = read(
        {
            "id": 7,
            "text": TEXT,
            "mentions": [
                [0, 5],
                {"start": 12, "end": 16, "id": "m", "answer": "nil"},
                {"text": "🦀"},
                {"text": "met", "start": 8, "end": 11},
            ],
        }
    )
    assert document.id == "7"
    assert document.spans is not None
    assert [TEXT[span.start : span.end] for span in document.spans] == ["Émile", "Bell", "🦀", "met"]
    assert (document.spans[1].id, document.spans[1].answer) == ("m", "NIL")
    assert [span.notes for span in document.spans] == [(), (), (BY_TEXT,), ()]


def test_no_mentions_and_none_said_are_two_things() -> None:
    assert read({"text": TEXT, "mentions": []}).spans == ()
    assert read({"text": TEXT}).spans is None
    assert read({"text": TEXT, "mentions": ""}).spans is None
    assert read({"text": ""}).text == ""


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({}, "text missing", ""),
    ({"text": 3}, "text is no text", ""),
    ({"text": TEXT, "mentions": "[["}, "mentions are no JSON list", ""),
    ({"text": TEXT, "mentions": {"a": 1}}, "mentions are no list", ""),
    (
        {"text": TEXT, "mentions": [[0, 5], [10, 99]]},
        "mention outside the text",
        "mention 2, at 10–99 of 17 characters",
    ),
    ({"text": TEXT, "mentions": [[-1, 3]]}, "mention outside the text", "mention 1, at -1–3 of 17 characters"),
    ({"text": TEXT, "mentions": [[4, 4]]}, "mention empty", "mention 1, at 4–4"),
    ({"text": TEXT, "mentions": [[4, 2]]}, "mention reversed", "mention 1, at 4–2"),
    ({"text": TEXT, "mentions": [[5, 6]]}, "mention holds nothing but space", "mention 1, at 5–6"),
    ({"text": TEXT, "mentions": [[1.0, 3]]}, "mention's start and end are no whole numbers", "mention 1"),
    ({"text": TEXT, "mentions": [[True, 3]]}, "mention's start and end are no whole numbers", "mention 1"),
    ({"text": TEXT, "mentions": [{"start": 1}]}, "mention's start and end are no whole numbers", "mention 1"),
    ({"text": TEXT, "mentions": [[1, 2, 3]]}, "mention is no [start, end]", "mention 1"),
    ({"text": TEXT, "mentions": ["Bell"]}, "mention is neither [start, end] nor an object", "mention 1"),
    ({"text": TEXT, "mentions": [{"text": "Dunn"}]}, "mention is not there", "'Dunn' does not occur in the text"),
    ({"text": TEXT, "mentions": [{"text": "Bell", "start": 13, "end": 17}]}, "mention is not there", "stands 'ell.'"),
    ({"text": TEXT, "mentions": [{"start": 0, "end": 5, "image": 3}]}, "image is no file name", "mention 1"),
]


@pytest.mark.parametrize("values, reason, detail", BAD)
def test_a_bad_document_says_why(values: dict[str, Any], reason: str, detail: str) -> None:
    with pytest.raises(RowError) as caught:
        read(values)
    assert caught.value.reason == reason
    assert detail in caught.value.detail


def test_a_row_with_a_fault_is_refused() -> None:
    with pytest.raises(RowError, match="broken JSON"):
        document_of(RawRow("x: line 1", {}, "broken JSON"), Path(), Findings())


def test_images_of_the_document_and_of_its_mentions(tmp_path: Path) -> None:
    for name in ("all.png", "own.png"):
        (tmp_path / name).write_bytes(b"any")
    findings = Findings()
    mentions = [[0, 5], {"start": 0, "end": 5, "image": "own.png"}, {"start": 0, "end": 5, "image": "absent.png"}]
    row = RawRow("docs: line 4", {"text": TEXT, "image": "all.png", "mentions": mentions})
    spans = document_of(row, tmp_path, findings).spans
    assert spans is not None
    assert [span.image for span in spans] == [tmp_path / "all.png", tmp_path / "own.png", None]
    assert [span.notes for span in spans] == [(), (), ("image missing",)]
    assert findings.examples == {"image missing": ["docs: line 4, mention 3: 'absent.png'"]}
    waiting = document_of(RawRow("docs: line 5", {"text": TEXT, "images": ["../x.png"]}), tmp_path, findings)
    assert (waiting.image, waiting.notes) == (None, ("image outside its folder",))


def test_rows_of_every_format_are_one_document(tmp_path: Path) -> None:
    import polars

    mentions = [{"start": 0, "end": 5, "id": "a"}, {"start": 12, "end": 16, "id": "b"}]
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "x", "text": TEXT, "mentions": mentions}) + "\n", "utf8")
    polars.DataFrame({"id": ["x"], "text": [TEXT], "mentions": [json.dumps(mentions)]}).write_csv(tmp_path / "d.csv")
    polars.DataFrame({"id": ["x"], "text": [TEXT], "mentions": [mentions]}).write_parquet(tmp_path / "d.parquet")
    documents = []
    for name in ("d.jsonl", "d.csv", "d.parquet"):
        (row,) = read_table(tmp_path / name)
        documents.append(document_of(row, tmp_path, Findings()))
    assert documents[0] == documents[1] == documents[2]
    assert documents[0].spans == (Span(0, 5, id="a"), Span(12, 16, id="b"))
