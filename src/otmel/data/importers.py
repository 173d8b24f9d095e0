"""Own data from JSONL, CSV and Parquet files.

Entities have the columns ``id, name, aliases, description, attributes, image``; mentions have
``mention, sentence, image, answer, id``. Rows that cannot be used are counted with file and line and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import IO, Final, TypeVar

from otmel.data.fields import Fields, RowError
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.image_root import ImageRoot, stated
from otmel.data.mention_checks import as_answer, check_ids, check_text
from otmel.data.mimic import read_mimic_graph, read_mimic_mentions
from otmel.data.mimic_layout import ENTITY_FILE
from otmel.data.progress import tracked
from otmel.data.records import Entity, Mention
from otmel.data.store.folder import is_store
from otmel.data.tables import ENDINGS, RawRow, read_lines, read_table
from otmel.errors import DataError, nearest

T = TypeVar("T")
ENTITY_COLUMNS: Final = ("id", "name", "aliases", "description", "attributes", "image")
MENTION_COLUMNS: Final = ("mention", "sentence", "image", "answer", "id", "title", "candidates")
_SAME: Final = {"name": "mention", "context": "sentence"}
COLUMNS_NAMED: Final = 50


def open_graph(path: str | Path, strict: bool = False) -> KnowledgeGraph:
    """Read a graph.

    Args:
        path: a graph's folder, a folder in MIMIC's format (or its ``kb_entity.json``), a folder with
            ``entities.{jsonl,csv,parquet}``, or such a file. Images are looked for relative to the file's folder.
        strict: stop at the first row that cannot be used, instead of counting and skipping it.

    Raises:
        DataError: there is nothing to read, no row is usable, or (``strict``) one row is not.
    """
    path = Path(path)
    if is_store(path):
        return KnowledgeGraph.open(path)
    if path.name == ENTITY_FILE:
        return read_mimic_graph(path.parent)
    if path.is_dir():
        table = find_table(path, "entities")
        return read_mimic_graph(path) if table is None else open_graph(table, strict)
    findings, root, first = Findings(), ImageRoot(path.parent), {}

    def build(fields: Fields) -> Entity:
        entity = as_entity(fields, root)
        if entity.id in first:
            raise RowError("duplicate id", f"{entity.id!r} as in {first[entity.id]}")
        first[entity.id] = fields.where
        return entity

    entities = _collect(root.ahead(_shown(path), stated), build, findings, ENTITY_COLUMNS, strict)
    if not entities:
        raise _nothing_left(str(path), "entity", ENTITY_COLUMNS, findings)
    return KnowledgeGraph(entities, findings)


def read_mentions(
    source: str | Path | IO[bytes] | IO[str], root: str | Path | None = None, strict: bool = False
) -> tuple[list[Mention], Findings]:
    """Read mentions, in the order of the rows.

    Args:
        source: a JSONL, CSV or Parquet file, a file of mentions in MIMIC's format, or an open stream of JSONL.
        root: folder that image names are relative to; the file's own folder (for a stream, the current one) if not
            given.
        strict: stop at the first row that cannot be used, instead of counting and skipping it.

    Returns:
        The mentions, and what was skipped or odd.

    Raises:
        DataError: there are rows but none is usable, or (``strict``) one is not.
    """
    findings = Findings()
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.suffix.lower() == ".json":
            return list(read_mimic_mentions(path, findings)), findings
        rows, name, images = _shown(path), str(path), ImageRoot(Path(root or path.parent))
    else:
        name, images = str(getattr(source, "name", "stream")), ImageRoot(Path(root or "."))
        rows = read_lines(source, name)
    places: list[str] = []

    def build(fields: Fields) -> Mention:
        mention = _as_mention(fields, images)
        check_text(mention, findings, fields.where)
        places.append(fields.where)
        return mention

    mentions = _collect(images.ahead(rows, stated), build, findings, (*MENTION_COLUMNS, *_SAME), strict)
    if not mentions and findings:
        raise _nothing_left(name, "mention", MENTION_COLUMNS, findings)
    check_ids(mentions, places, findings)
    return mentions, findings


def find_table(folder: Path, stem: str) -> Path | None:
    """The file ``stem`` with one of ``ENDINGS`` in ``folder``. Raises ``DataError`` when there are several."""
    found = [folder / (stem + ending) for ending in ENDINGS if (folder / (stem + ending)).is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{names} both stand here", where=str(folder), cure="keep one of them")
    return found[0] if found else None


def _shown(path: Path) -> Iterable[RawRow]:
    return tracked(read_table(path), None, f"reading {path.name}")


def _collect(
    rows: Generator[RawRow], build: Callable[[Fields], T], findings: Findings, columns: tuple[str, ...], strict: bool
) -> list[T]:
    kept: list[T] = []
    unused: set[str] = set()
    with closing(rows):
        for row in rows:
            try:
                if row.fault:
                    raise RowError(row.fault)
                kept.append(build(Fields(row.values, row.where, findings)))
            except RowError as fault:
                where = f"{row.where}: {fault.detail}" if fault.detail else row.where
                if strict:
                    raise DataError(fault.reason, where=where, cure="correct the row, or read without strict") from None
                findings.add(f"row skipped: {fault.reason}", where)
            if len(unused) < COLUMNS_NAMED:
                count_unused(row, columns, unused, findings)
    return kept


def count_unused(
    row: RawRow, columns: tuple[str, ...], seen: set[str], findings: Findings, kind: str = "column not used"
) -> None:
    """Count a row's other columns as ``kind``, each once, with the nearest of ``columns``; ``seen`` collects them."""
    for key in [key for key in row.values if key not in columns and key != "images" and key not in seen]:
        seen.add(key)
        hint = nearest(key, columns).partition("Valid:")[0].strip()
        findings.add(kind, f"{row.where}: {key!r} {hint}".strip())


def as_entity(fields: Fields, root: ImageRoot) -> Entity:
    """An entity from its row, its images in ``root``. Raises ``RowError`` when the row cannot be used."""
    return Entity(
        id=fields.identifier("id", required=True),
        name=fields.text("name", required=True),
        aliases=fields.texts("aliases"),
        description=fields.text("description"),
        attributes=fields.attributes("attributes"),
        images=fields.images(root),
    )


def _as_mention(fields: Fields, root: ImageRoot) -> Mention:
    images = fields.images(root)
    return Mention(
        name=fields.text("mention" if "mention" in fields.values else "name", required=True),
        context=fields.text("sentence" if "sentence" in fields.values else "context"),
        image=images[0] if images else None,
        id=fields.identifier("id") or None,
        answer=as_answer(fields.identifier("answer")),
        title=fields.text("title") or None,
        candidates=fields.texts("candidates"),
    )


def _nothing_left(where: str, kind: str, columns: tuple[str, ...], findings: Findings) -> DataError:
    counted = "; ".join(f"{count} × {name} ({findings.examples[name][0]})" for name, count in findings.counts.items())
    problem = f"there is no usable {kind} in it" + (f": {counted}" if counted else "")
    return DataError(problem, where=where, cure=f"the columns are: {', '.join(columns)}")
