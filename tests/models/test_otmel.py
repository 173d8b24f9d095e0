"""Eq. 25 against a plain oracle, pair by pair, and the laws a score keeps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from otmel.encoders import Widths
from otmel.models.base import Side
from otmel.models.config import LinkerConfig
from otmel.models.otmel import OTMEL
from otmel.models.registry import new_model
from otmel.models.settings import ModelSettings
from otmel.models.variants import VARIANTS, variant
from otmel.ot import Attention, Distilled, LearnedPool, MaxPool, MeanPool, SoftPool, Transport
from otmel.types import Batch, Elements, Views, concatenate

PRESET_NAMES = ("PAPER", "RELEASED", "default")


class Oracle:
    """Eq. 6–25 for one mention and one entity, written down plainly: no batch, no padding, no mask."""

    def __init__(self, model: OTMEL) -> None:
        self.model, self.settings = model, model.settings

    def score(self, mention: Views, entity: Views) -> tuple[float, dict[str, float]]:
        """Total and parts; both sides hold one item each."""
        m, e = self.content(mention), self.content(entity)
        parts: dict[str, Tensor] = {}
        if self.model.fusion is not None:
            parts["F"] = self.fused(m) @ self.fused(e)  # Eq. 18
        for part, modality in (("T", "text"), ("V", "image")):
            if part in self.model.matching and len(m[modality][0]) and len(e[modality][0]):
                parts[part] = self.unimodal(self.model.matching[part], m[modality], e[modality])
        total = sum(parts.values()) / len(parts)  # Eq. 25
        return float(total), {part: float(value) for part, value in parts.items()}

    def content(self, views: Views) -> dict[str, tuple[Tensor, Tensor]]:
        """Projected tokens and [CLS] of each modality, padding cut away."""
        made = {}
        for name in ("text", "image"):
            elements, projection = getattr(views, name), getattr(self.model, name)
            tokens = elements.tokens[0][elements.mask[0]]
            made[name] = (self.sequence(projection.tokens, tokens), self.sequence(projection.cls, elements.cls[0]))
        return made

    @staticmethod
    def sequence(layers: nn.Module, x: Tensor) -> Tensor:
        for layer in layers:  # type: ignore[attr-defined]
            x = layer(x)
        return x

    def fused(self, item: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """ḡ^t ⊕ ḡ^v of Eq. 13–17, over √2 where S_F is the mean of two products."""
        fusion, (text, _), (image, _) = self.model.fusion, item["text"], item["image"]
        assert fusion is not None
        if not len(image):
            halves = [self.pool(fusion.text_pool, text), torch.zeros_like(text[0])]
        else:
            to_text = self.message(fusion.image_to_text, self.settings.fusion, text, image)
            to_image = self.message(fusion.text_to_image, self.settings.fusion, image, text)
            halves = [
                self.pool(fusion.text_pool, torch.cat([text, to_text])),
                self.pool(fusion.image_pool, torch.cat([image, to_image])),
            ]
        joined = torch.cat(halves)
        return joined if self.settings.fused_score == "sum" else joined / math.sqrt(2)

    def unimodal(self, matching: nn.Module, mention: tuple[Tensor, Tensor], entity: tuple[Tensor, Tensor]) -> Tensor:
        """Eq. 19–24."""
        received = self.message(matching.correlation, self.settings.matching, entity[0], mention[0])
        return (self.pool(matching.pool, received) @ entity[1] + mention[1] @ entity[1]) / 2

    def message(self, correlation: nn.Module, assignment: object, receivers: Tensor, senders: Tensor) -> Tensor:
        """G of Eq. 6–8 or Eq. 9–12."""
        q, k, h = correlation.query(receivers), correlation.key(senders), correlation.value(senders)
        if isinstance(assignment, Transport):
            plan = self.scaled(self.sinkhorn(q, k, assignment), assignment.row_norm)
        else:
            plan = torch.stack([torch.softmax(torch.stack([x @ y for y in k]) / math.sqrt(len(x)), 0) for x in q])
        g = torch.stack([sum(weight * row for weight, row in zip(line, h, strict=True)) for line in plan])
        if self.settings.shape.residual:
            g = g + q
        return correlation.norm(g)

    @staticmethod
    def sinkhorn(q: Tensor, k: Tensor, transport: Transport) -> Tensor:
        """Algorithm 1 with K = exp(−C/ε)."""
        solver, n, m = transport.solver, len(q), len(k)
        cost = torch.stack([torch.stack([(1 - x @ y / (x.norm() * y.norm())) / 2 for y in k]) for x in q])
        kernel = torch.exp(-cost / solver.epsilon)
        u, v = torch.ones(n, dtype=q.dtype), None
        for _ in range(solver.iterations):
            v_next = 1 / (kernel.T @ (u / n))
            if v is not None and solver.tolerance and (v / v_next - 1).abs().max() <= solver.tolerance:
                break
            v = v_next
            u = 1 / (kernel @ (v / m))
        assert v is not None
        return torch.diag(u / n) @ kernel @ torch.diag(v / m)

    @staticmethod
    def scaled(plan: Tensor, norm: str) -> Tensor:
        if norm == "none":
            return plan
        return torch.stack([row / (row.sum() if norm == "sum" else row.norm()) for row in plan])

    def pool(self, module: nn.Module, tokens: Tensor) -> Tensor:
        """Eq. 13–14 and the other pools."""
        settings = self.settings.pool
        if isinstance(settings, MeanPool):
            return tokens.mean(0)
        if isinstance(settings, MaxPool):
            return tokens.max(0).values
        if isinstance(settings, SoftPool):
            return sum(row.exp() / tokens.exp().sum(0) * row for row in tokens)  # type: ignore[return-value]
        weights = torch.softmax(tokens @ module.score.weight[0], 0)
        pooled = sum(weight * row for weight, row in zip(weights, tokens, strict=True))
        return module.norm(pooled) if settings.norm else pooled  # type: ignore[return-value]


CASES = {
    "PAPER": ("PAPER", {}),
    "RELEASED": ("RELEASED", {}),
    "default": ("default", {}),
    "PAPER att": ("PAPER", {"fusion": Attention(), "matching": Attention()}),
    "RELEASED kd": ("RELEASED", {"fusion": Distilled(), "matching": Distilled()}),
    "PAPER max": ("PAPER", {"pool": MaxPool()}),
    "RELEASED mean": ("RELEASED", {"pool": MeanPool()}),
    "bare mean": ("PAPER", {"pool": MeanPool()}),
    "residual mean": ("PAPER", {"pool": MeanPool(), "shape": {"residual": True, "bias": True}}),
    "residual learned": ("PAPER", {"pool": LearnedPool(norm=False), "shape": {"residual": True}}),
    "learned without norm": ("PAPER", {"pool": LearnedPool(norm=False)}),
    "without fusion": ("RELEASED", {"fusion": None}),
    "without matching": ("PAPER", {"matching": None}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["f64", "f32"])
def test_every_pair_scores_as_the_equations_say(make_linker, make_settings, make_views, case, dtype, tolerance):
    name, changes = CASES[case]
    changes = {key: value.model_dump() if hasattr(value, "model_dump") else value for key, value in changes.items()}
    model = make_linker(make_settings(name, **changes), torch.float64)
    mentions, entities = make_views(3, seed=1, absent=(1,)), make_views(4, seed=2, absent=(2, 3))
    oracle = Oracle(model)
    with torch.no_grad():
        expected = {(m, e): oracle.score(mentions[m : m + 1], entities[e : e + 1]) for m in range(3) for e in range(4)}
        model.to(dtype)
        state_m, state_e = (Side(views.to(dtype)) for views in (mentions, entities))
        scores = model.score(model.encode_mentions(state_m), model.encode_entities(state_e))
    for (m, e), (total, parts) in expected.items():
        scale = max(1.0, abs(total))
        assert scores.total[m, e].item() == pytest.approx(total, abs=tolerance * scale)
        for part, value in parts.items():
            assert scores.parts[part][m, e].item() == pytest.approx(value, abs=tolerance * max(1.0, abs(value)))
        assert {part for part, share in scores.share.items() if share[m, e] > 0} == set(parts)


def both(model, mentions, entities):
    with torch.no_grad():
        return model.score(model.encode_mentions(mentions), model.encode_entities(entities))


@pytest.fixture(params=PRESET_NAMES)
def model(request, make_linker, make_settings):
    return make_linker(make_settings(request.param, name_match=False), torch.float32)


def test_parts_times_shares_add_up_to_the_score(model, make_side):
    scores = both(model, make_side(5, dtype=torch.float32, absent=(0,)), make_side(6, seed=3, dtype=torch.float32))
    total = torch.stack([scores.contribution(part) for part in scores.parts]).sum(0)
    torch.testing.assert_close(total, scores.total, atol=1e-6, rtol=1e-6)
    shares = torch.stack(list(scores.share.values())).sum(0)
    torch.testing.assert_close(shares, torch.ones(5, 6))


def test_v_drops_out_where_an_image_is_missing_and_nothing_reads_it(model, make_views):
    mentions = make_views(4, dtype=torch.float32, absent=(1, 2))
    entities = make_views(5, seed=5, dtype=torch.float32, absent=(0, 4))
    scores = both(model, Side(mentions), Side(entities))
    seen = mentions.image.present.unsqueeze(1) & entities.image.present.unsqueeze(0)
    torch.testing.assert_close(scores.share["V"], seen / 3)
    torch.testing.assert_close(scores.share["T"], torch.where(seen, 1 / 3, 1 / 2))

    def noisy(views: Views) -> Views:
        absent = ~views.image.present
        tokens, cls = views.image.tokens.clone(), views.image.cls.clone()
        tokens[absent], cls[absent] = 1e4, -1e4
        return Views(views.text, Elements(tokens, views.image.mask, cls))

    again = both(model, Side(noisy(mentions)), Side(noisy(entities)))
    assert torch.equal(again.total, scores.total)


def test_padding_and_its_contents_change_nothing(model, make_views):
    mentions, entities = (make_views(4, seed=s, dtype=torch.float32, absent=(3,)) for s in (1, 2))
    scores = both(model, Side(mentions), Side(entities)).total

    def padded(views: Views) -> Views:
        def longer(elements: Elements) -> Elements:
            tokens = torch.where(elements.mask.unsqueeze(-1), elements.tokens, 50.0)
            tokens = torch.cat([tokens, torch.full_like(tokens[:, :3], -7.0)], 1)
            mask = torch.cat([elements.mask, torch.zeros_like(elements.mask[:, :3])], 1)
            return Elements(tokens, mask, elements.cls)

        return Views(longer(views.text), longer(views.image))

    again = both(model, Side(padded(mentions)), Side(padded(entities))).total
    assert (again - scores).abs().max() <= 1e-6 * max(1.0, float(scores.abs().max()))


def test_a_score_does_not_depend_on_its_batch(model, make_views):
    mentions, entities = (make_views(4, seed=s, dtype=torch.float32, absent=(3,)) for s in (1, 2))
    scores = both(model, Side(mentions), Side(entities)).total
    for m in range(4):
        for e in range(4):
            alone = both(model, Side(mentions[m : m + 1]), Side(entities[e : e + 1])).total.item()
            assert alone == pytest.approx(scores[m, e].item(), abs=1e-6 * max(1.0, float(scores.abs().max())))
    order = [2, 0, 3, 1]
    shuffled = both(model, Side(mentions[order]), Side(entities[order])).total
    assert (shuffled - scores[order][:, order]).abs().max() <= 1e-6 * max(1.0, float(scores.abs().max()))


def test_states_may_be_cut_and_joined(model, make_side):
    mentions, entities = make_side(3, dtype=torch.float32), make_side(6, seed=9, dtype=torch.float32, absent=(5,))
    with torch.no_grad():
        m, e = model.encode_mentions(mentions), model.encode_entities(entities)
        whole = model.score(m, e).total
        tiles = [model.score(m, e[start : start + 2]).total for start in (0, 2, 4)]
        joined = model.score(m, concatenate([e[:2], e[2:]])).total
    torch.testing.assert_close(torch.cat(tiles, 1), whole, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(joined, whole)


def test_an_item_without_text_and_image_has_finite_scores(model, make_views):
    views = make_views(2, dtype=torch.float32)
    empty = torch.zeros_like
    blank = Views(
        Elements(views.text.tokens, empty(views.text.mask), views.text.cls),
        Elements(views.image.tokens, empty(views.image.mask), views.image.cls),
    )
    assert both(model, Side(blank), Side(views)).total.isfinite().all()
    assert both(model, Side(views), Side(blank)).total.isfinite().all()
    assert both(model, Side(blank), Side(blank)).total.isfinite().all()


@pytest.mark.parametrize("preset", PRESET_NAMES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_saves_and_loads_to_the_same_bits(make_linker, make_settings, make_side, tmp_path, preset, name):
    settings = variant(name, make_settings(preset))
    model = make_linker(settings, torch.float32)
    mentions, entities = make_side(3, dtype=torch.float32), make_side(4, seed=1, dtype=torch.float32, absent=(0,))
    model.save_pretrained(tmp_path)
    loaded = OTMEL.from_pretrained(tmp_path)
    assert loaded.settings == settings
    assert torch.equal(both(loaded, mentions, entities).total, both(model, mentions, entities).total)


def test_a_model_of_features_takes_features_and_nothing_else(make_linker, make_settings):
    model = make_linker(make_settings("PAPER"))
    pixels, mask = torch.zeros(1, 3, 4, 4), torch.ones(1, 2, dtype=torch.bool)
    for content in (Batch(torch.zeros(1, 2, dtype=torch.long), mask, pixels, torch.ones(1, dtype=torch.bool)), None):
        with pytest.raises(TypeError, match="takes Views"):
            model.encode_mentions(Side(content))


def test_the_configuration_has_defaults_and_needs_widths_or_an_encoder():
    config = LinkerConfig()
    assert ModelSettings.model_validate(config.settings) == ModelSettings()
    assert OTMEL(config).encoder is None
    with pytest.raises(AssertionError, match="widths"):
        new_model(ModelSettings())
    assert new_model(ModelSettings(hidden=4), widths=Widths(3, 3, 3, 3)).floating_point_ops({}) == 0


def test_the_mean_of_two_products_is_half_their_sum(make_linker, make_settings, make_side):
    mentions, entities = make_side(3), make_side(3, seed=4)
    scores = {
        kind: both(make_linker(make_settings("PAPER", fused_score=kind)), mentions, entities).parts["F"]
        for kind in ("sum", "mean")
    }
    torch.testing.assert_close(scores["mean"], scores["sum"] / 2)
