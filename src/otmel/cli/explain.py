"""``otmel explain``: why a mention is linked as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otmel.cli.console import Json, emit, note
from otmel.cli.link import opened_linker, remembered
from otmel.cli.places import Where
from otmel.errors import ConfigurationError, DataError, nearest

if TYPE_CHECKING:
    from otmel.data.records import Mention


def explain(
    run: Where,
    mention: str | None = None,
    *,
    context: str = "",
    image: Where | None = None,
    mention_id: str | None = None,
    split: str = "dev",
    data: Where | None = None,
    graph: Where | None = None,
    entity: str | None = None,
    rank: int = 1,
    out: tuple[Where, ...] = (),
    json: Json = False,
) -> None:
    """Explain a link.

    Args:
        run: the run folder. It, images, data and graph may be addresses: s3://BUCKET/PATH.
        mention: the words to link, as they stand in the sentence.
        context: the sentence around them.
        image: the image that goes with them.
        mention_id: take the mention with this id from a data set.
        split: the split in which to look for it.
        data: the data set; by default the one it was trained on. Its graph is used, unless --graph names another.
        graph: the entities: a folder or a file (.jsonl, .csv, .parquet).
        entity: the id of the entity to compare with; by default the best one.
        rank: without --entity: 1 for the best entity, 2 for the second …
        out: draw it to this file: .png, .svg, .pdf or .html. May be given often.
        json: print JSON, with every plan in full.
    """
    if (mention is not None or image is not None) == (mention_id is not None):
        problem = "a mention and --mention-id are both given" if mention_id else "there is no mention to explain"
        cure = 'otmel explain RUN "the words" --context "their sentence", or otmel explain RUN --mention-id ID'
        raise ConfigurationError(problem, cure=cure)
    if rank < 1:
        raise ConfigurationError(f"--rank {rank}: the best entity has rank 1")
    from otmel.remote import RUN, local, written

    run = local(run, RUN)
    data = data or (None if mention_id is None else remembered(run))
    chosen = (
        _mention(mention, context, image and local(image))
        if mention_id is None
        else _mention_of(data, split, mention_id)
    )
    explanation = opened_linker(run, graph or data).explain(chosen, entity, rank)
    for one in explanation.notes:
        note(f"note: {one}")
    for place in out:
        with written(place) as path:
            explanation.save(path)
        note(f"wrote {place}")
    emit(explanation, json)


def _mention(name: str | None, context: str, image: Path | None) -> Mention:
    from otmel.data.records import Mention

    return Mention(name or "", context, image)


def _mention_of(data: Where | None, split: str, mention_id: str) -> Mention:
    """The mention of a data set with this id. Raises ``DataError``, which names the nearest ids."""
    from otmel.data.datasets import load_dataset

    if data is None:
        raise ConfigurationError("--mention-id needs the data set that has it", cure="name it: --data FOLDER")
    mentions = {mention.id: mention for mention in load_dataset(data).split(split)}
    if mention_id not in mentions:
        ids = [known for known in mentions if known is not None]
        cure = nearest(mention_id, ids) if ids else "its mentions have no ids: give the words themselves"
        raise DataError(f"the split {split!r} has no mention {mention_id!r}", where=str(data), cure=cure)
    return mentions[mention_id]
