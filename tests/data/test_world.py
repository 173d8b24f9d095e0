import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from otmel.data import world_text
from otmel.data.world import (
    Emblem,
    Scene,
    World,
    WorldMention,
    WorldSettings,
    draw,
    generate_world,
    portrait,
    pretraining_pairs,
    write_world,
)
from otmel.errors import ConfigurationError, DataError, StorageError
from otmel.settings import validated

SMALL = WorldSettings(entities=40, train=30, dev=6, test=8, unseen=6, captions=5, nil=0.1)
EMBLEMS = st.builds(Emblem, st.integers(0, 5), st.integers(0, 5), st.integers(0, 3), st.integers(0, 5))


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world()


def everything(world: World) -> list[WorldMention]:
    return [mention for mentions in world.splits.values() for mention in mentions]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Determinism


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(tmp_path):
    write_world(SMALL, tmp_path / "one")
    write_world(SMALL, tmp_path / "two")
    write_world(SMALL.model_copy(update={"seed": 1}), tmp_path / "three")
    one, two, three = (content(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one["kb_entity.json"] != three["kb_entity.json"]
    assert one["mention_image/train-0.jpg"] != three.get("mention_image/train-0.jpg")


def test_more_mentions_leave_the_earlier_ones_as_they_are():
    more = generate_world(SMALL.model_copy(update={"train": 60}))
    assert more.splits["train"][:30] == generate_world(SMALL).splits["train"]


# Difficulty


def test_counts_are_those_of_the_settings(world):
    assert len(world.people) == 300
    assert {split: len(mentions) for split, mentions in world.splits.items()} == {
        "train": 1500,
        "dev": 200,
        "test": 400,
        "unseen": 200,
    }


def test_nearly_every_bare_name_is_shared_and_full_names_are_shared_too(world):
    def bearers(words: str) -> int:
        return sum(words in (person.first, person.last, person.name) for person in world.people)

    words = [mention.words for mention in everything(world)]
    assert np.mean([bearers(name) >= 2 for name in words]) > 0.9
    titles = [person.name for person in world.people]
    assert 0.1 < np.mean([titles.count(title) > 1 for title in titles]) < 0.6


def test_names_alone_are_near_the_floor_and_a_reader_of_images_is_not_at_the_ceiling(world):
    """Expected H@1 of two readers that guess among the people who fit: by name, and by name and picture."""
    by_name, by_picture = [], []
    for mention in world.splits["test"]:
        if not mention.known:
            continue
        fitting = [p for p in world.people if mention.words in (p.first, p.last, p.name)]
        by_name.append(1 / len(fitting))
        if mention.scene:
            fitting = [p for p in fitting if p.emblem in mention.scene.emblems]
        by_picture.append(1 / len(fitting))
    assert 0.03 < np.mean(by_name) < 0.25
    assert 0.6 < np.mean(by_picture) < 0.95


def test_shares_are_those_of_the_settings(world):
    mentions = everything(world)
    assert np.mean([m.scene is None for m in mentions]) == pytest.approx(0.1, abs=0.03)
    assert np.mean([not m.known for m in mentions]) == pytest.approx(0.02, abs=0.012)
    assert np.mean([not p.pictured for p in world.people]) == pytest.approx(0.08, abs=0.05)
    counts = np.bincount([len(m.scene.emblems) for m in mentions if m.scene], minlength=5)
    assert counts[1:] / counts.sum() == pytest.approx([0.3, 0.3, 0.2, 0.2], abs=0.05)


def test_unseen_people_are_nowhere_in_training(world):
    held_out = {person.id for person in world.people if person.held_out}
    trained = {m.person.id for split in ("train", "dev", "test") for m in world.splits[split]}
    assert len(held_out) == 45
    assert held_out.isdisjoint(trained)
    assert {m.person.id for m in world.splits["unseen"] if m.known} <= held_out
    shown = {p.emblem for p in world.people if not p.held_out}
    for mention in world.splits["train"]:
        assert mention.scene is None or set(mention.scene.emblems[1:]) <= shown


def test_namesakes_stand_in_some_pictures_and_in_none_when_they_must_not():
    def namesake_beside(settings: WorldSettings) -> float:
        world = generate_world(settings)
        beside = []
        for mention in world.splits["test"]:
            if mention.scene and len(mention.scene.emblems) > 1:
                named = {p.emblem for p in world.people if mention.words in (p.first, p.last, p.name)}
                beside.append(any(emblem in named for emblem in mention.scene.emblems[1:]))
        return float(np.mean(beside))

    many, few = (namesake_beside(WorldSettings(train=0, dev=0, unseen=0, same_name=share)) for share in (1.0, 0.0))
    assert many > 0.95
    assert few < 0.35


def test_a_world_may_be_without_nil_unseen_people_or_missing_images():
    world = generate_world(
        WorldSettings(train=20, dev=0, test=0, unseen=0, nil=0, entity_without_image=0, mention_without_image=0)
    )
    assert all(m.known and m.scene for m in everything(world))
    assert all(p.pictured and not p.held_out for p in world.people)
    assert world.splits["unseen"] == ()


@pytest.mark.parametrize(
    "values",
    [
        {"object_shares": (0, 0, 0, 0)},
        {"object_shares": (1, -1, 1, 1)},
        {"held_out": 0.0},
        {"entities": 4, "held_out": 1.0},
        {"nil": 1.5},
        {"first_names": 25},
        {"entitys": 3},
    ],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(ConfigurationError):
        validated(WorldSettings, values)


def test_two_people_of_one_name_are_enough_for_any_scene():
    world = generate_world(
        WorldSettings(entities=4, first_names=1, last_names=1, train=20, dev=0, test=0, unseen=5, held_out=0.5)
    )
    assert max(len(m.scene.emblems) for m in world.splits["train"] if m.scene and m.known) == 2


# Text


def test_the_mention_stands_in_its_sentence(world):
    for mention in everything(world):
        assert mention.words in mention.sentence
        assert mention.words in (mention.person.first, mention.person.last, mention.person.name)
        assert mention.sentence.endswith(".")
        assert ",." not in mention.sentence
        assert ",," not in mention.sentence


def test_lists_read_as_english_does():
    assert world_text.listed(["Anna"]) == "Anna"
    assert world_text.listed(["Anna", "Robert"]) == "Anna and Robert"
    assert world_text.listed(["Anna, the actor", "Robert", "Nina"]) == "Anna, the actor, Robert and Nina"


def test_surnames_are_all_different():
    assert len({world_text.surname(number) for number in range(2500)}) == 2500


def test_attributes_are_stated_as_the_person_has_them(world):
    person = world.people[0]
    every = world_text.attributes(person, frozenset(world_text.ATTRIBUTES))
    assert every.count(": ") == 5
    assert f"Team: {world_text.TEAMS[person.emblem.colour]}" in every
    assert world_text.attributes(person).count(": ") == len(person.stated)


# Images


@given(emblems=st.lists(EMBLEMS, min_size=1, max_size=4), seed=st.integers(0, 9999), size=st.integers(24, 96))
@settings(max_examples=40, deadline=None)
def test_every_object_has_its_own_box_inside_the_image(emblems, seed, size):
    picture = draw(Scene(tuple(emblems), str(seed), 0.5), WorldSettings(image_size=size))
    assert picture.image.size == (size, size)
    assert len(picture.boxes) == len(emblems)
    covered = np.zeros((size, size), int)
    for left, top, right, bottom in picture.boxes:
        assert 0 <= left < right <= size
        assert 0 <= top < bottom <= size
        covered[top:bottom, left:right] += 1
    assert covered.max() == 1


def test_boxes_are_tight():
    """Without noise, all that differs from the ground lies within the boxes and touches their sides."""
    plain = WorldSettings(pixel_noise=0.0)
    for seed in range(10):
        picture = draw(Scene((Emblem(seed % 6, 0, seed % 4, seed % 6),), str(seed)), plain)
        pixels = np.asarray(picture.image).astype(int)
        left, top, right, bottom = picture.boxes[0]
        ground = pixels[bottom - 1 if bottom < 48 else top - 1, 0 if left > 0 else 47]
        rows, columns = np.nonzero(np.abs(pixels - ground).sum(-1) > 3)
        assert left <= columns.min() <= left + 1
        assert right - 2 <= columns.max() < right
        assert top <= rows.min() <= top + 1
        assert bottom - 2 <= rows.max() < bottom


def test_emblems_that_differ_in_one_part_look_different():
    """Otherwise an attribute would be tied to nothing."""
    plain = WorldSettings(pixel_noise=0.0, jitter=0.0)

    def pixels(emblem: Emblem) -> np.ndarray:
        return np.asarray(draw(Scene((emblem,), "s"), plain).image).astype(int)

    first = Emblem(0, 0, 0, 0)
    for part, kinds in zip(Emblem._fields, (6, 6, 4, 6), strict=True):
        looks = [pixels(first._replace(**{part: kind})) for kind in range(kinds)]
        for a in range(kinds):
            for b in range(a):
                assert (np.abs(looks[a] - looks[b]).max(-1) > 30).sum() >= 12, (part, a, b)


# Captions


def test_captions_come_with_their_scenes():
    pairs = list(pretraining_pairs(SMALL, 50, Random(3)))
    assert len(pairs) == 50
    assert all(text and 1 <= len(picture.boxes) <= 4 for text, picture in pairs)
    assert [text for text, _ in pairs] == [text for text, _ in pretraining_pairs(SMALL, 50, Random(3))]
    assert len({text for text, _ in pairs}) > 40


def test_a_person_without_an_image_has_no_portrait(world):
    missing = [person for person in world.people if not person.pictured]
    assert missing
    assert all(portrait(person, world.settings) is None for person in missing)


# Files


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
