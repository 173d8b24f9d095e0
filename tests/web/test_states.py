"""What the page says when something fails, or when the model has less than another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Visit, ask


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
    answers = iter([503])

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
    shown = [text.replace("\u00a0", " ") for text in page.locator(".likely").all_inner_texts()]
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
