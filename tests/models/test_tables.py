"""Tables of model input: live, in memory, as features."""

from __future__ import annotations

import pytest
import torch

from otmel.data.records import Entity, Mention
from otmel.encoders import TwoTowerEncoder
from otmel.models.base import Side
from otmel.models.name_rows import mention_names
from otmel.models.names import NameVectorizer
from otmel.models.registry import new_model
from otmel.models.tables import Live, Table, bytes_held, entity_table, held, mention_table, trimmed
from otmel.models.token_track import feature_widths, features
from otmel.types import Batch, Elements, Views

MENTIONS = [Mention(f"name {n}", "name " * (n + 1)) for n in range(5)]


def encode(records) -> Batch:
    """One token per letter of the context, so that rows differ in length."""
    lengths = [len(record.context) for record in records]
    ids = torch.zeros(len(records), 40, dtype=torch.long)
    for row, record in enumerate(records):
        ids[row, : lengths[row]] = torch.tensor([ord(letter) for letter in record.context])
    mask = torch.arange(40) < torch.tensor(lengths).unsqueeze(1)
    return Batch(ids, mask, torch.zeros(len(records), 3, 2, 2), torch.zeros(len(records), dtype=torch.bool))


@pytest.fixture
def names():
    return mention_names(NameVectorizer.fit([m.name for m in MENTIONS]), MENTIONS)


def test_a_live_table_makes_the_rows_that_are_asked_for(names):
    table = Table(Live(MENTIONS, encode), names)
    assert len(table) == 5
    side = table.side(torch.tensor([3, 0]))
    assert side.content.attention_mask.sum(1).tolist() == [20, 5]
    assert side.content.input_ids.shape == (2, 20)  # not 40: nothing but padding there
    assert side.names.index.tolist() == [3, 0]


def test_held_rows_are_the_live_ones_and_progress_is_told(names):
    table, done = Table(Live(MENTIONS, encode), names), []
    in_memory = held(table, None, batch=2, advance=done.append)
    assert done == [2, 2, 1]
    assert len(in_memory) == 5
    for rows in (torch.tensor([4, 1]), torch.arange(5)):
        one, other = table.side(rows).content, in_memory.side(rows).content
        assert torch.equal(one.input_ids, other.input_ids)
        assert torch.equal(one.attention_mask, other.attention_mask)
    assert held(in_memory, None) is in_memory
    assert bytes_held(in_memory, None) == 0


def test_the_memory_needed_is_that_of_the_tensors():
    table = Table(Live(MENTIONS, encode), None)
    assert bytes_held(table, None) == 5 * (40 * 8 + 40 + 3 * 2 * 2 * 4 + 1)


def test_a_table_of_names_alone(names):
    assert len(Table(Live(MENTIONS, encode), names).names_only) == 5
    assert Table(Live(MENTIONS, encode), names).names_only.side(torch.tensor([1])).content is None
    assert len(Table(None, None)) == 0


def test_trimming_takes_away_padding_alone(make_views):
    views = make_views(3)
    longest = int(views.text.mask.sum(1).max())
    cut = trimmed(views)
    assert cut.text.tokens.shape[1] == longest < views.text.tokens.shape[1]
    assert torch.equal(cut.text.tokens, views.text.tokens[:, :longest])
    nothing = Views(Elements(views.text.tokens, torch.zeros_like(views.text.mask), views.text.cls), views.image)
    assert trimmed(nothing).text.tokens.shape[1] == 1


def test_the_token_track_as_tables(track):
    table = features(track.entities)
    assert len(table) == 24
    side = table.side(torch.tensor([2, 5]))
    length = side.content.text.mask.shape[1]
    expected = torch.from_numpy(track.entities.text[[2, 5], :length])
    assert torch.equal(side.content.text.tokens, expected)
    assert feature_widths(track.entities).text == 16


class Tower(TwoTowerEncoder):
    """Counts how often it runs; its features are the tokens' ids."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.runs, self.weight = 0, torch.nn.Parameter(torch.ones(1))

    def forward(self, batch: Batch) -> Views:
        self.runs += 1
        self.was_training = self.training
        text = batch.input_ids.unsqueeze(-1).float() * self.weight
        image = Elements(torch.zeros(len(batch), 1, 1), batch.has_image.unsqueeze(1), torch.zeros(len(batch), 1))
        return Views(Elements(text, batch.attention_mask, text[:, 0]), image)


def test_with_a_frozen_encoder_its_features_are_held_and_it_runs_once(make_settings):
    from otmel.encoders import Widths

    model = new_model(make_settings("PAPER"), widths=Widths(1, 1, 1, 1))
    model.encoder = Tower()
    model.train()
    table = Table(Live(MENTIONS, encode), None)
    per_row = 40 * 4 + 40 + 4 + 4 + 1 + 4
    assert bytes_held(table, model) == 5 * per_row
    in_memory, runs = held(table, model), model.encoder.runs
    assert isinstance(in_memory.content, Views)
    assert not model.encoder.was_training
    assert model.training
    with torch.no_grad():
        live, ready = (model.encode_mentions(t.side(torch.arange(5))) for t in (table, in_memory))
    assert model.encoder.runs == runs + 1  # for the live rows alone
    assert torch.equal(live.dense["F"], ready.dense["F"])
    assert isinstance(in_memory.side(torch.arange(2)), Side)


def test_tables_of_records_read_them_with_the_processor(tiny_encoder):
    from otmel.data.graph import KnowledgeGraph
    from otmel.encoders import load_encoder

    processor = load_encoder(tiny_encoder)[1]
    entities = [Entity("Q1", "Anna Bell", description="painter"), Entity("Q2", "Carl Dunn")]
    vectorizer = NameVectorizer.fit([e.name for e in entities])
    table = entity_table(KnowledgeGraph(entities), processor, vectorizer)
    rows = torch.tensor([1, 0])
    assert torch.equal(
        table.side(rows).content.input_ids, trimmed(processor.entities([entities[1], entities[0]])).input_ids
    )
    assert table.side(rows).names.index.tolist() == [1, 0]
    mentions = mention_table(MENTIONS, processor, None)
    assert mentions.side(rows).names is None
    assert len(mentions) == 5
