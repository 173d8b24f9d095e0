import json
from pathlib import Path

import pytest
from PIL import Image

from otmel.data.world import WorldSettings, write_world
from otmel.errors import DataError, StorageError
from otmel.settings import validated

SMALL = WorldSettings(entities=40, train=30, dev=6, test=8, unseen=6, captions=5, nil=0.1)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(tmp_path):
    write_world(SMALL, tmp_path / "one")
    write_world(SMALL, tmp_path / "two")
    write_world(SMALL.model_copy(update={"seed": 1}), tmp_path / "three")
    one, two, three = (content(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one["kb_entity.json"] != three["kb_entity.json"]
    assert one["mention_image/train-0.jpg"] != three.get("mention_image/train-0.jpg")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds") / "small"
    steps = []
    summary = write_world(SMALL, folder, lambda done, total: steps.append((done, total)))
    return folder, summary, steps


def test_what_is_written_is_mimics_format(written):
    folder, summary, _ = written
    entities = json.loads((folder / "kb_entity.json").read_text())
    assert [row["id"] for row in entities] == list(range(40)) == list(range(summary.entities))
    assert json.loads((folder / "qid2id.json").read_text()) == {row["qid"]: row["id"] for row in entities}
    assert (folder / "qid2id.json").read_text().count("\n") == 1
    ids = {row["qid"] for row in entities}
    for split, count in {"train": 30, "dev": 6, "test": 8, "unseen": 6}.items():
        rows = json.loads((folder / f"world_{split}.json").read_text())
        assert len(rows) == count == summary.mentions[split]
        for row in rows:
            assert row["answer"] in ids or row["answer"] == "nil"
            assert (row["objects"] is None) == (row["imgPath"] == "")
            if row["imgPath"]:
                with Image.open(folder / "mention_image" / row["imgPath"]) as image:
                    assert image.size == (48, 48)
    assert len(list((folder / "kb_image").iterdir())) == summary.entity_images
    assert len(list((folder / "mention_image").iterdir())) == sum(summary.mention_images.values())


def test_the_settings_are_saved_with_the_world(written):
    folder, _, _ = written
    saved = json.loads((folder / "world.json").read_text())
    assert validated(WorldSettings, saved["settings"]) == SMALL
    assert "objects" in saved["meaning"]


def test_captions_name_images_that_exist(written):
    folder, summary, _ = written
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    assert len(rows) == summary.captions == 5
    assert all((folder / row["image"]).is_file() and row["caption"] and row["objects"] for row in rows)


def test_progress_counts_every_image_once(written):
    _, summary, steps = written
    total = summary.entity_images + sum(summary.mention_images.values()) + summary.captions
    assert steps == [(step, total) for step in range(1, total + 1)]


def test_an_earlier_world_is_replaced_whole(tmp_path):
    tiny = SMALL.model_copy(update={"captions": 0, "test": 0, "train": 3})
    write_world(SMALL, tmp_path / "w")
    write_world(tiny, tmp_path / "w")
    write_world(tiny, tmp_path / "fresh")
    assert content(tmp_path / "w") == content(tmp_path / "fresh")


def test_the_files_of_somebody_else_are_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"thesis\.txt"):
        write_world(SMALL, tmp_path)
    assert content(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_world(SMALL, tmp_path / "file" / "world")
    assert content(tmp_path) == {"file": b""}
