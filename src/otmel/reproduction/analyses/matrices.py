"""Figure 4: the attention map and the transport plan of one mention, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from otmel.data.records import Mention
from otmel.errors import ConfigurationError, DataError, nearest
from otmel.linking.explain import explained
from otmel.linking.explanation import Explanation
from otmel.linking.panels import show_colours, show_image, show_matrix
from otmel.linking.picture import drawing
from otmel.models.bundle import Bundle
from otmel.reproduction.collected import Collected, OnData
from otmel.reproduction.jobs import Say
from otmel.reproduction.part import Draw, Part
from otmel.reproduction.pictures import drawn
from otmel.reproduction.request import Data, Request
from otmel.reproduction.target import Row


def matrices(found: Collected, say: Say) -> Part:
    """A picture for each data set: the mention's image, and from which patches each word takes its part.

    Raises:
        DataError, ConfigurationError: as ``check_mention``.
    """
    check_mention(found.plan.request, found.plan.data)
    pictures: dict[str, Draw] = {}
    values: dict[str, Any] = {}
    notes: list[str] = []
    chosen = {on.data.name: _chosen(found, on) for on in found.data if len(on.rows) == 2}
    for on in found.data:
        mention = chosen.get(on.data.name)
        if mention is None:
            notes += [f"{on.data.name}: {label}: {why}" for label, why in on.absent.items()]
            notes += [] if on.absent else [f"{on.data.name}: two rows are needed, one to stand beside the other"]
            continue
        told = {row.label: _explained(on, row, mention) for row in on.rows}
        values[on.data.name] = {"mention": mention.id, "plans": {label: _drawn(one) for label, one in told.items()}}
        pictures[f"figure4-{on.data.name}"] = partial(_draw, told)
        notes.append(_said(on, mention, told))
    return Part((), values, pictures, tuple(notes))


def check_mention(request: Request, data: Sequence[Data]) -> None:
    """Make sure that there is a mention to show.

    Raises:
        DataError: no measured mention of a data set has an image.
        ConfigurationError: no data set has the mention that is asked for.
    """
    for one in data:
        if not shown_mentions(one):
            problem = f"no {one.split} mention of {one.name} has an image, and the matrices are of text and image"
            raise DataError(problem, where=str(one.folder), cure="name a data set with images")
    ids = [one.mentions[n].id or "" for one in data for n in shown_mentions(one)]
    if request.mention is not None and request.mention not in ids:
        problem = f"no measured mention with an image has the id {request.mention!r}"
        raise ConfigurationError(problem, where="--mention", cure=nearest(request.mention, ids))


def shown_mentions(data: Data) -> list[int]:
    """The numbers of the measured mentions that have an image and an entity in the graph."""
    graph = data.loaded.graph
    return [n for n, m in enumerate(data.mentions) if m.image is not None and m.answer in graph]


def _chosen(found: Collected, on: OnData) -> Mention | None:
    """The mention that is asked for; else the first with several objects that transport links right, attention not."""
    wanted, seen = found.plan.request.mention, shown_mentions(on.data)
    if wanted is not None:
        return next((on.mentions[n] for n in seen if on.mentions[n].id == wanted), None)
    (attention, *_), (transport, *_) = on.rows.values()
    won = [n for n in seen if transport.ranks.realistic[n] == 1 < attention.ranks.realistic[n]]
    crowded = [n for n in won if (on.mentions[n].objects or 0) > 1]
    return on.mentions[next(iter(crowded or won or seen))]


def _explained(on: OnData, row: Row, mention: Mention) -> Explanation:
    run, graph = on.runs[row][0], on.data.loaded.graph
    result = on.rows[row][0].result
    origin = {"model": result.system.hash or "", "graph": graph.snapshot, "notes": ()}
    return explained(Bundle.load(run.folder), mention, graph.entity(mention.answer or ""), origin)


def _drawn(explanation: Explanation) -> dict[str, Any] | None:
    """The plan that is drawn, as plain values; ``None`` where the model has no fusion."""
    plan = explanation.plan("F", "mention", "text")
    return None if plan is None else plan.as_json()


def _said(on: OnData, mention: Mention, told: dict[str, Explanation]) -> str:
    plans = {label: one.plan("F", "mention", "text") for label, one in told.items()}
    entropies = [f"{label} {p.entropy_share:.0%}" for label, p in plans.items() if p is not None]
    return (
        f"{on.data.name}, mention {mention.id or mention.name}: “{mention.context}”; seed 0; entropy of the matrix, of "
        f"that of a uniform one: {', '.join(entropies)}. Attention's rows are scaled as the transport's, to multiples "
        "of a uniform share"
    )


def _draw(told: dict[str, Explanation], path: Path) -> None:
    plans = {label: one.plan("F", "mention", "text") for label, one in told.items()}
    shown = {label: plan for label, plan in plans.items() if plan is not None}
    highest = max([2.0, *(float(plan.lift.max()) for plan in shown.values())])
    first = next(iter(told.values()))
    words = max((len(plan.rows) for plan in shown.values()), default=4)
    with drawing(), drawn(path, (2.2 + 5.2 * len(shown), 1.2 + 0.14 * words)) as figure:
        axes = figure.subplots(1, 1 + 2 * len(shown), width_ratios=[1.6, *[4, 0.1] * len(shown)], squeeze=False)[0]
        show_image(axes[0], first.images.get("mention"), f"“{first.mention.name}”")
        for number, (label, plan) in enumerate(shown.items()):
            place = 1 + 2 * number
            cell = 4.2 / len(plan.columns), 0.14
            shades = show_matrix(axes[place], plan, f"({'ab'[number]}) {label}: {plan.kind}, {plan.name}", cell)
            shades.set_clim(0, highest)  # one scale for both: they are there to be compared
            show_colours(axes[place + 1], shades)
