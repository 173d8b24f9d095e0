"""Rows of documents in, lines out: as many, in order, and a bad document costs itself alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otmel.data.dataset import Dataset
from otmel.data.tables import read_lines
from otmel.linking import Linker
from otmel.linking.detection import DictionaryDetector
from otmel.linking.document_rows import AT_ONCE, DocumentRows
from otmel.linking.documents import DocumentLinker

GOOD = {"text": "Judge Dunn adjourned.", "mentions": [[6, 10]]}


def answers(rows: DocumentRows, lines: list[str]) -> list[list[dict[str, Any]]]:
    stream = io.BytesIO("".join(line + "\n" for line in lines).encode("utf8", "surrogatepass"))
    return list(rows.answers(read_lines(stream, "docs")))


def test_lines_keep_the_order_and_bad_ones_their_place(linker: Linker, tmp_path: Path) -> None:
    lines = [json.dumps({"id": f"d{n}", **GOOD}) for n in range(2 * AT_ONCE + 3)]
    bad = {
        3: "{",
        16: json.dumps({**GOOD, "id": "b", "mentions": [[6, 99]]}),
        17: json.dumps({"id": 5, "text": "Dunn"}),
    }
    lines = [bad.get(n, line) for n, line in enumerate(lines)]
    rows = DocumentRows(DocumentLinker(linker, k=1), tmp_path)
    found = answers(rows, lines)
    assert [len(part) for part in found] == [AT_ONCE, AT_ONCE, 3]
    flat = [answer for part in found for answer in part]
    assert [answer["line"] for answer in flat] == list(range(1, len(lines) + 1))
    assert flat[3] == {"line": 4, "error": "broken JSON"}
    assert flat[16] == {"line": 17, "id": "b", "error": "mention outside the text: mention 1, at 6–99 of 21 characters"}
    assert (flat[17]["id"], "--detect dictionary" in flat[17]["error"]) == ("5", True)
    good = [answer for n, answer in enumerate(flat) if n not in bad]
    assert [answer["id"] for answer in good] == [f"d{n}" for n in range(len(lines)) if n not in bad]
    assert {answer["links"][0]["entity"] for answer in good} == {good[0]["links"][0]["entity"]}
    assert (rows.tally.documents, rows.tally.mentions, rows.tally.bad) == (32, 32, 3)
    assert rows.tally.faults.counts == {
        "broken JSON": 1,
        "mention outside the text": 1,
        "the document has no mentions": 1,
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 30) | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["start", "end", "text", "image", "id"]), inner, max_size=4)
    ),
    max_leaves=8,
)
ROWS = st.dictionaries(st.sampled_from(["id", "text", "mentions", "image", "images"]), VALUES, max_size=5)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(row=ROWS)
def test_whatever_a_row_holds_it_is_one_line_and_its_neighbours_are_linked(
    linker: Linker, tmp_path: Path, row: dict[str, Any]
) -> None:
    rows = DocumentRows(DocumentLinker(linker, k=1), tmp_path)
    ((first, second, third),) = answers(rows, [json.dumps(one) for one in (GOOD, row, GOOD)])
    assert len(first["links"]) == len(third["links"]) == 1
    assert ("links" in second) != ("error" in second)
    assert rows.tally.documents + rows.tally.bad == 3


def test_found_mentions_have_their_places(linker: Linker, tiny: Dataset, tmp_path: Path) -> None:
    rows = DocumentRows(DocumentLinker(linker, DictionaryDetector.of(tiny.graph), 1), tmp_path)
    text = "Yesterday Anna Bell came."
    ((answer,),) = answers(rows, [json.dumps({"text": text, "image": "absent.jpg"})])
    (link,) = answer["links"]
    assert (link["start"], link["end"], link["label"], link["mention"]) == (10, 19, "name", "Anna Bell")
    assert link["notes"] == ["image missing"]


@pytest.mark.parametrize("lines", [[], [""]])
def test_nothing_in_nothing_out(linker: Linker, tmp_path: Path, lines: list[str]) -> None:
    assert answers(DocumentRows(DocumentLinker(linker), tmp_path), lines) == []
