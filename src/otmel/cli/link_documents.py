"""``otmel link --documents``: a file of documents, linked mention by mention; what was interrupted goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel import __version__
from otmel.cli.console import note, progress, resumable
from otmel.errors import DataError

if TYPE_CHECKING:
    from otmel.data.image_root import ImageRoot
    from otmel.data.tables import RawRow
    from otmel.linking import Linker
    from otmel.linking.document_rows import DocumentTally

STANDARD = Path("-")
CHUNK = 1 << 20


@dataclass(frozen=True)
class Asked:
    """What a command asks for.

    Attributes:
        run: the run folder.
        documents: the file of documents; ``-`` is the standard input.
        output: where the answers go; ``-`` is the standard output.
        image_root: the folder that image names are relative to.
        detect: the detector for documents without mentions.
        k: how many entities a link holds.
    """

    run: Path
    documents: Path
    output: Path
    image_root: ImageRoot
    detect: str | None
    k: int


@dataclass(frozen=True)
class Source:
    """The file of documents: what tells it from another, and about how many rows it has (``None``: nobody knows)."""

    identity: dict[str, Any]
    rows: int | None

    @staticmethod
    def of(path: Path) -> Source:
        """Of a file, which is read once. Raises ``DataError`` where it cannot be."""
        import xxhash

        hashed, size, lines = xxhash.xxh3_128(), 0, 0
        try:
            with path.open("rb") as file:
                while piece := file.read(CHUNK):
                    hashed.update(piece)
                    size, lines = size + len(piece), lines + piece.count(b"\n")
        except FileNotFoundError:
            raise DataError("there is no such file", where=str(path)) from None
        is_lines = path.suffix.lower() in (".jsonl", ".ndjson")
        return Source({"name": path.name, "bytes": size, "xxh3_128": hashed.hexdigest()}, lines if is_lines else None)


def link_documents(open_linker: Callable[[], Linker], asked: Asked) -> None:
    """Link every mention of every document, and say how quickly it went."""
    from otmel.linking.detection import detector
    from otmel.linking.document_rows import DocumentRows
    from otmel.linking.documents import DocumentLinker
    from otmel.remote.told import told
    from otmel.storage import json_text

    source = None if asked.documents == STANDARD else Source.of(asked.documents)
    linker = open_linker()
    if linker.remark is not None:
        note(f"note: {linker.remark}")
    found = None if asked.detect is None else detector(asked.detect, linker.graph)
    if found is not None and hasattr(found, "short"):
        note(f"{asked.detect}: {found}")
    rows = DocumentRows(DocumentLinker(linker, found, asked.k), asked.image_root)
    with ExitStack() as stack:
        kept, write = stack.enter_context(_output(asked, source, linker))
        advance = stack.enter_context(progress("linking documents", source.rows if source else None))
        advance(kept)
        began = time.perf_counter()
        for answers in rows.answers(islice(_rows(asked.documents), kept, None)):
            write(told("".join(json_text(answer, indent=None) + "\n" for answer in answers)))
            advance(len(answers))
    _report(linker, rows.tally, time.perf_counter() - began, kept)
    if asked.output != STANDARD:
        note(f"wrote {asked.output}")


def _rows(source: Path) -> Iterable[RawRow]:
    from otmel.data.tables import read_lines, read_table

    return read_lines(sys.stdin, "standard input") if source == STANDARD else read_table(source)


@contextmanager
def _output(asked: Asked, source: Source | None, linker: Linker) -> Iterator[tuple[int, Callable[[str], Any]]]:
    """How many documents are done already, and what writes the others' lines."""
    from otmel.cli.link import writer
    from otmel.linking.document_rows import AT_ONCE
    from otmel.linking.unfinished import unfinished

    if asked.output == STANDARD or source is None:  # a stream cannot be taken up again
        with writer(asked.output) as write:
            yield 0, write
        return
    made, how = _made(asked, source, linker), "the same command goes on where it stopped"
    with resumable(how), unfinished(asked.output, made, AT_ONCE) as lines:
        yield lines.kept, lines.write


def _made(asked: Asked, source: Source, linker: Linker) -> dict[str, Any]:
    """All that decides what the lines say."""
    from otmel.index.source import inputs_hash
    from otmel.remote.told import told

    calibration = asked.run / "calibration.json"
    return {
        "documents": source.identity,
        "model": linker.model_hash,
        "inputs": inputs_hash(asked.run),
        "calibration": Source.of(calibration).identity["xxh3_128"] if calibration.is_file() else None,
        "graph": linker.graph.snapshot,
        "search": linker.settings.model_dump(mode="json", exclude={"threads"}),
        "detect": asked.detect,
        "image_root": told(str(asked.image_root.folder.resolve())),
        "k": asked.k,
        "otmel": __version__,
    }


def _report(linker: Linker, tally: DocumentTally, seconds: float, kept: int) -> None:
    for kind, count in linker.findings.counts.most_common():
        note(f"{count:,} × {kind} (such as {linker.findings.examples[kind][0]})")
    for kind, count in tally.faults.counts.most_common():
        note(f"{count:,} × document not linked: {kind} (such as {tally.faults.examples[kind][0]})")
    if kept:
        note(f"{kept:,} documents were done already, by the command that was interrupted")
    done = tally.documents + tally.bad
    note(
        f"linked {tally.mentions:,} mentions in {tally.documents:,} documents, {tally.bad:,} bad ones left out, in "
        f"{seconds:,.1f} s: {done / max(seconds, 1e-9):,.1f} documents/s, "
        f"{tally.mentions / max(seconds, 1e-9):,.1f} mentions/s"
    )
