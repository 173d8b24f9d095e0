"""Records of tensors: sliced, moved and joined as one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.models.base import LateState, Side, State
from otmel.types import Batch, Elements, TensorRecord, Views, concatenate, pad_second_axis


def elements(items: int, length: int, width: int = 3) -> Elements:
    mask = torch.rand(items, length) < 0.7
    return Elements(torch.randn(items, length, width), mask, torch.randn(items, 2))


def views(items: int, text: int = 4, image: int = 3) -> Views:
    return Views(elements(items, text), elements(items, image))


def test_rows_are_taken_from_every_tensor():
    record = views(5)
    for rows in (slice(1, 3), [4, 0], torch.tensor([2, 2]), torch.tensor([True, False, True, False, False])):
        taken = record[rows]
        assert torch.equal(taken.text.tokens, record.text.tokens[rows])
        assert torch.equal(taken.image.mask, record.image.mask[rows])
        assert len(taken) == len(record.text.cls[rows])


def test_presence_is_any_content():
    mask = torch.tensor([[True, False], [False, False]])
    assert Elements(torch.zeros(2, 2, 1), mask, torch.zeros(2, 1)).present.tolist() == [True, False]


def test_masks_and_ids_keep_their_dtype_when_moved():
    ids, mask = torch.ones(2, 3, dtype=torch.long), torch.ones(2, 3).bool()
    batch = Batch(ids, mask, torch.rand(2, 3, 4, 4), torch.ones(2).bool())
    for moved in (batch.to(torch.float16), batch.to("cpu", torch.float16), batch.to(dtype=torch.float16, device="cpu")):
        assert moved.input_ids.dtype == torch.int64
        assert moved.attention_mask.dtype == moved.has_image.dtype == torch.bool
        assert moved.pixels.dtype == torch.float16
    assert batch.to("meta").input_ids.is_meta


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_what_is_joined_is_padded_and_comes_apart_again(lengths, seed):
    torch.manual_seed(seed)
    parts = [views(1 + length % 3, length, 2) for length in lengths]
    joined, start = concatenate(parts), 0
    assert len(joined) == sum(map(len, parts))
    assert joined.text.tokens.shape[1] == max(lengths)
    for part, length in zip(parts, lengths, strict=True):
        back = joined[start : start + len(part)]
        assert torch.equal(back.text.tokens[:, :length], part.text.tokens)
        assert torch.equal(back.text.mask[:, :length], part.text.mask)
        assert not back.text.mask[:, length:].any()
        assert (back.text.tokens[:, length:] == 0).all()
        assert torch.equal(back.image.cls, part.image.cls)
        start += len(part)


def test_states_are_joined_part_by_part():
    def state(items: int, length: int) -> State:
        late = LateState(torch.randn(items, length, 2), torch.ones(items, length).bool(), target=torch.randn(items, 2))
        return State({"F": torch.randn(items, 4), "T": torch.randn(items, 2)}, {"T": late}, torch.ones(items).bool())

    one, two = state(2, 3), state(1, 5)
    joined = concatenate([one, two])
    assert torch.equal(joined.dense["F"], torch.cat([one.dense["F"], two.dense["F"]]))
    assert joined.late["T"].tokens.shape == (3, 5, 2)
    assert joined.late["T"].values is None
    assert not joined.late["T"].mask[:2, 3:].any()
    assert joined.names is None
    assert len(joined) == 3
    assert torch.equal(joined[[2]].late["T"].target, two.late["T"].target)


def test_a_record_of_nothing_has_no_length():
    with pytest.raises(TypeError, match="Side holds no tensor"):
        len(Side(None))
    assert isinstance(Side(None)[[0]], TensorRecord)


def test_padding_leaves_vectors_and_equal_lengths_alone():
    vectors = [torch.ones(2), torch.ones(3)]
    assert [t.shape for t in pad_second_axis(vectors)] == [(2,), (3,)]
    same = [torch.ones(2, 3), torch.ones(1, 3)]
    assert all(a is b for a, b in zip(pad_second_axis(same), same, strict=True))
