"""What is read around a mention: laws of the window, and the rule of where sentences end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.sentences import Sentences

PROSE = st.lists(
    st.sampled_from(["Keller", "won", "J.", "Dr.", "a", "?!", "…", ".", "\n", " ", "。", "他", '."', "x" * 30]),
    max_size=80,
).map(" ".join)


def sentences(text: str) -> list[str]:
    starts = Sentences(text).starts
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", [""]),
        ("One. Two! Three? Four", ["One. ", "Two! ", "Three? ", "Four"]),
        ('"Did he?" asked Bell. "No."  He left.', ['"Did he?" asked Bell. ', '"No."  ', "He left."]),
        ("Dr. J. Keller met Mr. Bell. They sang.", ["Dr. J. Keller met Mr. Bell. ", "They sang."]),
        ("He paid 3.5 million... and left. Ok", ["He paid 3.5 million... and left. ", "Ok"]),
        ("A headline\nThe text. More", ["A headline\n", "The text. ", "More"]),
        ("他走了。「她来了！」好", ["他走了。", "「她来了！」", "好"]),
        ("Ends here. ", ["Ends here. "]),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(text=PROSE)
def test_sentences_add_up_to_the_text(text: str) -> None:
    starts = Sentences(text).starts
    assert "".join(sentences(text)) == text
    assert starts == sorted(set(starts))
    assert starts[0] == 0


@given(text=PROSE.filter(bool), places=st.tuples(st.floats(0, 1), st.floats(0, 1)), room=st.integers(1, 120))
def test_laws_of_the_window(text: str, places: tuple[float, float], room: int) -> None:
    """It holds the mention, has no more room than allowed, and cuts no sentence but one that is longer than that."""
    first, last = sorted(round(place * (len(text) - 1)) for place in places)
    start, end = first, last + 1
    if not text[start:end].strip():
        return
    found, window = Sentences(text), Sentences(text).around(start, end, room)
    shown, mention = text[window], text[start:end].strip()
    assert mention in shown
    assert 0 <= window.start <= window.stop <= len(text)
    assert len(shown) <= max(room, end - start)
    if len(text) <= room:
        assert shown == text
        return
    ends = [*found.starts[1:], len(text)]
    touched = [(a, b) for a, b in zip(found.starts, ends, strict=True) if a < end and start < b]
    own = text[touched[0][0] : touched[-1][1]]
    if len(own) <= room:
        assert own.strip() in shown
        whole = [
            text[a:b].strip() for a, b in zip(found.starts, ends, strict=True) if window.start < b and a < window.stop
        ]
        assert shown.startswith(whole[0])
        assert shown.endswith(whole[-1])


def test_neighbours_come_in_while_they_fit() -> None:
    text = "First one here. Second is this. Third has Keller. Fourth goes on. " + "A fifth that is long. " * 9
    place = text.index("Keller")
    around = [text[Sentences(text).around(place, place + 6, room)] for room in (6, 20, 36, 52, 70)]
    assert around == [
        "Keller",
        "Third has Keller.",
        "Second is this. Third has Keller.",
        "Second is this. Third has Keller. Fourth goes on.",
        "First one here. Second is this. Third has Keller. Fourth goes on.",
    ]


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "word " * 200 + "Keller " + "word " * 200
    place = text.index("Keller")
    shown = text[Sentences(text).around(place, place + 6, 60)]
    assert 40 < len(shown) <= 60
    assert set(shown.split()) == {"word", "Keller"}
    assert abs(len(shown.partition("Keller")[0]) - len(shown.partition("Keller")[2])) < 12


@pytest.mark.parametrize("unit", ["\n", " ", ". ", "x", ".", "a.)", "。"])
def test_hostile_texts_take_no_longer_than_others(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    window = Sentences(text).around(100_000, 100_004, 240)
    assert window.stop - window.start <= 240
