"""What every reader of mentions looks for. What is odd is counted; the mention is kept as it is."""

from __future__ import annotations

from collections.abc import Sequence

from otmel.data.findings import Findings
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import NIL, Mention


def as_answer(text: str) -> str | None:
    """An answer as records hold it: ``nil`` in any case is ``NIL``, an empty one is unknown."""
    return NIL if text.upper() == NIL else text or None


def check_text(mention: Mention, findings: Findings, where: str) -> None:
    """Count an empty mention, an empty sentence, and a mention that does not occur in its sentence."""
    if not mention.name:
        findings.add("empty mention", where)
    if not mention.context:
        findings.add("empty sentence", where)
    elif mention.name not in mention.context:
        findings.add("mention not in its sentence", f"{where}: {mention.name!r}")


def check_answer(mention: Mention, graph: KnowledgeGraph, findings: Findings, where: str) -> None:
    """Count answers and candidates that are not in the graph, and answers not stated."""
    if mention.answer is None:
        findings.add("answer not stated", where)
    elif mention.answer != NIL and mention.answer not in graph:
        findings.add("answer not in the graph", f"{where}: {mention.answer}")
    for candidate in mention.candidates:
        if candidate not in graph and candidate.upper() != NIL:
            findings.add("candidate not in the graph", f"{where}: {candidate}")


def check_ids(mentions: Sequence[Mention], places: Sequence[str], findings: Findings) -> None:
    """Count mention ids that occur more than once; ``places`` says where each mention stands."""
    first: dict[str, str] = {}
    for mention, where in zip(mentions, places, strict=True):
        if mention.id is not None and first.setdefault(mention.id, where) != where:
            findings.add("duplicate mention id", f"{where}: {mention.id!r} as in {first[mention.id]}")
