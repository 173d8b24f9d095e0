"""Files of entities in every format, written from the same kinds of rows."""

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

KINDS = ("good", "other", "nameless", "spoilt")
"""Sound, sound with other columns, without a name, with a NUL in its name."""
NAMES = {"good": "name {}", "other": "Zoë {}", "nameless": "", "spoilt": "a\0 {}"}


def own_row(kind: str, number: int) -> dict[str, Any]:
    row = {"id": f"e{number}", "name": NAMES[kind].format(number), "description": "ü" * (number % 7)}
    return {**row, "note": '[]}\\"' if kind == "other" else "x", "image": ""}


def mimic_row(kind: str, number: int) -> dict[str, Any]:
    # The format repairs a NUL and needs no name: what spoils a row of it is another thing.
    qid = {"nameless": None, "spoilt": ["Q1"]}.get(kind, f"Q{number + 1}")
    return {"id": number, "qid": qid, "entity_name": NAMES[kind].format(number), "attr": "a: ]}", "image_list": []}


def wikidata_row(kind: str, number: int) -> dict[str, Any]:
    labels = {} if kind == "nameless" else {"en": {"language": "en", "value": NAMES[kind].format(number)}}
    return {"type": "item", "id": f"Q{number + 1}", "labels": labels, "descriptions": [], "aliases": [], "claims": []}


def jsonl(kinds: list[str]) -> bytes:
    lines = [
        json.dumps(own_row(kind, number)) + ("\r\n" if number % 2 else "\n\n") for number, kind in enumerate(kinds)
    ]
    return "".join(lines).encode()


def table(kinds: list[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, own_row("good", 0))
    writer.writeheader()
    writer.writerows(own_row(kind, number) for number, kind in enumerate(kinds))
    return text.getvalue().encode()


def parquet(kinds: list[str]) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    columns = {key: [own_row(kind, number)[key] for number, kind in enumerate(kinds)] for key in own_row("good", 0)}
    held = io.BytesIO()
    write_table(pa.table({key: pa.array(values, pa.string()) for key, values in columns.items()}), held, 5)
    return held.getvalue()


def mimic(kinds: list[str]) -> bytes:
    return json.dumps([mimic_row(kind, number) for number, kind in enumerate(kinds)]).encode()


def wikidata(kinds: list[str]) -> bytes:
    return ("[\n" + ",\n".join(json.dumps(wikidata_row(kind, n)) for n, kind in enumerate(kinds)) + "\n]\n").encode()


FILES: dict[str, tuple[str, str, Callable[[list[str]], bytes]]] = {
    "jsonl": ("e.jsonl", "jsonl", jsonl),
    "jsonl.gz": ("e.jsonl.gz", "jsonl", lambda kinds: gzip.compress(jsonl(kinds))),
    "csv": ("e.csv", "csv", table),
    "csv.bz2": ("e.csv.bz2", "csv", lambda kinds: bz2.compress(table(kinds))),
    "parquet": ("e.parquet", "parquet", parquet),
    "mimic": ("kb_entity.json", "mimic", mimic),
    "mimic.gz": ("kb.json.gz", "mimic", lambda kinds: gzip.compress(mimic(kinds))),
    "wikidata": ("dump.json", "wikidata", wikidata),
    "wikidata.gz": ("dump.json.gz", "wikidata", lambda kinds: gzip.compress(wikidata(kinds))),
    "wikidata.bz2": ("dump.json.bz2", "wikidata", lambda kinds: bz2.compress(wikidata(kinds))),
}
"""A name → the file's name, its format, and its bytes from the kinds of its rows."""


def write_file(folder: Path, name: str, kinds: list[str]) -> Path:
    path = folder / FILES[name][0]
    path.write_bytes(FILES[name][2](kinds))
    return path
