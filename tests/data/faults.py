"""Faults planted in a data set in MIMIC's format: each is named by the kind under which it must be reported."""

import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image

Rows = list[dict[str, Any]]


def rows_of(folder: Path, split: str) -> tuple[Path, Rows]:
    (path,) = folder.glob(f"*_{split}.json")
    return path, json.loads(path.read_text(encoding="utf8"))


def small_copy(source: Path, folder: Path, entities: int = 60, mentions: int = 24) -> Path:
    """The first mentions of train and dev that have an image, with their entities and others up to ``entities``."""
    (folder / "kb_image").mkdir(parents=True)
    (folder / "mention_image").mkdir()
    answers = []
    for split in ("train", "dev"):
        path, rows = rows_of(source, split)
        kept = [row for row in rows if row["imgPath"]][:mentions]
        answers += [row["answer"] for row in kept]
        for row in kept:
            shutil.copy(source / "mention_image" / row["imgPath"], folder / "mention_image")
        (folder / path.name).write_text(json.dumps(kept), encoding="utf8")
    graph = json.loads((source / "kb_entity.json").read_text(encoding="utf8"))
    graph.sort(key=lambda row: row["qid"] not in answers)
    graph = [{**row, "id": number} for number, row in enumerate(graph[: max(entities, len(set(answers)))])]
    for row in graph:
        for name in row["image_list"]:
            shutil.copy(source / "kb_image" / name, folder / "kb_image")
    (folder / "kb_entity.json").write_text(json.dumps(graph), encoding="utf8")
    (folder / "qid2id.json").write_text(json.dumps({row["qid"]: row["id"] for row in graph}))
    return folder


def break_images(folder: Path) -> Counter[str]:
    """Spoil the images of the first training mentions, and of some entities, each in another way."""
    names = iter([row["imgPath"] for row in rows_of(folder, "train")[1]])
    place = folder / "mention_image"
    (place / next(names)).write_bytes(b"")
    cut = place / next(names)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (place / next(names)).write_text("<html>404</html>")
    (place / next(names)).write_bytes(b"\xff\xd8\xff" + b"no header" * 20)
    (place / next(names)).write_bytes(bomb())
    Image.new("RGB", (32, 32), "grey").save(place / next(names))
    (place / next(names)).unlink()
    pictured = [row for row in json.loads((folder / "kb_entity.json").read_text()) if row["image_list"]]
    (folder / "kb_image" / pictured[0]["image_list"][0]).unlink()
    (folder / "kb_image" / pictured[1]["image_list"][0]).write_bytes(b"")
    return Counter(
        {
            "image file empty": 2,
            "image truncated": 1,
            "image file is no image": 1,
            "image broken": 1,
            "image has too many pixels": 1,
            "image of one colour": 1,
            "image missing": 2,
        }
    )


def break_rows(folder: Path) -> Counter[str]:
    """Spoil rows of the dev split and of the graph; share a sentence, an image and a look between the splits."""
    path, rows = rows_of(folder, "dev")
    train = rows_of(folder, "train")[1]
    rows[0]["answer"] = "Q999999999"
    rows[1]["mentions"] = "Zaphod Beeblebrox"
    rows[2]["sentence"] = ""
    rows[3]["mentions"] = ""
    rows[4]["sentence"] = rows[4]["mentions"] + " again" * 10_000
    rows[5]["imgPath"] = "../../secret.jpg"
    rows[6]["imgPath"] = ""
    rows[7]["answer"] = ""
    rows[8]["sentence"] = "  " + train[10]["sentence"].upper()
    rows[8]["mentions"] = train[10]["mentions"].upper()
    rows[9]["imgPath"] = train[11]["imgPath"]
    rows[10]["imgPath"] = "copy.jpg"
    recompressed(folder / "mention_image" / train[12]["imgPath"], folder / "mention_image" / "copy.jpg")
    path.write_text(json.dumps(rows), encoding="utf8")
    graph = json.loads((folder / "kb_entity.json").read_text())
    graph[-1]["attr"] = ""
    graph[-2]["attr"] = "Word. " * 10_000
    graph[-3]["entity_name"] = ""
    (folder / "kb_entity.json").write_text(json.dumps(graph))
    return Counter(
        {
            "answer not in the graph": 1,
            "mention not in its sentence": 1,
            "empty sentence": 1,
            "empty mention": 1,
            "text of 10,000 words or more": 2,
            "image outside its folder": 1,
            "image not stated": 1,
            "answer not stated": 1,
            "same sentence in two splits": 1,
            "same image file in two splits": 1,
            "same image by its look in two splits": 2,
            "entity without text": 1,
            "entity without name": 1,
        }
    )


def bomb() -> bytes:
    """A small PNG whose header promises 30,000 × 30,000 pixels."""
    plain = io.BytesIO()
    Image.new("L", (1, 1)).save(plain, "PNG")
    data = bytearray(plain.getvalue())
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    # The checksum of the header must fit, or the file would only count as broken.
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def recompressed(source: Path, target: Path) -> None:
    """Other bytes of the same picture."""
    with Image.open(source) as image:
        image.convert("RGB").save(target, quality=90)
    assert source.read_bytes() != target.read_bytes()
