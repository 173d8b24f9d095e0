"""Table 4: time of prediction of every model through the index, by plain scan, and in the released style, in one run.

What is timed is what the paper's table is about: ranking all mentions of a split against all entities. *Through the
index*, entities are encoded once, before; the search decides most pairs by bounds. What a *second stage* reads anew is
beside it: no other column holds it. *Plain scan* has the same states and scores every pair in plain torch. *Released
style* keeps nothing: for each batch of twenty mentions every entity's features are projected anew, and every pair is
scored; it is timed on a few batches and stated for the whole split.
"""

from __future__ import annotations

import os
import time
from typing import Any

import torch

from otmel.evaluation.gold import gold_rows
from otmel.evaluation.grid import NO_VALUE, Grid
from otmel.evaluation.scan import encoded, scanned
from otmel.evaluation.search import Query, searched
from otmel.index.index import EntityIndex
from otmel.index.second_stage import SecondStage
from otmel.models.bundle import Bundle
from otmel.models.tables import Table, entity_table, held, mention_table
from otmel.reproduction.collected import Collected, OnData
from otmel.reproduction.jobs import Say
from otmel.reproduction.paper import TABLE4
from otmel.reproduction.part import Part
from otmel.reproduction.plan import Run
from otmel.reproduction.tables import title

BATCH, BATCHES, CHUNK = 20, 2, 256
"""Of the released style: mentions at a time, batches that are timed, entities at a time."""
COLUMNS = ("entities once", "mentions", "through the index", "second stage", "plain scan", "released style")


def timing(found: Collected, say: Say) -> Part:
    """One table for each data set, the rows in the order of the target."""
    threads = torch.get_num_threads()
    torch.set_num_threads(found.plan.request.threads)
    try:
        values = {on.data.name: _of_data(on, say) for on in found.data}
    finally:
        torch.set_num_threads(threads)
    grids = tuple(_table(found, on, values[on.data.name]) for on in found.data)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    notes = (
        f"seconds for all measured mentions against all entities, seed 0, {found.plan.request.threads} threads, load "
        f"{load:.1f} beside it at the end; measured anew each time",
        f"released style: timed on {BATCHES} batches of {BATCH} mentions and stated for the whole split; the encoder's "
        "outputs are in memory, where the released code read them from the disk: this flatters it",
    )
    return Part(grids, values, notes=notes)


def _of_data(on: OnData, say: Say) -> dict[str, dict[str, float]]:
    found = {}
    for row, runs in on.runs.items():
        found[row.label] = timed(runs[0], on)
        say(f"timed {on.data.name} {row.label}: {found[row.label]['through the index']:.2f} s through the index")
    return found


@torch.no_grad()
def timed(run: Run, on: OnData) -> dict[str, float]:
    """Seconds of each way, for a run."""
    bundle, graph = Bundle.load(run.folder), on.data.loaded.graph
    model, processor = bundle.model, bundle.processor
    assert processor is not None
    with_encoder = entity_table(graph, processor, bundle.vectorizer)
    asked = mention_table(on.mentions, processor, bundle.vectorizer)
    entities, mentions = held(with_encoder, model), held(asked, model)
    gold, device = gold_rows(on.mentions, graph), model.device
    seconds: dict[str, float] = {}
    watch = _Watch(seconds)
    states = watch("entities once", lambda: encoded(model.encode_entities, with_encoder, device=device))
    sent = watch("mentions", lambda: encoded(model.encode_mentions, asked, device=device))
    index = EntityIndex.of(states, model.composition())
    second = SecondStage.of(model, asked, with_encoder)
    query = Query(0, gold)
    searched(index, sent[:2], Query(0, gold[:2]))  # kernels compile at their first use
    watch("through the index", lambda: searched(index, sent, query))
    if second is not None:
        watch("second stage", lambda: searched(index, sent, query, second))
        seconds["second stage"] -= seconds["through the index"]
    watch("plain scan", lambda: scanned(model, sent, states, gold, k=1))
    part = min(BATCH * BATCHES, len(mentions))
    watch("released style", lambda: _released(model, mentions, entities, part))
    seconds["released style"] *= len(mentions) / part
    return seconds


class _Watch:
    """Times what it calls."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    def __call__(self, name: str, work: Any) -> Any:
        began = time.perf_counter()
        made = work()
        self.seconds[name] = time.perf_counter() - began
        return made


def _released(model: Any, mentions: Table, entities: Table, count: int) -> None:
    """All entities anew for each batch of mentions, every pair scored."""
    for rows in torch.arange(count).split(BATCH):
        sent = model.encode_mentions(mentions.side(rows).to(model.device))
        for chunk in torch.arange(len(entities)).split(CHUNK):
            model.score(sent, model.encode_entities(entities.side(chunk).to(model.device)))


def _table(found: Collected, on: OnData, values: dict[str, dict[str, float]]) -> Grid:
    paper = [on.data.benchmark] if on.data.benchmark in TABLE4.columns else []
    lines = []
    for row in found.plan.request.rows:
        own = values.get(row.label)
        cells = [f"{own[name]:,.2f}" if own and name in own else NO_VALUE for name in COLUMNS]
        ratio = NO_VALUE if own is None else f"{own['released style'] / own['through the index']:,.1f}"
        printed = [TABLE4.cell(row.label, str(name)) for name in paper]
        lines.append((row.label, *cells, ratio, *(NO_VALUE if p is None else f"{p:,.2f}" for p in printed)))
    absent = [f"{label}: {why}" for label, why in on.absent.items()]
    missing = f" Not available: {'; '.join(absent)}." if absent else ""
    columns = (
        "model",
        *(f"{name}, s" for name in COLUMNS),
        "released / index",
        *(f"paper {name}, s" for name in paper),
    )
    return Grid(title(on), columns, tuple(lines), f"{len(on.mentions):,} mentions.{missing}")
