"""Analyses that look into trained models, on a real run's weights: entropy of plans, two matrices, time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from otmel.linking import Linker
from otmel.models.bundle import RUN_FILE
from otmel.reproduction.analyses import analysed
from otmel.reproduction.analyses.entropy import plan_entropy
from otmel.reproduction.analyses.timing import BATCH, BATCHES, COLUMNS, timed
from otmel.reproduction.collected import collected
from otmel.reproduction.report import written


@pytest.fixture
def with_weights(finished, trained_run: Path):
    """Finishes a request's runs, each with the weights of the trained run."""

    def finish(request):
        plan = finished(request)
        left_out = shutil.ignore_patterns(RUN_FILE, "checkpoints", "eval-*")
        for run in plan.runs:
            shutil.copytree(trained_run, run.folder, dirs_exist_ok=True, ignore=left_out)
        return plan

    return finish


def report(request, plan):
    return written(analysed(collected(plan), lambda _: None), request.out / request.target.name)


def test_the_entropy_is_the_mean_over_the_plans_of_an_explanation(asked, with_weights):
    (run,) = with_weights(asked("table2", seeds=1, only=("ot",))).runs
    graph = run.data.loaded.graph
    mentions = [m for m in run.data.mentions if m.answer in graph][:3]
    linker = Linker.load(run.folder, graph)
    plans = [plan for m in mentions for plan in linker.explain(m, m.answer).plans]
    entropy, share, error = plan_entropy(run, [(m, graph) for m in mentions])
    assert entropy == pytest.approx(sum(plan.entropy for plan in plans) / len(plans))
    assert share == pytest.approx(sum(plan.entropy_share for plan in plans) / len(plans))
    assert 0 < share <= 1
    assert error >= 0


def test_figure_3_has_a_line_for_each_epsilon_and_a_picture(asked, with_weights):
    request = asked("figure3", seeds=2, only=("ot-epsilon-0.05", "ot-epsilon-2"))
    made = report(request, with_weights(request))
    own = made.as_json()["values"]["world"]
    assert list(own) == ["ε = 0.05", "ε = 2"]
    assert own["ε = 2"]["entropy"]["each"] == own["ε = 0.05"]["entropy"]["each"]  # the same weights
    assert len(own["ε = 2"]["measures"]["H@1"]["each"]) == 2
    assert any(path.name == "figure3-world.png" and path.stat().st_size > 5000 for path in made.files)


def test_figure_4_shows_the_mention_that_is_asked_for(asked, with_weights):
    plan = with_weights(asked("figure4", seeds=1))
    seen = next(m for m in plan.data[0].mentions if m.image is not None and m.answer in plan.data[0].loaded.graph)
    request = asked("figure4", seeds=1, mention=seen.id)
    made = report(request, replace(plan, request=request))
    own = made.as_json()["values"]["world"]
    assert own["mention"] == seen.id
    one, other = own["plans"].values()
    assert one == other  # the same weights
    assert [axis["modality"] for axis in (one["rows"], one["columns"])] == ["text", "image"]
    assert {path.suffix for path in made.files if path.stem == "figure4-world"} == {".png", ".svg"}


def test_figure_4_needs_both_rows(asked, with_weights):
    request = asked("figure4", seeds=1, only=("ot",))
    made = report(request, with_weights(request))
    assert any("two rows are needed" in note for note in made.as_json()["notes"])
    assert not any(path.suffix == ".png" for path in made.files)


def test_time_is_measured_of_every_way(asked, with_weights):
    request = asked("table4", seeds=1, only=("ot", "a1"))
    plan = with_weights(request)
    (on,) = collected(plan).data
    seconds = timed(plan.runs[0], on)
    assert set(seconds) == set(COLUMNS) - {"second stage"}
    assert all(value > 0 for value in seconds.values())
    assert len(on.mentions) < BATCH * BATCHES  # so the released style is timed on all of them, not extrapolated
    made = report(request, plan).as_json()
    assert [row[0] for row in made["tables"][0]["rows"]] == ["ATT", "OT-MEL (OT)"]
    assert any("load" in note for note in made["notes"])


def test_table_7_writes_names_once_and_counts_them_by_three_rules(asked, finished, gemel_run: Path, monkeypatch):
    request = asked("table7", seeds=1, only=("gemel",))
    plan = finished(request)
    left_out = shutil.ignore_patterns(RUN_FILE, "checkpoints", "eval-*")
    for run in plan.runs:
        shutil.copytree(gemel_run, run.folder, dirs_exist_ok=True, ignore=left_out)
    made = report(request, plan)
    (told,) = made.as_json()["values"]["world"]["written"]["GEMEL"]
    assert set(told["H@1"]) == {"name", "chance", "first stage"}
    assert told["H@1"]["chance"] <= told["H@1"]["name"]
    assert any("names written over the trie" in grid["title"] for grid in made.as_json()["tables"])
    monkeypatch.setattr("otmel.reproduction.analyses.generative.generation", lambda *_, **__: pytest.fail("twice"))
    assert report(request, plan).as_json()["values"]["world"]["written"] == {"GEMEL": [told]}
