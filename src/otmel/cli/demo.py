"""``otmel demo``: a world is generated, two linkers are trained on it, compared, explained and used."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otmel.cli.console import Json, emit, note, resumable
from otmel.cli.places import Here
from otmel.settings import overridden

if TYPE_CHECKING:
    from otmel.data.dataset import Dataset
    from otmel.evaluation.files import Evaluation

SHOWN = ("H@1", "H@3", "H@5", "MRR")
SLICES = {"overall": None, "single object": "single object", "several objects": "several objects"}
RUNS = {"ot": "OT-MEL (transport)", "a1": "ATT (attention)"}
SMALL = ("training.epochs=8", "training.hard_negatives=1", "training.evaluate_every=4")
"""Settings of the demo's two runs, chosen for time: five minutes on two cores leave no more."""


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes:
        folder: everything is in here.
        table: system → slice → measure → value, with the number of mentions.
        links: the three mentions that were linked.
        picture: the plan picture.
        page: the report.
        seconds: wall time.
    """

    folder: Path
    table: dict[str, dict[str, dict[str, float | None]]]
    links: list[dict[str, Any]]
    picture: Path
    page: Path
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "folder": str(self.folder),
            "table": self.table,
            "links": self.links,
            "picture": str(self.picture),
            "page": str(self.page),
            "seconds": round(self.seconds, 1),
        }

    def as_text(self) -> str:
        """What to look at, and what to type next."""
        run, world = self.folder / "runs" / "ot", self.folder / "world"
        return "\n".join(
            (
                "",
                f"The demo took {self.seconds:.0f} s. Look at",
                f"  {self.page}       the whole report, in a browser",
                f"  {self.picture}       where a mention's words look in the picture",
                "Now type",
                f'  .venv/bin/otmel link {run} --graph {world} "Robert" --context "Robert, the pilot, waved." -k 3',
                f"  .venv/bin/otmel compare {run} {self.folder / 'runs' / 'a1'} --split test",
                f"  .venv/bin/otmel data check {world}",
                "  .venv/bin/otmel --help",
            )
        )


def demo(*, out: Here = Path("demo"), seed: int = 0, json: Json = False) -> None:
    """Generate a world, train on it, look at the result, link a mention: in at most five minutes on two cores.

    Args:
        out: where everything goes. What is there already is used again, so an interrupted demo goes on.
        seed: of the world and of both runs.
        json: print the result as JSON, and nothing else.
    """
    start = time.monotonic()
    with resumable(f"otmel demo --out {out}"):
        dataset = _world(out / "world", seed)
        encoder = _encoder(dataset, out / "encoder", seed)
        for variant in RUNS:
            _run(dataset, encoder, out / "runs" / variant, variant, seed)
        evaluations = _evaluations(out, dataset)
        _show(evaluations)
        made = _use(out, dataset, evaluations, start)
    emit(made, json)


def _world(folder: Path, seed: int) -> Dataset:
    from otmel.data.datasets import load_dataset
    from otmel.data.world import WorldSettings, write_world

    if not (folder / "world.json").exists():
        note("1 of 5  generating a world: people who share names, emblems that show who they are")
        write_world(WorldSettings(seed=seed), folder)
    dataset = load_dataset(folder.resolve())
    counts = ", ".join(f"{len(mentions):,} {split}" for split, mentions in dataset.splits.items())
    note(f"        {len(dataset.graph):,} entities; mentions: {counts}")
    return dataset


def _encoder(dataset: Dataset, folder: Path, seed: int) -> Path:
    from otmel.encoders.pretrain import pretrain
    from otmel.encoders.settings import PretrainSettings

    if not folder.exists():
        note("2 of 5  pretraining a small CLIP on the world's texts and pictures")
        report = pretrain(dataset, overridden(PretrainSettings(), (f"seed={seed}",)), folder)
        note(f"        {report.parameters:,} parameters, {report.seconds:.0f} s")
    return folder


def _run(dataset: Dataset, encoder: Path, folder: Path, variant: str, seed: int) -> None:
    from otmel.models.bundle import WEIGHTS_FILE
    from otmel.training.run import train
    from otmel.training.settings import preset

    if (folder / WEIGHTS_FILE).exists():
        return
    note(f"{'3' if variant == 'ot' else '4'} of 5  training {RUNS[variant]}")
    chosen = preset("default", variant).model_copy(update={"encoder": str(encoder.resolve()), "seed": seed})
    train(dataset, overridden(chosen, SMALL), folder, resume=folder.exists(), say=lambda line: note(f"        {line}"))


def _evaluations(out: Path, dataset: Dataset) -> dict[str, Evaluation]:
    from otmel.evaluation.files import write_evaluation
    from otmel.evaluation.run import evaluate

    note("5 of 5  ranking every test mention against every entity")
    found: dict[str, Evaluation] = {}
    for variant, name in RUNS.items():
        run = out / "runs" / variant
        evaluated = evaluate(run, dataset, "test")
        write_evaluation(evaluated.model, run / "eval-test")
        write_evaluation(evaluated.floor, run / "eval-test" / "name-match")
        found[name] = evaluated.model
        found["name match alone"] = evaluated.floor
    floor = found.pop("name match alone")
    return {**found, "name match alone": floor}


def figures(evaluations: dict[str, Evaluation]) -> dict[str, dict[str, dict[str, float | None]]]:
    """System → slice → measure → value in percent, and how many mentions."""
    table: dict[str, dict[str, dict[str, float | None]]] = {}
    for system, evaluation in evaluations.items():
        result = evaluation.result
        table[system] = {}
        for title, name in SLICES.items():
            values = result.headline if name is None else result.slices[name].measures
            count = result.counts.ranked if name is None else result.slices[name].mentions
            shown = {m: None if values[m] is None else round(100 * float(values[m] or 0), 1) for m in SHOWN}
            table[system][title] = {"mentions": count, **shown}
    return table


def _show(evaluations: dict[str, Evaluation]) -> None:
    from rich.table import Table

    from otmel.cli.console import console

    grid = Table(title="test mentions, all entities as candidates, realistic ranks (%)")
    for place, column in enumerate(("system", "slice", "mentions", *SHOWN)):
        grid.add_column(column, justify="right" if place > 1 else "left")
    for system, slices in figures(evaluations).items():
        for title, values in slices.items():
            cells = [f"{values['mentions']:,}", *("–" if values[m] is None else f"{values[m]:.1f}" for m in SHOWN)]
            grid.add_row(system if title == "overall" else "", title, *cells)
        grid.add_section()
    console.print(grid)


def _use(out: Path, dataset: Dataset, evaluations: dict[str, Evaluation], start: float) -> Demo:
    """Link three mentions before the reader's eyes, draw the plan of the first, and write the report."""
    from otmel.cli.demo_page import comparison_of, write_page
    from otmel.linking import Linker

    linker = Linker.load(out / "runs" / "ot", dataset.graph)
    chosen = telling_mentions(dataset, evaluations[RUNS["ot"]])
    note("linking three mentions:")
    links = [link for place in chosen for link in linker.link(dataset.split("test")[place], k=3)]
    for link in links:
        truth = dataset.graph.entity(link.mention.answer or "")
        note(f"  “{link.mention.context}”")
        for candidate in link.candidates:
            mark = "✓" if candidate.id == truth.id else " "
            about = dataset.graph.entity(candidate.id).attributes
            note(f"    {mark} {candidate.score:7.2f}  {candidate.name} — {about}")
    picture = out / "plan.png"
    explanations = [link.explain() for link in links]
    explanations[0].save(picture)
    comparison = comparison_of(evaluations, RUNS["ot"])
    note(comparison.as_text())
    page = write_page(out / "report.html", figures(evaluations), comparison, explanations)
    return Demo(out, figures(evaluations), [link.as_json() for link in links], picture, page, time.monotonic() - start)


def telling_mentions(dataset: Dataset, evaluation: Evaluation) -> list[int]:
    """Three test mentions with several people in the picture: two that the model gets right, and one that it does not.

    The first of each kind in the order of the split; where a kind is missing, the next mention takes its place.
    """
    mentions, ranks = dataset.split("test"), evaluation.ranks
    crowded = [p for p, m in enumerate(mentions) if ranks.ranked[p] and m.image and (m.objects or 0) > 1]
    right = [p for p in crowded if ranks.realistic[p] == 1][:2]
    wrong = [p for p in crowded if ranks.realistic[p] > 1][:1]
    others = [p for p in range(len(mentions)) if ranks.ranked[p] and p not in (*right, *wrong)]
    return [*right, *wrong, *others][:3]
