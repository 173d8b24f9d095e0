"""Explanations: every sum adds up, every plan keeps its marginals and names its tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from otmel.data.dataset import Dataset
from otmel.data.records import Mention
from otmel.errors import DataError
from otmel.linking import Explanation, Linker
from otmel.linking.explanation import PART_NAMES, Part, Term

from .conftest import made_up

VARIANTS = ("ot", "kd", "f1", "f2", "m1", "m2", "a1", "o1", "o2")
FUSION = ["F mention image → mention text", "F mention text → mention image"]
FUSION += ["F entity image → entity text", "F entity text → entity image"]
MATCHING = ["T mention text → entity text", "V mention image → entity image"]


def names(explanation: Explanation) -> list[str]:
    return [f"{plan.part} {plan.name}" for plan in explanation.plans]


@pytest.fixture(scope="module", params=VARIANTS)
def explained(
    request: pytest.FixtureRequest, linker_of: Callable[[str], Linker], tiny: Dataset
) -> tuple[str, list[Explanation]]:
    """Explanations by one variant: both images, the mention's missing, the entity's missing."""
    linker = linker_of(request.param)
    mention, other = tiny.split("dev")[0], tiny.split("train")[5]
    pairs = [(mention, "Q4"), (replace(mention, image=None), "Q4"), (other, "Q11")]
    return request.param, [linker.explain(one, entity) for one, entity in pairs]


def test_terms_add_up_to_parts_and_parts_to_the_score(explained: tuple[str, list[Explanation]]) -> None:
    for explanation in explained[1]:
        total = 0.0
        for part in explanation.parts:
            terms = sum(term.value * term.weight for term in part.terms)
            assert terms == pytest.approx(part.value * part.share, rel=1e-6, abs=1e-6)
            assert part.contribution == pytest.approx(terms, abs=1e-9)
            total += terms
        assert explanation.score == pytest.approx(total, abs=1e-6)


def test_the_score_is_that_of_the_link(
    explained: tuple[str, list[Explanation]], linker_of: Callable[[str], Linker]
) -> None:
    linker = linker_of(explained[0])
    for explanation in explained[1]:
        (link,) = linker.link(explanation.mention, k=12)
        candidate = next(one for one in link.candidates if one.id == explanation.entity.id)
        assert explanation.score == pytest.approx(candidate.score, rel=1e-6, abs=1e-6)
        parts = {part.name: part.contribution for part in explanation.parts}
        assert parts == pytest.approx(dict(candidate.parts), rel=1e-6, abs=1e-6)


def test_the_plans_are_those_that_model_and_images_allow(explained: tuple[str, list[Explanation]]) -> None:
    variant, (full, blind, plain) = explained
    fusion, matching = ([] if variant == "f2" else FUSION), ([] if variant == "m2" else MATCHING)
    assert names(full) == [*fusion, *matching]
    assert names(blind) == [*fusion[2:], *matching[:1]]
    assert names(plain) == [*fusion[:2], *matching[:1]]
    assert set(full.images) == {"mention", "entity"}
    assert set(blind.images) == {"entity"}
    assert set(plain.images) == {"mention"}


def test_plans_keep_their_marginals(explained: tuple[str, list[Explanation]]) -> None:
    variant, explanations = explained
    attention = {"kd": "FTV", "a1": "FTV", "f1": "F", "m1": "TV"}.get(variant, "")
    for plan in (plan for explanation in explanations for plan in explanation.plans):
        n, m = plan.matrix.shape
        assert (n, m) == (len(plan.rows), len(plan.columns))
        assert plan.matrix.min() >= 0
        if plan.part in attention:
            assert (plan.kind, plan.iterations, plan.marginal_error) == ("attention", None, None)
            np.testing.assert_allclose(plan.matrix.sum(1), 1, rtol=1e-5)
        else:
            assert plan.kind == "transport"
            assert plan.iterations is not None
            assert 1 <= plan.iterations <= 3
            np.testing.assert_allclose(plan.matrix.sum(1), 1 / n, rtol=1e-5)
            error = np.abs(plan.matrix.sum(1) - 1 / n).sum() + np.abs(plan.matrix.sum(0) - 1 / m).sum()
            assert plan.marginal_error == pytest.approx(error, abs=1e-5)
        assert 0 <= plan.entropy_share <= 1 + 1e-6


def test_tokens_are_named_without_padding(explained: tuple[str, list[Explanation]]) -> None:
    for plan in (plan for explanation in explained[1] for plan in explanation.plans):
        for axis in (plan.rows, plan.columns):
            assert not any("PAD" in token for token in axis.tokens)
            if axis.modality == "image":
                assert axis.grid == (3, 3)
                assert axis.tokens == ("[CLS]", *(f"{r},{c}" for r in (1, 2, 3) for c in (1, 2, 3)))
                assert axis.special == (0,)
            else:
                assert (axis.special[0], axis.special[-1]) == (0, len(axis) - 1)
                words = [n for _, numbers in axis.words for n in numbers]
                assert words == [n for n in axis.content if is_written(axis.tokens[n])]
                assert words


def is_written(token: str) -> bool:
    """Whether a token is a piece of a word: it has a letter or a digit, or bytes of one."""
    return any(c.isalnum() or c == "\N{REPLACEMENT CHARACTER}" for c in token)


def test_it_is_plain_json_and_plain_text(explained: tuple[str, list[Explanation]]) -> None:
    for explanation in explained[1]:
        told = json.loads(json.dumps(explanation.as_json()))
        added = [term["contribution"] for part in told["parts"].values() for term in part["terms"]]
        assert sum(added) == pytest.approx(told["score"], abs=1e-6)
        assert np.array(told["plans"][0]["matrix"]).shape == explanation.plans[0].matrix.shape
        text = explanation.as_text()
        assert f"{explanation.score:+.4f}" in text
        assert all(plan.name in text for plan in explanation.plans)
        assert ("attention map" in text) == any(plan.kind == "attention" for plan in explanation.plans)


def test_the_chosen_entity_is_the_best_the_named_or_the_kth(linker: Linker, tiny: Dataset) -> None:
    mention = tiny.split("dev")[0]
    (link,) = linker.link(mention)
    assert link.explain().entity == link.entity == linker.explain(mention).entity
    assert linker.explain(mention, k=3).entity.id == link.candidates[2].id
    assert link.explain("Q9").entity.name == "Mona O'Neil"
    with pytest.raises(DataError, match="'Q99'"):
        link.explain("Q99")


def test_a_broken_image_is_a_note(linker: Linker) -> None:
    explanation = linker.explain(Mention("Dunn", "Judge Dunn", b"no image at all"), "Q4")
    assert explanation.notes == ("image file is no image",)
    assert "mention" not in explanation.images


def test_an_explanation_finds_its_plans(linker: Linker, tiny: Dataset) -> None:
    explanation = linker.explain(tiny.split("dev")[0], "Q4")
    plan = explanation.plan("F", "entity", "image")
    assert plan is not None
    assert plan.name == "entity text → entity image"
    assert explanation.plan("T") is explanation.plans[4]
    assert explanation.plan("N") is None


def test_images_are_addresses_that_hold_what_was_seen(linker: Linker, tiny: Dataset) -> None:
    mention = tiny.split("dev")[0]
    both, blind = linker.explain(mention, "Q4").images_json(), linker.explain(replace(mention, image=None), "Q12")
    assert list(both) == ["mention", "entity"]
    assert all(url is not None and url.startswith("data:image/png;base64,") for url in both.values())
    assert blind.images_json() == {"mention": None, "entity": None}


def test_every_part_that_a_system_has_is_named() -> None:
    assert set(PART_NAMES) >= {"F", "T", "V", "C", "LT", "LV", "N"}
    part = Part("LV", 2.0, 1.0, (Term("late: matched tokens", 2.0, 1.0),))
    assert "LV  matched patches" in replace(made_up(6), parts=(part,)).as_text()
