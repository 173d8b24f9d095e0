"""A batch in pieces has the gradients of the batch as a whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.token_track import TokenTrackSettings, token_track
from otmel.errors import ConfigurationError
from otmel.models.base import Scores, Side
from otmel.models.baselines.clip import ClipSettings
from otmel.models.baselines.mimic import MimicSettings
from otmel.models.model import LinkerModel
from otmel.models.registry import SYSTEMS, new_model
from otmel.models.settings import Interaction
from otmel.models.token_track import feature_widths, features
from otmel.objectives.caching import Pieces, cached_gradients, check_pieces
from otmel.objectives.leaves import slices
from otmel.objectives.total import Losses, TrainingBatch, losses_of, total_loss
from otmel.ot import Shape
from otmel.ot.means import Means
from otmel.training.settings import PRESETS, preset
from otmel.types import concatenate

MENTIONS, ENTITIES = 9, 12
TRACK = token_track(
    TokenTrackSettings(
        entities=ENTITIES,
        train=MENTIONS,
        dev=0,
        test=0,
        dimensions=8,
        mention_without_image=0.3,
        entity_without_image=0.3,
    )
)
GOLD = torch.from_numpy(TRACK.splits["train"].gold)
DROPOUT = Shape(bias=True, residual=True, layer_norm=True, dropout=0.3)


def ours(name: str, variant: str = "ot", **changes: object):
    found = preset(name, variant).model.model_copy(update={"hidden": 8, "name_match": False, **changes})
    return type(found).model_validate(found.model_dump())


NO_DROPOUT = Shape(bias=True, residual=True, layer_norm=True)
MODELS = {
    **{name: ours(name, **({"shape": NO_DROPOUT} if name == "RELEASED" else {})) for name in PRESETS},
    "with L": ours("default", interaction=Interaction()),
    "distilled": ours("default", "kd"),
    "clip": ClipSettings(hidden=8),
    "mimic": MimicSettings(hidden=8),
}
WITH_DROPOUT = {name: ours(name, shape=DROPOUT) for name in PRESETS} | {
    "with L": ours("PAPER", interaction=Interaction(), shape=DROPOUT),
    "distilled": ours("default", "kd", shape=DROPOUT),
}


def model_of(made, dtype: torch.dtype = torch.float64) -> LinkerModel:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return new_model(made, widths=feature_widths(TRACK.entities)).to(dtype).train()


def batch_of(mentions: int = MENTIONS, entities: int = ENTITIES, dtype: torch.dtype = torch.float64) -> TrainingBatch:
    """The first mentions with their entities, and so many others that there are ``entities`` of them if possible."""
    gold = GOLD[:mentions]
    known = set(gold.tolist())
    others = [row for row in range(ENTITIES) if row not in known][: max(0, entities - len(known))]
    rows = torch.tensor(sorted({*known, *others}))
    sides = features(TRACK.splits["train"]).side(torch.arange(mentions)), features(TRACK.entities).side(rows)
    return TrainingBatch(*sides, gold, rows).to(dtype)


def gradients(model: LinkerModel) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def plainly(model: LinkerModel, batch: TrainingBatch) -> tuple[Losses, dict[str, torch.Tensor]]:
    model.zero_grad()
    losses = total_loss(model, batch)
    losses.total.backward()
    return losses, gradients(model)


def cached(model: LinkerModel, batch: TrainingBatch, size: int, **how) -> tuple[Losses, dict[str, torch.Tensor]]:
    model.zero_grad()
    losses = cached_gradients(model, batch, Pieces(size, **how))
    return losses, gradients(model)


def drawn_alike(model: LinkerModel, batch: TrainingBatch, size: int) -> tuple[Losses, dict[str, torch.Tensor]]:
    """One graph of the whole batch, whose pieces draw their dropout in the order in which caching draws it."""
    model.zero_grad()

    def half(side: Side, receives: bool):
        made = [model.encode(side[rows], receives=receives) for rows in slices(len(side), size)]
        return concatenate([one.state for one in made]), Means.added([one.auxiliary for one in made])

    (entities, one), (mentions, other) = half(batch.entities, True), half(batch.mentions, False)
    rows, losses = [], []
    for some in slices(len(mentions), size):
        tiles = []
        for others in slices(len(entities), size):
            scores, loss = model.score_with_auxiliary(mentions[some], entities[others])
            tiles.append(scores)
            losses.append(loss)
        rows.append(beside(tiles, 1))
    auxiliary = Means.joined([one, other, Means.added(losses)])
    found = losses_of(beside(rows, 0), batch, {} if auxiliary is None else {"KD": auxiliary})
    found.total.backward()
    return found, gradients(model)


def beside(scores: list[Scores], axis: int) -> Scores:
    def of(name: str) -> dict[str, torch.Tensor]:
        return {part: torch.cat([getattr(one, name)[part] for one in scores], axis) for part in scores[0].parts}

    return Scores(torch.cat([one.total for one in scores], axis), of("parts"), of("share"))


def close(found, expected, relative: float, least: float = 1e-3) -> None:
    """Losses and gradients are equal: each weight's by its norm, or ``least`` times that of all where it is less."""
    (losses, own), (whole, theirs) = found, expected
    assert losses.terms.keys() == whole.terms.keys()
    for term, value in whole.terms.items():
        torch.testing.assert_close(losses.terms[term], value.detach(), rtol=relative, atol=relative)
    assert own.keys() == theirs.keys()
    scale = torch.stack([gradient.norm() for gradient in theirs.values()]).norm()
    for name, gradient in theirs.items():
        off = (own[name] - gradient).norm() / max(gradient.norm(), least * scale)
        assert off < relative, (name, off)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [5, 100])
def test_in_pieces_the_gradients_are_those_of_the_whole(name, size):
    model, batch = model_of(MODELS[name]), batch_of()
    close(cached(model, batch, size), plainly(model, batch), 1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_in_single_precision_too(name):
    model, batch = model_of(MODELS[name], torch.float32), batch_of(dtype=torch.float32)
    # By the norm of all: a weight with a small gradient has a difference of large numbers, which float32 rounds.
    close(cached(model, batch, 5), plainly(model, batch), 1e-6, least=1)


@pytest.mark.parametrize("name", WITH_DROPOUT)
@pytest.mark.parametrize("size", [6, 100])
def test_with_dropout_they_are_those_of_one_graph_that_draws_alike(name, size):
    model, batch = model_of(WITH_DROPOUT[name]), batch_of()
    torch.manual_seed(11)
    found, after = cached(model, batch, size), torch.get_rng_state()
    torch.manual_seed(11)
    close(found, drawn_alike(model, batch, size), 1e-10)
    assert torch.equal(torch.get_rng_state(), after)  # what comes next draws on from where one pass ends
    if size > ENTITIES:
        torch.manual_seed(11)
        close(found, plainly(model, batch), 1e-10)
    torch.manual_seed(12)
    other = cached(model, batch, size)[1]
    assert any((other[key] - gradient).abs().max() > 1e-6 for key, gradient in found[1].items())


@given(
    name=st.sampled_from(["RELEASED", "distilled", "mimic"]),
    mentions=st.integers(2, MENTIONS),
    entities=st.integers(2, ENTITIES),
    size=st.integers(2, 13),
)
@settings(max_examples=10, deadline=None)
def test_whatever_the_sizes(name, mentions, entities, size):
    model, batch = model_of(MODELS[name]), batch_of(mentions, entities)
    close(cached(model, batch, size), plainly(model, batch), 1e-10)


def test_what_autocast_casts_for_one_piece_is_not_taken_for_another():
    model, batch = model_of(MODELS["default"], torch.float32), batch_of(dtype=torch.float32)

    def half():
        return torch.autocast("cpu", torch.bfloat16)

    found = cached(model, batch, 4, arithmetic=half)
    model.zero_grad()
    with half():
        scores, others = model(batch.mentions, batch.entities)
    losses = losses_of(scores, batch, others)
    losses.total.backward()
    close(found, (losses, gradients(model)), 0.05, least=1)
    assert scores.parts["T"].dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["blink", "drin", "albef", "ghmfc"])
def test_a_system_whose_loss_is_of_a_whole_batch_is_refused_by_name(name):
    model = model_of(SYSTEMS[name].settings())
    with pytest.raises(ConfigurationError, match=f"the system '{name}' .* whole batch") as fault:
        check_pieces(model)
    assert "training.chunk=null" in str(fault.value)


@pytest.mark.parametrize("name", ["bert", "roberta", "meter", "velml"])
def test_the_other_systems_have_the_gradients_of_the_whole(name):
    settings = SYSTEMS[name].settings()
    model, batch = model_of(settings.model_copy(update={"hidden": 8})), batch_of()
    check_pieces(model)
    close(cached(model.eval(), batch, 5), plainly(model, batch), 1e-10)


def test_batch_statistics_are_refused():
    model = model_of(MODELS["clip"])
    model.project["T"].append(torch.nn.BatchNorm1d(8))
    with pytest.raises(ConfigurationError, match="'clip' has a BatchNorm"):
        check_pieces(model.train())
    check_pieces(model.eval())
