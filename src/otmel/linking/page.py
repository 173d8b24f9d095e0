"""An explanation as a page that stands by itself: the picture inside, the numbers as tables."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

from otmel.inputs.text import clean
from otmel.linking.explanation import PART_NAMES, Explanation, Term
from otmel.linking.picture import drawn

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.4rem}mark{background:#ffe9a8}table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.15rem .8rem .15rem 0;text-align:left}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
tr.sum td{border-top:1px solid #222;font-weight:600}img{width:100%}small{color:#777}"""


def html(explanation: Explanation) -> str:
    """The page; everything is in it, and every text in it is escaped."""
    mention, entity = explanation.mention, explanation.entity
    picture = b64encode(drawn(explanation, "png")).decode("ascii")
    title = f"{mention.name} → {entity.name}"
    body = [
        f"<h1>{_safe(title)}</h1>",
        f"<p>{_marked(mention.context, mention.name)}</p>",
        *(f"<p>note: {_safe(note)}</p>" for note in explanation.notes),
        f'<p><img alt="{_safe(title)}" src="data:image/png;base64,{picture}"></p>',
        _table(("part", "term", "value", "weight", "adds"), _sum_rows(explanation), total=True),
        _table(("plan", "kind", "iterations", "marginal error", "entropy", "of uniform"), _plan_rows(explanation)),
        f"<p><small>entity {_safe(entity.id)}, model {_safe(explanation.model)}, graph {_safe(explanation.graph)}",
        "</small></p>",
    ]
    head = f'<meta charset="utf-8"><title>{_safe(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _sum_rows(explanation: Explanation) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        (f"{part.name} {PART_NAMES[part.name]}", term.name, f"{term.value:.4f}", f"{term.weight:.4f}", _added(term))
        for part in explanation.parts
        for term in part.terms
    ]
    return [*rows, ("score", "", "", "", f"{explanation.score:+.4f}")]


def _added(term: Term) -> str:
    return f"{term.contribution:+.4f}"


def _plan_rows(explanation: Explanation) -> list[Sequence[str]]:
    return [
        (
            f"{plan.part}  {plan.name}",
            plan.kind,
            "" if plan.iterations is None else str(plan.iterations),
            "" if plan.marginal_error is None else f"{plan.marginal_error:.1e}",
            f"{plan.entropy:.3f}",
            f"{plan.entropy_share:.1%}",
        )
        for plan in explanation.plans
    ]


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], *, total: bool = False) -> str:
    listed = list(rows)
    if not listed:
        return ""
    head = "".join(f'<th class="{_kind(column)}">{_safe(name)}</th>' for column, name in enumerate(names))
    lines = []
    for number, row in enumerate(listed):
        cells = "".join(f'<td class="{_kind(column)}">{_safe(cell)}</td>' for column, cell in enumerate(row))
        lines.append(f'<tr class="sum">{cells}</tr>' if total and number == len(listed) - 1 else f"<tr>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _kind(column: int) -> str:
    return "t" if column < 2 else "n"


def _marked(context: str, name: str) -> str:
    before, found, after = context.partition(name) if name else (context, "", "")
    return f"{_safe(before)}<mark>{_safe(found)}</mark>{_safe(after)}" if found else _safe(context)


def _safe(text: str) -> str:
    return escape(clean(text))
