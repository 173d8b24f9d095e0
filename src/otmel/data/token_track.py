"""The token track: features in place of an encoder, for sweeps and tests in seconds.

People and mentions come from a generated world. An encoder that sees everything, with noise, is imitated: a patch is
a noisy mixture of its object's attribute vectors, a word is a noisy vector mixed with its neighbours', and a visible
attribute has the vector of the word that states it. So what remains is the matching.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from otmel.data.world_generate import generate_world
from otmel.data.world_records import Count, CueShares, Emblem, Person, Share, WorldMention, WorldSettings
from otmel.data.world_text import FACES, OCCUPATIONS, ORIGINS, TEAMS, attributes

PATCHES_PER_OBJECT = 4
SPREAD = Annotated[float, Field(ge=0)]


class TokenTrackSettings(WorldSettings):
    """A world's settings, with the difficulty at which the track was calibrated, and those of its features.

    Attributes:
        noise: standard deviation of the noise on a patch; a word gets half of it.
        hub: strength of a direction that all tokens share in varying degree (0: none).
        dimensions: channels of every token.
        patches: image tokens beside the CLS token.
    """

    entities: Annotated[int, Field(ge=4)] = 240
    train: Count = 1_400
    dev: Count = 200
    test: Count = 500
    unseen: Count = 0
    captions: Count = 0
    cues: CueShares = CueShares(occupation=0.6, team=0.4, origin=0.4, award=0.4)
    paraphrase: Share = 0.0
    full_name: Share = 0.0
    attribute_dropped: Share = 0.15
    entity_without_image: Share = 0.05
    mention_without_image: Share = 0.0
    nil: Share = 0.0
    noise: SPREAD = 1.0
    hub: SPREAD = 0.0
    dimensions: Annotated[int, Field(ge=1)] = 64
    patches: Annotated[int, Field(ge=4 * PATCHES_PER_OBJECT)] = 16


@dataclass(frozen=True)
class TokenSet:
    """Features of ``n`` entities or mentions; float32, masks ``True`` where there is content.

    Attributes:
        text: word tokens ``[n, L, d]``, ``L`` the longest of the set; zeros where masked.
        text_mask: ``[n, L]``.
        text_cls: ``[n, d]``.
        image: image tokens ``[n, 1 + patches, d]``, CLS first; zeros where there is no image.
        image_mask: ``[n, 1 + patches]``, all ``False`` where there is no image.
        image_cls: ``[n, d]``; zeros where there is no image.
        gold: row of the true entity ``[n]`` (int64), -1 for NIL; an entity's own row for entities.
        names: mention words or entity titles.
        objects: number of objects in the image ``[n]`` (int64), 0 where there is none.
    """

    text: np.ndarray
    text_mask: np.ndarray
    text_cls: np.ndarray
    image: np.ndarray
    image_mask: np.ndarray
    image_cls: np.ndarray
    gold: np.ndarray
    names: tuple[str, ...]
    objects: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class TokenTrack:
    """Features of a graph and of the splits that link to it."""

    settings: TokenTrackSettings
    entities: TokenSet
    splits: Mapping[str, TokenSet]


def token_track(settings: TokenTrackSettings | None = None) -> TokenTrack:
    """Features of a generated world. A pure function of the settings."""
    settings = settings or TokenTrackSettings()
    world = generate_world(settings)
    track = _Features(settings)
    rows = {person.id: row for row, person in enumerate(world.people)}
    entities = track.of([_entity(person, row) for row, person in enumerate(world.people)])
    splits = {
        split: track.of([_mention(mention, rows) for mention in mentions])
        for split, mentions in world.splits.items()
        if mentions
    }
    return TokenTrack(settings, entities, splits)


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    context: str
    emblems: tuple[Emblem, ...]
    gold: int

    def words(self) -> list[str]:
        """The tokens of Eq. 4: [CLS] name [SEP] context [SEP]."""
        split = re.compile(r"\w+|[^\w\s]").findall
        return ["[CLS]", *split(self.name.lower()), "[SEP]", *split(self.context.lower()), "[SEP]"]


def _entity(person: Person, row: int) -> _Item:
    return _Item(person.name, attributes(person), (person.emblem,) if person.pictured else (), row)


def _mention(mention: WorldMention, rows: Mapping[str, int]) -> _Item:
    emblems = mention.scene.emblems if mention.scene else ()
    return _Item(mention.words, mention.sentence, emblems, rows[mention.person.id] if mention.known else -1)


class _Features:
    """Vectors of words and of the shared directions; a stream of noise runs through all sets made from it."""

    def __init__(self, settings: TokenTrackSettings) -> None:
        self.settings = settings
        # The legacy generator: its stream is the same in every release of numpy.
        self.random = np.random.RandomState(settings.seed)
        self.vectors: dict[str, np.ndarray] = {}
        self.ground, self.hub = self._normal(2, settings.dimensions)
        words = (FACES, TEAMS, ORIGINS, OCCUPATIONS)
        self.attributes = [np.stack([self._vector(word.lower()) for word in kind]) for kind in words]

    def of(self, items: Sequence[_Item]) -> TokenSet:
        words = [item.words() for item in items]
        text, mask = self._text(words)
        image, present = self._image([item.emblems for item in items])
        return TokenSet(
            text=text,
            text_mask=mask,
            text_cls=(text.sum(1) / mask.sum(1, keepdims=True) * 2).astype(np.float32),
            image=image,
            image_mask=np.repeat(present[:, None], image.shape[1], 1),
            image_cls=image[:, 0],
            gold=np.array([item.gold for item in items], np.int64),
            names=tuple(item.name for item in items),
            objects=np.array([len(item.emblems) for item in items], np.int64),
        )

    def _text(self, words: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
        mask = np.zeros((len(words), max(map(len, words))), bool)
        tokens = np.zeros((*mask.shape, self.settings.dimensions), np.float32)
        for row, line in enumerate(words):
            mask[row, : len(line)] = True
            tokens[row, : len(line)] = [self._vector(word) for word in line]
        padded = np.pad(tokens, ((0, 0), (2, 2), (0, 0)))
        width = mask.shape[1]
        around = sum(padded[:, shift : shift + width] for shift in (0, 1, 3, 4)) / 4
        tokens = tokens + 0.5 * around + 0.5 * self.settings.noise * self._normal(*tokens.shape)
        return self._with_hub(tokens) * mask[..., None], mask

    def _image(self, scenes: Sequence[tuple[Emblem, ...]]) -> tuple[np.ndarray, np.ndarray]:
        patches = self.settings.noise * self._normal(len(scenes), self.settings.patches, self.settings.dimensions)
        for row, emblems in enumerate(scenes):
            places = self.random.permutation(self.settings.patches)
            patches[row, places[len(emblems) * PATCHES_PER_OBJECT :]] += self.ground
            for number, emblem in enumerate(emblems):
                seen = np.stack([table[kind] for table, kind in zip(self.attributes, emblem, strict=True)])
                weights = self.random.random_sample((PATCHES_PER_OBJECT, len(seen))) + 0.25
                patches[row, places[number * PATCHES_PER_OBJECT :][:PATCHES_PER_OBJECT]] += weights @ seen
        patches = self._with_hub(patches)
        present = np.array([bool(emblems) for emblems in scenes])
        tokens = np.concatenate([patches.mean(1, keepdims=True) * 2, patches], 1)
        return (tokens * present[:, None, None]).astype(np.float32), present

    def _with_hub(self, tokens: np.ndarray) -> np.ndarray:
        if not self.settings.hub:
            return tokens
        share = 2 * self.random.random_sample((*tokens.shape[:-1], 1)) ** 3
        return (tokens + self.settings.hub * share * self.hub).astype(np.float32)

    def _vector(self, word: str) -> np.ndarray:
        if word not in self.vectors:
            self.vectors[word] = self._normal(self.settings.dimensions)
        return self.vectors[word]

    def _normal(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape).astype(np.float32)
