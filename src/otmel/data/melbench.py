"""MELBench's raw archives (Richpedia-MEL.zip, Wikidata-MEL.zip): mentions with gold QIDs, as text, without a graph.

Records are keyed by id: ``{id, sentence, mentions, entities, answer}``, where the last three are texts or lists of
equal length (a sentence with several mentions). Archives are read in memory; nothing is ever unpacked to disk.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from otmel.data.findings import Findings
from otmel.data.jsonio import Row, kind_of, parse_json
from otmel.data.mention_checks import as_answer, check_ids, check_text
from otmel.data.records import Mention
from otmel.errors import DataError

PUBLISHED: Final[Mapping[str, int]] = {"Wikidata-MEL": 25_846, "Richpedia-MEL": 17_805}
"""Archive → its number of mentions; another number is a finding."""

MAX_MEMBER: Final = 512_000_000
"""Bytes above which a member of an archive is refused before it is unpacked."""


def is_melbench(path: Path) -> bool:
    """Whether ``path`` is a zip archive, or a folder that holds MELBench's archives or their JSON files."""
    return path.suffix.lower() == ".zip" or (path.is_dir() and bool(_sources(path)))


def read_melbench(path: str | Path, findings: Findings | None = None) -> list[Mention]:
    """Read every mention of an archive, or of all archives of a folder.

    Args:
        path: an archive, its unpacked JSON file, or a folder with either.
        findings: takes what is odd, for instance another number of mentions than was published.

    Raises:
        DataError: there is no archive, it is broken or too large, or a record is of the wrong type.
    """
    path, findings = Path(path), findings if findings is not None else Findings()
    sources = _sources(path) if path.is_dir() else [path]
    if not sources:
        names = ", ".join(f"{name}.zip" for name in PUBLISHED)
        raise DataError("there is no archive of MELBench", where=str(path), cure=f"{names} were expected")
    mentions: list[Mention] = []
    for source in sources:
        found = [mention for name, data in _members(source) for mention in _read_records(data, name, findings)]
        expected = PUBLISHED.get(source.stem, len(found))
        if len(found) != expected:
            findings.add("differs from MELBench", f"{source.name}: {len(found):,} mentions, published: {expected:,}")
        mentions += found
    return mentions


def _sources(folder: Path) -> list[Path]:
    """One file per archive, the zip before its unpacked JSON."""
    candidates = [(folder / f"{name}.zip", folder / f"{name}.json") for name in PUBLISHED]
    found = [next((path for path in pair if path.is_file()), None) for pair in candidates]
    return [path for path in found if path is not None]


def _members(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of the JSON files in an archive, or of the file itself."""
    if not source.is_file():
        raise DataError("there is no such file", where=str(source))
    if source.suffix.lower() == ".json":
        yield str(source), source.read_bytes()
        return
    try:
        with zipfile.ZipFile(source) as archive:
            names = [info for info in archive.infolist() if _is_content(info.filename)]
            if not names:
                raise DataError("the archive holds no JSON file", where=str(source))
            for info in names:
                if info.file_size > MAX_MEMBER:
                    problem = f"{info.filename} unpacks to {info.file_size:,} bytes, more than {MAX_MEMBER:,}"
                    raise DataError(problem, where=str(source))
                yield f"{source}/{info.filename}", archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as fault:
        raise DataError(f"the archive cannot be read ({fault})", where=str(source), cure="fetch it again") from None


def _is_content(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() == ".json" and "__MACOSX" not in path.parts


def _read_records(data: bytes, name: str, findings: Findings) -> list[Mention]:
    records = parse_json(data, name)
    if not isinstance(records, dict):
        raise DataError(f"an object of records was expected, got {kind_of(records)}", where=name)
    mentions: list[Mention] = []
    for key, record in records.items():
        where = f"{PurePosixPath(name).name}: record {key!r}"
        if not isinstance(record, dict):
            raise DataError(f"a record must be an object, got {kind_of(record)}", where=where)
        mentions += _as_mentions(str(key), Row(record, where, findings))
    places = [f"{name}: mention {number}" for number in range(len(mentions))]
    check_ids(mentions, places, findings)
    return mentions


def _as_mentions(key: str, row: Row) -> list[Mention]:
    columns = [_listed(row, name) for name in ("mentions", "entities", "answer")]
    if len({len(column) for column in columns}) != 1:
        raise DataError("mentions, entities and answer differ in length", where=row.where, cure="correct the record")
    mentions = []
    for number, (name, title, answer) in enumerate(zip(*columns, strict=True)):
        identifier = f"{key}-{number}" if len(columns[0]) > 1 else key
        mention = Mention(name, row.text("sentence"), id=identifier, answer=as_answer(answer), title=title or None)
        check_text(mention, row.findings, row.where)
        row.findings.add("image not stated", row.where)
        mentions.append(mention)
    return mentions


def _listed(row: Row, key: str) -> list[str]:
    """The texts under a key that holds one text or a list; empty ones stay, so that columns keep their length."""
    value: Any = row.values.get(key)
    parts = value if isinstance(value, list) else [value]
    return [Row({key: part}, row.where, row.findings).text(key) for part in parts]
