"""The targets: complete, and consistent with each other and with the registry."""

from __future__ import annotations

import pytest

from otmel.cli.run_options import RunOptions
from otmel.errors import ConfigurationError
from otmel.models.registry import SYSTEMS
from otmel.reproduction.analyses import ANALYSES
from otmel.reproduction.plan import planned
from otmel.reproduction.scale import FULL, TINY, scale
from otmel.reproduction.targets import EPSILONS, TARGETS, target

ASKED = {f"table{n}" for n in range(1, 8)} | {f"figure{n}" for n in (3, 4, 6, 7)}


def test_every_table_and_figure_is_there():
    assert set(TARGETS) == {*ASKED, "low-resource", "text-composition"}
    assert all(target.analysis in ANALYSES for target in TARGETS.values())
    assert all(target.place for name, target in TARGETS.items() if name in ASKED)


def test_rows_of_one_key_are_one_model():
    known = {}
    for one in TARGETS.values():
        labels = [row.label for row in one.rows]
        assert len(set(labels)) == len(labels), one.name
        for row in one.rows:
            made = row.system, row.variant, row.set
            assert known.setdefault(row.key, made) == made


def test_every_registered_system_has_a_row():
    rows = {row.system for one in TARGETS.values() for row in one.rows}
    assert set(SYSTEMS) <= rows
    titles = {row.label for row in TARGETS["table1"].rows}
    assert {one.title for one in SYSTEMS.values() if one.name not in ("ot-mel", "gemel")} <= titles


@pytest.mark.parametrize("name", [name for name, one in TARGETS.items() if one.rows])
@pytest.mark.parametrize("chosen", [TINY, FULL], ids=lambda chosen: chosen.name)
def test_the_words_of_a_run_are_its_settings(name, chosen, asked):
    """``otmel train`` understands by a run's words exactly the settings that its folder is checked against."""
    request = asked(name, scale=chosen, seeds=1)
    for run in planned(request).runs:
        words = list(run.words)
        given = dict(zip(words[::2], words[1::2], strict=True))
        sets = tuple(word for flag, word in zip(words[::2], words[1::2], strict=True) if flag == "--set")
        options = RunOptions(
            encoder=given["--encoder"],
            preset=given["--preset"],
            system=given.get("--system"),
            variant=given.get("--variant"),
            seed=int(given["--seed"]),
            set=sets,
        )
        assert options.settings() == run.settings, run.label


def test_the_sweep_sets_what_it_says(asked):
    runs = planned(asked("figure3", seeds=1)).runs
    solvers = [part.solver for run in runs for part in (run.settings.model.fusion, run.settings.model.matching)]
    assert [solver.epsilon for solver in solvers] == [epsilon for epsilon in EPSILONS for _ in range(2)]


def test_unknown_names_have_a_cure():
    with pytest.raises(ConfigurationError) as fault:
        target("tabel1")
    assert "table1" in (fault.value.cure or "")
    with pytest.raises(ConfigurationError):
        scale("huge")
