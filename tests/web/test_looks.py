"""How the page looks: it fits a phone, it can be read in light and dark, it keeps still where it is asked to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import PHONE, Visit, ask

COLOURS = """async () => {
    const {shade, inkOn} = await import('./colours.js');
    const probe = document.body.appendChild(document.createElement('i'));
    const names = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
        .filter((rule) => rule.selectorText === ':root').flatMap((rule) => [...rule.style]);
    const rgb = (name) => {
        probe.style.color = `var(${name})`;
        return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    };
    const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const shades = Array.from({length: 51}, (_, n) => shade(n / 50));
    return {
        named: Object.fromEntries(names.map((name) => [name.slice(2), rgb(name)])),
        heat: shades.map((one) => [one, channels(inkOn(one))]),
    };
}"""
TEXT = [(ink, ground) for ink in ("ink", "quiet", "accent") for ground in ("paper", "card", "sunk", "wash")]
TEXT += [("on-accent", "accent"), ("warn", "warn-wash"), ("ink", "warn-wash"), ("card", "warn")]
TEXT += [("card", f"part-{part}") for part in ("F", "T", "V", "N", "C", "other")]
SHAPES = [("edge", "card"), ("edge", "paper"), ("accent", "card"), ("accent", "sunk")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(visit: Visit, photo: Path, scheme: str) -> None:
    page = visit(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    ask(page, photo)
    for view in ("Matrix", "Tokens"):
        page.locator("label", has_text=view).click()
        assert page.evaluate(fits), view
    for hash in ("#/graph", "#/graph/X3", "#/method"):
        page.evaluate("hash => { location.hash = hash; }", hash)
        page.wait_for_selector(".sheet" if "X3" in hash else ".lines a" if "graph" in hash else ".flow")
        assert page.evaluate(fits), hash


def luminance(rgb: list[float]) -> float:
    """WCAG's relative luminance."""
    linear = [v / 255 / 12.92 if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    found = page.evaluate(COLOURS)
    named = found["named"]
    for pairs, least in ((TEXT, 4.5), (SHAPES, 3)):
        assert {pair for pair in pairs if contrast(named[pair[0]], named[pair[1]]) < least} == set()
    assert min(contrast(shade, ink) for shade, ink in found["heat"]) >= 4.5
    lightness = np.diff([luminance(shade) for shade, _ in found["heat"]])
    assert (lightness > 0).all() if scheme == "dark" else (lightness < 0).all()


def test_the_choice_of_colours_is_kept(visit: Visit) -> None:
    page = visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    page.click("#theme")
    assert "Dark" in page.inner_text("#theme")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_motion_is_reduced_where_it_is_asked_for(visit: Visit) -> None:
    page = visit(reduced_motion="reduce")
    page.evaluate("document.body.append(Object.assign(document.createElement('i'), {className: 'dots'}))")
    seconds = page.evaluate("parseFloat(getComputedStyle(document.querySelector('body > .dots')).animationDuration)")
    assert seconds < 0.001
