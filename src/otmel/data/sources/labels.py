"""Names of Wikidata's items and properties, from a table of one's own."""

from __future__ import annotations

from pathlib import Path

from otmel.data.fields import Fields, RowError
from otmel.data.findings import Findings
from otmel.data.tables import read_table
from otmel.errors import DataError


def read_labels(path: Path) -> dict[str, str]:
    """Id → name, from a JSONL, CSV or Parquet file with the columns ``id`` and ``name``.

    Raises:
        DataError: the file cannot be read, or a row has no id or no name; it names the row.
    """
    labels = {}
    for row in read_table(path):
        fields = Fields(row.values, row.where, Findings())
        try:
            if row.fault:
                raise RowError(row.fault)
            labels[fields.identifier("id", required=True)] = fields.text("name", required=True)
        except RowError as fault:
            raise DataError(
                fault.reason, where=row.where, cure="give each row an id, such as P106, and a name"
            ) from None
    return labels
