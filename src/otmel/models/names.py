"""Name match: character n-gram TF-IDF between mention words and entity names.

The floor that a learned model must clear, and the optional part N beside the paper's F, T and V.

    tf-idf(g, s) = tf(g, s) · idf(g),   idf(g) = ln((1 + n) / (1 + df(g))) + 1,   n names, df(g) of them with n-gram g
    score(m, e)  = max over the names and aliases s of e of cos(tf-idf(m), tf-idf(s))    in [0, 1]

The IDF is fitted once and travels with what was trained on it, so an entity's vectors depend on that entity alone:
they stay the same when the graph grows. N-grams are hashed, so one unseen in fitting gets the highest IDF.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from otmel.data.records import Entity
from otmel.errors import CheckpointError, ConfigurationError
from otmel.settings import Settings, validated


class NameMatchSettings(Settings):
    """How names become vectors.

    Attributes:
        analyzer: n-grams within words padded by a space (``char_wb``) or across words (``char``).
        shortest: characters of the shortest n-gram.
        longest: characters of the longest n-gram.
        sublinear: ``1 + ln(tf)`` instead of ``tf``.
        lowercase: compare without regard to case.
        strip_accents: compare without accents (``ñ`` = ``n``).
        buckets: size of the hash table of n-grams; 2²⁰ holds the n-grams of 160,000 names with few collisions.
    """

    analyzer: Literal["char_wb", "char"] = "char_wb"
    shortest: int = Field(default=2, ge=1)
    longest: int = Field(default=4, ge=1)
    sublinear: bool = False
    lowercase: bool = True
    strip_accents: bool = True
    buckets: int = Field(default=2**20, ge=2, le=2**31 - 1)


class NameVectorizer:
    """Names → sparse unit vectors, with the IDF of the names it was fitted on.

    Args:
        settings: how names become vectors.
        documents: how many names the IDF was fitted on.
        frequencies: n-gram bucket → how many of those names hold it, as two aligned arrays (buckets, counts).
    """

    def __init__(
        self, settings: NameMatchSettings, documents: int, frequencies: tuple[NDArray[np.int32], NDArray[np.int32]]
    ) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        if settings.longest < settings.shortest:
            raise ConfigurationError(f"name match: n-grams from {settings.shortest} to {settings.longest} characters")
        self.settings, self.documents, self._frequencies = settings, documents, frequencies
        # scikit-learn's inferred parameter types are narrower than what it accepts.
        options: dict[str, Any] = {"alternate_sign": False, "norm": None, "dtype": np.float32}
        self._counter = HashingVectorizer(
            analyzer=settings.analyzer,
            ngram_range=(settings.shortest, settings.longest),
            lowercase=settings.lowercase,
            strip_accents="unicode" if settings.strip_accents else None,
            n_features=settings.buckets,
            **options,
        )
        self._idf = np.full(settings.buckets, np.log(1 + documents) + 1, dtype=np.float32)
        buckets, counts = frequencies
        self._idf[buckets] = np.log((1 + documents) / (1 + counts.astype(np.float64))) + 1

    @classmethod
    def fit(cls, names: Iterable[str], settings: NameMatchSettings | None = None) -> NameVectorizer:
        """The vectorizer whose IDF is that of ``names``."""
        settings = settings or NameMatchSettings()
        nothing = np.zeros(0, dtype=np.int32)
        listed = list(names)
        counts = cls(settings, 0, (nothing, nothing)).counts(listed)
        frequency = np.bincount(counts.indices, minlength=1)
        buckets = np.flatnonzero(frequency)
        return cls(settings, len(listed), (buckets.astype(np.int32), frequency[buckets].astype(np.int32)))

    def counts(self, names: Iterable[str]) -> sparse.csr_matrix:
        """N-gram counts ``[N, buckets]``; a lone surrogate counts as a question mark."""
        return sparse.csr_matrix(self._counter.transform([n.encode("utf8", "replace").decode("utf8") for n in names]))

    def transform(self, names: Iterable[str]) -> sparse.csr_matrix:
        """Unit vectors ``[N, buckets]`` in float32; a name without any n-gram has the zero vector."""
        from sklearn.preprocessing import normalize

        counts = self.counts(names)
        if self.settings.sublinear:
            counts.data = 1 + np.log(counts.data)
        counts.data *= self._idf[counts.indices]
        return sparse.csr_matrix(normalize(counts, copy=False))

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to make this vectorizer again, as numeric arrays (no pickle, safetensors-ready)."""
        buckets, counts = self._frequencies
        text = json.dumps(self.settings.model_dump()).encode()
        return {
            "settings": np.frombuffer(text, dtype=np.uint8).copy(),
            "documents": np.array([self.documents], dtype=np.int64),
            "buckets": buckets,
            "counts": counts,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> NameVectorizer:
        """The vectorizer of a ``state``.

        Raises:
            CheckpointError: an array is missing or does not fit the others.
            ConfigurationError: its settings are not those of a name match.
        """
        try:
            values = json.loads(np.asarray(state["settings"], dtype=np.uint8).tobytes())
            documents = int(state["documents"][0])
            buckets, counts = np.asarray(state["buckets"], np.int32), np.asarray(state["counts"], np.int32)
        except (KeyError, IndexError, ValueError) as fault:
            raise CheckpointError(f"the state of the name match is broken ({fault!r})") from fault
        settings = validated(NameMatchSettings, values, where="state of the name match")
        inside = buckets.shape == counts.shape and np.all((buckets >= 0) & (buckets < settings.buckets))
        if not inside or np.any((counts < 1) | (counts > documents)):
            raise CheckpointError("the n-gram frequencies of the name match do not fit its settings")
        return cls(settings, documents, (buckets, counts))


class NameMatch:
    """Name match against the entities of a graph.

    Args:
        vectorizer: the vectorizer, fitted on this graph's names or on those of the graph it was trained with.
        entities: the entities, in row order.
    """

    def __init__(self, vectorizer: NameVectorizer, entities: Iterable[Entity]) -> None:
        self.vectorizer = vectorizer
        names = [names_of(entity) for entity in entities]
        # An entity's names stand in neighbouring rows: those of entity row r from _first[r] to _first[r + 1].
        self._first = np.concatenate([[0], np.cumsum([len(of_one) for of_one in names])]).astype(np.int64)
        self._vectors = vectorizer.transform(name for of_one in names for name in of_one)

    @classmethod
    def fit(cls, entities: Sequence[Entity], settings: NameMatchSettings | None = None) -> NameMatch:
        """A name match whose IDF is that of the names and aliases of ``entities``."""
        names = [name for entity in entities for name in names_of(entity)]
        return cls(NameVectorizer.fit(names, settings), entities)

    def __len__(self) -> int:
        return len(self._first) - 1

    def vectors(self, mention_names: Iterable[str]) -> sparse.csr_matrix:
        """The mention words as unit vectors ``[M, buckets]``, to be scored against several tiles."""
        return self.vectorizer.transform(mention_names)

    def scores(self, mentions: Sequence[str] | sparse.csr_matrix, rows: slice = slice(None)) -> NDArray[np.float32]:
        """The scores ``[M, E]`` in [0, 1] of mention words (or their ``vectors``) against the entities of ``rows``.

        An entity's score is the best over its names, so an alias can only help it. Entities of equal names get
        bit-equal scores, in any tile.
        """
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows must be contiguous, got {rows}")
        vectors = mentions if isinstance(mentions, sparse.csr_matrix) else self.vectors(mentions)
        first, last = int(self._first[start]), int(self._first[max(start, stop)])
        names = sparse.csr_matrix(self._vectors[first:last])
        each = sparse.csr_matrix(vectors @ names.T).toarray()
        if each.shape[1] > stop - start:
            each = np.maximum.reduceat(each, self._first[start:stop] - self._first[start], axis=1)
        return np.minimum(each, np.float32(1), dtype=np.float32)

    def name_candidates(self, mentions: Sequence[str], k: int, block: int = 64) -> NDArray[np.int64]:
        """The rows ``[M, min(k, E)]`` of the best entities per mention, best first; ties go to the lower row."""
        k = min(k, len(self))
        best = np.zeros((len(mentions), k), dtype=np.int64)
        for start in range(0, len(mentions), block):
            scores = self.scores(mentions[start : start + block])
            best[start : start + block] = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return best

    def state(self) -> dict[str, NDArray[Any]]:
        """The vectorizer's state; the entity vectors follow from it and the graph."""
        return self.vectorizer.state()

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]], entities: Iterable[Entity]) -> NameMatch:
        """The name match of a ``state`` over the entities of any graph."""
        return cls(NameVectorizer.from_state(state), entities)


def names_of(entity: Entity) -> list[str]:
    """The entity's name and its aliases, each once."""
    return list(dict.fromkeys((entity.name, *entity.aliases)))
