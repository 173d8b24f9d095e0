"""The twelve rows of Table 2 over the three presets: they build, every weight learns, the loss falls."""

from __future__ import annotations

import pytest
import torch

from otmel.errors import ConfigurationError
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.models.token_track import feature_widths, features
from otmel.models.variants import VARIANT_NAMES, VARIANTS, variant
from otmel.objectives.total import TrainingBatch, total_loss
from otmel.ot import Attention, Distilled, MaxPool, MeanPool, MeanSquared, RowKL, SymmetricKL, Transport
from otmel.settings import overridden

PRESET_NAMES = ("PAPER", "RELEASED", "default")


def test_a_variant_is_a_change_of_the_parts_it_names():
    base = ModelSettings()
    assert variant("ot", base) == base
    assert variant("f1", base) == base.model_copy(update={"fusion": Attention()})
    assert variant("f2", base).fusion is None
    assert variant("m1", base) == base.model_copy(update={"matching": Attention()})
    assert variant("m2", base).matching is None
    assert variant("a1", base) == variant("k3", base)
    assert variant("a1", base).fusion == variant("a1", base).matching == Attention()
    assert variant("o1", base).pool == MeanPool()
    assert variant("o2", base).pool == MaxPool()
    for name, divergence in (("kd", SymmetricKL()), ("k1", MeanSquared()), ("k2", RowKL())):
        for assignment in (variant(name, base).fusion, variant(name, base).matching):
            assert isinstance(assignment, Distilled)
            assert assignment.divergence == divergence
            assert assignment.teacher.gradient == "detached"
    assert set(VARIANT_NAMES) == set(VARIANTS)
    assert len(VARIANTS) == 12


def test_distilling_leaves_what_is_no_transport_as_it_is():
    base = ModelSettings(fusion=Attention(), matching=Transport(row_norm="l2"))
    changed = variant("kd", base)
    assert changed.fusion == Attention()
    assert isinstance(changed.matching, Distilled)
    assert changed.matching.teacher.row_norm == "l2"


def test_an_unknown_variant_names_the_nearest():
    with pytest.raises(ConfigurationError, match="no variant 'kdd'") as fault:
        variant("kdd", ModelSettings())
    assert "did you mean 'kd'" in str(fault.value)


def silent_weights(settings: ModelSettings) -> set[str]:
    """The weights that rightly get no gradient.

    Without matching nothing reads [CLS]. With a detached plan only the residual reaches W_q, and nothing W_k. Names
    are not given here, so N has no say. Where rows of the plan sum to 1/L, a message is L times smaller than the
    tokens it is pooled with: over a long text no maximum ever falls on it.
    """
    silent = {"name_weight"} if settings.name_match else set()
    for modality in ("text", "image"):
        if settings.matching is None:
            silent |= {f"{modality}.cls.{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")}
    matching = settings.matching
    if isinstance(matching, Transport) and matching.gradient == "detached":
        silent |= {f"matching.{part}.correlation.key.{kind}" for part in "TV" for kind in ("weight", "bias")}
    fusion = settings.fusion
    if isinstance(settings.pool, MaxPool) and isinstance(fusion, Transport) and fusion.row_norm == "none":
        silent |= {f"fusion.image_to_text.{layer}.weight" for layer in ("query", "key", "value")}
    return silent


def whole_batch(track) -> TrainingBatch:
    mentions, entities, rows = features(track.splits["train"]), features(track.entities), torch.arange(24)
    gold = torch.from_numpy(track.splits["train"].gold)
    return TrainingBatch(mentions.side(torch.arange(32)), entities.side(rows), gold, rows)


@pytest.mark.parametrize("preset", PRESET_NAMES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_weight_learns_and_two_steps_lower_the_loss(make_settings, track, preset, name):
    settings = variant(name, make_settings(preset))
    torch.manual_seed(0)
    model = new_model(settings, widths=feature_widths(track.entities)).eval()  # without dropout: losses compare
    batch, losses = whole_batch(track), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(3):
        loss = total_loss(model, batch)
        # The teacher moves with the weights it shares, so its divergence need not fall: the rest of the loss must.
        losses.append(sum(value.item() for term, value in loss.terms.items() if term != "KD"))
        optimizer.zero_grad()
        loss.total.backward()
        if step == 0:
            still = {key for key, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()}
            assert still == silent_weights(settings) & dict(model.named_parameters()).keys()
            assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)
        optimizer.step()
    assert losses[2] < losses[0]


@pytest.mark.parametrize("name", ["fusion", "matching"])
def test_a_detached_plan_without_a_residual_is_refused(name):
    with pytest.raises(ConfigurationError, match="detached plan without a residual"):
        overridden(ModelSettings(), [f"{name}.gradient=detached"])
    assert overridden(ModelSettings(), [f"{name}.gradient=detached", "shape.residual=true"])


def test_without_fusion_and_matching_there_is_no_model():
    with pytest.raises(ConfigurationError, match="at least one of fusion, matching and interaction"):
        overridden(ModelSettings(), ["fusion=null", "matching=null"])
