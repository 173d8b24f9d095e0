"""The demo's report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from otmel.storage import atomic_write_text

if TYPE_CHECKING:
    from otmel.evaluation.compare import Comparison
    from otmel.evaluation.files import Evaluation
    from otmel.linking.explanation import Explanation

Figures = Mapping[str, Mapping[str, Mapping[str, float | None]]]

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
tr.first td { border-top: 2px solid var(--line); }
figure { margin: 1.5rem 0; padding: 1rem; background: #fff; border: 1px solid var(--line); border-radius: .5rem; }
figure img { width: 100%; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; border-radius: .5rem; }
"""

METHOD = """
<p>A mention is a few words in a sentence, with a picture. Its words, the patches of its picture and those of every
entity become vectors. <b>Optimal transport</b> then says how much each token of one side belongs to each token of the
other, at the least total cost, every token sharing out the same mass: so one shared name cannot draw everything to
itself. It is used twice: between text and picture of the same side (part F of the score), and between the mention's
and the entity's texts (T) and pictures (V). Part N compares the names letter by letter.</p>
"""


def comparison_of(evaluations: Mapping[str, Evaluation], system: str) -> Comparison:
    """Paired differences of the other systems from ``system``, with intervals over the mentions."""
    from otmel.evaluation.compare import CompareSettings, compare

    runs = {name: [evaluation] for name, evaluation in evaluations.items()}
    return compare(runs, CompareSettings(method="mentions"), baseline=system)


def write_page(path: Path, figures: Figures, comparison: Comparison, explanations: Sequence[Explanation]) -> Path:
    """Write the report. Raises ``StorageError``."""
    from otmel.linking.picture import drawn

    pictures = "".join(_figure(drawn(one, "png", dpi=110), one) for one in explanations)
    body = (
        "<h1>otmel: the demo's report</h1>"
        f"{METHOD}<h2>How well it links</h2>{_table(figures)}"
        "<p>One training seed, a generated world: these figures show that the parts work, and no more. The intervals "
        "below speak of these mentions alone.</p>"
        f"<pre>{escape(comparison.as_text())}</pre><h2>Why it links so</h2>{pictures}"
    )
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><style>{STYLE}</style>"
    atomic_write_text(
        path, f"<!doctype html><html lang='en'><head><title>otmel demo</title>{head}</head>{body}</html>\n"
    )
    return path


def _table(figures: Figures) -> str:
    measures = [m for m in next(iter(next(iter(figures.values())).values())) if m != "mentions"]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("system", "slice", "mentions", *measures))
    rows = []
    for system, slices in figures.items():
        for number, (title, values) in enumerate(slices.items()):
            cells = [system if number == 0 else "", title, f"{values['mentions']:,}"]
            cells += ["–" if values[m] is None else f"{values[m]:.1f}" for m in measures]
            kind = " class='first'" if number == 0 else ""
            rows.append(f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _figure(png: bytes, explanation: Explanation) -> str:
    data = base64.b64encode(png).decode()
    right = explanation.mention.answer == explanation.entity.id
    verdict = "the true entity" if right else "not the true entity"
    told = f"“{explanation.mention.context}” — linked to {explanation.entity.name}, {verdict}."
    image = f"<img alt='transport plans' src='data:image/png;base64,{data}'>"
    return f"<figure>{image}<figcaption>{escape(told)}</figcaption></figure>"
