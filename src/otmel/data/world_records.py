"""What a generated world is made of: settings, people with emblems, scenes and mentions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import Field, field_validator, model_validator

from otmel.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
FIRST_NAMES_MOST, LAST_NAMES_MOST = 24, 2_500
SPLITS = ("train", "dev", "test", "unseen")


class CueShares(Settings):
    """How often a sentence says each attribute of the person it mentions."""

    occupation: Share = 0.55
    team: Share = 0.35
    origin: Share = 0.35
    award: Share = 0.35


class WorldSettings(Settings):
    """Size and difficulty of a generated world. Shares are probabilities in [0, 1].

    Attributes:
        seed: the same seed and settings give the same bytes.
        entities: people in the graph.
        train: training mentions; ``dev``, ``test`` and ``unseen`` likewise.
        unseen: mentions of people who occur nowhere in training.
        captions: captioned scenes written beside the benchmark, for contrastive pretraining.
        image_size: side of every image in pixels.
        first_names: how many first names there are; fewer names make more namesakes. ``last_names`` likewise.
        held_out: share of the people kept for ``unseen`` (none when ``unseen`` is 0).
        cues: what sentences say of the mentioned person; ``distractor_cues``, of the others.
        paraphrase: how often a cue names the emblem (in red) rather than the attribute (of the Lions).
        full_name: share of mentions by full name; ``first_name``, by first name among the bare ones.
        attribute_dropped: share of attributes that the graph does not state.
        entity_without_image: share of people without an image; ``mention_without_image`` likewise.
        nil: share of mentions of somebody who is not in the graph.
        object_shares: relative frequency of scenes with 1, 2, 3 and 4 objects.
        same_name: chance that a distractor in the picture bears the mentioned name.
        distractor_named: chance that the sentence names a distractor too.
        occlusion: chance that part of an object is hidden.
        jitter: spread of colour and angle; ``pixel_noise``: standard deviation, in units of the full range.
    """

    seed: int = 0
    entities: Annotated[int, Field(ge=4)] = 300
    train: Count = 1_500
    dev: Count = 200
    test: Count = 400
    unseen: Count = 200
    captions: Count = 2_000
    image_size: Annotated[int, Field(ge=24, le=512)] = 48
    first_names: Annotated[int, Field(ge=1, le=FIRST_NAMES_MOST)] = 16
    last_names: Annotated[int, Field(ge=1, le=LAST_NAMES_MOST)] = 40
    held_out: Share = 0.15
    cues: CueShares = CueShares()
    distractor_cues: CueShares = CueShares(occupation=0.4, team=0.25, origin=0.25, award=0.1)
    paraphrase: Share = 0.25
    full_name: Share = 0.05
    first_name: Share = 0.75
    attribute_dropped: Share = 0.2
    entity_without_image: Share = 0.08
    mention_without_image: Share = 0.1
    nil: Share = 0.02
    object_shares: tuple[float, float, float, float] = (0.3, 0.3, 0.2, 0.2)
    same_name: Share = 0.3
    distractor_named: Share = 0.7
    occlusion: Share = 0.4
    jitter: Annotated[float, Field(ge=0)] = 1.5
    pixel_noise: Share = 0.04

    @field_validator("object_shares")
    @classmethod
    def _some_object(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if min(shares) < 0 or sum(shares) <= 0:
            raise ValueError("object shares must not be negative and not all zero")
        return shares

    @model_validator(mode="after")
    def _somebody_on_both_sides(self) -> WorldSettings:
        if self.unseen and not 0 < self.held_out_people < self.entities:
            raise ValueError("a split of unseen entities needs 0 < held_out < 1 and enough entities for both sides")
        return self

    @property
    def held_out_people(self) -> int:
        """How many people are kept out of training."""
        return round(self.entities * self.held_out) if self.unseen else 0


class Emblem(NamedTuple):
    """What one sees of a person; each value is an index into the words of ``world_text``."""

    face: int
    colour: int
    pattern: int
    accessory: int


@dataclass(frozen=True, slots=True)
class Person:
    """An entity of the world.

    Attributes:
        id: identifier in the graph; a stranger (NIL) has one that the graph lacks.
        first: first name; ``last``: surname.
        emblem: the visible attributes: face, team colour, pattern of the origin, accessory of the occupation.
        award: index of the award, an attribute that no image shows.
        stated: names of the attributes that the graph states.
        pictured: whether the graph has an image.
        held_out: whether the person is kept out of training.
    """

    id: str
    first: str
    last: str
    emblem: Emblem
    award: int
    stated: frozenset[str]
    pictured: bool
    held_out: bool = False

    @property
    def name(self) -> str:
        """The full name, title of the entity."""
        return f"{self.first} {self.last}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What an image shows; drawing it is a pure function of this record and the settings.

    Attributes:
        emblems: the objects; the first is the mentioned person.
        seed: seed of everything left to chance in the drawing.
        occlusion: chance that part of an object is hidden.
    """

    emblems: tuple[Emblem, ...]
    seed: str
    occlusion: float = 0.0


@dataclass(frozen=True, slots=True)
class WorldMention:
    """A mention with all that is true of it.

    Attributes:
        id: identifier, split and number.
        words: the mention words.
        sentence: the sentence around them.
        person: who is meant; ``known`` says whether the graph has that person.
        scene: the image; ``None`` when the mention has none.
    """

    id: str
    words: str
    sentence: str
    person: Person
    known: bool
    scene: Scene | None
