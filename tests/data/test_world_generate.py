from random import Random

import numpy as np
import pytest

from otmel.data.world import World, WorldMention, WorldSettings, generate_world, portrait, pretraining_pairs

SMALL = WorldSettings(entities=40, train=30, dev=6, test=8, unseen=6, captions=5, nil=0.1)


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world()


def everything(world: World) -> list[WorldMention]:
    return [mention for mentions in world.splits.values() for mention in mentions]


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


def test_two_people_of_one_name_are_enough_for_any_scene():
    world = generate_world(
        WorldSettings(entities=4, first_names=1, last_names=1, train=20, dev=0, test=0, unseen=5, held_out=0.5)
    )
    assert max(len(m.scene.emblems) for m in world.splits["train"] if m.scene and m.known) == 2


def test_the_mention_stands_in_its_sentence(world):
    for mention in everything(world):
        assert mention.words in mention.sentence
        assert mention.words in (mention.person.first, mention.person.last, mention.person.name)
        assert mention.sentence.endswith(".")
        assert ",." not in mention.sentence
        assert ",," not in mention.sentence


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
