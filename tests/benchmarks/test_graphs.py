"""Generated files hold the same entities in every format; work in processes of their own comes back, or its fault."""

from __future__ import annotations

import json

import pytest
from benchmarks._entity_files import WRITERS, entities
from benchmarks._memory import child, own_mib, peak_mib

from otmel.data.findings import Findings
from otmel.data.sources import SourceOptions, open_source
from otmel.errors import OtmelError


@pytest.mark.parametrize("format", WRITERS)
def test_every_format_gives_the_same_entities(tmp_path, format):
    name, write = WRITERS[format]
    write(tmp_path / name, 7)
    rows = list(open_source(tmp_path / name, SourceOptions(), Findings()).rows())
    assert [row.reason for row in rows] == [None] * 7
    wanted = [(row["id"], row["name"], row["description"]) for row in entities(7)]
    assert [(row.entity.id, row.entity.name, row.entity.description) for row in rows] == wanted
    assert [len(row.entity.images) for row in rows] == [format == "JSONL with images"] * 7


def test_a_process_of_its_own_gives_its_result_and_its_memory(tmp_path):
    (tmp_path / "entities.jsonl").write_text("".join(json.dumps(row) + "\n" for row in entities(5)), encoding="utf-8")
    done = child("benchmarks._graphs", "import_plainly", {"folder": str(tmp_path)})
    assert done["rows"] == 5
    assert done["peak_mib"] > 10


def test_the_fault_of_a_process_is_told(tmp_path):
    with pytest.raises(OtmelError, match=r"(?s)import_plainly failed.*No such file"):
        child("benchmarks._graphs", "import_plainly", {"folder": str(tmp_path)})


def test_a_process_has_memory():
    own, peak = own_mib(), peak_mib()
    assert own is not None
    assert peak is not None
    assert 0 < own <= peak
