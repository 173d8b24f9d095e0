"""``train`` from files to a run, and ``evaluate`` of what came out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from otmel.data.datasets import load_dataset
from otmel.errors import CheckpointError, ConfigurationError, DataError
from otmel.evaluation.run import evaluate
from otmel.models.bundle import WEIGHTS_FILE, Bundle
from otmel.settings import overridden
from otmel.training.material import HELD_OUT, validation_split
from otmel.training.run import train
from otmel.training.settings import DEFAULT, PRESETS, RunSettings, preset

QUICK = ("model.hidden=8", "training.epochs=1", "training.batch_size=8", "training.hard_negatives=1")


@pytest.fixture(scope="module")
def world(tiny_world):
    return load_dataset(tiny_world)


@pytest.fixture(scope="module")
def quick(tiny_encoder) -> RunSettings:
    """Two steps."""
    return overridden(DEFAULT.model_copy(update={"encoder": str(tiny_encoder)}), QUICK)


@pytest.fixture(scope="module")
def run(world, quick, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "frozen"
    train(world, quick, out, say=lambda line: None)
    return out


def test_what_is_trained_is_what_is_loaded(world, quick, run):
    bundle = Bundle.load(run)
    assert RunSettings.model_validate(bundle.record["settings"]) == quick
    assert bundle.record["data"]["graph"] == world.graph.snapshot
    assert bundle.record["best"]["steps"] == 2
    assert bundle.processor.settings == quick.inputs


def test_it_is_evaluated_against_the_whole_graph_beside_the_floor(world, run):
    evaluated = evaluate(run, world, "test")
    assert len(evaluated.model.mentions) == len(evaluated.floor.mentions) == len(world.split("test"))
    assert evaluated.model.result.task == evaluated.floor.result.task
    assert evaluated.model.result.task.entities == len(world.graph)


@pytest.mark.parametrize("frozen", [True, False])
def test_input_that_does_not_fit_into_memory_is_read_anew_to_the_same_weights(world, quick, tmp_path, run, frozen):
    said: list[str] = []
    settings = overridden(quick, [f"training.freeze_encoder={str(frozen).lower()}"])
    train(world, settings, tmp_path / "held", say=said.append)
    assert not [line for line in said if "do not fit" in line]
    live = overridden(settings, ["training.memory_gib=0"])
    train(world, live, tmp_path / "live", say=said.append)
    assert [line for line in said if "do not fit into training.memory_gib: read anew in every epoch" in line]
    held, anew = (Bundle.load(tmp_path / name).model for name in ("held", "live"))
    if not frozen:  # the encoder's own input is the same bits
        assert (tmp_path / "held" / WEIGHTS_FILE).read_bytes() == (tmp_path / "live" / WEIGHTS_FILE).read_bytes()
    for (name, one), (_, other) in zip(held.named_parameters(), anew.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")
    before = Bundle.load(run).model
    moved = any(
        not torch.equal(one, other)
        for one, other in zip(held.encoder.parameters(), before.encoder.parameters(), strict=True)
    )
    assert moved != frozen  # a frozen encoder stays as it was, a trained one does not
    assert {name: w.shape for name, w in held.named_parameters()} == {
        name: w.shape for name, w in before.named_parameters()
    }


def test_a_frozen_encoder_never_drops_out(run):
    model = Bundle.load(run).model
    model.encoder.requires_grad_(False)
    assert not model.train().encoder.training
    assert model.training
    model.encoder.requires_grad_(True)
    assert model.train().encoder.training
    assert not model.eval().encoder.training


def test_a_folder_in_which_a_run_stands_is_refused(world, quick, run):
    with pytest.raises(CheckpointError, match="a run stands here already") as fault:
        train(world, quick, run)
    assert "--resume" in str(fault.value)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("seed=1", "seed was 0 and is now 1"),
        ("training.learning_rate=0.5", "training.learning_rate was 0.001 and is now 0.5"),
        ("model.fusion.solver.epsilon=0.7", "model.fusion.solver.epsilon was"),
    ],
)
def test_other_settings_do_not_resume_it_and_the_difference_is_named(world, quick, run, change, difference):
    with pytest.raises(CheckpointError, match="started with other settings") as fault:
        train(world, overridden(quick, [change]), run, resume=True)
    assert difference in str(fault.value)


def test_nor_do_other_data(world, quick, run):
    fewer = replace(world, splits={**world.splits, "train": world.split("train")[1:]})
    with pytest.raises(CheckpointError, match="started with other data: train was"):
        train(fewer, quick, run, resume=True)


def test_nothing_to_resume_and_no_encoder(world, quick, tmp_path):
    (tmp_path / "something.txt").write_text("hello")
    with pytest.raises(CheckpointError, match="there is no run to resume"):
        train(world, quick, tmp_path, resume=True)
    with pytest.raises(ConfigurationError, match="no encoder is named"):
        train(world, DEFAULT, tmp_path / "run")


def test_resuming_a_finished_run_gives_the_same_weights(world, quick, run):
    before = (run / WEIGHTS_FILE).read_bytes()
    train(world, quick, run, resume=True, say=lambda line: None)
    assert (run / WEIGHTS_FILE).read_bytes() == before


def test_a_system_that_cannot_be_trained_in_pieces_is_refused_before_anything_is_encoded(world, tiny_encoder, tmp_path):
    base = preset("default", system_name="albef").model_copy(update={"encoder": str(tiny_encoder)})
    said: list[str] = []
    with pytest.raises(ConfigurationError, match="'albef' adds a loss of its own that is of a whole batch"):
        train(world, overridden(base, ["training.chunk=8"]), tmp_path / "run", say=said.append)
    assert not said
    assert not (tmp_path / "run").exists()


def test_held_out_mentions_are_a_tenth_and_the_same_each_time(world, quick):
    settings = overridden(quick, [f"training.validation={HELD_OUT}"])
    kept, held = validation_split(world, settings)
    assert validation_split(world, settings) == (kept, held)
    answered = [m for m in world.split("train") if m.answer in world.graph]
    assert len(held) == len(answered) // 10
    assert sorted([*kept, *held], key=str) == sorted(answered, key=str)


def test_a_split_may_validate(world, quick):
    train_mentions, validation = validation_split(world, overridden(quick, ["training.validation=dev"]))
    assert [m for m in world.split("dev") if m.answer in world.graph] == validation
    assert len(train_mentions) == len([m for m in world.split("train") if m.answer in world.graph])
    with pytest.raises(DataError):
        validation_split(world, overridden(quick, ["training.validation=absent"]))
    unknown = replace(
        world, splits={**world.splits, "dev": tuple(replace(m, answer="nil") for m in world.split("dev"))}
    )
    with pytest.raises(ConfigurationError, match="no validation mention has its answer in the graph"):
        validation_split(unknown, overridden(quick, ["training.validation=dev"]))


def test_presets_by_name_with_the_nearest_for_a_wrong_one():
    assert preset("paper").preset == "PAPER"
    assert preset("RELEASED", "kd").variant == "kd"
    assert set(PRESETS) == {"PAPER", "RELEASED", "default"}
    with pytest.raises(ConfigurationError, match="there is no preset 'PAPR'") as fault:
        preset("PAPR")
    assert "did you mean 'PAPER'" in str(fault.value)
    with pytest.raises(ConfigurationError, match="no variant"):
        preset("PAPER", "zz")
