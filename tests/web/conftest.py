"""The real service on loopback, over the tiny graph and entities of hostile names, and a browser to look at it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from otmel.data.datasets import load_dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.linking import Linker

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

SENTENCE = "Judge Dunn adjourned the trial."
Visit = Callable[..., Any]

HOSTILE = (
    Entity("<b>X1</b>", '<img src=x onerror="window.hacked=1">', ("<script>window.hacked=2</script>",)),
    Entity("X2/../..?#%", '"><svg onload=window.hacked=3>', description="<a href=javascript:window.hacked=4>here</a>"),
    Entity("X3", "Wmmmmmmmmm" * 30, attributes="Motto: " + "<iframe srcdoc=x>" * 20),
    Entity("X4", "\u202egnissim \u0645\u062d\u0645\u062f 漢字 𝒜\u0301", attributes="no colon. : . a: b: c."),
    *(Entity(f"Z{number}", f"Zoe Filler {number}") for number in range(30)),
)


@pytest.fixture(scope="session")
def linker(tiny_run: Path, tiny_dataset_folder: Path) -> Linker:
    """The linker that is served: 12 people, then hostile names, then enough for a second page."""
    entities = [*load_dataset(tiny_dataset_folder).graph, *HOSTILE]
    return Linker.load(tiny_run, KnowledgeGraph(entities))


@pytest.fixture(scope="session")
def address(linker: Linker) -> Iterator[str]:
    """Where the service listens."""
    pytest.importorskip("fastapi", reason="the service needs otmel[serve]")
    from otmel.server.run import server_of
    from otmel.server.service import Service
    from otmel.server.settings import ServerSettings

    listening, places = threading.Event(), []

    def ready(host: str, port: int) -> None:
        places.append(f"http://{host}:{port}/")
        listening.set()

    server = server_of(Service(linker, ServerSettings(port=0)), ready)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="server")
    thread.start()
    try:
        assert listening.wait(60)
        yield places[0]
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; without one the tests that need it are skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="the browser's driver is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page. Afterwards nothing may have failed in it, and nothing been asked of another host."""
    contexts, complaints, hosts = [], [], set()

    def visit(
        hash: str = "", *, fails: bool = False, before: Callable[[Any], None] | None = None, **options: Any
    ) -> Any:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: hosts.add(urlsplit(request.url)[:2]))
        page.on("pageerror", lambda fault: complaints.append(str(fault)))
        if not fails:
            said = ("error", "warning")
            page.on("console", lambda line: complaints.append(line.text) if line.type in said else None)
        if before is not None:
            before(page)
        page.goto(address + hash)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    own = urlsplit(address)
    assert hosts - {("data", ""), ("blob", "")} <= {own[:2]}


@pytest.fixture(scope="session")
def photo(tiny_dataset_folder: Path) -> Path:
    """A mention's picture."""
    return tiny_dataset_folder / "mention_image" / "dev-0.jpg"


def ask(page: Any, photo: Path | None, word: str = "Dunn", sentence: str = SENTENCE) -> None:
    page.fill("#sentence", sentence)
    page.get_by_role("group", name="Words of the sentence").get_by_role("button", name=word, exact=True).click()
    if photo is not None:
        page.set_input_files("#file", str(photo))
    page.get_by_role("button", name="Link", exact=True).click()
    page.wait_for_selector("#explanation h2")
