"""Generation of people, mentions and captions: pure functions of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from otmel.data.world_draw import Picture, draw
from otmel.data.world_records import SPLITS, Person, Scene, WorldMention, WorldSettings
from otmel.data.world_text import (
    ATTRIBUTES,
    AWARDS,
    FIRST,
    caption,
    described,
    random_emblem,
    sentence,
    surname,
)


@dataclass(frozen=True)
class World:
    """A generated graph with its mentions; images are drawn when asked for (:func:`draw`).

    Attributes:
        settings: what it was made from.
        people: the entities, in the graph's order.
        splits: split name → its mentions.
    """

    settings: WorldSettings
    people: tuple[Person, ...]
    splits: Mapping[str, tuple[WorldMention, ...]]


def generate_world(settings: WorldSettings | None = None) -> World:
    """Generate people and mentions. A pure function of the settings; draws no image."""
    settings = settings or WorldSettings()
    people = _people(settings)
    seen = _Cast([person for person in people if not person.held_out])
    unseen = [person for person in people if person.held_out]
    everyone = _Cast(people)
    splits = {}
    for split in SPLITS:
        heroes = unseen if split == "unseen" else seen.people
        # Training shows nobody who is kept out of it, not even at the edge of a picture.
        cast = seen if split == "train" else everyone
        count: int = getattr(settings, split)
        splits[split] = tuple(_mention(settings, f"{split}-{i}", heroes, cast) for i in range(count))
    return World(settings, tuple(people), splits)


class _Cast:
    """People who may appear beside a mentioned person, findable by name."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = people
        self.bearers: dict[str, list[Person]] = {}
        for person in people:
            for name in (person.first, person.last, person.name):
                self.bearers.setdefault(name, []).append(person)


def _person(number: int, settings: WorldSettings, rng: Random) -> Person:
    return Person(
        id=f"W{number + 1:05d}",
        first=FIRST[rng.randrange(settings.first_names)],
        last=surname(rng.randrange(settings.last_names)),
        emblem=random_emblem(rng),
        award=rng.randrange(len(AWARDS)),
        stated=frozenset(name for name in ATTRIBUTES if rng.random() >= settings.attribute_dropped),
        pictured=rng.random() >= settings.entity_without_image,
    )


def _people(settings: WorldSettings) -> list[Person]:
    rng = Random(f"{settings.seed}/people")
    people = [_person(number, settings, rng) for number in range(settings.entities)]
    for row in rng.sample(range(settings.entities), settings.held_out_people):
        people[row] = replace(people[row], held_out=True)
    return people


def _mention(settings: WorldSettings, mention_id: str, heroes: Sequence[Person], cast: _Cast) -> WorldMention:
    rng = Random(f"{settings.seed}/{mention_id}")
    known = rng.random() >= settings.nil
    person = rng.choice(heroes) if known else _person(settings.entities, settings, rng)
    words = person.first if rng.random() < settings.first_name else person.last
    if rng.random() < settings.full_name:
        words = person.name
    others = _distractors(settings, person, cast.bearers.get(words, []), cast.people, rng)
    items = [described(words, person, settings.cues, settings.paraphrase, rng)]
    for other in others:
        name = other.first if rng.random() < 0.6 else other.last
        # A namesake who is named too would make the mention's own place in the sentence ambiguous.
        namesake = not {other.first, other.last}.isdisjoint(words.split())
        if rng.random() < settings.distractor_named and not namesake:
            items.append(described(name, other, settings.distractor_cues, settings.paraphrase, rng))
    rng.shuffle(items)
    pictured = rng.random() >= settings.mention_without_image
    emblems = (person.emblem, *(other.emblem for other in others))
    scene = Scene(emblems, f"{settings.seed}/{mention_id}/image", settings.occlusion) if pictured else None
    return WorldMention(mention_id, words, sentence(items, rng), person, known, scene)


def _distractors(
    settings: WorldSettings, person: Person, namesakes: Sequence[Person], everyone: Sequence[Person], rng: Random
) -> list[Person]:
    count = rng.choices(range(len(settings.object_shares)), settings.object_shares)[0]
    chosen: list[Person] = []
    while len(chosen) < min(count, len(everyone) - 1):
        pool = namesakes if rng.random() < settings.same_name else everyone
        other = rng.choice(pool) if pool else person
        if other.id != person.id and other not in chosen:
            chosen.append(other)
        elif pool is namesakes and len(namesakes) <= len(chosen) + 1:
            namesakes = everyone  # no further namesake exists
    return chosen


def portrait(person: Person, settings: WorldSettings) -> Scene | None:
    """The scene of a person's image in the graph: alone and unhidden; ``None`` when there is none."""
    return Scene((person.emblem,), f"{settings.seed}/{person.id}/image") if person.pictured else None


def pretraining_pairs(settings: WorldSettings, count: int, rng: Random) -> Iterator[tuple[str, Picture]]:
    """``count`` captioned scenes of 1 to 4 strangers, for contrastive pretraining.

    The people are drawn afresh, so that nothing of a split or of the graph is given away; names, attributes and
    emblems are those of the world. Simple scenes are the most frequent.
    """
    for _ in range(count):
        people = [_person(settings.entities, settings, rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))]
        scene = Scene(tuple(person.emblem for person in people), str(rng.getrandbits(64)), 0.1)
        yield caption(people, rng), draw(scene, settings)
