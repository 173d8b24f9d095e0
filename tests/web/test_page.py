"""The page in a browser: a mention is linked, looked into and doubted, with mouse, keyboard and finger."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from otmel.data.records import Mention
from otmel.linking import Linker

from .conftest import PHONE, SENTENCE, Visit, ask


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
