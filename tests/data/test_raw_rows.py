from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.raw_rows import MAX_DEPTH, MAX_ROW, text_fault

JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
    max_leaves=5,
)


def nested(value, depth):
    for _ in range(depth):
        value = [value]
    return {"a": value}


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.integers()))
def test_sound_texts_have_no_fault(values):
    assert text_fault(values) is None


@given(JSON, st.sampled_from([("\0", "NUL character"), ("\udc80", "lone surrogate")]), st.integers(0, MAX_DEPTH // 2))
def test_a_fault_is_found_at_any_depth_in_values_and_keys(value, fault, depth):
    if text_fault({"": value}) is None:
        character, name = fault
        assert text_fault(nested([value, f"a{character}b"], depth)) == name
        assert text_fault(nested({f"{character}": value}, depth)) == name


@pytest.mark.parametrize("extra, fault", [(0, None), (1, "nested too deeply"), (100_000, "nested too deeply")])
def test_depth_is_bounded(extra, fault):
    assert text_fault(nested("x", MAX_DEPTH + extra)) == fault


@pytest.mark.parametrize("extra, fault", [(0, None), (1, "text too long")])
def test_length_counts_over_all_texts(extra, fault):
    half = "x" * (MAX_ROW // 2)
    assert text_fault({"": half, "a" * extra: [half]}) == fault
