"""The dictionary against a search for every name at every place, and what it leaves out."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from otmel.data.dataset import Dataset
from otmel.data.documents import Span
from otmel.linking.detection import DictionaryDetector
from otmel.linking.detection.folding import words

NAMES = st.lists(
    st.lists(st.sampled_from(["anna", "bell", "Bell", "dunn", "é", "x9"]), min_size=1, max_size=4).map(" ".join)
)
TEXTS = st.lists(st.sampled_from(["Anna", "bell", "dunn", "E", "x9", "-", ",", "    ", "Annabell", "."])).map(" ".join)


def found(names: list[str], text: str) -> list[str]:
    return [text[span.start : span.end] for span in DictionaryDetector.of_names(names).detect(text)]


def by_brute_force(names: set[str], text: str) -> list[tuple[int, int]]:
    """Every name at every word, the longest first, without a table."""
    every, at, spans = list(words(text)), 0, []
    while at < len(every):
        fitting = []
        for stop in range(at + 1, len(every) + 1):
            part = every[at:stop]
            near = all(right[0] - left[1] <= 3 for left, right in itertools.pairwise(part))
            if near and " ".join(word for _, _, word in part) in names:
                fitting.append(stop)
        if fitting:
            spans.append((every[at][0], every[fitting[-1] - 1][1]))
        at = fitting[-1] if fitting else at + 1
    return spans


@given(names=NAMES, text=TEXTS)
def test_it_finds_what_brute_force_finds(names: list[str], text: str) -> None:
    detector = DictionaryDetector.of_names(names)
    assert [(span.start, span.end) for span in detector.detect(text)] == by_brute_force(detector.names, text)


def test_case_accents_and_punctuation_make_no_difference() -> None:
    names = ["Émile Fournier", "O'Neil", "Jean-Luc Stein"]
    text = "EMILE FOURNIER and O’Neil’s friend jean luc stein"
    assert found(names, text) == ["EMILE FOURNIER", "O’Neil", "jean luc stein"]


def test_the_longest_name_at_a_place_wins_and_words_are_whole() -> None:
    names = ["Anna", "Anna Bell", "Bell Dunn", "Carl Dunn of Kent", "Carl"]
    assert found(names, "Anna Bell Dunn, Annabell, Carl Dunn of York") == ["Anna Bell", "Carl"]


def test_a_name_does_not_reach_over_a_gap() -> None:
    assert found(["Anna Bell"], "Anna  Bell. Anna     Bell.") == ["Anna  Bell"]


def test_names_of_scripts_without_spaces() -> None:
    assert found(["東京", "王小明"], "昨天王小明到東京了") == ["王小明", "東京"]


def test_what_is_left_out_is_counted_once() -> None:
    detector = DictionaryDetector.of_names(["Bo", "BO", "", "The Who", "1984", "The Band", "The Band", "Ö"])
    assert (detector.names, detector.short, detector.common) == ({"the band"}, 3, 2)
    assert str(detector).startswith("1 names are looked for; 3 were too short, 2 too common")


def test_a_graphs_names_and_aliases(tiny: Dataset) -> None:
    detector = DictionaryDetector.of(tiny.graph)
    text = "Paul Quist met Mona O'Neil and Gerd Hahn."
    assert detector.detect(text) == [Span(0, 10, label="name"), Span(15, 26, label="name"), Span(31, 40, label="name")]
