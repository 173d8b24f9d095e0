"""What a data set holds and what is wrong with it: ``otmel data check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from otmel.data.check_images import Progress, Seen, alike, look_at
from otmel.data.check_leaks import SplitView, leaks
from otmel.data.check_mentions import NameIndex, split_report
from otmel.data.check_report import (
    LONG_TEXT,
    OVER_LONG,
    CheckReport,
    Coverage,
    Distribution,
    GraphReport,
    Leak,
    SplitReport,
)
from otmel.data.dataset import Dataset
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, ImageSource

__all__ = ["CheckReport", "Coverage", "Distribution", "GraphReport", "Leak", "SplitReport", "check", "plot"]

NOT_STATED = "image not stated"
LOST = ("image missing", "image outside its folder", "image is an address, not fetched")
"""Kinds under which readers count an image that a row names but that is not there."""


def check(dataset: Dataset, *, decode: bool = True, distance: int = 0, progress: Progress | None = None) -> CheckReport:
    """Audit a data set; nothing in it is changed.

    Args:
        dataset: as its reader gave it; the reader's findings become part of the report.
        decode: open every image, to find the broken ones and those that look the same (about 1,500 small images a
            second). Otherwise images count as they were found, unopened.
        distance: images look the same when their perceptual hashes differ in at most so many of 64 bits.
        progress: called with the number of images opened so far and in all.
    """
    broken, odd = Findings(), Findings()
    graph_seen, views = _views(dataset, decode, progress, broken)
    known = [image.look for images in graph_seen for image in images]
    index = NameIndex(dataset.graph)
    splits = {}
    for view in views:
        like_graph = sum(alike(view.looks, known, distance)) if decode else None
        splits[view.name] = split_report(view, dataset.graph, index, (decode, like_graph), odd)
    report = CheckReport(
        name=dataset.name,
        root=str(dataset.root) if dataset.root else None,
        graph=_graph(dataset.graph, graph_seen, decode, odd),
        splits=splits,
        mention_images=_mention_images(dataset, views, decode),
        leaks=leaks(views, decode, distance, odd),
        findings=Findings(),
    )
    report.findings.merge(dataset.findings)
    report.findings.merge(broken)
    # The reader names file and row: where it saw a fault already, its own account stands.
    for kind in odd.counts.keys() - dataset.findings.counts.keys():
        report.findings.merge(Findings(Counter({kind: odd.counts[kind]}), {kind: odd.examples[kind]}))
    return report


def plot(report: CheckReport, path: Path) -> None:
    """Draw token and object statistics (Figure 7), image coverage and ambiguity to an image file."""
    from otmel.data.check_plot import plot as draw

    draw(report, path)


def _views(
    dataset: Dataset, decode: bool, progress: Progress | None, findings: Findings
) -> tuple[list[list[Seen]], list[SplitView]]:
    """What opening gave for the images of every entity and mention; nothing was opened without ``decode``."""
    mentions = list(chain.from_iterable(dataset.splits.values()))
    sources: list[tuple[str, ImageSource]] = [(e.id, image) for e in dataset.graph for image in e.images]
    sources += [(m.id or m.name, m.image) for m in mentions if m.image is not None]
    looked = look_at([source for _, source in sources], progress) if decode else [None] * len(sources)
    for (owner, source), image in zip(sources, looked, strict=True):
        if image and image.fault:
            findings.add(image.fault, str(source) if isinstance(source, (str, Path)) else f"image of {owner}")
    stream = iter(looked)
    graph_seen = [[image for image in (next(stream) for _ in entity.images) if image] for entity in dataset.graph]
    views = [
        SplitView(name, rows, [next(stream) if mention.image is not None else None for mention in rows])
        for name, rows in dataset.splits.items()
    ]
    return graph_seen, views


def _graph(graph: KnowledgeGraph, seen: Sequence[Sequence[Seen]], decode: bool, findings: Findings) -> GraphReport:
    names = Counter(entity.name for entity in graph if entity.name)
    shared = [count for count in names.values() if count > 1]
    words = [len(_entity_text(entity).split()) for entity in graph]
    for entity, count in zip(graph, words, strict=True):
        if not (entity.attributes or entity.description):
            findings.add("entity without text", f"entity {entity.id}")
        if count >= LONG_TEXT:
            findings.add(OVER_LONG, f"entity {entity.id}: {count:,} words")
    return GraphReport(
        entities=len(graph),
        images=_coverage(
            [bool(entity.images) for entity in graph],
            [any(image.usable for image in images) for images in seen] if decode else None,
            graph.findings.counts,
            Counter(image.fault for images in seen for image in images if image.fault),
        ),
        same_name=sum(shared),
        shared_names=len(shared),
        without_text=sum(not (entity.attributes or entity.description) for entity in graph),
        long_texts=sum(count >= LONG_TEXT for count in words),
        words=Distribution.of(words),
    )


def _entity_text(entity: Entity) -> str:
    return " ".join((entity.name, *entity.aliases, entity.attributes, entity.description))


def _mention_images(dataset: Dataset, views: Sequence[SplitView], decode: bool) -> Coverage:
    seen = [image for view in views for image in view.seen]
    read = Counter(dataset.findings.counts)
    read.subtract(dataset.graph.findings.counts)  # a reader adds the graph's findings to the data set's
    return _coverage(
        [mention.image is not None for view in views for mention in view.mentions],
        [image is not None and image.usable for image in seen] if decode else None,
        read,
        Counter(image.fault for image in seen if image and image.fault),
    )


def _coverage(
    found: Sequence[bool], usable: Sequence[bool] | None, read: Mapping[str, int], opened: Counter[str]
) -> Coverage:
    """``read`` counts what the reader met, ``opened`` the defects of opened images."""
    lost = sum(max(0, read.get(kind, 0)) for kind in LOST)
    here = sum(found)
    reasons = Counter({kind: count for kind, count in read.items() if kind.startswith("image ") and count > 0})
    return Coverage(
        total=len(found),
        stated=max(here, len(found) - max(0, read.get(NOT_STATED, 0))) if lost else here,
        found=here,
        usable=sum(usable) if usable is not None else None,
        reasons=dict((reasons + opened).most_common()),
    )
