"""Every block of code in the documentation runs, in the order of its page, on what the quickstart made."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import loopback
import pytest
from pages import DOCS, Page, blocks, copied

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGES = sorted(path.stem for path in DOCS.glob("*.md") if blocks(path))
ALONE = {"quickstart", "extending", "storage"}
"""Pages with a test of their own."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader has after the quickstart; made once for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "after-the-quickstart"
    with (folder.parent / "quickstart.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            Page("quickstart", folder).run()
            (folder / "done").touch()
    return folder


def test_the_quickstart_runs(quickstart: Path) -> None:
    assert (quickstart / "runs" / "world" / "run.json").is_file()
    assert (quickstart / "why.png").is_file()
    assert (quickstart / "why.html").is_file()


@pytest.mark.parametrize("name", [name for name in PAGES if name not in ALONE])
def test_every_block_of_the_page_runs(name: str, quickstart: Path, tmp_path: Path) -> None:
    page = Page(name, copied(quickstart, tmp_path))
    page.run()
    if page.absent:
        pytest.skip(f"all of it ran but what needs {', '.join(page.absent)}")


def test_the_page_on_storage_runs_against_a_server(
    quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loopback.s3_server() as port:
        loopback.create_bucket(port, "my-bucket")
        for name, value in loopback.environment(f"http://127.0.0.1:{port}").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTMEL_CACHE", str(tmp_path / "cache"))
        Page("storage", copied(quickstart, tmp_path)).run()


def test_a_system_of_another_package_is_trained_as_its_page_says(quickstart: Path, tmp_path: Path) -> None:
    """What installing the page's package would do is done by hand: its code on the path, its entry points stated."""
    page = Page("extending", copied(quickstart, tmp_path), {"PYTHONPATH": str(tmp_path)}, in_process=False)
    stated = tomllib.loads(next(block.text for block in page.blocks if block.title == "pyproject.toml"))["project"]
    about = tmp_path / "sum_linker-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {stated['name']}\nVersion: {stated['version']}\n")
    points = [
        f"[{group}]\n{key} = {value}\n" for group, of in stated["entry-points"].items() for key, value in of.items()
    ]
    (about / "entry_points.txt").write_text("".join(points))
    page.run()
    assert (tmp_path / "runs" / "sum" / "run.json").is_file()


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_a_block_that_is_not_run_says_why(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    reasons = [block.reason for block in blocks(path) if block.reason is not None]
    assert text.count("<!-- not run") == len(reasons), "each reason stands right above its block"
    assert all(len(reason.split()) >= 3 for reason in reasons)


def test_the_site_builds_strictly_and_asks_no_other_host(tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="the site needs otmel[docs]")
    root = DOCS.parent
    for name in ("docs", "src"):
        shutil.copytree(root / name, tmp_path / name)
    shutil.copy(root / "zensical.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "build" / "site"
    for page in DOCS.glob("*.md"):
        built = site / ("index.html" if page.stem == "index" else f"{page.stem}/index.html")
        assert built.is_file(), page
        html = built.read_text(encoding="utf-8")
        assert 'src="http' not in html
        assert 'rel="stylesheet" href="http' not in html
    assert "KnowledgeGraph.open" in (site / "api" / "index.html").read_text(encoding="utf-8")
