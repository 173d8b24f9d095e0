"""Writer of MIMIC's file format: what it writes reads back as the same data set."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from otmel.data.dataset import Dataset
from otmel.data.image_folder import FOLDER_NAMES
from otmel.data.mimic_layout import ENTITY_FILE, ROW_FILE, SPLITS, split_files
from otmel.data.progress import tracked
from otmel.data.records import NIL, Entity, ImageSource, Mention
from otmel.errors import DataError, StorageError
from otmel.storage import atomic_write_text, json_text

_SEPARATORS = re.compile(r"[\\/:]")  # what some system takes for a step in a path


def write_mimic(dataset: Dataset, folder: str | Path) -> Path:
    """Write a data set in MIMIC's format, its images included; each file is written in full or not at all.

    Image files keep their names, made unique where two would collide. A mention's image is called up to its first
    dot plus ``.jpg``, as every reader of the format expects, whatever its encoding. Bytes and Pillow images are named
    after the row. The texts are written last, so a folder whose writing broke off is not taken for a data set.

    Args:
        dataset: what to write; its name becomes the prefix of the split files.
        folder: made if absent; files of the same names are replaced.

    Returns:
        The folder.

    Raises:
        DataError: a split's name is none that readers know, the folder holds another data set, an image is gone.
        StorageError: the disk refused; what stood there before is intact.
    """
    root = Path(folder)
    names = {split: f"{_prefix(dataset.name)}_{split}.json" for split in dataset.splits}
    _check_target(root, names)
    images = {side: _ImageWriter(root / FOLDER_NAMES[side][0]) for side in FOLDER_NAMES}
    rows = (_entity_row(row, entity, images["entity"]) for row, entity in enumerate(dataset.graph))
    files: dict[str, Any] = {ENTITY_FILE: list(tracked(rows, len(dataset.graph), "writing entities"))}
    for split, mentions in dataset.splits.items():
        rows = (_mention_row(f"{split}-{row}", mention, images["mention"]) for row, mention in enumerate(mentions))
        files[names[split]] = list(tracked(rows, len(mentions), f"writing {split}"))
    files[ROW_FILE] = {entity.id: row for row, entity in enumerate(dataset.graph)}
    for name, value in files.items():
        atomic_write_text(root / name, json_text(value, indent=None if name == ROW_FILE else 1) + "\n")
    return root


def _prefix(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name) or "data"


def _check_target(root: Path, names: Mapping[str, str]) -> None:
    for split in names:
        if split not in SPLITS:
            raise DataError(f"the format has no split {split!r}", where=str(root), cure=f"it has: {', '.join(SPLITS)}")
    if root.is_dir():
        others = [file.path.name for file in split_files(root).values() if file.path.name not in names.values()]
        if others:
            problem = f"the folder holds another data set ({', '.join(others)})"
            raise DataError(problem, where=str(root), cure="choose an empty folder")


def _entity_row(row: int, entity: Entity, images: _ImageWriter) -> dict[str, Any]:
    names = [images.write(image, entity.id) for image in entity.images]
    values: dict[str, Any] = {"id": row, "qid": entity.id, "type": "entity", "entity_name": _quoted(entity.name)}
    values |= {"attr": entity.attributes, "image_list": names}
    return values | _stated(desc=entity.description, aliases=list(entity.aliases))


def _mention_row(place: str, mention: Mention, images: _ImageWriter) -> dict[str, Any]:
    image = "" if mention.image is None else images.write(mention.image, place, suffix=".jpg")
    values = _stated(id=mention.id) | {"sentence": mention.context, "mentions": _quoted(mention.name)}
    values |= {"entities": _quoted(mention.title or ""), "imgPath": image}
    values["answer"] = "nil" if mention.answer == NIL else mention.answer or ""
    return (
        values
        | _stated(cands=list(mention.candidates))
        | ({} if mention.objects is None else {"objects": mention.objects})
    )


def _stated(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _quoted(name: str) -> str:
    # Readers undo URL quoting; only the quote character itself must be quoted to come back as it is.
    return name.replace("%", "%25")


class _ImageWriter:
    """Puts images into one folder under names that are unique there, each source once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[Path, str] = {}
        self._taken: set[str] = set()

    def write(self, image: ImageSource, fallback: str, suffix: str | None = None) -> str:
        """Write one image and return its file name; ``suffix`` asks for a name whose only dot is the suffix's."""
        path = Path(image) if isinstance(image, (str, Path)) else None
        if path is not None and path in self._written:
            return self._written[path]
        stem, own = (path.stem, path.suffix) if path is not None else (_prefix(fallback)[:100], ".png")
        name = self._unique(stem if suffix is None else stem.split(".")[0], suffix or own)
        _put(image if path is None else path, self._folder / name)
        if path is not None:
            self._written[path] = name
        return name

    def _unique(self, stem: str, suffix: str) -> str:
        stem = _SEPARATORS.sub("-", stem) or "image"
        name = next(name for name in _spellings(stem, suffix) if name.casefold() not in self._taken)
        self._taken.add(name.casefold())
        return name


def _spellings(stem: str, suffix: str) -> Iterator[str]:
    yield stem + suffix
    number = 2
    while True:
        yield f"{stem}-{number}{suffix}"
        number += 1


def _put(image: Any, target: Path) -> None:
    # Not flushed one by one, as the text files are: flushing thousands of images takes the better part of a minute.
    temporary = target.with_name(f".{target.name}.tmp")
    with _opened(image) as data:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as copy:
                shutil.copyfileobj(data, copy)
            temporary.replace(target)
        except OSError as fault:
            problem = f"cannot be written: {(fault.strerror or str(fault)).lower()}"
            raise StorageError(problem, where=str(target), cure="free some space, or write elsewhere") from fault
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _opened(image: Any) -> IO[bytes]:
    if isinstance(image, bytes):
        return io.BytesIO(image)
    if not isinstance(image, Path):
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        buffer.seek(0)
        return buffer
    try:
        return image.open("rb")
    except OSError as fault:
        raise DataError(f"the image cannot be read ({fault.strerror})", where=str(image)) from None
