"""The records of a data set's check, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from otmel.data.findings import Findings

LONG_TEXT = 10_000
"""Words from which on a text counts as over-long."""
OVER_LONG = f"text of {LONG_TEXT:,} words or more"


@dataclass(frozen=True)
class Distribution:
    """How often each number occurs (Figure 7).

    Attributes:
        counts: number → how often, in ascending order.
        total: how many numbers there are; the rest describe them, 0 when there are none.
    """

    counts: Mapping[int, int]
    total: int
    mean: float
    median: int
    p90: int
    largest: int

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Distribution:
        """The distribution of some numbers; quantiles are the smallest number that reaches the share."""
        values = sorted(numbers)
        if not values:
            return cls({}, 0, 0.0, 0, 0, 0)
        middle, high = values[(len(values) - 1) // 2], values[min(len(values) - 1, len(values) * 9 // 10)]
        return cls(dict(sorted(Counter(values).items())), len(values), mean(values), middle, high, values[-1])


@dataclass(frozen=True)
class Coverage:
    """How many rows have an image, and why the others have none.

    Attributes:
        total: entities or mentions.
        stated: rows that name an image.
        found: rows of which at least one named image is there.
        usable: rows of which at least one image can be decoded; ``None`` when no image was opened.
        reasons: kind of defect → number of images.
    """

    total: int
    stated: int
    found: int
    usable: int | None
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class GraphReport:
    """What was found in the graph.

    Attributes:
        entities: number of entities.
        images: their images.
        same_name: entities whose name another entity bears too (Table 5, "Same Name").
        shared_names: different names among those.
        without_text: entities with neither attributes nor a description.
        long_texts: entities whose text has 10,000 words or more.
        words: words of name, aliases, attributes and description.
    """

    entities: int
    images: Coverage
    same_name: int
    shared_names: int
    without_text: int
    long_texts: int
    words: Distribution


@dataclass(frozen=True)
class SplitReport:
    """What was found in one split; all are numbers of mentions.

    Attributes:
        mentions: all of them.
        nil: answered by "not in the graph".
        unanswered: no answer is stated.
        dangling: the answer is no entity of the graph.
        with_image: an image was found; ``usable``, it can be decoded (``None`` when no image was opened).
        like_graph: the image looks the same as an image of the graph (``None`` when no image was opened).
        equal_title: the mention words are the title of the answer.
        bearers: entities that have all words of the mention in their name or an alias: "none", "one", "several".
        not_in_sentence: the mention words do not occur in the sentence.
        empty: there is no mention word or no sentence.
        long_texts: the sentence has 10,000 words or more.
        words: words of the sentence.
        objects: objects in the image, where the data set knows.
    """

    mentions: int
    nil: int
    unanswered: int
    dangling: int
    with_image: int
    usable: int | None
    like_graph: int | None
    equal_title: int
    bearers: Mapping[str, int]
    not_in_sentence: int
    empty: int
    long_texts: int
    words: Distribution
    objects: Distribution


@dataclass(frozen=True)
class Leak:
    """What mentions of ``second`` share with ``first``; numbers are mentions of ``second``.

    Attributes:
        first: a split; ``second``: one after it.
        sentences: whose sentence occurs in ``first`` too, up to case and spaces.
        image_files: whose image is the same file.
        look_alikes: whose image has the same perceptual hash (``None`` when no image was opened).
    """

    first: str
    second: str
    sentences: int
    image_files: int
    look_alikes: int | None


@dataclass(frozen=True)
class CheckReport:
    """All that a check found.

    Attributes:
        name: the data set; ``root``: its folder.
        graph: the entities.
        splits: split name → its mentions.
        mention_images: image coverage of all mentions together.
        leaks: one for each pair of splits.
        findings: what the reader and the check came across, with examples.
    """

    name: str
    root: str | None
    graph: GraphReport
    splits: Mapping[str, SplitReport]
    mention_images: Coverage
    leaks: tuple[Leak, ...]
    findings: Findings

    def as_json(self) -> Mapping[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        values["findings"] = self.findings.as_json()
        return values

    def as_text(self, width: int = 110) -> str:
        """Tables to read, ``width`` columns wide."""
        from otmel.data.check_text import as_text

        return as_text(self, width)
