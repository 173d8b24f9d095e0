"""The mentions of one split under audit: answers, texts and the ambiguity of their words."""

from __future__ import annotations

import re
from collections import Counter

from otmel.data.check_leaks import SplitView
from otmel.data.check_report import LONG_TEXT, OVER_LONG, Distribution, SplitReport
from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.mention_checks import check_answer, check_text
from otmel.data.records import NIL, Mention

_WORD = re.compile(r"\w+")


class NameIndex:
    """Which entities bear which words in their name or an alias."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.rows: dict[str, set[int]] = {}
        for row, entity in enumerate(graph):
            for word in _WORD.findall(" ".join((entity.name, *entity.aliases)).casefold()):
                self.rows.setdefault(word, set()).add(row)

    def bearers(self, name: str) -> str:
        """How many entities have all words of ``name``: "none", "one" or "several"."""
        words = _WORD.findall(name.casefold())
        found = sorted((self.rows.get(word, set()) for word in words), key=len)
        count = len(set.intersection(*found)) if found else 0
        return "several" if count > 1 else ("none", "one")[count]


def split_report(
    view: SplitView, graph: KnowledgeGraph, index: NameIndex, images: tuple[bool, int | None], findings: Findings
) -> SplitReport:
    """Audit one split.

    Args:
        view: its mentions and what opening their images gave.
        graph: the entities.
        index: of the graph's names.
        images: whether images were opened, and how many look like one of the graph.
        findings: takes what is wrong with the mentions.
    """
    decoded, like_graph = images
    mentions, met = view.mentions, Findings()
    for row, mention in enumerate(mentions):
        where = view.where(row)
        check_text(mention, met, where)
        check_answer(mention, graph, met, where)
        if (words := len(mention.context.split())) >= LONG_TEXT:
            met.add(OVER_LONG, f"{where}: {words:,} words")
    if not mentions:
        met.add("empty split", view.name)
    findings.merge(met)
    faults = met.counts
    bearers = Counter(index.bearers(mention.name) for mention in mentions)
    return SplitReport(
        mentions=len(mentions),
        nil=sum(mention.answer == NIL for mention in mentions),
        unanswered=faults["answer not stated"],
        dangling=faults["answer not in the graph"],
        with_image=sum(mention.image is not None for mention in mentions),
        usable=sum(image is not None and image.usable for image in view.seen) if decoded else None,
        like_graph=like_graph,
        equal_title=sum(_equals_title(mention, graph) for mention in mentions),
        bearers={share: bearers[share] for share in ("none", "one", "several")},
        not_in_sentence=faults["mention not in its sentence"],
        empty=sum(not mention.name or not mention.context for mention in mentions),
        long_texts=faults[OVER_LONG],
        words=Distribution.of(len(mention.context.split()) for mention in mentions),
        objects=Distribution.of(mention.objects for mention in mentions if mention.objects is not None),
    )


def _equals_title(mention: Mention, graph: KnowledgeGraph) -> bool:
    title = mention.title
    if title is None and mention.answer is not None and mention.answer in graph:
        title = graph.entity(mention.answer).name
    return title is not None and " ".join(mention.name.casefold().split()) == " ".join(title.casefold().split())
