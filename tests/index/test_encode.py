"""An entity's state is a function of the entity alone, to the last bit."""

from __future__ import annotations

import zlib

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_graphs import MENTIONS, graph

from otmel.encoders import Widths
from otmel.index.encode import ENTITIES_AT_ONCE, Encoding, encoded_alike
from otmel.index.source import RunSource
from otmel.index.waiting import ROUNDS, SHARED, STEP, Waiting
from otmel.models.base import Side
from otmel.models.registry import new_model
from otmel.models.tables import Table, entity_table, mention_table
from otmel.types import Batch, Elements, Views

COUNT = 60


@pytest.fixture(scope="module")
def source(tiny_run):
    return RunSource.load(tiny_run, graph(COUNT))


@pytest.fixture(scope="module")
def table(source):
    return entity_table(source.graph, source.processor, source.bundle.vectorizer)


@pytest.fixture(scope="module")
def together(source, table):
    return encoded_alike(Encoding.entities(source.bundle.model), table)


def bits(state, row):
    """Everything that scoring reads of one row."""
    found = [vectors[row].numpy().tobytes() for vectors in state.dense.values()]
    for late in state.late.values():
        used = late.mask[row]
        sides = (late.tokens, late.values)
        found += [side[row][used].numpy().tobytes() for side in sides if side is not None]
        found += [] if late.target is None else [late.target[row].numpy().tobytes()]
    return [*found, bool(state.has_image[row])]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=25))
def test_neighbours_and_order_do_not_matter(source, table, together, rows):
    some = encoded_alike(Encoding.entities(source.bundle.model), table, torch.tensor(rows))
    assert [bits(some, place) for place in range(len(rows))] == [bits(together, row) for row in rows]


def test_what_says_the_same_has_the_same_state(together):
    assert bits(together, 0) == bits(together, 1)


def test_it_is_the_models_state(source, table, together):
    with torch.no_grad():
        model = source.bundle.model
        plain = model.encode_entities(table.side(torch.arange(COUNT)).to(model.device)).to("cpu")
    assert torch.equal(plain.has_image, together.has_image)
    for part, vectors in plain.dense.items():
        torch.testing.assert_close(together.dense[part], vectors, atol=2e-5, rtol=1e-4)
    for part, late in plain.late.items():
        own = together.late[part]
        assert torch.equal(own.mask.sum(1), late.mask.sum(1))
        torch.testing.assert_close(own.tokens[own.mask], late.tokens[late.mask], atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(own.target, late.target, atol=2e-5, rtol=1e-4)


def test_mentions_alone_and_together(source):
    encoding = Encoding.mentions(source.bundle.model)
    table = mention_table(MENTIONS, source.processor, source.bundle.vectorizer)
    together = encoded_alike(encoding, table)
    for row in range(len(MENTIONS)):
        assert bits(encoded_alike(encoding, table, torch.tensor([row])), 0) == bits(together, row)


def test_every_row_has_its_place_and_every_batch_its_shape(source, table):
    seen: list[Batch] = []
    model = source.bundle.model

    def encode(side: Side):
        seen.append(side.content)
        return model.encode_entities(side)

    told: list[int] = []
    encoded_alike(Encoding(encode, model.device, 64, ENTITIES_AT_ONCE), table, advance=told.append)
    assert sum(told) == COUNT
    for batch in seen:
        lengths = batch.attention_mask.sum(1)
        assert len(batch) == ENTITIES_AT_ONCE
        assert batch.input_ids.shape[1] % STEP == 0
        assert batch.has_image.all() or not batch.has_image.any()
        assert not batch.attention_mask.all()
        assert not batch.attention_mask[-1].all()
        places = [
            zlib.crc32(ids[:n].numpy().tobytes()) % (ENTITIES_AT_ONCE - 1)
            for ids, n in zip(batch.input_ids, lengths, strict=True)
        ]
        own = [place for place in range(ENTITIES_AT_ONCE - 1) if places[place] == place]
        assert own
        assert all(batch.input_ids.shape[1] - lengths[place] < STEP for place in own)


def one(ids, shade=None):
    pixels = torch.full((1, 3, 2, 2), 0.0 if shade is None else shade)
    return Batch(
        torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool), pixels, torch.tensor([shade is not None])
    )


def test_what_says_the_same_shares_a_place():
    waiting = Waiting(16, 64)
    for number in range(2 * SHARED):
        waiting.put(number, one([1, 2, 3]))
    waiting.put(100, one([1, 2, 3], 0.5))
    waiting.put(101, one([1, 2, 3], 0.25))
    assert len(waiting) == 4
    taken = []
    while len(waiting):
        batch, numbers = waiting.take()
        assert batch.input_ids.shape == (16, 8)
        taken.append(sorted(number for place in numbers for number in place))
    assert sorted(taken) == [list(range(SHARED)), list(range(SHARED, 2 * SHARED)), [100], [101]]


def test_no_batch_is_longer_than_the_text_tower_reads():
    waiting = Waiting(16, 13)
    waiting.put(0, one(list(range(12))))
    batch, _ = waiting.take()
    assert batch.input_ids.shape[1] == 13


def test_what_waits_is_limited():
    waiting, most = Waiting(16, 64), 0
    for number in range(3000):
        waiting.put(number, one([number, number + 1], 0.5))
        while waiting.full:
            waiting.take()
        most = max(most, len(waiting))
    assert most == 15 * ROUNDS


def test_ready_features_and_names_alone(source, table):
    widths = Widths(text=4, image=4, text_cls=4, image_cls=4)
    model = new_model(source.bundle.model.settings, widths=widths).eval()
    elements = Elements(torch.randn(300, 3, 4), torch.ones(300, 3, dtype=torch.bool), torch.randn(300, 4))
    state = encoded_alike(Encoding.entities(model), Table(Views(elements, elements), None))
    assert len(state) == 300
    assert state.names is None
    with torch.no_grad():
        plain = model.encode_entities(Side(Views(elements, elements)))
    torch.testing.assert_close(state.dense["T"], plain.dense["T"])
