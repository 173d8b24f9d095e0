"""Lane blocks hold what was packed, wherever it stands."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.kernels import LANES, Senders, pack


def drawn(entities: int, length: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    tokens, target = torch.randn(entities, length, width, generator=draw), torch.randn(entities, width, generator=draw)
    return tokens, torch.rand(entities, length, generator=draw) < 0.6, target


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 7), st.integers(0, 99))
def test_what_was_packed_comes_out(entities, length, width, seed):
    tokens, mask, target = drawn(entities, length, width, seed)
    packed = pack(tokens, mask, target)
    slots = packed.slot_of_row(entities)
    assert torch.equal(slots < 0, ~mask.any(1))
    rows = torch.nonzero(slots >= 0).flatten()
    content, there, targets = packed.blocks.unpacked(slots[rows])
    assert torch.equal(there.sum(1), mask[rows].sum(1))
    assert torch.equal(targets, target[rows])
    for n, row in enumerate(rows.tolist()):
        assert torch.equal(content[n][there[n]], tokens[row][mask[row]])
        assert not content[n][~there[n]].any()


def test_blocks_ascend_in_length_and_parts_are_views():
    tokens, mask, target = drawn(70, 12, 4)
    blocks = pack(tokens, mask, target).blocks
    assert torch.equal(blocks.longest, blocks.longest.sort().values)
    assert torch.equal(blocks.longest, blocks.lengths.amax(1).long())
    part = blocks.part(1, 3)
    assert len(part) == 2
    assert part.tokens.data_ptr() == blocks.tokens[int(blocks.start[1]) :].data_ptr()
    assert all(torch.equal(part.block(n), blocks.block(n + 1)) for n in range(2))


@pytest.mark.parametrize(("precision", "share"), [("float32", 0), ("float16", 2**-11), ("int8", 0.5 / 127)])
def test_an_error_of_storage_is_half_a_step(precision, share):
    tokens, mask, target = drawn(50, 9, 6)
    packed = pack(tokens, mask, target, precision)
    assert packed.blocks.precision == precision
    exact, stored = pack(tokens, mask, target).blocks, packed.blocks
    for n in range(len(stored)):
        largest = exact.block(n).abs().amax(1, keepdim=True)
        assert ((stored.block(n) - exact.block(n)).abs() <= share * largest + 1e-7).all()


def test_senders_put_content_first_in_its_order():
    tokens = torch.arange(24.0).view(2, 4, 3) + 1
    mask = torch.tensor([[False, True, False, True], [False, False, False, False]])
    senders = Senders.of(tokens, -tokens, mask)
    assert senders.lengths.tolist() == [2, 0]
    assert torch.equal(senders.keys[0], tokens[0, [1, 3]])
    assert torch.equal(senders.values, -senders.keys)
    assert not senders.keys[1].any()


def test_nobody_packs_into_no_blocks():
    packed = pack(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 4))
    assert len(packed.blocks) == 0
    assert packed.slot_of_row(2).tolist() == [-1, -1]
    assert packed.blocks.lengths.shape == (0, LANES)
