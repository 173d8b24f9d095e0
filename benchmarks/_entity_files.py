"""Generated entities as files of every format that graphs are imported from, written row by row."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

SYLLABLES: Final = ("ka", "lo", "mi", "ner", "os", "ta", "vi", "zu", "bel", "dor", "fen", "gar")
TRADES: Final = ("painter", "chemist", "sailor", "judge", "composer", "minister", "poet", "pilot")
PLACES: Final = ("Norway", "Chile", "Kenya", "France", "Austria", "Denmark", "Ghana", "Canada")
COLUMNS: Final = ("id", "name", "description", "attributes")
GROUP: Final = 10_000
SIDE: Final = 24


def entities(count: int, change: str = "") -> Iterator[dict[str, str]]:
    """Rows of about two hundred characters; ``change`` is added to every description."""
    chance = random.Random(7)
    for row in range(count):
        name = " ".join("".join(chance.choices(SYLLABLES, k=3)).title() for _ in range(2))
        trade, place = chance.choice(TRADES), chance.choice(PLACES)
        about = f"{trade} from {place}, known for the {row % 97}th work of a long series{change}"
        attributes = f"Occupation: {trade}. Country: {place}. Born: {1500 + row % 500}. Number: {row}"
        yield {"id": f"Q{row + 1}", "name": name, "description": about, "attributes": attributes}


def write_jsonl(path: Path, count: int, change: str = "") -> None:
    """One object to a line."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in entities(count, change))


def write_with_images(path: Path, count: int) -> None:
    """One object to a line, and a small picture of its own for each."""
    from PIL import Image

    folder = path.parent / "images"
    folder.mkdir()
    with path.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(entities(count)):
            shade = (number % 256, number // 256 % 256, 40)
            Image.new("RGB", (SIDE, SIDE), shade).save(folder / f"{number}.png")
            stream.write(json.dumps({**row, "image": f"images/{number}.png"}) + "\n")


def write_csv(path: Path, count: int) -> None:
    """With a header."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([row[column] for column in COLUMNS] for row in entities(count))


def write_parquet(path: Path, count: int) -> None:
    """In row groups."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = entities(count)
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))


def write_mimic(path: Path, count: int) -> None:
    """``kb_entity.json``: one JSON list."""
    with path.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(entities(count)):
            entity = {"id": number, "qid": row["id"], "type": "entity", "entity_name": row["name"]}
            entity |= {"attr": row["attributes"], "desc": row["description"], "image_list": []}
            stream.write(("[" if number == 0 else ",\n") + json.dumps(entity))
        stream.write("]\n")


def write_wikidata(path: Path, count: int) -> None:
    """A dump: one JSON list with an item in each line."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write("[\n")
        for number, row in enumerate(entities(count)):
            stream.write((",\n" if number else "") + json.dumps(_item(row, number)))
        stream.write("\n]\n")


def _item(row: Mapping[str, str], number: int) -> dict[str, Any]:
    def said(text: str) -> dict[str, dict[str, str]]:
        return {code: {"language": code, "value": text} for code in ("en", "de")}

    return {
        "type": "item",
        "id": row["id"],
        "labels": said(row["name"]),
        "descriptions": said(row["description"]),
        "aliases": {"en": [{"language": "en", "value": f"{row['name']} {number}"}]},
        "claims": {},
    }


WRITERS: Final[Mapping[str, tuple[str, Callable[[Path, int], None]]]] = {
    "JSONL": ("entities.jsonl", write_jsonl),
    "CSV": ("entities.csv", write_csv),
    "Parquet": ("entities.parquet", write_parquet),
    "MIMIC": ("kb_entity.json", write_mimic),
    "Wikidata": ("dump.json", write_wikidata),
    "JSONL with images": ("entities.jsonl", write_with_images),
}
"""Format → name of the file, and what writes it."""
