"""Reports of synthetic evaluations: what stands in the tables, beside what, and in which files."""

from __future__ import annotations

import csv
import json
import shutil
import statistics
from dataclasses import replace

import numpy as np
import pytest

from otmel.data.mimic_layout import split_files
from otmel.errors import CheckpointError, ConfigurationError, DataError
from otmel.evaluation.measures import MRR, Hit
from otmel.reproduction.analyses import analysed
from otmel.reproduction.analyses.objects import parts_of
from otmel.reproduction.collected import NAME_MATCH, collected
from otmel.reproduction.paper import TABLE1
from otmel.reproduction.report import markdown, written
from otmel.reproduction.reproduce import reproduce
from otmel.reproduction.tables import chance


def report(request, plan, failed=None):
    folder = request.out / request.target.name
    return written(analysed(collected(plan, failed), lambda _: None), folder)


def table(values, title):
    """The rows of a table by their first cell, each as column → cell."""
    grid = next(grid for grid in values["tables"] if title in grid["title"])
    return {row[0]: dict(zip(grid["columns"], row, strict=True)) for row in grid["rows"]}


@pytest.mark.parametrize("entities", [1, 7, 300])
def test_chance_is_the_mean_over_all_orders(entities):
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, entities + 1, 200_000)
    found = chance(entities, ["H@1", "H@5", "MRR"])
    for measure in (Hit(1), Hit(5), MRR):
        assert found[measure.name] == pytest.approx(measure(ranks), abs=0.01)


def test_table_1_has_every_row_with_its_spread_and_the_papers_own(asked, finished):
    request = asked("table1", seeds=3, only=("clip", "mimic", "ot", "kd"))
    plan = finished(request)
    made = report(request, plan)
    values = made.as_json()
    rows = table(values, "world, test")
    assert list(rows) == [*(row.label for row in request.rows), NAME_MATCH, "chance"]
    runs = values["values"]["world"]["systems"]["OT-MEL (OT)"]["measures"]["H@1"]
    assert len(runs["each"]) == 3
    mean, deviation = 100 * statistics.fmean(runs["each"]), 100 * statistics.stdev(runs["each"])
    assert rows["OT-MEL (OT)"]["H@1 %"] == f"{mean:.1f} ± {deviation:.1f}"
    assert rows["chance"]["H@1 %"] == "6.2"  # one of sixteen
    paper = table(values, "The paper's Table 1")
    assert paper["MIMIC"]["WikiMEL H@1"] == "87.98"
    assert set(paper) == set(TABLE1.rows)
    differences = table(values, "paired differences")
    assert "CLIP − OT-MEL (OT)" in differences
    assert f"{NAME_MATCH} − OT-MEL (OT)" in differences


def test_every_format_says_the_same(asked, finished):
    request = asked("table6", seeds=2)
    made = report(request, finished(request))
    kinds = {path.suffix: path for path in made.files}
    assert {".md", ".tex", ".csv", ".json", ".png", ".svg"} <= set(kinds)
    values = json.loads(kinds[".json"].read_text())
    assert markdown(values) == kinds[".md"].read_text()
    assert values["command"].startswith("otmel reproduce table6 --scale tiny --seeds 2")
    assert values["deviations"]
    assert values["versions"]["torch"]
    first = values["tables"][0]
    lines = kinds[".csv"].read_text().splitlines()
    assert next(csv.reader([lines[1]])) == first["columns"]
    assert next(csv.reader([lines[2]])) == first["rows"][0]
    assert kinds[".tex"].read_text().count(r"\begin{tabular}") == len(values["tables"])
    assert b"<svg" in kinds[".svg"].read_bytes()
    runs = values["values"]["world"]["systems"]["OT-MEL (OT)"]["runs"]
    assert [run["system"]["seed"] for run in runs] == [0, 1]
    assert len({run["task"]["graph"] for run in runs}) == 1


def test_the_average_decrease_is_against_the_model_that_is_changed(asked, finished):
    request = asked("table2", seeds=2)
    values = report(request, finished(request)).as_json()
    own = values["values"]["world"]
    mean = {
        label: (one["measures"]["H@1"]["mean"] + one["measures"]["MRR"]["mean"]) / 2
        for label, one in own["systems"].items()
    }
    assert own["decrease"]["F1 repl. ATT"] == pytest.approx(100 * (mean["OT-MEL (OT)"] - mean["F1 repl. ATT"]))
    assert own["decrease"]["K1 KD → MSE"] == pytest.approx(100 * (mean["OT-MEL (KD)"] - mean["K1 KD → MSE"]))
    assert "OT-MEL (OT)" not in own["decrease"]
    assert "OT-MEL (KD)" not in own["decrease"]
    assert own["systems"]["A1 ATT (w/o OT)"]["runs"] == own["systems"]["K3 ATT (w/o KD)"]["runs"]


def test_one_seed_has_intervals_over_mentions_and_says_so(asked, finished):
    request = asked("table2", seeds=1, only=("ot", "f1"))
    values = report(request, finished(request)).as_json()
    assert any("--seeds 2" in note for note in values["notes"])
    assert {row["over"] for row in table(values, "paired differences").values()} == {"mentions"}
    request = asked("table2", seeds=2, only=("ot", "f1"))
    values = report(request, finished(request)).as_json()
    assert {row["over"] for row in table(values, "paired differences").values()} == {"both"}
    assert not any("--seeds" in note for note in values["notes"])


def test_what_failed_or_is_not_there_is_a_line_with_its_reason(asked, finished):
    request = asked("table1", seeds=1, only=("clip", "bert", "ot"))
    plan = finished(request)
    lost = next(run for run in plan.runs if run.row.key == "clip")
    shutil.rmtree(lost.folder)
    values = report(request, plan, {lost.label: "out of memory"}).as_json()
    assert table(values, "world, test")["CLIP"]["H@1 %"] == "–"
    assert "CLIP: 1 of 1 seeds failed: out of memory" in values["tables"][0]["caption"]


def test_rows_near_chance_are_told(asked, finished):
    request = asked("table2", seeds=1, only=("ot", "f1"))
    notes = report(request, finished(request)).as_json()["notes"]
    assert any("does not clear chance" in note for note in notes)  # by lot, over 16 entities


def test_the_papers_figures_stand_beside_its_own_data(asked, finished, tiny_folder):
    for file in split_files(tiny_folder).values():
        file.path.rename(file.path.with_name(file.path.name.replace("Tiny", "RichpediaMEL")))
    request = asked("table1", seeds=1, only=("ot",), data=(tiny_folder,))
    rows = table(report(request, finished(request)).as_json(), "tiny, test")
    assert rows["OT-MEL (OT)"]["paper H@1"] == "83.30"
    request = asked("table2", seeds=1, only=("ot", "f1"), data=(tiny_folder,))
    rows = table(report(request, finished(request)).as_json(), "tiny, test")
    assert rows["F1 repl. ATT"]["paper MRR"] == "86.70"
    assert rows["F1 repl. ATT"]["paper ΔAvg"] == "2.14"


def test_overall_of_table_3_is_the_mean_over_both_parts(asked, finished):
    request = asked("table3", seeds=2)
    plan = finished(request)
    (on,) = collected(plan).data
    own = parts_of(on, on.mentions, ("H@1", "MRR"))
    sizes = [own[part]["mentions"] for part in ("single", "multi", "overall")]
    assert sizes[2] == sizes[0] + sizes[1]
    for label in own["overall"]["systems"]:
        for measure in ("H@1", "MRR"):
            single, multi, overall = (
                own[part]["systems"][label][measure]["mean"] or 0.0 for part in ("single", "multi", "overall")
            )
            assert overall == pytest.approx((sizes[0] * single + sizes[1] * multi) / sizes[2])
    values = report(request, plan).as_json()
    assert any("contradicts itself" in note for note in values["notes"])
    assert any("easy mentions" in note for note in values["notes"])


def test_what_the_data_lack_is_told_before_anything_is_trained(asked, tiny_folder):
    request = asked("table3", seeds=1, data=(tiny_folder,))
    with pytest.raises(DataError) as fault:
        reproduce(request, lambda _: None)
    assert "--detector" in (fault.value.cure or "")
    with pytest.raises(CheckpointError, match="detector is not at hand"):
        reproduce(replace(request, detector="/nowhere/yolos"), lambda _: None)
    with pytest.raises(ConfigurationError, match="nobody") as unknown:
        reproduce(asked("figure4", seeds=1, mention="nobody"), lambda _: None)
    assert "test-" in (unknown.value.cure or "")
    shutil.rmtree(tiny_folder / "mention_image")
    for name in ("table3", "figure4"):
        with pytest.raises(DataError, match="has an image"):
            reproduce(asked(name, seeds=1, data=(tiny_folder,)), lambda _: None)
    assert not (request.out / "runs").exists()


def test_short_and_long_texts_are_all_texts(asked, finished):
    request = asked("figure6", seeds=2)
    plan = finished(request)
    made = report(request, plan)
    own = made.as_json()["values"]["world"]
    dataset = plan.data[0].loaded
    ranked = sum(mention.answer in dataset.graph for mention in dataset.split("test"))
    assert sum(part["mentions"] for part in own.values()) == ranked
    assert any(path.name == "figure6-world.png" for path in made.files)


def test_table_7_counts_what_names_cannot_tell_apart(asked, finished, tiny_folder):
    request = asked("table7", seeds=1, data=(tiny_folder,), only=("ot",))
    values = report(request, finished(request)).as_json()
    assert values["values"]["tiny"]["same name"] == 4  # two Anna Bells, two Paul Quists
    assert values["values"]["tiny"]["shared names"] == 2
    assert any("4 of 12 entities share their name" in note for note in values["notes"])


PREFIXES = {"WIKIMEL": "WikiMEL", "RichpediaMEL": "RichpediaMEL", "wiki_diverse": "WikiDiverse"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_table_5_counts_the_benchmarks_as_their_readers_find_them(asked, finished, tiny_folder, prefix):
    """Folders of each benchmark's own shape and file names, with a few rows."""
    for file in split_files(tiny_folder).values():
        file.path.rename(file.path.with_name(file.path.name.replace("Tiny", prefix)))
    request = asked("table5", data=(tiny_folder,))
    made = report(request, finished(request))
    rows = table(made.as_json(), "Statistics of the data sets")
    own, paper = "tiny", f"paper {PREFIXES[prefix]}"
    assert {row: cells[own] for row, cells in rows.items()} == {
        "Train Mentions": "6",
        "Valid Mentions": "4",
        "Test Mentions": "4",
        "Mention Imgs": "10",
        "Same Name": "4",
        "KG Entities": "12",
        "Entity with Imgs": "10",
    }
    assert rows["KG Entities"][paper] != "–"
    assert any("differs from Table 5" in note for note in made.as_json()["notes"])


def test_a_split_that_is_missing_is_no_number(asked, finished, tiny_folder):
    (tiny_folder / "Tiny_test.json").unlink()
    request = asked("table5", data=(tiny_folder,))
    rows = table(report(request, finished(request)).as_json(), "Statistics")
    assert rows["Test Mentions"]["tiny"] == "–"


def test_figure_7_is_drawn_with_and_without_objects(asked, finished, tiny_folder, tiny_world):
    request = asked("figure7", data=(tiny_folder, tiny_world))
    made = report(request, finished(request))
    rows = table(made.as_json(), "Tokens")
    assert rows["tiny"]["objects, mean"] == "–"
    assert float(rows["world"]["objects, mean"]) >= 1
    assert any("nobody has counted" in note for note in made.as_json()["notes"])
    assert any(path.name == "figure7.svg" for path in made.files)


def test_the_same_runs_give_the_same_report(asked, finished):
    request = asked("table2", seeds=2, only=("ot", "f1"))
    plan = finished(request)
    first = {path.name: path.read_bytes() for path in report(request, plan).files}
    again = {path.name: path.read_bytes() for path in report(request, plan).files}
    assert first == again
