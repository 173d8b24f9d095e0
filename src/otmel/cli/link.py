"""``otmel link``: link one mention, a file of them, or a file of documents."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from otmel.cli.cluster_options import LinkClusterOptions
from otmel.cli.console import Json, emit, note, progress
from otmel.cli.places import Where
from otmel.cli.search_options import SearchOptions
from otmel.errors import ConfigurationError

if TYPE_CHECKING:
    from otmel.data.image_root import ImageRoot
    from otmel.data.tables import RawRow
    from otmel.linking import Link, Linker

STANDARD = Path("-")


def link(
    run: Where,
    mention: str | None = None,
    *,
    context: str = "",
    image: Where | None = None,
    graph: Where | None = None,
    data: Where | None = None,
    input: Annotated[Where | None, Parameter(allow_leading_hyphen=True)] = None,
    documents: Annotated[Where | None, Parameter(allow_leading_hyphen=True)] = None,
    detect: str | None = None,
    output: Annotated[Where, Parameter(allow_leading_hyphen=True)] = STANDARD,
    image_root: Where | None = None,
    k: Annotated[int, Parameter(name=("-k", "--top"))] = 5,
    options: SearchOptions | None = None,
    cluster: LinkClusterOptions | None = None,
    json: Json = False,
) -> None:
    """Link mentions.

    Args:
        run: the run folder. It, graph, data, index, images, input and output may be addresses: s3://BUCKET/PATH.
        mention: the words to link, as they stand in the sentence.
        context: the sentence around them.
        image: the image that goes with them.
        graph: the entities: a graph (otmel graph build), a folder or a file (.jsonl, .csv, .parquet).
        data: a data set whose graph to use, instead of --graph.
        input: a file of mentions (.jsonl, .csv, .parquet, .lance), or - to read JSON lines from the standard input;
            with --engine ray also a folder of such files.
        documents: a file of texts with the places of their mentions (.jsonl, .csv, .parquet), or - for JSON lines.
        detect: what finds the mentions of documents that come without: dictionary (the graph's names), spacy:MODEL
            or gliner:MODEL.
        output: where the answers to a file go, as JSON lines; - is the standard output. With --documents, the same
            command goes on where it was interrupted. With --engine ray, a folder of part-NNNNN.jsonl, each with a
            marker of what it was made from: the same command does what is missing.
        image_root: the folder that image names in a file are relative to and may not leave; by default the file's own.
        k: how many entities to return for each mention.
        options: how entities are searched.
        cluster: who links; a cluster links files, and needs --index.
        json: print JSON.
    """
    _check_asked(mention is not None or image is not None, input, documents, detect)
    if k < 1:
        raise ConfigurationError(f"-k {k}: at least one entity must be asked for")
    if cluster is not None and (settings := cluster.cluster) is not None:
        from otmel.cli.link_cluster import asked_of, link_on

        options = options or SearchOptions()
        places = {"graph": graph or data, "index": options.index, "input": input, "output": output}
        link_on(settings, asked_of(run, places, image_root, (k, options.settings(), cluster)), json)
        return
    from otmel.remote import RUN, local, written

    run, source = local(run, RUN), None if (given := input or documents) is None else local(given)
    if source is not None:
        root = root_of(source, image_root)
        with written(output) as target:
            if documents is None:
                _link_rows(opened_linker(run, graph or data, options), source, target, root, k)
            else:
                from otmel.cli.link_documents import Asked, link_documents

                asked = Asked(run, source, target, root, detect, k)
                link_documents(lambda: opened_linker(run, graph or data, options), asked)
        return
    linker = opened_linker(run, graph or data, options)
    from otmel.data.records import Mention

    found = linker.link(Mention(mention or "", context, image and local(image)), k)[0]
    if linker.remark is not None:
        note(f"note: {linker.remark}")
    for one in found.notes:
        note(f"note: {one}")
    if found.certificate is not None and found.certificate.method == "candidates":
        note(
            f"not exact: {found.certificate.recall:.1%} of the best {linker.sought(k)} found, measured on "
            f"{found.certificate.measured:,} mentions"
        )
    emit(found if json else _table(found), json)


def _check_asked(single: bool, input: Where | None, documents: Where | None, detect: str | None) -> None:
    """Whether there is one thing to link. Raises ``ConfigurationError``."""
    given = [name for name, there in (("a mention", single), ("--input", input), ("--documents", documents)) if there]
    if len(given) != 1:
        problem = f"{' and '.join(given)} are given together" if given else "there is nothing to link"
        cure = (
            'otmel link RUN "the words" --context "their sentence", otmel link RUN --input mentions.jsonl, '
            "or otmel link RUN --documents documents.jsonl"
        )
        raise ConfigurationError(problem, cure=cure)
    if detect is not None and documents is None:
        raise ConfigurationError("--detect finds mentions in documents", cure="name them: --documents FILE")


def root_of(source: Path, named: Where | None) -> ImageRoot:
    """The folder that image names in a file are relative to: the one that is named, or the file's own.

    Whoever writes to the standard input may wait for answers: of it, no more rows are read than are linked together.
    """
    from otmel.data.image_root import ImageRoot
    from otmel.remote import lazy

    if source == STANDARD:
        return ImageRoot(Path() if named is None else lazy.folder(named), rows_held=0)
    return ImageRoot(source.parent if named is None else lazy.folder(named))


def opened_linker(run: Where, graph: Where | None, options: SearchOptions | None = None) -> Linker:
    """The linker of a run over a graph: the one named, or that of the data set it was trained on.

    Raises:
        ConfigurationError: none is named and the run does not say where its own is.
        CheckpointError: the run or the index is incomplete or broken, or they do not belong together.
        DataError: the graph cannot be read.
    """
    from otmel.data.graph import KnowledgeGraph
    from otmel.linking import Linker
    from otmel.remote import RUN, local

    run = local(run, RUN)
    place, options = graph or remembered(run), options or SearchOptions()
    if place is None:
        cure = "name it: --graph FOLDER_OR_FILE, or --data the data set's folder"
        raise ConfigurationError("the run does not say where its graph is", where=str(run), cure=cure)
    return Linker.load(run, KnowledgeGraph.open(place), options.index, options.settings())


def remembered(run: Where) -> Where | None:
    """The folder of the data set that a run was trained on, if it says. Raises ``ConfigurationError`` if it moved."""
    from otmel.models.bundle import read_record
    from otmel.remote import placed

    stated = read_record(run).get("dataset_root")
    place = None if stated is None else placed(stated)
    if isinstance(place, Path) and not place.exists():
        problem = "the data set that the run was trained on is not there any more"
        raise ConfigurationError(problem, where=str(place), cure="name its new place: --data FOLDER, or --graph")
    return place


def _link_rows(linker: Linker, source: Path, target: Path, root: ImageRoot, k: int) -> None:
    from otmel.linking.rows import RowLinker, Tally
    from otmel.remote.told import told
    from otmel.storage import json_text

    tally = Tally()
    with ExitStack() as stack:
        advance = stack.enter_context(progress("linking mentions"))
        write = stack.enter_context(writer(target))
        for answers in RowLinker(linker, k, root, tally).answers(_rows(source)):
            write(told("".join(json_text(answer, indent=None) + "\n" for answer in answers)))
            advance(len(answers))
    if linker.remark is not None:
        note(linker.remark)
    for kind, count in linker.findings.counts.most_common():
        note(f"{count:,} × {kind} (such as {linker.findings.examples[kind][0]})")
    if tally.bad:
        note(f"{tally.bad:,} × row not linked: the output has an error in its place")
    note(f"linked {tally.linked:,} mentions" + ("" if target == STANDARD else f", wrote {target}"))


def _rows(source: Path) -> Iterable[RawRow]:
    from otmel.data.tables import read_lines, read_table

    return read_lines(sys.stdin, "standard input") if source == STANDARD else read_table(source)


@contextmanager
def writer(target: Path) -> Iterator[Any]:
    """What writes a piece of text: to the standard output at once, or to a file that appears when all is done."""
    from otmel.storage import atomic_path

    def writing_to(file: IO[str]) -> Any:
        def write(text: str) -> None:
            file.write(text)
            file.flush()

        return write

    if target == STANDARD:
        yield writing_to(sys.stdout)
        return
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf8", newline="\n") as file:
        yield writing_to(file)


def _table(link: Link) -> Any:
    """The candidates as a table, best first; over it, that the mention is NIL."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right")
    for heading in ("entity", "id"):
        table.add_column(heading, overflow="fold")
    likely = ("probability",) if link.probability is not None else ()
    for heading in (*likely, "score", *link.parts):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in link.candidates:
        numbers = [f"{value:.3f}" for value in (one.score, *one.parts.values())]
        if likely:
            numbers.insert(0, "" if one.probability is None else f"{one.probability:.1%}")
        style = "bold" if one.rank == 1 and not link.nil else ""
        table.add_row(str(one.rank), Text(one.name), Text(one.id), *numbers, style=style)
    if not link.nil:
        return table
    return Group(Text("NIL: the best entity is too improbable to be trusted", style="bold"), table)
