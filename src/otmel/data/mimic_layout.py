"""How the files of MIMIC's format are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otmel.errors import DataError

ENTITY_FILE: Final = "kb_entity.json"
ROW_FILE: Final = "qid2id.json"
EXPECTED: Final = f"{ENTITY_FILE}, {ROW_FILE}, PREFIX_{{train,dev,test}}.json, kb_image/, mention_image/"
_SPLIT_FILE = re.compile(r"(?:(?P<prefix>.+)_)?(?P<split>train|dev|valid|val|test|unseen)\.json", re.IGNORECASE)
_CANONICAL = {"valid": "dev", "val": "dev"}
SPLITS: Final = ("train", "dev", "test", "unseen")


@dataclass(frozen=True)
class SplitFile:
    """A file of mentions: ``prefix`` may be empty, ``split`` is its canonical name (``valid`` is ``dev``)."""

    path: Path
    prefix: str
    split: str


def split_files(folder: Path) -> dict[str, SplitFile]:
    """Split name → its file, in the order of ``SPLITS``.

    Raises:
        DataError: two files hold the same split.
    """
    found: dict[str, SplitFile] = {}
    for path in sorted(folder.iterdir()):
        match = _SPLIT_FILE.fullmatch(path.name)
        if match is None:
            continue
        split = match["split"].lower()
        file = SplitFile(path, match["prefix"] or "", _CANONICAL.get(split, split))
        first = found.setdefault(file.split, file)
        if first is not file:
            raise DataError(
                f"{first.path.name} and {path.name} both hold the split {file.split!r}",
                where=str(folder),
                cure="keep one data set in a folder",
            )
    return {split: found[split] for split in SPLITS if split in found}
