"""Entity blocks for a device: chunks, chosen blocks, tiles' lengths, and what stays there between calls."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otmel.errors import ConfigurationError
from otmel.kernels import pack, triton_device
from otmel.kernels.triton_device import BUCKETS, Cache, Moved, bucketed, chosen, chunks


@pytest.fixture
def blocks():
    draw = torch.Generator().manual_seed(0)
    mask = torch.arange(9) < torch.randint(1, 10, (100, 1), generator=draw)
    tokens, target = torch.randn(100, 9, 5, generator=draw), torch.randn(100, 5, generator=draw)
    return {precision: pack(tokens, mask, target, precision).blocks for precision in ("float32", "int8")}


@pytest.mark.parametrize("size", [1, 1000, 10_000, 10**9])
def test_chunks_follow_each_other_and_hold_what_they_may(blocks, size, monkeypatch):
    monkeypatch.setattr(triton_device, "CHUNK_BYTES", size)
    for packed in blocks.values():
        cuts = chunks(packed)
        assert [cut for pair in cuts for cut in range(*pair)] == list(range(len(packed)))
        for first, last in cuts:
            taken = packed.part(first, last).tokens.nbytes
            assert taken <= size or last == first + 1
            assert last == len(packed) or packed.part(first, last + 1).tokens.nbytes > size
    assert chunks(blocks["int8"].part(0, 0)) == []


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_chosen_blocks_are_the_same_blocks(blocks, precision):
    packed, which = blocks[precision], torch.tensor([1, 4, 6])
    some = chosen(packed, which)
    slots = torch.arange(len(which) * 16)
    there = which.repeat_interleave(16) * 16 + slots % 16
    for one, two in zip(some.unpacked(slots), packed.unpacked(there), strict=True):
        assert torch.equal(one, two)


@given(st.lists(st.integers(0, BUCKETS[-1]), max_size=30))
def test_every_set_with_tokens_has_the_smallest_tile_that_holds_it(counts):
    counts = torch.tensor(counts, dtype=torch.int)
    found = bucketed(counts)
    assert sorted(torch.cat([*found.values(), torch.zeros(0)]).tolist()) == torch.nonzero(counts).flatten().tolist()
    for bucket, sets in found.items():
        assert bucket in BUCKETS
        assert (counts[sets] <= bucket).all()
        assert bucket == BUCKETS[0] or (2 * counts[sets] > bucket).all()


def test_sets_that_are_too_long_are_refused_with_both_numbers():
    with pytest.raises(ConfigurationError, match=r"129 tokens .* 128"):
        bucketed(torch.tensor([3, 129]))


class _Mover:
    """Moves nowhere, and says how often."""

    def __init__(self) -> None:
        self.moves = 0

    def __call__(self, blocks):
        self.moves += 1
        return Moved(blocks.tokens, blocks.target, blocks.lengths.flatten(), 10)


def test_blocks_that_come_again_are_not_moved_again(blocks):
    packed, cache, mover = blocks["float32"], Cache(20), _Mover()
    parts = [packed.part(b, b + 1) for b in range(3)]
    assert parts[0] not in cache
    first = cache.moved(parts[0], mover)
    assert cache.moved(packed.part(0, 1), mover) is first
    cache.moved(parts[1], mover)
    cache.moved(parts[0], mover)
    assert mover.moves == 2
    cache.moved(parts[2], mover)  # no room for three: the one not asked for the longest time goes
    assert [part in cache for part in parts] == [True, False, True]


def test_blocks_whose_numbers_changed_are_moved_again(blocks):
    packed, cache, mover = blocks["float32"], Cache(20), _Mover()
    cache.moved(packed, mover)
    packed.tokens[0] += 1
    cache.moved(packed, mover)
    assert mover.moves == 2


def test_a_chunk_larger_than_the_room_is_kept_alone(blocks):
    cache, mover = Cache(1), _Mover()
    for packed in blocks.values():
        cache.moved(packed, mover)
        assert packed in cache
