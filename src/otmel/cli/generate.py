"""``otmel generate``: link by writing names, and say what entities of one name do to the result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel.cli.console import Json, emit, note
from otmel.cli.evaluate import dataset_of, record_of, warn_of_another_graph
from otmel.cli.places import Where
from otmel.errors import ConfigurationError

if TYPE_CHECKING:
    from otmel.linking.ambiguity import Generated


@dataclass(frozen=True)
class Written:
    """What ``otmel generate`` prints."""

    result: Generated

    def as_json(self) -> dict[str, Any]:
        """All figures and counts."""
        return self.result.as_json()

    def as_text(self) -> str:
        """H@1 under the three rules, of all mentions and of the ambiguous ones, then the counts."""
        found, counts = self.result, self.result.ambiguity
        columns = [found.hits(), found.hits(found.ambiguous), found.hits(~found.ambiguous)]
        lines = [f"{found.task.dataset} {found.task.split}, {counts.mentions:,} mentions, {found.beams} beams"]
        lines.append(f"  {'H@1 (%)':<30} {'all':>7} {'ambiguous':>10} {'others':>7}")
        for rule, meaning in MEANINGS.items():
            values = [percent(column[rule]) for column in columns]
            lines.append(f"  {meaning:<30} {values[0]:>7} {values[1]:>10} {values[2]:>7}")
        lines.append(f"  true name among the beams: {percent(float(found.found.mean()))} %")
        lines.append(
            f"  {counts.entities:,} entities have {counts.names:,} names; {counts.sharing:,} of them share theirs, at "
            f"most {counts.largest:,} one; {counts.ambiguous:,} mentions are of such an entity"
        )
        return "\n".join(lines)


MEANINGS = {
    "name": "the name is right",
    "chance": "one of its entities is drawn",
    "first stage": "the first stage chooses",
}
"""Rule → what it says in words."""


def percent(share: float | None) -> str:
    """A share in percent, or a dash."""
    return "–" if share is None else f"{100 * share:.1f}"


def generate(
    run: Where,
    data: Where | None = None,
    *,
    split: str = "dev",
    beams: int | None = None,
    limit: int | None = None,
    out: Where | None = None,
    json: Json = False,
) -> None:
    """Write names.

    Args:
        run: the folder of a run of a system that writes names (otmel train --system gemel).
        data: the data set; by default the one that the run was trained on.
        split: whose mentions to write names for: train, dev, test, or another split of the data set.
        beams: how many names the search follows; by default what the run's settings say.
        limit: only the first so many mentions.
        out: write the names for each mention to this file, one JSON line per mention.
        json: print the result as JSON, and nothing else.
    """
    for option, value in (("--beams", beams), ("--limit", limit)):
        if value is not None and value < 1:
            raise ConfigurationError(f"{option} {value}: at least 1 is needed")
    from otmel.linking.ambiguity import generation
    from otmel.models.bundle import Bundle
    from otmel.remote import written

    record = record_of(run)
    dataset = dataset_of(run, record, data, "generate")
    warn_of_another_graph(record, dataset)
    bundle = Bundle.load(run)
    width = beams or getattr(bundle.model.settings, "beams", 1)
    result = generation(bundle, dataset, split, beams=width, limit=limit)
    if out is not None:
        with written(out) as path:
            _write(result, dataset.graph.ids, path)
        note(f"wrote {out}")
    emit(Written(result), json)


def _write(result: Generated, ids: Any, out: Path) -> None:
    from otmel.storage import atomic_write_text, json_text

    rows = []
    for mention, names in zip(result.mentions, result.written, strict=True):
        written = [
            {"name": one.name, "log probability": one.log_probability, "entities": [ids[row] for row in one.rows]}
            for one in names
        ]
        row = {"id": mention.id, "mention": mention.name, "answer": mention.answer, "written": written}
        rows.append(json_text(row, None))
    atomic_write_text(out, "".join(f"{row}\n" for row in rows))
