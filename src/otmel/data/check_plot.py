"""Pictures of a data set's check: Figure 7's statistics, image coverage and ambiguity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from otmel.data.check_report import CheckReport, Distribution
from otmel.errors import ConfigurationError
from otmel.storage import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by colour-blind readers
GREY, LIGHT = "#9a9a9a", "#dddddd"
FORMATS = (".png", ".pdf", ".svg")
MANY_WORDS = 60


def plot(report: CheckReport, path: Path) -> None:
    """Draw the report to ``path``, whose suffix (.png, .pdf, .svg) chooses the format.

    Raises:
        ConfigurationError: another suffix.
        StorageError: the disk refused the file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ConfigurationError(f"cannot draw to {path.name!r}", cure=f"end the name in one of {', '.join(FORMATS)}")
    figure = Figure(figsize=(11, 7.5), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12))
    FigureCanvasAgg(figure)
    words, objects, images, names = figure.subplots(2, 2).flat
    figure.suptitle(f"{report.name}: {report.graph.entities:,} entities", fontsize=13)
    _words(words, report)
    _objects(objects, report)
    _images(images, report)
    _names(names, report)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)


def _words(axes: Axes, report: CheckReport) -> None:
    """Shares of sentence lengths, one outline a split; what lies beyond the range is in the last bin."""
    largest = max((split.words.largest for split in report.splits.values()), default=1)
    edges = _bins(min(largest, MANY_WORDS))
    for (name, split), colour in zip(report.splits.items(), _colours(), strict=False):
        if split.words.total:
            lengths = [min(length, edges[-1] - 1) for length in split.words.counts]
            weights = [count / split.words.total for count in split.words.counts.values()]
            label = f"{name} (median {split.words.median})"
            axes.hist(lengths, bins=edges, weights=weights, histtype="step", color=colour, linewidth=1.6, label=label)
    _finish(axes, "Words in a sentence", _below(largest, edges[-1]))


def _objects(axes: Axes, report: CheckReport) -> None:
    """Shares of scenes by number of objects; where nobody counted them, the words of the entities' texts."""
    known = {name: split.objects for name, split in report.splits.items() if split.objects.total}
    if not known:
        words = report.graph.words
        most = min(words.largest, 2 * MANY_WORDS)
        lengths = [min(length, most) for length in words.counts]
        weights = [count / words.total for count in words.counts.values()]
        axes.hist(lengths, _bins(most), weights=weights, color=GREY, label=f"entities (median {words.median})")
        _finish(axes, "Words in an entity's text (objects are not known)", _below(words.largest, most))
        return
    _grouped(axes, known)
    _finish(axes, "Objects in a mention's image", "objects")


def _bins(most: int) -> list[int]:
    """Edges of at most some forty bins that hold the whole numbers up to ``most``."""
    step = max(1, most // 30)
    return list(range(0, most + step + 1, step))


def _below(largest: int, drawn: int) -> str:
    return f"words, the last bin holds all up to {largest:,}" if largest > drawn else "words"


def _grouped(axes: Axes, known: Mapping[str, Distribution]) -> None:
    numbers = sorted({number for objects in known.values() for number in objects.counts})
    width = 0.8 / len(known)
    for place, ((name, objects), colour) in enumerate(zip(known.items(), _colours(), strict=False)):
        shares = [objects.counts.get(number, 0) / objects.total for number in numbers]
        left = [i + (place - (len(known) - 1) / 2) * width for i in range(len(numbers))]
        axes.bar(left, shares, width * 0.92, color=colour, label=f"{name} (mean {objects.mean:.2f})")
    axes.set_xticks(range(len(numbers)), [str(number) for number in numbers])


def _images(axes: Axes, report: CheckReport) -> None:
    """Stacked shares: usable, found but broken, not found or not stated."""
    graph = report.graph.images
    rows = {f"entities\n{graph.total:,}": (graph.total, graph.found, graph.usable)}
    for name, split in report.splits.items():
        rows[f"{name}\n{split.mentions:,}"] = (split.mentions, split.with_image, split.usable)
    opened = graph.usable is not None
    parts = ("opened" if opened else "found, not opened", "found, cannot be opened", "no image")
    left = [0.0] * len(rows)
    for number, (part, colour) in enumerate(zip(parts, (COLOURS[2], COLOURS[1], LIGHT), strict=True)):
        shares = [_shares(*row)[number] for row in rows.values()]
        if opened or number != 1:
            axes.barh(list(rows), shares, left=left, color=colour, label=part, height=0.65)
        left = [a + b for a, b in zip(left, shares, strict=True)]
    for place, row in enumerate(rows.values()):
        good = _shares(*row)[0]
        inside = good > 0.15
        x = good - 0.01 if inside else good + 0.01
        axes.text(x, place, f"{good:.1%}", va="center", ha="right" if inside else "left", fontsize=9)
    axes.invert_yaxis()
    _shares_below(axes, "Images")


def _shares(total: int, found: int, usable: int | None) -> tuple[float, float, float]:
    good = found if usable is None else usable
    return (good / total, (found - good) / total, (total - found) / total) if total else (0.0, 0.0, 0.0)


def _names(axes: Axes, report: CheckReport) -> None:
    """Shares of mentions by how many entities bear their words, and of those that are the title itself."""
    splits = {name: split for name, split in report.splits.items() if split.mentions}
    if not splits:
        axes.text(0.5, 0.5, "there is no mention", ha="center")
        return
    labels = [f"{name}\n{split.mentions:,}" for name, split in splits.items()]
    left = [0.0] * len(splits)
    texts = {"one": "one entity bears the words", "several": "several do", "none": "none does"}
    for (share, text), colour in zip(texts.items(), (COLOURS[0], COLOURS[4], LIGHT), strict=True):
        values = [split.bearers[share] / split.mentions for split in splits.values()]
        axes.barh(labels, values, left=left, color=colour, label=text, height=0.5)
        left = [a + b for a, b in zip(left, values, strict=True)]
    titles = [split.equal_title / split.mentions for split in splits.values()]
    axes.plot(
        titles, range(len(titles)), "D", color="black", markersize=6, label="the words are the title", clip_on=False
    )
    axes.margins(y=0.15)
    axes.invert_yaxis()
    _shares_below(axes, "Ambiguity of mention words")


def _shares_below(axes: Axes, title: str) -> None:
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False, fontsize=9)


def _finish(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(below)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)


def _colours() -> tuple[str, ...]:
    return COLOURS * 10  # a data set of more than sixty splits has its later ones left out of the picture
