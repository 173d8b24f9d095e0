"""Plans on the page are the library's, in every view of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from otmel.data.records import Mention
from otmel.linking import Linker

from .conftest import SENTENCE, Visit, ask


def test_a_token_shows_its_plan_over_the_patches_and_a_patch_its_tokens(
    visit: Visit, linker: Linker, photo: Path
) -> None:
    page = visit()
    ask(page, photo)
    explanation = linker.link(Mention("Dunn", SENTENCE, photo.read_bytes()))[0].explain()
    plan = explanation.plan("F", "mention", "text")
    assert plan is not None
    for kind in ("Transport", "Attention"):
        page.locator(".controls label", has_text=kind).click()
        matrix = plan.matrix if plan.kind == kind.lower() else plan.counterpart.matrix  # type: ignore[union-attr]
        taker = plan.rows.content[1]
        page.locator(".side >> nth=1").locator(".token").nth(taker).click()
        shown = page.locator(".patches .token")
        shares = matrix[taker] / matrix[taker].sum()
        for place, label in zip(plan.columns.content, labels(shown), strict=True):
            assert_says(label, float(shares[place]))
        assert shown.locator("xpath=self::*[contains(@class,'is-warm')]").count() == 9
        shown.nth(4).click()
        giver = plan.columns.content[4]
        shares = matrix[:, giver] / matrix[:, giver].sum()
        for share, label in zip(shares, labels(page.locator(".side >> nth=1").locator(".token")), strict=True):
            assert_says(label, float(share))
        assert shown.nth(4).get_attribute("aria-pressed") == "true"
        assert page.inner_text(".readout").startswith("Patch 2,2 gives ")


def labels(tokens: Any) -> list[str]:
    return [token.get_attribute("aria-label") for token in tokens.all()]


def assert_says(label: str, share: float) -> None:
    found = re.search(r": (\d+(?:\.\d+)?)\s%, ", label)
    assert found is not None, label
    assert float(found[1]) == pytest.approx(100 * share, abs=0.06 if share < 0.1 else 0.51)


def test_every_plan_can_be_seen_in_every_way(visit: Visit, linker: Linker, photo: Path) -> None:
    page = visit()
    ask(page, photo)
    explanation = linker.link(Mention("Dunn", SENTENCE, photo.read_bytes()))[0].explain()
    radios = page.locator(".of-plans label")
    assert radios.count() == len(explanation.plans) == 6
    for place, plan in enumerate(explanation.plans):
        radios.nth(place).click()
        for view in ("Matrix", "Tokens"):
            page.locator("label", has_text=view).click()
            assert page.locator("canvas.matrix").count() == (view == "Matrix")
            assert "an even share" in page.inner_text(".readout")
            meters = [meter.get_attribute("aria-valuetext") for meter in page.get_by_role("meter").all()]
            other = plan.counterpart
            assert other is not None
            expected = [f"{one.entropy:.2f} nats, {100 * one.entropy_share:.1f} % of uniform" for one in (plan, other)]
            assert meters == expected
            assert page.locator("svg.bars").count() == 2
    told = page.locator(".bars-pair figcaption").all_inner_texts()
    assert all("each" in text or "even" in text for text in told)
    assert page.locator(".patch-frame img").first.evaluate("image => image.src.startsWith('data:image/')")


def test_the_matrix_is_read_with_mouse_and_arrow_keys(visit: Visit, photo: Path) -> None:
    page = visit()
    ask(page, photo)
    page.locator("label", has_text="Matrix").click()
    canvas = page.locator("canvas.matrix")
    canvas.focus()
    said = set()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
        said.add(page.inner_text(".readout"))
    assert len(said) == 5
    canvas.hover(position={"x": 120, "y": 120})
    assert "×" in page.inner_text(".readout")
    shades = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    assert canvas.evaluate(shades) > 4


def test_without_a_picture_there_are_fewer_plans_and_the_parts_say_why(visit: Visit) -> None:
    page = visit()
    ask(page, None)
    assert "Image: not in this pair" in page.inner_text("#explanation")
    assert page.locator(".of-plans label").count() < 6
