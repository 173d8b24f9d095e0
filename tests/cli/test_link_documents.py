"""``otmel link --documents``: a line per document, what was bad told, and what was interrupted finished to the byte."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from otmel.cli.main import main

DOCUMENTS = [
    {"id": "a", "text": "Judge Dunn adjourned. Dunn left.", "mentions": [[6, 10], [22, 26]], "image": "dev-0.jpg"},
    {"id": "b", "text": "Lamptey read two poems.", "mentions": [{"start": 0, "end": 7, "image": "dev-2.jpg"}]},
    {"id": "c", "text": "Nobody.", "mentions": [[3, 70]]},
    {"text": "Yesterday Anna Bell came."},
]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "docs.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(one) + "\n" for one in DOCUMENTS), "utf8")
    return path


@pytest.fixture
def words(tiny_run: Path, tiny_dataset_folder: Path) -> list[str]:
    images = str(tiny_dataset_folder / "mention_image")
    return ["link", str(tiny_run), "--graph", str(tiny_dataset_folder), "--image-root", images, "-k", "2"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf8").splitlines()]


def test_a_line_for_every_document(words: list[str], documents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = documents.with_name("links.jsonl")
    assert main([*words, "--documents", str(documents), "--output", str(out), "--detect", "dictionary"]) == 0
    told = capsys.readouterr()
    first, second, third, fourth = lines(out)
    assert [(link["start"], link["end"], link["mention"]) for link in first["links"]] == [
        (6, 10, "Dunn"),
        (22, 26, "Dunn"),
    ]
    assert all(link["image"].endswith("dev-0.jpg") and len(link["candidates"]) == 2 for link in first["links"])
    assert second["links"][0]["image"].endswith("dev-2.jpg")
    assert third == {"line": 3, "id": "c", "error": "mention outside the text: mention 1, at 3–70 of 7 characters"}
    assert (fourth["line"], fourth["id"], fourth["links"][0]["mention"]) == (4, None, "Anna Bell")
    assert told.out == ""
    assert "dictionary: 10 names are looked for; 0 were too short, 0 too common" in told.err
    assert "1 × document not linked: mention outside the text (such as docs.jsonl: line 3)" in told.err
    assert "linked 4 mentions in 3 documents, 1 bad ones left out" in told.err
    assert "documents/s" in told.err
    assert f"wrote {out}" in told.err
    assert sorted(path.name for path in out.parent.iterdir()) == ["docs.jsonl", "links.jsonl"]


def test_without_a_detector_the_line_says_what_to_do(
    words: list[str], documents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--documents", str(documents)]) == 0
    *_, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert last["line"] == 4
    assert "the document has no mentions" in last["error"]
    assert "--detect dictionary" in last["error"]


def test_streams_are_read_and_written(
    words: list[str], documents: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = documents.with_name("links.jsonl")
    for target in (["--output", str(out)], []):
        monkeypatch.setattr(sys, "stdin", io.StringIO(documents.read_text("utf8")))
        assert main([*words, "--documents", "-", *target]) == 0
    assert capsys.readouterr().out == out.read_text("utf8")
    assert [line["line"] for line in lines(out)] == [1, 2, 3, 4]


MISTAKES = {
    "both": (["--documents", "DOCS", "--input", "DOCS"], "--input and --documents are given together", "--documents"),
    "mention": (["Dunn", "--documents", "DOCS"], "a mention and --documents are given together", "--documents"),
    "detect alone": (["Dunn", "--detect", "dictionary"], "--detect finds mentions in documents", "--documents FILE"),
    "absent": (["--documents", "/absent.jsonl"], "/absent.jsonl: there is no such file", ""),
    "a folder": (["--documents", "/"], "", ""),
    "format": (["--documents", "ODD"], "the format is unknown", ".jsonl"),
    "detector": (["--documents", "DOCS", "--detect", "dictionry"], "no detector 'dictionry'", "spacy:MODEL"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_cure(
    mistake: str, words: list[str], documents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more, problem, cure = MISTAKES[mistake]
    odd = documents.with_name("docs.xyz")
    odd.write_text("")
    places = {"DOCS": str(documents), "ODD": str(odd)}
    assert main([*words, *(places.get(word, word) for word in more), "--output", str(odd.with_name("out"))]) == 2
    told = capsys.readouterr()
    assert problem in told.err
    assert cure in told.err
    assert sorted(path.name for path in odd.parent.iterdir()) == ["docs.jsonl", "docs.xyz"]


def many(folder: Path, count: int = 240) -> Path:
    """Enough documents to be interrupted in their midst; every tenth is bad."""
    path = folder / "many.jsonl"
    bad = {"text": "Nobody.", "mentions": [[3, 70]]}
    rows = [bad if n % 10 == 9 else {**DOCUMENTS[n % 2], "id": f"d{n}"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf8")
    return path


def started(command: list[str]) -> subprocess.Popen[str]:
    """The command as a process of its own that heeds Ctrl-C, whoever runs the tests."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    heed = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from otmel.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", heed, *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def interrupted(command: list[str], part: Path, number: signal.Signals, least: int) -> tuple[int, str]:
    """The command, ended by a signal as soon as it has written ``least`` bytes."""
    child = started(command)
    try:
        while not (part.exists() and part.stat().st_size > least):
            assert child.poll() is None, child.communicate()
            time.sleep(0.002)
        child.send_signal(number)
        _, told = child.communicate(timeout=120)
    finally:
        child.kill()
    return child.returncode, told


@pytest.mark.slow
def test_an_interrupted_run_is_finished_to_the_same_bytes(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = many(tmp_path), tmp_path / "links.jsonl"
    words = [*words, "--documents", str(source)]
    assert main([*words, "--output", str(tmp_path / "whole.jsonl")]) == 0
    whole = (tmp_path / "whole.jsonl").read_bytes()
    command, part = [*words, "--output", str(out)], tmp_path / "links.jsonl.part"

    status, told = interrupted(command, part, signal.SIGINT, 0)
    assert (status, "goes on where it stopped" in told, "Traceback" in told) == (130, True, False)
    first = part.stat().st_size
    status, _ = interrupted(command, part, signal.SIGKILL, first + 1)
    assert status == -signal.SIGKILL
    assert first < part.stat().st_size < len(whole)
    with part.open("ab") as file:
        file.write(b'{"line": 9')  # as a kill in the midst of a line leaves it

    capsys.readouterr()
    assert main(["3" if word == "2" else word for word in command]) == 2
    assert "k was 2 and is now 3" in capsys.readouterr().err
    source.touch()  # another time is no other content
    assert main(command) == 0
    assert "documents were done already" in capsys.readouterr().err
    assert out.read_bytes() == whole
    assert not list(tmp_path.glob("links.jsonl.*"))


def test_other_documents_are_not_mixed_in(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = many(tmp_path, 40), tmp_path / "links.jsonl"
    words = [*words, "--documents", str(source), "--output", str(out)]
    assert main(words) == 0
    record = json.loads(out.read_text("utf8").splitlines()[0])
    out.with_name("links.jsonl.part").write_text(json.dumps(record) + "\n")
    assert main(words) == 2
    assert "nothing says what these lines are made of" in capsys.readouterr().err
