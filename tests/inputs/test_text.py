"""Wording of Eq. 4 and the fitting of long texts."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.records import Entity
from otmel.errors import CheckpointError
from otmel.inputs.text import Wording, clean, cut_characters, entity_text, middle_of

LENGTH = 24


def squeezed(text: str) -> str:
    """Letters alone: what a tokenizer that lowers case and joins spaces must keep."""
    return "".join(text.lower().split())


def test_pair_is_the_tokenizers_own_pair(tokenizer):
    names, contexts = ["Holland", "Clara Keller"], ["James Holland met the pilot", "Clara Keller won"]
    ids = Wording(tokenizer, "pair", True).encode(names, contexts, 40)
    assert ids == tokenizer(names, contexts)["input_ids"]
    assert tokenizer.decode(ids[0]) == "[CLS] holland[SEP] james holland met the pilot[END]"


def test_literal_separator_is_text_in_one_sequence(clip_tokenizer):
    (ids,) = Wording(clip_tokenizer, "literal_sep", True).encode(["Bell"], ["Bell spoke"], 40)
    assert ids == clip_tokenizer("Bell [SEP] Bell spoke")["input_ids"]
    words = clip_tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "")
    assert words == "bell[sep]bellspoke"


def test_clips_pair_has_one_end_token_and_it_is_last(clip_tokenizer):
    (ids,) = Wording(clip_tokenizer, "pair", True).encode(["Bell"], ["Bell spoke"], 40)
    assert ids == clip_tokenizer("Bell. Bell spoke")["input_ids"]
    assert ids.count(clip_tokenizer.eos_token_id) == 1
    assert ids[-1] == clip_tokenizer.eos_token_id


def test_a_name_without_context_stands_alone(clip_tokenizer, tokenizer):
    assert Wording(clip_tokenizer, "pair", True).encode(["Bell"], [""], 40) == [clip_tokenizer("Bell")["input_ids"]]
    (ids,) = Wording(tokenizer, "pair", True).encode([""], [""], 40)
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "[SEP]", "[END]"]


@pytest.mark.parametrize("style", ["pair", "literal_sep"])
def test_special_tokens_in_a_text_are_plain_characters(tokenizer, clip_tokenizer, style):
    (ids,) = Wording(tokenizer, style, True).encode(["a [SEP] b"], ["[END] c [CLS] [PAD]"], 60)
    special = [token for token in tokenizer.convert_ids_to_tokens(ids) if token in tokenizer.all_special_tokens]
    assert special == (["[CLS]", "[SEP]", "[END]"] if style == "pair" else ["[CLS]", "[END]"])
    (ids,) = Wording(clip_tokenizer, style, True).encode(["a"], ["<|endoftext|> b"], 60)
    assert ids.count(clip_tokenizer.eos_token_id) == 1


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(alphabet="abc XYZ.é漢", max_size=8),
    before=st.text(alphabet="abc .\n", max_size=200),
    after=st.text(alphabet="abc .漢", max_size=200),
    style=st.sampled_from(["pair", "literal_sep"]),
    window=st.booleans(),
)
def test_the_name_is_never_cut_for_the_context(tokenizer, clip_tokenizer, name, before, after, style, window):
    for one in (tokenizer, clip_tokenizer):
        wording = Wording(one, style, window)
        (alone,) = wording.encode([name], [""], 10**4)
        (ids,) = wording.encode([name], [before + name + after], max(LENGTH, len(alone) + 2))
        assert len(ids) <= max(LENGTH, len(alone) + 2)
        assert squeezed(one.decode(ids, skip_special_tokens=True)).startswith(squeezed(name))


def test_a_name_longer_than_the_limit_is_cut_by_itself(tokenizer, clip_tokenizer):
    for one in (tokenizer, clip_tokenizer):
        (ids,) = Wording(one, "pair", True).encode(["holland " * 60], ["the pilot"], 12)
        assert len(ids) == 12
        assert ids[-1] == one.eos_token_id


def test_the_window_keeps_the_words_around_the_mention(tokenizer):
    context = "the pilot " * 80 + "met Keller in London " + "of the lions " * 80
    (ids,) = Wording(tokenizer, "pair", True).encode(["Keller"], [context], LENGTH)
    text = tokenizer.decode(ids)
    assert "met keller in london" in text
    assert len(ids) in (LENGTH - 1, LENGTH)
    (ids,) = Wording(tokenizer, "pair", False).encode(["Keller"], [context], LENGTH)
    assert "met keller" not in tokenizer.decode(ids)
    assert tokenizer.decode(ids).startswith("[CLS] keller[SEP] the pilot the pilot")


def test_a_mention_that_is_not_in_its_sentence_keeps_the_beginning(tokenizer):
    (ids,) = Wording(tokenizer, "pair", True).encode(["Keller"], ["the pilot met " + "the lions " * 90], LENGTH)
    assert "the pilot met" in tokenizer.decode(ids)


def test_ten_thousand_words_are_quick(tokenizer):
    wording = Wording(tokenizer, "pair", True)
    context = "the lions " * 5_000 + "Keller " + "of London " * 5_000
    started = time.perf_counter()
    ids = wording.encode(["Keller"] * 100, [context] * 100, 40)
    assert time.perf_counter() - started < 2
    assert all("keller of london" in tokenizer.decode(row) for row in ids)
    no_spaces = wording.encode(["Keller", "x" * 10**6], ["x" * 10**6, ""], 40)
    assert [len(row) <= 40 for row in no_spaces] == [True, True]


def test_lone_surrogates_become_question_marks(tokenizer):
    assert clean("a\ud800b") == "a?b"
    assert clean("Émile 漢") == "Émile 漢"
    assert Wording(tokenizer, "pair", True).encode(["\udfff"], ["\ud800"], 40) == tokenizer(["?"], ["?"])["input_ids"]


def test_characters_are_cut_at_spaces_around_the_name():
    text = "one two three four five six seven"
    assert cut_characters(text, "four", 100) == text
    cut = cut_characters(text, "four", 20)
    assert cut == "three four five"
    assert len(cut_characters("x" * 50, "", 20)) == 20
    assert middle_of("ABC def", "abc") == 1
    assert middle_of("abc", "nobody") == 0


def test_entity_text_joins_the_chosen_fields():
    entity = Entity("Q1", "Bell", ("Annie", "A. B."), "a painter", "Country: Norway. Sex: female")
    assert entity_text(entity, ("attributes",)) == "Country: Norway. Sex: female"
    assert entity_text(entity, ("aliases", "description")) == "Annie, A. B.. a painter"
    assert entity_text(Entity("Q2", "Bell", attributes="x: y"), ("description", "attributes")) == "x: y"
    assert entity_text(entity, ()) == ""


def test_a_tokenizer_without_the_library_is_refused():
    class Slow:
        sep_token = None

    with pytest.raises(CheckpointError, match="Slow is not backed"):
        Wording(Slow(), "pair", True)  # type: ignore[arg-type]
