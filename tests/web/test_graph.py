"""The graph is browsed by name, and whatever a name holds is text."""

from __future__ import annotations

from otmel.linking import Linker

from .conftest import Visit


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
        page.wait_for_function("name => document.querySelector('.sheet h2')?.textContent === name", arg=entity.name)
    page.goto(page.url.partition("#")[0] + "#/link")
    page.fill("#sentence", "<img src=x onerror=window.hacked=5> Anna")
    page.locator("#words button", has_text="Anna").click()
    page.select_option("#k", "20")
    page.get_by_role("button", name="Link", exact=True).click()
    page.wait_for_selector(".terms")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img[src='x'], main script, main iframe, main svg[onload]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
