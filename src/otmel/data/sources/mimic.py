"""Entities of MIMIC's ``kb_entity.json``, row by row.

The dense ids, which only the whole file can prove right, are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from otmel.data.byte_files import ByteFile
from otmel.data.fields import RowError
from otmel.data.findings import Findings
from otmel.data.image_folder import FOLDER_NAMES, ImageFolder
from otmel.data.json_array import read_array
from otmel.data.jsonio import Row
from otmel.data.mimic_entities import as_entity, image_names
from otmel.data.raw_rows import RawRow, text_fault
from otmel.data.sources.own import KNOWN as OTHER_NAMES
from otmel.data.sources.plain import plain_columns
from otmel.data.sources.records import Built, RowSource, SourceOptions
from otmel.remote import lazy

KNOWN: Final = frozenset(("id", "qid", "entity_name", "aliases", "desc", "attr", "image_list"))
"""The keys that make up an entity, and its dense id, which is no more than the number of its row."""


def mimic_source(file: ByteFile, options: SourceOptions, findings: Findings) -> RowSource:
    """The entities of a ``kb_entity.json``; their images lie in the folders beside it or within the image root."""
    images = ImageFolder(_root(file, options), "entity", findings)
    return RowSource(file, read_array, _builder(images, findings), lambda rows: images.ahead(rows, image_names))


def _root(file: ByteFile, options: SourceOptions) -> Path:
    root = options.image_root or file.path.parent
    within = root.name.casefold() in FOLDER_NAMES["entity"] and not lazy.is_late(root)
    return root.absolute().parent if within else root


def _builder(images: ImageFolder, findings: Findings) -> Callable[[RawRow], Built]:
    def build(row: RawRow) -> Built:
        extra = plain_columns(row.values, KNOWN)
        for key in OTHER_NAMES.intersection(extra):
            findings.add("key that MIMIC's format does not have", f"{row.where}: {key!r}")
            del extra[key]
        if fault := text_fault(extra):
            raise RowError(fault)
        return as_entity(Row(row.values, row.where, findings), images), extra

    return build
