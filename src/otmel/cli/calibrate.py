"""``otmel calibrate``: learn from a split how sure a run's links are, and keep that with the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from otmel.cli.console import Json, emit, note
from otmel.cli.evaluate import dataset_of, drawn, record_of, warn_of_another_graph
from otmel.cli.places import Where

if TYPE_CHECKING:
    from otmel.evaluation.calibration.run import Calibrated

FOLDER, REPORT_FILE = "calibration", "report.json"
RELIABILITY_FILE, RISK_FILE = "reliability.png", "risk_coverage.png"


@dataclass(frozen=True)
class Report:
    """What ``otmel calibrate`` prints."""

    calibrated: Calibrated

    def as_json(self) -> dict[str, Any]:
        """All of ``report.json``."""
        return self.calibrated.as_json()

    def as_text(self) -> str:
        """The tables, one after the other."""
        from otmel.evaluation.calibration.tables import figures_grid, nil_grid, threshold_text

        calibration = self.calibrated.calibration
        nil = nil_grid(calibration)
        return "\n".join([drawn(figures_grid(calibration)), threshold_text(calibration) if nil is None else drawn(nil)])


def calibrate(
    run: Where,
    data: Where | None = None,
    *,
    split: str = "dev",
    index: Where | None = None,
    threshold: Literal["precision", "nil"] = "precision",
    precision: float = 0.95,
    folds: int = 5,
    seed: int = 0,
    nil_share: float = 0.2,
    json: Json = False,
) -> None:
    """Calibrate a run.

    Args:
        run: the run folder (or its address, s3://BUCKET/PATH), which takes calibration.json and the folder calibration.
        data: the data set; by default the one that the run was trained on.
        split: the mentions to learn from: not those that the run was trained on, nor those that figures are for.
        index: the index of the run over the data set's graph (otmel index build); else the entities are encoded anew.
        threshold: how to choose below which probability a mention is NIL. precision: the smallest above which links
            are right at the rate of --precision. nil: the one that finds mentions without an entity best (F1).
        precision: the share of links that are to be right.
        folds: of the cross-validation.
        seed: of the folds, and of the choice of removed entities.
        nil_share: share of the true entities to remove from the graph, to see how their mentions fare; 0: none.
        json: print the report as JSON, and nothing else.
    """
    from otmel.evaluation.calibration import run as calibration
    from otmel.evaluation.calibration.fitting import CalibrateSettings
    from otmel.index.layout import INDEX
    from otmel.remote import RUN, TREE, changing, local
    from otmel.settings import validated

    values = {"rule": threshold, "precision": precision, "folds": folds, "seed": seed, "nil_share": nil_share}
    settings = validated(CalibrateSettings, values)
    place, run = run, local(run, RUN)
    record = record_of(run)
    dataset = dataset_of(run, record, data, "calibrate")
    warn_of_another_graph(record, dataset)
    calibrated = calibration.calibrate(run, dataset, split, settings, local(index, INDEX) if index else None)
    for kind, number in calibrated.findings.counts.most_common():
        note(f"{number:,} × {kind}: masked out")
    if calibrated.calibration.unstated:
        note(f"{calibrated.calibration.unstated:,} × answer not stated: not learnt from")
    with changing(place / FOLDER, TREE, note=note) as plots, changing(place, RUN, note=note) as folder:
        _write(calibrated, plots, folder)
    note(f"wrote {place / 'calibration.json'} and {place / FOLDER}")
    emit(Report(calibrated), json)


def _write(calibrated: Calibrated, plots: Path, run: Path) -> None:
    """Write plots and report, and the calibration last: with it, the run is calibrated."""
    from otmel.evaluation.calibration.plots import reliability_plot, risk_coverage_plot
    from otmel.storage import atomic_write_json

    reliability_plot(calibrated, plots / RELIABILITY_FILE)
    risk_coverage_plot(calibrated, plots / RISK_FILE)
    atomic_write_json(plots / REPORT_FILE, calibrated.as_json())
    calibrated.calibration.write(run)
