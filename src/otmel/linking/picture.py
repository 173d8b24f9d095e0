"""The picture of an explanation: one figure, laid out in inches so that no label meets another."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel.errors import ConfigurationError
from otmel.inputs.text import cut_characters
from otmel.linking.explanation import Explanation
from otmel.linking.matrices import matrix_rows, place_matrix
from otmel.linking.panels import (
    GREY,
    SMALL,
    shortened,
    show_colours,
    show_heat,
    show_image,
    show_sum,
    telling_words,
    wrapped,
)
from otmel.linking.sheet import BAR_ROOM, GAP, MARGIN, WIDTH, Row, Sheet
from otmel.storage import atomic_path, atomic_write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGE = 1.68
"""Side, in inches, of the box an image is drawn in."""
MOST_PANELS = 4
LINE_HEIGHT = 0.135
FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}


def save(explanation: Explanation, path: Path) -> None:
    """Draw an explanation to ``path``, as ``Explanation.save`` says."""
    suffix = path.suffix.lower()
    if suffix in (".html", ".htm"):
        from otmel.linking.page import html

        atomic_write_text(path, html(explanation))
        return
    if suffix not in FORMATS:
        known = ", ".join((*FORMATS, ".html"))
        raise ConfigurationError(f"{suffix or 'no suffix'!r} is no picture's format", where=str(path), cure=known)
    with atomic_path(path) as temporary:
        temporary.write_bytes(drawn(explanation, FORMATS[suffix]))


def drawn(explanation: Explanation, kind: str, dpi: int = 160) -> bytes:
    """The picture as bytes of a PNG, SVG or PDF; the same explanation gives the same bytes."""
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with drawing():
        file = BytesIO()
        figure(explanation).savefig(file, format=kind, dpi=dpi, metadata=dates.get(kind))
    return file.getvalue()


def figure(explanation: Explanation) -> Figure:
    """The picture as a figure of matplotlib."""
    from matplotlib.figure import Figure

    rows = [_title(explanation), _mention(explanation), _entity(explanation), *matrix_rows(explanation)]
    rows = [row for row in (*rows, _caption(explanation)) if row is not None]
    height = sum(row.height for row in rows) + 2 * MARGIN
    made = Figure((WIDTH, height), facecolor="white")
    top = MARGIN
    for row in rows:
        row.draw(Sheet(made, height, top))
        top += row.height
    return made


def _title(explanation: Explanation) -> Row:
    mention, entity = explanation.mention, explanation.entity
    name = f"“{shortened(mention.name, 40)}”" if mention.name else "(image alone)"
    head = f"{name}  →  {shortened(entity.name, 60)}  ({shortened(entity.id, 30)})"
    sentence = wrapped(cut_characters(mention.context, mention.name, 400), 135, 3)

    def draw(sheet: Sheet) -> None:
        sheet.text(MARGIN, 0, head, fontsize=12, fontweight="bold")
        sheet.text(WIDTH - MARGIN, 0.03, f"score {explanation.score:.4f}", fontsize=10, ha="right")
        sheet.text(MARGIN, 0.28, sentence, fontsize=8.5, linespacing=1.25, style="italic", color="0.3")

    lines = len(sentence.splitlines())
    return Row(0.42 + 0.155 * lines, draw)


def _mention(explanation: Explanation) -> Row | None:
    """The mention's image, and what the most telling words take from its patches."""
    image = explanation.images.get("mention")
    if image is None:
        return None
    plan = explanation.plan("F", "mention", "text")
    telling = [] if plan is None or plan.columns.grid is None else telling_words(plan, MOST_PANELS)

    def draw(sheet: Sheet) -> None:
        show_image(sheet.axes(MARGIN, 0.4, IMAGE, IMAGE), image, "mention image")
        if not telling:
            return
        highest = max(2.0, *(float(lift.max()) for _, lift in telling))
        left, heat = MARGIN + IMAGE + GAP, None
        for word, lift in telling:
            axes, left = sheet.axes(left, 0.4, IMAGE, IMAGE), left + IMAGE + GAP
            heat = show_heat(axes, image, lift, shortened(word, 20), highest)
        show_colours(sheet.axes(left, 0.4, 0.08, IMAGE), heat)
        said = "from where in the image the most selective words take their part (fusion)"
        sheet.text(MARGIN + IMAGE + GAP, 0.02, said, fontsize=SMALL + 1, color=GREY)

    return Row(0.4 + IMAGE + 0.25, draw)


def _entity(explanation: Explanation) -> Row:
    """The entity, the sum of the parts and the plan between the two images."""
    entity, plan = explanation.entity, explanation.plan("V")
    image = explanation.images.get("entity")

    def draw(sheet: Sheet) -> None:
        show_image(sheet.axes(MARGIN, 0.25, IMAGE, IMAGE), image, "entity image")
        left = MARGIN + IMAGE + 0.15
        sheet.text(left, 0.25, wrapped(entity.name, 26, 2), fontsize=9, fontweight="bold")
        text = wrapped(entity.attributes or entity.description, 36, 9)
        sheet.text(left, 0.25 + 0.17 * len(wrapped(entity.name, 26, 2).splitlines()), text, linespacing=1.3)
        left += 2.05 + 0.72
        edge = WIDTH - MARGIN - BAR_ROOM
        width = edge - left if plan is None else 2.35
        show_sum(sheet.axes(left, 0.25, width, IMAGE), explanation)
        if plan is not None:
            side = edge - (left + width + 0.45)
            place_matrix(sheet, plan, (left + width + 0.45, 0.25), (side, side))

    return Row(0.25 + IMAGE + 0.5, draw)


def _caption(explanation: Explanation) -> Row:
    said = "Shades are multiples of a uniform plan's share: 1× everywhere says nothing."
    lines = [plan.as_text() for plan in explanation.plans] + ([said] if explanation.plans else [])
    lines += [wrapped(f"notes: {'; '.join(explanation.notes)}", 150, 2)] if explanation.notes else []
    origin = [f"{kind} {name}" for kind, name in (("model", explanation.model), ("graph", explanation.graph)) if name]
    text = "\n".join([*lines, ", ".join(origin)])

    def draw(sheet: Sheet) -> None:
        sheet.text(MARGIN, 0.08, text, linespacing=1.35, color="0.35")

    return Row(0.1 + LINE_HEIGHT * len(text.splitlines()), draw)


@contextmanager
def drawing() -> Iterator[None]:
    """Settings under which any name can be drawn: no mathematics between dollars, no warning about a missing glyph."""
    from matplotlib import rc_context

    settings: Any = {
        "text.parse_math": False,
        "svg.hashsalt": "otmel",
        "font.family": "sans-serif",
        "savefig.bbox": None,
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
