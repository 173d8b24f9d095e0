"""Preset < file < options < --set; what resuming takes from the run; what is refused, with the nearest valid name."""

from __future__ import annotations

from pathlib import Path

import pytest

from otmel.cli.run_options import RunOptions, read_config
from otmel.errors import ConfigurationError
from otmel.models.variants import VARIANTS, variant
from otmel.training.settings import PRESETS, RunSettings, preset


def file(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("row", VARIANTS)
def test_options_alone_give_the_preset_with_the_variant(name: str, row: str) -> None:
    assert RunOptions(preset=name.lower(), variant=row).settings() == preset(name, row)


def test_nothing_said_is_the_default() -> None:
    assert RunOptions().settings() == preset("default")


def test_each_level_wins_over_the_one_before(tmp_path: Path) -> None:
    config = file(
        tmp_path, 'preset = "PAPER"\nseed = 3\nencoder = "a"\n[training]\nepochs = 4\nbatch_size = 8\npatience = 2'
    )
    alone = RunOptions(config=config).settings()
    assert (alone.preset, alone.seed, alone.encoder) == ("PAPER", 3, "a")
    assert (alone.training.epochs, alone.training.learning_rate) == (4, PRESETS["PAPER"].training.learning_rate)
    options = RunOptions(config=config, preset="RELEASED", seed=5, encoder="b", set=("training.epochs=6", "seed=7"))
    settings = options.settings()
    assert (settings.preset, settings.seed, settings.encoder) == ("RELEASED", 7, "b")
    assert (settings.training.epochs, settings.training.batch_size, settings.training.patience) == (6, 8, 2)
    assert settings.training.learning_rate == PRESETS["RELEASED"].training.learning_rate


def test_a_variant_of_the_file_comes_before_its_tables_and_one_of_the_options_after(tmp_path: Path) -> None:
    config = file(tmp_path, 'variant = "o1"\n[model]\nhidden = 8\n[model.fusion.solver]\nepsilon = 0.3')
    settings = RunOptions(config=config).settings()
    assert settings.variant == "o1"
    assert settings.model.pool.kind == "mean"
    assert settings.model.model_dump()["fusion"]["solver"]["epsilon"] == 0.3
    other = RunOptions(config=config, variant="f1").settings()
    assert other.model.model_dump()["fusion"] == {"kind": "attention"}
    assert (other.variant, other.model.hidden, other.model.pool) == ("f1", 8, PRESETS["default"].model.pool)


def test_a_group_of_another_kind_starts_from_its_own_defaults(tmp_path: Path) -> None:
    config = file(tmp_path, '[model.matching]\nkind = "attention"\n[model.pool]\nkind = "max"')
    model = RunOptions(config=config, preset="PAPER").settings().model.model_dump()
    assert model["matching"] == {"kind": "attention"}
    assert model["pool"] == {"kind": "max"}
    assert model["fusion"] == PRESETS["PAPER"].model.model_dump()["fusion"]


RECORDED = [
    RunOptions(preset="PAPER", variant="kd", seed=4, encoder="e", set=("training.epochs=3",)),
    RunOptions(variant="o1", set=("model.pool.kind=soft", "model.hidden=16")),
]


@pytest.mark.parametrize("options", RECORDED)
def test_resuming_takes_what_is_not_said_again_from_the_run(options: RunOptions) -> None:
    recorded = options.settings()
    again = RunSettings.model_validate(recorded.model_dump(mode="json"))
    assert RunOptions().settings(again) == recorded
    assert options.settings(again) == recorded
    assert RunOptions(seed=9).settings(again) == recorded.model_copy(update={"seed": 9})
    assert RunOptions(preset="RELEASED").settings(again).variant == recorded.variant
    assert RunOptions(preset="RELEASED").settings(again).model == variant(recorded.variant, PRESETS["RELEASED"].model)


def test_folders_are_recorded_by_their_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vision").mkdir()
    (tmp_path / "a+b").mkdir()
    assert RunOptions(encoder="vision").settings().encoder == str(tmp_path / "vision")
    assert RunOptions(encoder="minilm+vision").settings().encoder == f"minilm+{tmp_path / 'vision'}"
    assert RunOptions(encoder="a+b").settings().encoder == str(tmp_path / "a+b")
    assert RunOptions(encoder="openai/clip-vit-base-patch32").settings().encoder == "openai/clip-vit-base-patch32"


@pytest.mark.parametrize(
    ("text", "problem", "cure"),
    [
        ('preset = "PAPR"', "there is no preset 'PAPR'", "did you mean 'PAPER'?"),
        ('variant = "k9"', "there is no variant 'k9'", "Valid: a1, f1"),
        ("preset = 3", "there is no preset '3'", "Valid"),
        ("[training]\nepoch = 3", "there is no setting 'training.epoch'", "did you mean 'epochs'?"),
        ("[modl]\nhidden = 3", "there is no setting 'modl'", "did you mean 'model'?"),
        ("training = 3", "training: ", "this is a group with the keys"),
        ('[training]\nepochs = "many"', "training.epochs: ", None),
        ('[model.pool]\nkind = "sfot"', "model.pool: ", "did you mean 'soft'?"),
        ("[training\nepochs = 3", "no TOML: ", None),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_the_file(
    text: str, problem: str, cure: str | None, tmp_path: Path
) -> None:
    path = file(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        RunOptions(config=path).settings()
    assert problem in caught.value.problem
    assert caught.value.where == str(path)
    assert cure is None or cure in (caught.value.cure or "")


def test_a_broken_file_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 2, column 10"):
        read_config(file(tmp_path, "seed = 1\nepochs = \n"))
    with pytest.raises(ConfigurationError, match="no TOML"):
        read_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="no TOML"):
        read_config(tmp_path / "binary.toml")
    with pytest.raises(ConfigurationError, match="there is no such file"):
        read_config(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("options", "problem", "cure"),
    [
        (RunOptions(preset="REALESED"), "no preset 'REALESED'", "did you mean 'RELEASED'?"),
        (RunOptions(variant="ott"), "no variant 'ott'", "did you mean 'ot'?"),
        (RunOptions(set=("training.epoch=3",)), "no setting 'training.epoch'", "did you mean 'epochs'?"),
        (RunOptions(set=("epochs=3",)), "no setting 'epochs'", "Valid"),
        (RunOptions(set=("training.epochs",)), "is no assignment", "key=value"),
    ],
)
def test_what_is_wrong_in_the_options_is_named(options: RunOptions, problem: str, cure: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options.settings()
    assert problem in caught.value.problem
    assert cure in (caught.value.cure or "")
