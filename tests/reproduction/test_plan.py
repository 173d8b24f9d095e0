"""Plans: what is run, what is there, what cannot be run, and run folders that are not ours."""

from __future__ import annotations

import json
import shutil
from types import MappingProxyType

import pytest

from otmel.data.world import WorldSettings, write_world
from otmel.errors import CheckpointError, ConfigurationError, DataError
from otmel.models.bundle import RUN_FILE
from otmel.models.registry import SYSTEMS
from otmel.reproduction import plan as planning
from otmel.reproduction.encoders import check_at_hand, encoder_of, named_encoders
from otmel.reproduction.plan import planned
from otmel.reproduction.request import Data
from otmel.reproduction.scale import FULL, TINY


def test_all_rows_come_with_the_first_seed_before_any_with_the_next(asked):
    plan = planned(asked("table2", seeds=3))
    assert [run.seed for run in plan.runs] == [seed for seed in range(3) for _ in range(11)]
    assert len({run.folder for run in plan.runs}) == len(plan.runs) == 33  # A1 and K3 are one
    assert plan.states == {"to run": 33}


def test_a_run_goes_from_new_to_finished(asked, finished):
    request = asked("table2", only=("ot",), seeds=1)
    (run,) = finished(request).runs
    assert run.state == "finished"
    shutil.rmtree(run.evaluation)
    assert run.state == "to evaluate"
    record = json.loads((run.folder / RUN_FILE).read_text())
    record.pop("best")
    (run.folder / RUN_FILE).write_text(json.dumps(record))
    assert run.state == "to go on with"
    assert planned(request).states == {"to go on with": 1}


@pytest.mark.parametrize("change", [{"set": ("training.epochs=3",)}, {"preset": "RELEASED"}])
def test_a_run_of_another_configuration_is_refused_with_a_cure(asked, finished, change):
    finished(asked("table2", only=("ot",)))
    with pytest.raises(CheckpointError) as fault:
        planned(asked("table2", only=("ot",), **change))
    assert "other settings" in fault.value.problem
    assert "seed-0" in (fault.value.where or "")
    assert "--out OTHER" in (fault.value.cure or "")


def test_a_run_on_other_data_is_refused(asked, finished, tmp_path):
    finished(asked("table2", only=("ot",)))
    folder = tmp_path / "world"
    write_world(
        WorldSettings(entities=16, train=24, dev=8, test=8, unseen=0, captions=0, image_size=24, seed=1), folder
    )
    with pytest.raises(CheckpointError, match="other data"):
        planned(asked("table2", only=("ot",), data=(folder,)))


def test_a_system_that_is_not_registered_is_listed_and_the_others_run(asked, monkeypatch):
    fewer = {name: one for name, one in SYSTEMS.items() if name != "clip"}
    monkeypatch.setattr(planning, "SYSTEMS", MappingProxyType(fewer))
    plan = planned(asked("table1", seeds=1))
    assert "no system 'clip'" in plan.unavailable["CLIP"]
    assert "clip" not in {run.row.key for run in plan.runs}
    assert "CLIP: not available" in plan.as_text()


def test_a_row_that_needs_descriptions_is_listed_where_the_data_have_none(asked, tiny_folder):
    plan = planned(asked("text-composition", seeds=1))
    assert {label for _, label in plan.lacking} == {"name + description", "name + both"}
    assert len(plan.runs) == 2
    described = planned(asked("text-composition", seeds=1, data=(tiny_folder,)))
    assert not described.lacking
    assert len(described.runs) == 4


def test_without_images_the_reader_is_told(asked, tiny_folder):
    for name in ("kb_image", "mention_image"):
        shutil.rmtree(tiny_folder / name)
    plan = planned(asked("table2", only=("ot",), data=(tiny_folder,)))
    assert any("has no image" in note and "OT-MEL (OT)" in note for note in plan.notes)
    assert planned(asked("table1", only=("bert",), data=(tiny_folder,))).notes == ()


def test_the_split_that_is_measured_never_chooses_the_epoch(asked, tiny_folder):
    (tiny_folder / "Tiny_test.json").unlink()
    (run, *_) = planned(asked("table2", data=(tiny_folder,), scale=FULL, only=("ot",))).runs
    assert run.data.split == "dev"
    assert run.settings.training.validation == "held-out"


def test_the_full_scale_is_the_papers_preset(asked):
    runs = planned(asked("table2", scale=FULL, only=("ot",), seeds=1)).runs
    assert (runs[0].settings.training.batch_size, runs[0].settings.training.learning_rate) == (256, 2e-5)
    assert runs[0].settings.training.validation == "dev"
    with pytest.raises(ConfigurationError, match="no data set is named"):
        planned(asked("table2", scale=FULL, data=()))


def test_tiny_without_data_plans_a_world(asked):
    plan = planned(asked("table2", data=(), encoders={}, seeds=1, only=("ot",)))
    assert plan.data[0].generated
    assert [one.name for one in plan.encoders] == ["world"]
    assert "to be generated" in plan.as_text()


def test_unknown_rows_and_twice_named_data_are_refused(asked, tiny_world):
    with pytest.raises(ConfigurationError, match="no row 'otmel'"):
        planned(asked("table2", only=("otmel",)))
    with pytest.raises(ConfigurationError, match="two data sets are called"):
        planned(asked("table2", data=(tiny_world, tiny_world)))


def test_data_with_nothing_to_train_on_are_refused(asked, tiny_folder):
    (tiny_folder / "Tiny_train.json").unlink()
    with pytest.raises(DataError, match="train"):
        planned(asked("table2", data=(tiny_folder,)))
    assert planned(asked("table5", data=(tiny_folder,))).runs == ()


def test_encoders_are_named_for_all_or_for_one(asked, tmp_path):
    assert named_encoders(("a/b", "bert=c")) == {"": "a/b", "bert": "c"}
    with pytest.raises(ConfigurationError, match="no system 'brt'"):
        named_encoders(("brt=x",))
    with pytest.raises(ConfigurationError, match="two encoders"):
        named_encoders(("a", "b"))
    data = Data("d", tmp_path)
    given = asked("table1", scale=FULL, encoders={"bert": "my-bert"})
    assert encoder_of(given, data, SYSTEMS["bert"]).place == "my-bert"
    assert encoder_of(given, data, SYSTEMS["clip"]).place == SYSTEMS["clip"].encoder
    for system in SYSTEMS.values():
        own = encoder_of(asked("table1", encoders={}), data, system)
        assert (own.system is not None) == (system.small is not None) == TINY.trains_encoder(system)


def test_an_encoder_pretrained_in_another_way_is_refused(asked, tmp_path):
    encoder = encoder_of(asked("table1", encoders={}), Data("d", tmp_path), SYSTEMS["ot-mel"])
    assert not encoder.is_there
    assert encoder.folder is not None
    encoder.folder.mkdir(parents=True)
    (encoder.folder / "pretrain_report.json").write_text('{"settings": {"steps": 1}}')
    with pytest.raises(CheckpointError, match="other settings"):
        _ = encoder.is_there


def test_a_checkpoint_that_is_not_at_hand_says_what_to_fetch_and_what_runs_without(monkeypatch, tiny_encoder, tmp_path):
    monkeypatch.setattr("otmel.inputs.pretrained._online", lambda: False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(CheckpointError) as fault:
        check_at_hand({"clip": "nobody/nothing-clip", "bert": str(tiny_encoder)})
    assert "clip" in fault.value.problem
    cure = fault.value.cure or ""
    assert "hf download nobody/nothing-clip" in cure
    assert "--encoder SYSTEM=FOLDER" in cure
    assert "--only bert" in cure
    check_at_hand({"bert": str(tiny_encoder)})
