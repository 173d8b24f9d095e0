"""Token embeddings: means, compaction and a recurrent net under masks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from otmel.encoders import load_encoder
from otmel.errors import ConfigurationError
from otmel.models.baselines.jmel import JmelSettings
from otmel.models.baselines.token_ids import Recurrent, embedded_mean, right_padded, token_ids, vocabulary

ROWS = st.lists(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=5, max_size=5), min_size=1, max_size=4)


def symbols(rows) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.tensor([[value for value, _ in row] for row in rows])
    return values, torch.tensor([[shown for _, shown in row] for row in rows])


@given(ROWS)
def test_compaction_keeps_the_order(rows):
    moved, counts = right_padded(*symbols(rows))
    kept = [[value for value, shown in row if shown] for row in rows]
    assert counts.tolist() == [len(row) for row in kept]
    assert moved.shape[1] == max(1, *map(len, kept), 1)
    assert moved.tolist() == [row + [0] * (moved.shape[1] - len(row)) for row in kept]


@given(ROWS)
def test_a_mean_is_that_of_what_is_shown(rows):
    values, mask = symbols(rows)
    table = nn.Embedding(10, 3)
    found = embedded_mean(table, values, mask)
    for row, vector in zip(rows, found, strict=True):
        own = [table.weight[value] for value, shown in row if shown]
        torch.testing.assert_close(vector, torch.stack(own).mean(0) if own else torch.zeros(3))


@given(ROWS)
def test_the_recurrent_net_reads_each_row_as_if_alone(rows):
    torch.manual_seed(0)
    net = Recurrent(10, 6)
    for row, vector in zip(rows, net(*symbols(rows)), strict=True):
        own = [value for value, shown in row if shown]
        if own:
            _, (last, _) = net.lstm(net.table(torch.tensor(own)))
            torch.testing.assert_close(vector, last.flatten(), atol=1e-6, rtol=1e-5)
        else:
            assert not vector.any()


def test_both_directions_are_read():
    torch.manual_seed(0)
    net, shown = Recurrent(10, 6), torch.ones(1, 3, dtype=torch.bool)
    one, other = (net(torch.tensor([values]), shown)[0] for values in ([1, 2, 3], [3, 2, 1]))
    assert not torch.allclose(one, other)


def test_the_vocabulary_is_the_encoders_unless_it_is_named(tiny_encoder):
    encoder, processor = load_encoder(tiny_encoder)
    assert vocabulary(JmelSettings(), encoder) == len(processor.tokenizer)
    assert vocabulary(JmelSettings(vocabulary=7), encoder) == 7
    with pytest.raises(ConfigurationError, match="jmel embeds tokens itself") as refused:
        vocabulary(JmelSettings(), None)
    assert "model.vocabulary" in str(refused.value)


def test_features_without_ids_are_refused(make_views):
    views = make_views(2)
    with pytest.raises(ConfigurationError, match="without token ids"):
        token_ids(views, JmelSettings())
    ids = torch.ones(2, 6, dtype=torch.long)
    assert token_ids(replace(views, ids=ids), JmelSettings()) is ids
