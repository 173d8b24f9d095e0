"""Reader of MIMIC's file format, in which the field's benchmarks are distributed.

    kb_entity.json                     entities {id, qid, type, entity_name, attr, image_list[, desc, aliases]}
    qid2id.json                        {qid: dense id}
    PREFIX_{train,dev,test}.json       mentions {id, sentence, mentions, entities, imgPath, answer[, cands, objects]}
    kb_image/, mention_image/          images by name

Rows are counted from 0, as the dense ids are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otmel.data.dataset import Dataset
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.image_folder import ImageFolder
from otmel.data.images import found_there, leaves_folder
from otmel.data.jsonio import Row, read_json, read_rows
from otmel.data.mention_checks import as_answer, check_answer, check_ids, check_text
from otmel.data.mimic_entities import as_entity, check_dense_ids, image_names
from otmel.data.mimic_layout import ENTITY_FILE, EXPECTED, ROW_FILE, split_files
from otmel.data.mimic_writer import write_mimic
from otmel.data.progress import tracked
from otmel.data.records import Mention
from otmel.errors import DataError

__all__ = ["read_mimic", "read_mimic_graph", "read_mimic_mentions", "write_mimic"]


def read_mimic(folder: str | Path) -> Dataset:
    """Read a data set in MIMIC's format.

    The findings of the graph are part of the data set's findings too.

    Raises:
        DataError: the folder or a file is missing, a file is no JSON, a row is of the wrong type, an id occurs twice.
    """
    root = Path(folder)
    graph = read_mimic_graph(root)
    files = split_files(root)
    if not files:
        raise DataError(
            "there is no file of mentions", where=str(root), cure=f"the format is: {EXPECTED} (or dev called valid)"
        )
    findings = Findings()
    findings.merge(graph.findings)
    images = ImageFolder(root, "mention", findings)
    splits = {split: _read_split(file.path, graph, images, findings) for split, file in files.items()}
    prefixes = list(dict.fromkeys(file.prefix for file in files.values() if file.prefix))
    if len(prefixes) > 1:
        findings.add("split files of several data sets", ", ".join(file.path.name for file in files.values()))
    return Dataset(prefixes[0] if prefixes else root.resolve().name, graph, splits, findings, root)


def read_mimic_graph(folder: Path) -> KnowledgeGraph:
    """Read the entities of a data set in MIMIC's format. Raises ``DataError`` as ``read_mimic`` does."""
    if not folder.is_dir():
        raise DataError("there is no such folder", where=str(folder), cure=f"a folder with {EXPECTED} was expected")
    path, findings = folder / ENTITY_FILE, Findings()
    if not path.is_file():
        raise DataError(f"{ENTITY_FILE} is missing", where=str(folder), cure=f"the format is: {EXPECTED}")
    rows = read_rows(path, findings)
    check_dense_ids(rows, _row_numbers(folder / ROW_FILE, findings), findings)
    images = ImageFolder(folder, "entity", findings)
    ready = images.ahead(tracked(rows, len(rows), "reading entities"), image_names)
    try:
        return KnowledgeGraph((as_entity(row, images) for row in ready), findings)
    except DataError as fault:
        if fault.where is not None:
            raise
        raise DataError(fault.problem, where=str(path), cure=fault.cure) from None


def _row_numbers(path: Path, findings: Findings) -> Mapping[str, Any] | None:
    found = found_there(path)
    if found is None:
        findings.add("qid2id.json missing", str(path))
        return None
    values = read_json(found)
    if not isinstance(values, dict):
        raise DataError(
            "an object {qid: dense id} was expected", where=str(path), cure="the ids of kb_entity.json serve"
        )
    return values


def read_mimic_mentions(path: Path, findings: Findings) -> tuple[Mention, ...]:
    """Read one file of mentions, without its graph. Raises ``DataError`` as ``read_mimic`` does."""
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    return _read_split(path, None, ImageFolder(path.absolute().parent, "mention", findings), findings)


def _read_split(
    path: Path, graph: KnowledgeGraph | None, images: ImageFolder, findings: Findings
) -> tuple[Mention, ...]:
    rows = read_rows(path, findings)
    if not rows:
        findings.add("empty split", path.name)
    mentions = tuple(_as_mention(row, images) for row in images.ahead(rows, _image_names))
    for row, mention in zip(rows, mentions, strict=True):
        check_text(mention, findings, row.where)
        if graph is not None:
            check_answer(mention, graph, findings, row.where)
    check_ids(mentions, [row.where for row in rows], findings)
    return mentions


def _as_mention(row: Row, images: ImageFolder) -> Mention:
    return Mention(
        name=row.title("mentions"),
        context=row.text("sentence"),
        image=_mention_image(row, images),
        id=row.identifier("id") or None,
        answer=as_answer(row.identifier("answer")),
        title=row.title("entities") or None,
        candidates=row.texts("cands"),
        objects=_objects(row),
    )


def _mention_image(row: Row, images: ImageFolder) -> Path | None:
    stated = row.text("imgPath")
    if not stated:
        row.findings.add("image not stated", row.where)
        return None
    if leaves_folder(stated):
        return images.find([stated], row.where)
    return images.find(_spellings(stated), row.where)


def _image_names(row: Row) -> list[list[str]]:
    """What the file of a row's image may be called; nothing where it is no text, which reading the row tells."""
    stated = row.values.get("imgPath")
    return [_spellings(stated)] if isinstance(stated, str) and stated else []


def _spellings(stated: str) -> list[str]:
    base = stated.replace("\\", "/").rsplit("/", 1)[-1]
    return [base.split(".")[0] + ".jpg", base]


def _objects(row: Row) -> int | None:
    boxes = row.values.get("objects")
    return len(boxes) if isinstance(boxes, list) else row.number("objects")
