"""What a run is trained on: shares of the training mentions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.datasets import load_dataset
from otmel.data.records import Mention
from otmel.training.material import drawn, validation_split
from otmel.training.settings import preset

SHARES = st.floats(0.01, 1.0)


@given(st.integers(1, 200), SHARES, SHARES)
def test_a_share_has_its_size_keeps_the_order_and_lies_within_larger_ones(count, one, other):
    mentions = [Mention(str(row)) for row in range(count)]
    small, large = (drawn(mentions, share) for share in sorted((one, other)))
    assert len(small) == max(1, round(min(one, other) * count))
    assert [int(m.name) for m in small] == sorted(int(m.name) for m in small)
    assert set(small) <= set(large)
    assert drawn(mentions, 1.0) == mentions


@pytest.mark.parametrize("validation", ["held-out", "dev"])
def test_a_run_takes_its_share_before_anything_is_held_out(tiny_world, validation):
    dataset = load_dataset(tiny_world)
    settings = preset("default")
    for share, expected in ((1.0, 24), (0.5, 12)):
        training = settings.training.model_copy(update={"share": share, "validation": validation})
        train, held = validation_split(dataset, settings.model_copy(update={"training": training}))
        known = [m for m in drawn(dataset.split("train"), share) if m.answer in dataset.graph]
        assert len(drawn(dataset.split("train"), share)) == expected
        assert len(train) + (len(held) if validation == "held-out" else 0) == len(known)
