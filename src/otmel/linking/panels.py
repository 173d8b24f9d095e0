"""The panels of an explanation's picture: heat maps over an image, plan matrices, the sum of the parts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otmel.inputs.text import clean
from otmel.linking.explanation import PART_NAMES, Explanation
from otmel.linking.plans import Axis, TokenPlan

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = {"F": "#31688e", "T": "#35978f", "V": "#8073ac", "N": "#bf812d"}
SHADES = "Blues"
HEAT = "RdBu_r"
SMALL = 7.0
"""Font size, in points, of everything but titles."""
INK, GREY, LINE = "0.15", "0.55", "0.85"


def show_image(axes: Any, image: Image | None, title: str) -> None:
    """An image, or the words that there is none."""
    _bare(axes, title)
    if image is None:
        axes.text(0.5, 0.5, "no image", ha="center", va="center", fontsize=SMALL + 1, color=GREY)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    else:
        axes.imshow(np.asarray(image))


def show_heat(axes: Any, image: Image, lift: NDArray[np.floating], title: str, highest: float) -> Any:
    """An image in pale grey, coloured by its patches' heat; returns what a colour bar is made from."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import TwoSlopeNorm

    heat = ScalarMappable(TwoSlopeNorm(1, vmin=0, vmax=highest), colormaps[HEAT])
    pale = 1 - (1 - np.asarray(image.convert("L"), dtype=np.float64) / 255) * 0.6
    rows, columns = (np.arange(size) * cells // size for size, cells in zip(pale.shape, lift.shape, strict=True))
    colours = heat.to_rgba(lift)[..., :3]
    _bare(axes, title)
    # Multiplied, as ink on paper: where the share is the uniform one the image stays as it is.
    axes.imshow(pale[..., None] * colours[rows[:, None], columns[None, :]])
    return heat


def show_matrix(axes: Any, plan: TokenPlan, title: str, cell: tuple[float, float]) -> Any:
    """A plan with its tokens; ``cell`` is the width and height of a cell in inches."""
    lift = plan.lift
    drawn = axes.imshow(lift, cmap=SHADES, vmin=0, vmax=max(2.0, float(lift.max())), aspect="auto")
    axes.set_title(title, fontsize=SMALL + 1, loc="left", color=INK)
    _label(axes.yaxis, plan.rows, cell[1], across=False)
    _label(axes.xaxis, plan.columns, cell[0], across=True)
    axes.tick_params(length=0, pad=2)
    for lines, axis in ((axes.axhline, plan.rows), (axes.axvline, plan.columns)):
        for place in _row_starts(axis):
            lines(place - 0.5, color="white", linewidth=0.8)
    for spine in axes.spines.values():
        spine.set(color=LINE, linewidth=0.6)
    return drawn


def show_sum(axes: Any, explanation: Explanation) -> None:
    """The parts as steps from zero to the score."""
    labels, start = [], 0.0
    ends = np.cumsum([0.0, *(part.contribution for part in explanation.parts)])
    low, high = float(min(ends.min(), 0)), float(max(ends.max(), 0))
    room = (high - low) * 0.03 or 1.0
    for row, part in enumerate(explanation.parts):
        end = start + part.contribution
        axes.barh(row, end - start, left=start, height=0.62, color=COLOURS[part.name])
        axes.plot([end, end], [row - 0.31, row + 1.31], color=GREY, linewidth=0.6)
        said = f"{part.contribution:+.3f}" if part.share else "no image"
        axes.text(max(start, end) + room, row, said, va="center", fontsize=SMALL, color=INK)
        labels.append(f"{part.name}  {PART_NAMES[part.name]}")
        start = end
    last = len(explanation.parts)
    axes.barh(last, start, height=0.62, color="0.25")
    axes.text(max(start, 0) + room, last, f"{start:.3f}", va="center", fontsize=SMALL, fontweight="bold", color=INK)
    axes.set(xlim=(low - room, high + (high - low) * 0.28 + room), ylim=(last + 0.6, -0.6))
    axes.set_yticks(range(last + 1), [*labels, "score"], fontsize=SMALL)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.tick_params(axis="x", labelsize=SMALL - 1)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title("what each part adds to the score", fontsize=SMALL + 1, loc="left", color=INK)


def show_colours(axes: Any, drawn: Any) -> None:
    """A slim colour bar: multiples of the uniform share."""
    axes.figure.colorbar(drawn, cax=axes).outline.set_visible(False)
    axes.tick_params(labelsize=SMALL - 1.5, length=2, pad=1)
    low, high = axes.get_ylim()
    place = axes.transAxes.inverted().transform(axes.transData.transform((0, 1)))[1]
    axes.set_yticks([low, 1, high] if 0.1 < place < 0.9 else [low, high])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}×")


def telling_words(plan: TokenPlan, most: int) -> list[tuple[str, NDArray[np.float64]]]:
    """The words whose mass lies on the fewest patches, in the order of the text, with their heat maps.

    A word's mass is that of its tokens; words are ranked by its divergence from the uniform one, ``Σ p log(n p)``.
    """
    assert plan.columns.grid is not None
    mass = plan.matrix[:, plan.columns.content].astype(np.float64)
    words = [(text, mass[list(rows)].sum(0)) for text, rows in plan.rows.words]
    lifts = [(text, own / max(own.mean(), 1e-30)) for text, own in words]
    told = [float((lift * np.log(np.maximum(lift, 1e-30))).mean()) for _, lift in lifts]
    chosen = sorted(sorted(range(len(words)), key=lambda n: -told[n])[:most])
    return [(lifts[n][0], lifts[n][1].reshape(plan.columns.grid)) for n in chosen]


def wrapped(text: str, width: int, lines: int) -> str:
    """At most ``lines`` lines of ``width`` characters; an ellipsis where there was more."""
    return "\n".join(textwrap.wrap(clean(text), width, max_lines=lines, placeholder=" …"))


def shortened(token: str, longest: int = 14) -> str:
    """A token that fits beside a plan, on one line."""
    token = " ".join(clean(token).split())
    return token if len(token) <= longest else token[: longest - 1] + "…"


def _label(axis: Any, tokens: Axis, cell: float, *, across: bool) -> None:
    """Token labels as large as cells allow, or an image's grid: one label per row of patches."""
    if tokens.modality == "image":
        starts = _row_starts(tokens)
        width = tokens.grid[1] if tokens.grid else len(tokens)
        fits = across and (1 + width) / 2 * cell > 0.2  # inches between the labels CLS and 1
        named = [(0.0, "CLS")] if tokens.special and fits else []
        places = [*named, *((start + (width - 1) / 2, f"{n + 1}") for n, start in enumerate(starts))]
        axis.set_ticks([place for place, _ in places], [name for _, name in places], fontsize=SMALL - 1)
        axis.set_label_text(f"{tokens.owner} patches, by row of the grid", fontsize=SMALL - 0.5, color=GREY)
        return
    size = min(SMALL, cell * 72 * 0.86)
    axis.set_ticks(range(len(tokens)), [shortened(token) for token in tokens.tokens], fontsize=size)
    for number, label in enumerate(axis.get_ticklabels()):
        label.set(rotation=90 if across else 0, color=GREY if number in tokens.special else INK)
    if across:
        axis.set_label_text(f"{tokens.owner} tokens", fontsize=SMALL - 0.5, color=GREY)


def _row_starts(tokens: Axis) -> Sequence[int]:
    """Where each row of an image's patches begins; nothing for text."""
    if tokens.grid is None:
        return []
    return range(len(tokens.special), len(tokens), tokens.grid[1])


def _bare(axes: Any, title: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=SMALL + 1, color=INK, pad=3)
    for spine in axes.spines.values():
        spine.set(color=LINE, linewidth=0.6)
