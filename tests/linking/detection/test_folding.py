"""Words: where they stand, and what they have in common whatever their form."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.linking.detection.folding import folded, words


@given(text=st.text())
def test_words_stand_where_they_say(text: str) -> None:
    end = 0
    for start, stop, word in words(text):
        assert end <= start < stop <= len(text)
        assert word == folded(text[start:stop])
        end = stop


@given(text=st.text(alphabet=st.characters(codec="ascii")))
def test_the_short_way_for_ascii_is_the_long_one(text: str) -> None:
    assert list(words(text)) == list(words(text + " é"))[:-1]


@given(word=st.text(min_size=1))
def test_folding_twice_is_folding_once(word: str) -> None:
    assert folded(folded(word)) == folded(word)


@pytest.mark.parametrize(
    "first, second",
    [
        ("É", "e"),
        ("Straße", "STRASSE"),
        ("Ⅻ", "xii"),
        ("ﬁn", "FIN"),
        ("İzmir", "izmir"),
        ("Müller", unicodedata.normalize("NFD", "MÜLLER")),
        ("Ελλάδα", "ΕΛΛΑΔΑ"),
        ("ｔｏｋｙｏ", "Tokyo"),
    ],
)
def test_forms_that_are_one(first: str, second: str) -> None:
    assert folded(first) == folded(second)
    assert [word for _, _, word in words(f"x {first} y")] == ["x", folded(second), "y"]


def test_marks_that_are_no_accents_stay() -> None:
    assert folded("が") != folded("か")
    assert [word for _, _, word in words("हिन्दी 東京")] == ["हिन्दी", "東", "京"]


def test_punctuation_parts_words() -> None:
    assert [word for _, _, word in words("O'Neil–Quist, Jr. (a_b)")] == ["o", "neil", "quist", "jr", "a", "b"]
