"""DZMNED's equations, item by item: words, characters, image, and the attention over them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from otmel.data.records import Mention
from otmel.encoders import load_encoder
from otmel.errors import ConfigurationError
from otmel.models.base import Side
from otmel.models.baselines.dzmned import CHARACTERS_PER_TOKEN, DzmnedSettings, spelled
from otmel.models.registry import new_model
from otmel.types import Elements, Views

SETTINGS = DzmnedSettings(hidden=8, vocabulary=30, name_tokens=4)


@pytest.fixture
def make_views(make_views):
    def with_ids(items, seed=0, **kwargs):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(30, (items, 6), generator=generator)
        return replace(make_views(items, seed, **kwargs), ids=ids)

    return with_ids


@pytest.fixture
def model(build):
    """Over thirty tokens of 0 … 5 characters; the first three are special and have none."""
    model, generator = build(SETTINGS), torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 6, (30,), generator=generator).masked_fill(torch.arange(30) < 3, 0)
    drawn = torch.randint(1, 257, (30, CHARACTERS_PER_TOKEN), generator=generator)
    model.characters.copy_(drawn * (torch.arange(CHARACTERS_PER_TOKEN) < lengths[:, None]))
    return model


def read(net, symbols):
    """A recurrent net's vector of a plain list."""
    if not symbols:
        return torch.zeros(8, dtype=torch.float64)
    return net.lstm(net.table(torch.tensor(symbols)))[1][0].flatten()


@torch.no_grad()
def test_its_equations_item_by_item(model, make_views):
    views = make_views(7, 2, absent=(1, 4))
    state = model.encode_mentions(Side(views))
    for row in range(7):
        ids = views.ids[row][views.text.mask[row]].tolist()
        word = read(model.words, ids)
        spelling = read(model.spelling, [int(c) for i in ids[:4] for c in model.characters[i] if c])
        parts = [word, spelling, model.norm(views.image.cls[row])]
        if row in (1, 4):
            parts[2] = torch.zeros_like(parts[2])
        weights = torch.sigmoid(model.attention(torch.cat(parts)))[: 2 if row in (1, 4) else 3].softmax(0)
        seen = [weight * project(x) for weight, project, x in zip(weights, model.project, parts, strict=False)]
        torch.testing.assert_close(state.dense["F"][row], torch.stack(seen).sum(0))
        torch.testing.assert_close(state.dense["T"][row], model.lexical(spelling))


@torch.no_grad()
def test_a_score_is_the_mean_of_both_products(model, make_views):
    m, e = model.encode_mentions(Side(make_views(3, 1))), model.encode_entities(Side(make_views(5, 2, absent=(0,))))
    expected = sum(m.dense[part] @ e.dense[part].T for part in "FT") / 2
    torch.testing.assert_close(model.score(m, e).total, expected)


@torch.no_grad()
def test_both_sides_are_encoded_alike_and_padding_has_no_say(model, make_views):
    views = make_views(5, 1, absent=(2,))
    state = model.encode_entities(Side(views))
    text = replace(views.text, mask=torch.nn.functional.pad(views.text.mask, (0, 2)))
    ids = torch.nn.functional.pad(views.ids, (0, 2)).masked_fill(~text.mask, 5)
    image = replace(views.image, cls=views.image.cls + 9 * ~views.image.present[:, None])
    other = model.encode_mentions(Side(Views(text, image, ids)))
    for part in "FT":
        assert state.dense[part].isfinite().all()
        torch.testing.assert_close(other.dense[part], state.dense[part])


@torch.no_grad()
def test_attention_without_an_image_is_over_the_two_others(model):
    one, none = torch.ones(2, 8, dtype=torch.float64), torch.tensor([True, False])
    for project in model.project:
        torch.nn.init.zeros_(project.weight)
    for number, project in enumerate(model.project):
        torch.nn.init.constant_(project.bias, float(number == 2))
    share = model.gathered((one, one, torch.ones(2, 11, dtype=torch.float64)), none)[:, 0]
    assert 0.1 < share[0] < 0.6
    assert share[1] == 0


def test_tokens_are_spelled_without_their_marks(tiny_encoder):
    _, processor = load_encoder(tiny_encoder)
    tokenizer = processor.tokenizer
    table = spelled(processor, len(tokenizer) + 2, CHARACTERS_PER_TOKEN)
    assert not table[tokenizer.all_special_ids].any()
    assert not table[len(tokenizer) :].any()
    ids = tokenizer.encode("painter", add_special_tokens=False)
    text = bytes(int(c) - 1 for i in ids for c in table[i] if c).decode()
    assert text == "painter"


@torch.no_grad()
def test_alike_names_are_spelled_alike_whatever_follows(tiny_encoder):
    encoder, processor = load_encoder(tiny_encoder)
    model = new_model(DzmnedSettings(hidden=8, name_tokens=2), encoder=encoder).eval()
    with pytest.raises(ConfigurationError, match="prepare"):
        model.encode_mentions(Side(processor.mentions([Mention(name="a", context="a")])))
    model.prepare(processor)
    mentions = [Mention(name="pilot", context=text) for text in ("the pilot in red", "a pilot from Norway")]
    found = model.encode_mentions(Side(processor.mentions(mentions))).dense
    torch.testing.assert_close(found["T"][0], found["T"][1])
    assert not torch.allclose(found["F"][0], found["F"][1])


def test_an_odd_width_is_refused():
    with pytest.raises(ValidationError):
        DzmnedSettings(hidden=7)


def test_without_ids_it_says_what_is_missing(model, make_views):
    views = make_views(2)
    assert isinstance(views.text, Elements)
    with pytest.raises(ConfigurationError, match="dzmned embeds tokens itself"):
        model.encode_mentions(Side(replace(views, ids=None)))
