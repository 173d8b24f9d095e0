from __future__ import annotations

import pytest
from source_files import write_file

from otmel.data.findings import Findings
from otmel.data.sources import EntitySource, SourceOptions, open_source
from otmel.errors import ConfigurationError
from otmel.settings import validated


@pytest.mark.parametrize(
    "values, words",
    [
        ({"claims": ["P31", "Q5"]}, "'Q5' is no property"),
        ({"claims": ["P0"]}, "'P0' is no property"),
        ({"language": "English"}, "language"),
        ({"format": "xml"}, "format"),
        ({"formt": "csv"}, "there is no setting 'formt'"),
    ],
)
def test_options_are_checked(values, words):
    with pytest.raises(ConfigurationError, match=words):
        validated(SourceOptions, values)


def test_options_can_be_saved_and_a_claim_counts_once():
    options = SourceOptions(claims=("P31", "P27", "P31"), language="zh-hans", labels={"P31": "is"})
    assert options.claims == ("P31", "P27")
    assert SourceOptions.model_validate_json(options.model_dump_json()) == options


def test_a_source_is_at_its_beginning_until_rows_are_read(tmp_path):
    source: EntitySource = open_source(write_file(tmp_path, "wikidata", ["good"]), SourceOptions(), Findings())
    assert (source.position, source.path.name) == (0, "dump.json")
    assert source.total_bytes == source.path.stat().st_size
