"""What ``documents.py`` does in processes of their own: write documents, link them, interrupt who links them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks import _measure
from benchmarks._memory import peak_mib
from benchmarks._tiny_run import tiny_run
from otmel.cli.link_documents import Asked, link_documents
from otmel.data.datasets import load_dataset
from otmel.data.image_root import ImageRoot
from otmel.data.records import Mention
from otmel.data.world import WorldSettings, write_world
from otmel.encoders.settings import TowerSettings
from otmel.linking import Linker
from otmel.linking.detection import DictionaryDetector

TOGETHER = 3
"""Mentions of a document."""
ONE_IN = 1_000
"""Documents of which one is corrupt."""
SYLLABLES = ("ka", "lo", "mi", "ren", "sta", "vor", "el", "ba", "dun", "quin", "tor", "ash")
WORLD, RUN, DOCUMENTS, ANSWERS = "world", "run", "documents.jsonl", "answers.jsonl"


def write(folder: str, threads: int, towers: dict[str, Any], entities: int, documents: int) -> dict[str, Any]:
    """Write world, run and documents; how many of these are corrupt."""
    place, size = Path(folder), TowerSettings.model_validate(towers)
    mentions = 5 * entities
    world = WorldSettings(
        entities=entities, train=mentions, dev=0, test=0, unseen=0, captions=0, image_size=max(size.image_size, 24)
    )
    write_world(world, place / WORLD)
    dataset = load_dataset(place / WORLD)
    with _measure.threads(threads):
        tiny_run(place / RUN, [f"{entity.name}. {entity.attributes}" for entity in dataset.graph], size)
    drawn, lines, corrupt = random.Random(0), [], 0
    pool = [one for one in dataset.split("train") if one.name and one.name in one.context]
    for number in range(documents):
        line = json.dumps(_document(number, [drawn.choice(pool) for _ in range(TOGETHER)]))
        if number % ONE_IN == ONE_IN // 2 or (number == documents // 2 and documents < ONE_IN):
            line, corrupt = _corrupted(line, corrupt), corrupt + 1
        lines.append(line + "\n")
    (place / DOCUMENTS).write_text("".join(lines), encoding="utf-8")
    return {"corrupt": corrupt}


def one_by_one(folder: str, threads: int, sample: int) -> dict[str, Any]:
    """The baseline: every mention of the first documents by itself, with its image."""
    with _measure.threads(threads):
        linker = _linker(Path(folder))
        rows = _mentions(Path(folder), sample)
        linker.link(rows[0])
        timing = _measure.once(lambda: [linker.link(mention) for of_one in rows for mention in of_one])
    return {"seconds": timing.seconds(threads), "documents": len(rows)}


def together(folder: str, threads: int) -> dict[str, Any]:
    """All documents as the command links them, once the linker is there."""
    place = Path(folder)
    with _measure.threads(threads):
        linker, out = _linker(place), place / ANSWERS
        linker.link(_mentions(place, 1)[0])
        images = ImageRoot(place / WORLD / "mention_image")
        asked = Asked(place / RUN, place / DOCUMENTS, out, images, None, 5)
        seconds = _measure.once(lambda: link_documents(lambda: linker, asked)).seconds(threads)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    mentions = sum(len(line.get("links", ())) for line in lines)
    return {
        "seconds": seconds,
        "lines": len(lines),
        "mentions": mentions,
        "bad": sum("error" in line for line in lines),
    }


def dictionary(names: int) -> dict[str, Any]:
    """Make a dictionary of made-up names, and read a text in which every tenth word begins one."""
    drawn = random.Random(0)

    def word() -> str:
        return "".join(drawn.choice(SYLLABLES) for _ in range(drawn.randint(2, 4))).capitalize()

    known = [f"{word()} {word()}" for _ in range(names)]
    text = " ".join(drawn.choice(known) if n % 10 == 0 else word().lower() for n in range(100_000))
    before, made, found = peak_mib(), [], []
    making = _measure.once(lambda: made.append(DictionaryDetector.of_names(known)))
    reading = _measure.once(lambda: found.extend(made[0].detect(text)))
    return {
        "making": making.seconds(1),
        "reading": reading.seconds(1),
        "found": len(found),
        "megabytes": len(text) / 1e6,
        "before_mib": before,
    }


def interrupted(folder: str, threads: int) -> dict[str, Any]:
    """The command, ended by Ctrl-C half-way and given again; in how many bytes its answers differ from before."""
    place = Path(folder)
    whole = _answers(place, place / "whole.jsonl", threads)
    part, out = place / "again.jsonl.part", place / "again.jsonl"
    process = subprocess.Popen(_command(place, out), env=_environment(threads), stderr=subprocess.DEVNULL)
    while process.poll() is None and not (part.exists() and part.stat().st_size > len(whole) // 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    status = process.wait()
    kept = part.read_bytes().count(b"\n") if part.exists() else 0
    again = _answers(place, out, threads)
    return {"status": status, "kept": kept, "differ": sum(a != b for a, b in zip_longest(whole, again))}


def _answers(place: Path, out: Path, threads: int) -> bytes:
    subprocess.run(_command(place, out), env=_environment(threads), stderr=subprocess.DEVNULL, check=True)
    return out.read_bytes()


def _command(place: Path, out: Path) -> list[str]:
    # A process that was started in the background may have been told to ignore Ctrl-C.
    heed = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heed}; from otmel.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["link", str(place / RUN), "--graph", str(place / WORLD), "--documents", str(place / DOCUMENTS)]
    words += ["--image-root", str(place / WORLD / "mention_image"), "--output", str(out)]
    return [sys.executable, "-c", code, *words]


def _environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def _linker(place: Path) -> Linker:
    return Linker.load(place / RUN, place / WORLD)


def _document(number: int, mentions: Sequence[Mention]) -> dict[str, Any]:
    """The mentions' sentences one after the other, with the first image that one of them has."""
    text, spans = "", []
    for mention in mentions:
        start = len(text) + mention.context.index(mention.name)
        spans.append([start, start + len(mention.name)])
        text += mention.context + " "
    images = [Path(str(mention.image)).name for mention in mentions if mention.image is not None]
    return {"id": f"d{number}", "text": text, "mentions": spans, **({"image": images[0]} if images else {})}


def _corrupted(line: str, kind: int) -> str:
    """A line that breaks off, one whose mention lies outside its text, or one without text: in turns."""
    if kind % 3 == 0:
        return line[:-9]
    row = json.loads(line)
    return json.dumps({**row, "mentions": [[0, 10**6]]} if kind % 3 == 1 else {**row, "text": None})


def _mentions(place: Path, count: int) -> list[list[Mention]]:
    """The mentions of the first sound documents, each in its own sentence."""
    found: list[list[Mention]] = []
    with (place / DOCUMENTS).open(encoding="utf-8") as lines:
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            text, spans = row["text"], row["mentions"]
            if text is None or spans[0][1] > len(text):
                continue
            image = place / WORLD / "mention_image" / row["image"] if "image" in row else None
            found.append([Mention(text[start:end], text[:240], image) for start, end in spans])
            if len(found) == count:
                break
    return found
