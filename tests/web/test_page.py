"""The page in a browser: a mention is linked, looked into and doubted, with mouse, keyboard and finger."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otmel.data.records import Mention
from otmel.linking import Linker

from .conftest import PHONE

SENTENCE = "Judge Dunn adjourned the trial."
Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def photo(tiny_dataset_folder: Path) -> Path:
    return tiny_dataset_folder / "mention_image" / "dev-0.jpg"


def ask(page: Any, photo: Path | None, word: str = "Dunn", sentence: str = SENTENCE) -> None:
    page.fill("#sentence", sentence)
    page.get_by_role("group", name="Words of the sentence").get_by_role("button", name=word, exact=True).click()
    if photo is not None:
        page.set_input_files("#file", str(photo))
    page.get_by_role("button", name="Link", exact=True).click()
    page.wait_for_selector("#explanation h2")


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", "").replace("=", "").strip())


def test_a_mention_with_a_picture_is_linked_as_the_library_links_it(visit: Visit, linker: Linker, photo: Path) -> None:
    page = visit()
    ask(page, photo)
    (link,) = linker.link(Mention("Dunn", SENTENCE, photo.read_bytes()))
    cards = page.locator(".candidate")
    assert [one.strip() for one in cards.locator(".name").all_inner_texts()] == [one.name for one in link.candidates]
    for card, candidate in zip(cards.all(), link.candidates, strict=True):
        shown = [number(text) for text in re.findall(r"[+−=] ?[+−]?\d+\.\d\d", card.locator(".sum").inner_text())]
        assert shown == [*(round(value, 2) for value in candidate.parts.values()), round(candidate.score, 2)]
        assert card.get_by_role("img", name="Score").count() == 1
    assert "Not calibrated" in page.inner_text(".verdict")
    assert page.locator(".candidate img.portrait").first.evaluate("image => image.naturalWidth") > 0
    assert link.candidates[0].name in page.inner_text("#live")


def test_bars_add_up_to_the_score(visit: Visit, photo: Path) -> None:
    page = visit()
    ask(page, photo)
    for bar in page.locator(".scorebar").all():
        pieces, zero, total = bar.evaluate(
            """bar => {
                const box = (one) => one.getBoundingClientRect();
                const pieces = [...bar.querySelectorAll('.piece')].map((p) => [box(p).left, box(p).right, p.title]);
                const middle = (name) => { const b = box(bar.querySelector(name)); return (b.left + b.right) / 2; };
                return [pieces, middle('.zero'), middle('.total')];
            }"""
        )
        length = sum((right - left) * (-1 if "−" in title else 1) for left, right, title in pieces)
        assert zero + length == pytest.approx(total, abs=1.5)
    terms = [number(text) for text in page.locator(".terms tbody td.n:nth-of-type(3)").all_inner_texts()]
    score = number(page.inner_text(".terms .total-row td.n"))
    assert sum(terms) == pytest.approx(score, abs=0.005 * (len(terms) + 1))


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
    found = re.search(r": (\d+(?:\.\d+)?) %, ", label)
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
    colours = canvas.evaluate(
        "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.reduce("
        "(all, v, i, d) => (i % 4 ? all : [...all.slice(-4000), (d[i] << 16) + (d[i + 1] << 8) + d[i + 2]]), [])).size"
    )
    assert colours > 4


def test_all_of_it_with_the_keyboard_alone(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector(".example")
    keys = page.keyboard

    def tab_to(selector: str) -> None:
        for _ in range(60):
            keys.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                width = page.evaluate(
                    "(() => { const own = getComputedStyle(document.activeElement);"
                    " const near = getComputedStyle(document.activeElement.nextElementSibling ?? document.body);"
                    " return Math.max(own.outlineStyle !== 'none' ? parseFloat(own.outlineWidth) : 0,"
                    " near.outlineStyle !== 'none' ? parseFloat(near.outlineWidth) : 0,"
                    " own.boxShadow !== 'none' ? 3 : 0); })()"
                )
                assert width >= 2, f"focus on {selector} is not to be seen"
                return
        raise AssertionError(f"{selector} is not reached")

    keys.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab_to("#sentence")
    keys.type(SENTENCE)
    for _ in range(len(" adjourned the trial.")):
        keys.press("ArrowLeft")
    for _ in range(4):
        keys.press("Shift+ArrowLeft")
    assert page.inner_text("#mention") == "Dunn"
    tab_to(".words button")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("Shift+Enter")
    assert page.inner_text("#mention") == "Dunn adjourned"
    keys.press("ArrowLeft")
    tab_to("#file")
    tab_to("button.primary")
    keys.press("Enter")
    page.wait_for_selector(".stage-box, .terms")
    tab_to(".candidate .name")
    tab_to(".candidate .name")
    keys.press("Enter")
    chosen = page.locator(".candidate").nth(1)
    page.wait_for_selector(".candidate:nth-child(2).is-chosen")
    page.wait_for_function(
        "name => document.querySelector('#explanation h2')?.textContent.endsWith(name)",
        arg=chosen.locator(".name").inner_text(),
    )
    tab_to(".of-plans input")
    keys.press("ArrowDown")
    tab_to("[name='option-kind']")
    keys.press("ArrowRight")
    assert page.locator("[name='option-kind'][value='attention']").is_checked()
    tab_to(".token")
    before = page.inner_text(".readout")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    assert page.inner_text(".readout") != before


def test_words_are_marked_by_taps(visit: Visit) -> None:
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    page.fill("#sentence", "Yesterday Anna Bell, the painter, came.")
    words = page.locator("#words button")
    words.nth(1).tap()
    assert page.inner_text("#mention") == "Anna"
    words.nth(2).tap()
    assert page.inner_text("#mention") == "Anna Bell"
    page.locator("#unmark").tap()
    assert page.inner_text("#mention") == "none yet"


def test_a_mark_stays_on_its_words_when_the_sentence_is_edited(visit: Visit) -> None:
    page = visit()
    page.fill("#sentence", "😀 Anna came.")
    page.locator("#words button", has_text="Anna").click()
    page.locator("#sentence").press("Control+Home")
    page.keyboard.type("Today ")
    assert page.inner_text("#mention") == "Anna"
    with page.expect_request("**/v1/link") as sent:
        page.get_by_role("button", name="Link", exact=True).click()
    assert sent.value.post_data_json == {"context": "Today 😀 Anna came.", "span": [8, 12], "k": 5}
    page.locator("#sentence").press("Control+Home")
    for _ in range(10):
        page.keyboard.press("Delete")
    assert page.inner_text("#mention") == "none yet"


def test_nothing_marked_is_said_before_anything_is_sent(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="Link", exact=True).click()
    assert "Type a sentence first" in page.inner_text("#candidates")
    page.fill("#sentence", SENTENCE)
    page.get_by_role("button", name="Link", exact=True).click()
    assert "No mention is marked" in page.inner_text("#candidates")
    assert page.evaluate("document.activeElement.parentElement.id") == "words"


def test_an_example_of_the_graph_is_linked_at_once(visit: Visit) -> None:
    page = visit()
    page.locator(".example").first.click()
    page.wait_for_selector(".candidate")
    assert page.inner_text("#mention") != "none yet"
    assert "mention=" in page.evaluate("location.hash")
    page.reload()
    page.wait_for_selector(".example")
    assert page.input_value("#sentence").endswith("was photographed on Monday.")


def test_a_picture_is_dropped_pasted_and_taken_away(visit: Visit, photo: Path) -> None:
    page = visit()
    page.wait_for_selector("#file", state="attached")
    give = """([data, kind, name]) => {
        const held = new DataTransfer();
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        held.items.add(new File([bytes], name, {type: name.endsWith('jpg') ? 'image/jpeg' : 'text/plain'}));
        const options = {bubbles: true, cancelable: true};
        const made = kind === 'drop' ? new DragEvent('drop', {dataTransfer: held, ...options})
            : new ClipboardEvent('paste', {clipboardData: held, ...options});
        document.getElementById(kind === 'drop' ? 'picture' : 'sentence').dispatchEvent(made);
    }"""
    data = base64.b64encode(photo.read_bytes()).decode()
    for kind in ("drop", "paste"):
        page.evaluate(give, [data, kind, "a.jpg"])
        page.wait_for_selector(".preview img")
        page.get_by_role("button", name="Remove the picture").click()
        assert page.locator(".preview").count() == 0
    page.evaluate(give, [data, "drop", "a.txt"])
    assert "is no picture" in page.inner_text("#picture [role=alert]")


def test_the_graph_is_browsed_by_name(visit: Visit) -> None:
    page = visit("#/graph")
    page.wait_for_selector(".lines a")
    assert page.inner_text("#found .help") == "1–20 of 46 entities"
    page.get_by_role("button", name="Next").click()
    page.wait_for_function("() => document.querySelector('#found .help').textContent.startsWith('21–40')")
    assert "offset=20" in page.evaluate("location.hash")
    page.fill("#name", "emile")
    page.wait_for_function("() => document.querySelectorAll('.lines a').length === 1")
    page.locator(".lines a").click()
    page.wait_for_selector(".sheet")
    assert page.inner_text(".sheet h2") == "Émile Fournier"
    assert page.locator(".facts dt").all_inner_texts() == ["Occupation", "Country"]
    assert page.locator(".sheet img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.reload()
    page.wait_for_selector(".sheet")
    assert page.input_value("#name") == "emile"
    page.fill("#name", "nobody at all")
    page.wait_for_selector("#found .remark")
    assert "No entity has a name with" in page.inner_text("#found")


def test_hostile_names_are_text(visit: Visit, linker: Linker) -> None:
    page = visit("#/graph?name=")
    page.get_by_role("button", name="Next")
    for entity in list(linker.graph)[12:16]:
        page.evaluate("id => { location.hash = '#/graph/' + encodeURIComponent(id); }", entity.id)
        page.wait_for_function(
            "name => document.querySelector('.sheet h2')?.textContent === name", arg=entity.name, timeout=20_000
        )
    page.goto(page.url.partition("#")[0] + "#/link")
    page.fill("#sentence", "<img src=x onerror=window.hacked=5> Anna")
    page.locator("#words button", has_text="Anna").click()
    page.select_option("#k", "20")
    page.get_by_role("button", name="Link", exact=True).click()
    page.wait_for_selector(".terms")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img[src='x'], main script, main iframe, main svg[onload]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_failures_are_said_with_their_cure_and_can_be_tried_again(visit: Visit) -> None:
    page = visit(fails=True)
    page.wait_for_selector(".example")
    page.route("**/v1/link", lambda route: route.abort())
    page.fill("#sentence", "Dunn")
    page.get_by_role("button", name="Link", exact=True).click()
    assert "The service does not answer" in page.inner_text("#candidates .notice")
    busy = {"error": {"code": "busy", "message": "too much is waiting", "cure": "ask again"}, "request_id": "r-1"}
    page.unroute("**/v1/link")
    page.route("**/v1/link", lambda route: route.fulfill(status=429, json=busy, headers={"Retry-After": "3"}))
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector("text=request r-1")
    said = page.inner_text("#candidates .notice")
    assert "Too much is waiting" in said
    assert "Ask again" in said
    assert "wait 3 s" in said
    page.unroute("**/v1/link")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".candidate")


def test_a_service_that_is_starting_is_waited_for(visit: Visit) -> None:
    answers = iter([503, 503])

    def starting(route: Any) -> None:
        if next(answers, None) is None:
            route.continue_()
        else:
            route.fulfill(status=503, json={"error": {"code": "starting", "message": "the model is being loaded"}})

    page = visit(fails=True, before=lambda page: page.route("**/v1/info", starting))
    page.wait_for_selector("text=The model is being loaded")
    page.wait_for_selector(".example")
    assert page.locator("#service .notice").count() == 0


def rewritten(path: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Any], None]:
    """Lets the real answer pass with something changed in it."""

    def handle(route: Any) -> None:
        response = route.fetch()
        values = response.json()
        change(values)
        route.fulfill(response=response, body=json.dumps(values))

    return lambda page: page.route(f"**/v1/{path}", handle)


def test_probabilities_and_nil_are_shown(visit: Visit) -> None:
    def calibrated(link: dict[str, Any]) -> None:
        for candidate, probability in zip(link["candidates"], (0.31, 0.2, 0.1, 0.0004, 0.0), strict=True):
            candidate["probability"] = probability
        link.update(probability=0.31, nil=True)

    page = visit(before=rewritten("link", calibrated))
    ask(page, None)
    assert "Probably none of these" in page.inner_text(".verdict")
    assert page.locator(".nil").count() == 1
    shown = page.locator(".likely").all_inner_texts()
    assert shown == ["31 % likely", "20 % likely", "10 % likely", "under 0.1 % likely", "0.0 % likely"]
    widths = [bar.bounding_box()["width"] for bar in page.locator(".likely-bar i").all()[:2]]
    assert widths[0] / widths[1] == pytest.approx(0.31 / 0.2, rel=0.03)


def test_a_model_without_plans_or_without_images_says_so(visit: Visit, photo: Path) -> None:
    page = visit(before=rewritten("explain", lambda told: told.update(plans=[])))
    ask(page, photo)
    assert "No token is assigned to another" in page.inner_text("#explanation")
    assert page.locator(".terms tbody tr").count() > 1
    page = visit(before=rewritten("info", lambda told: told.update(sees_images=False)))
    page.wait_for_selector("#picture .remark")
    assert "reads text only" in page.inner_text("#picture")
    assert page.locator("#file").count() == 0


def test_without_a_picture_there_are_fewer_plans_and_the_parts_say_why(visit: Visit) -> None:
    page = visit()
    ask(page, None)
    assert "Image: not in this pair" in page.inner_text("#explanation")
    assert page.locator(".of-plans label").count() < 6


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
