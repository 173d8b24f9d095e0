"""``otmel serve``: what it refuses before it listens. What it does then is tested in tests/server."""

from __future__ import annotations

from pathlib import Path

import pytest

from otmel.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "queue=0"], "queue"),
        (["--set", "quue=9"], "queue"),
        (["--set", "queue=8", "--set", "mentions=9"], "never has room"),
        (["--port", "70000"], "port"),
        (["--token-file", "nowhere.txt"], "nowhere.txt"),
        (["--graph", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_said(
    tiny_run: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = [] if "--graph" in words else ["--graph", str(tiny_run)]
    assert main(["serve", str(tiny_run), *graph, *words]) == 2
    assert said in capsys.readouterr().err


def test_a_weak_token_is_refused_and_not_shown(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    assert main(["serve", str(tiny_run), "--graph", str(tiny_run), "--token-file", str(tmp_path / "token")]) == 2
    monkeypatch.setenv("OTMEL_TOKEN", "hunter2 hunter2 hunter2")
    assert main(["serve", str(tiny_run), "--graph", str(tiny_run)]) == 2
    shown = capsys.readouterr()
    assert "hunter2" not in shown.err + shown.out
    assert "openssl rand" in shown.err
