"""Kernels are chosen once, and say why not."""

from __future__ import annotations

from pathlib import Path

import pytest

import otmel.kernels
from otmel.errors import ConfigurationError
from otmel.kernels import Formula, explained, kernels, registry, select
from otmel.ot import Attention, Sinkhorn, SoftPool, Transport

PLAIN = Formula(Transport(), SoftPool())
COLD = Formula(Transport(solver=Sinkhorn(epsilon=0.001)), SoftPool())


def test_every_kernel_is_registered():
    folder = Path(otmel.kernels.__file__).parent
    written = {path.stem for path in folder.glob("*.py") if "\nKERNEL = Kernel(" in path.read_text()}
    assert {place.rsplit(".", 1)[1] for place in registry.PLACES} == written
    assert len({kernel.name for kernel in kernels()}) == len(registry.PLACES)


def test_auto_takes_the_first_that_does_not_refuse():
    expected = next(name for name, reason in explained(COLD) if reason is None)
    assert select(COLD)[0].name == expected
    assert select(PLAIN, "definition")[0].name == "definition"


def test_a_refusal_names_kernel_formula_and_reason():
    with pytest.raises(ConfigurationError, match=r"numba: ε = 0\.001 needs logarithms"):
        select(COLD, "numba")
    with pytest.raises(ConfigurationError, match="lanes: it computes in float32, not in bfloat16"):
        select(PLAIN, "lanes", arithmetic="bfloat16")


@pytest.mark.parametrize(
    ("formula", "kernel", "reason"),
    [
        ("learned marginals", "numba", "marginals are uniform"),
        ("matched, attention", "numba", "no late interaction by attention"),
        ("matched, warm", "numba", "hides a late interaction's cosines"),
    ],
)
def test_what_a_kernel_lacks_it_refuses_by_name_and_auto_takes_the_next(formula, kernel, reason, make_case):
    asked = make_case(formula, 4, 2).formula
    with pytest.raises(ConfigurationError, match=reason):
        select(asked, kernel)
    assert select(asked)[0].name == "lanes"


def test_an_unknown_kernel_is_an_error_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="lanes"):
        select(PLAIN, "lnes")


def test_a_choice_is_logged_once(caplog):
    registry._say_once.cache_clear()
    with caplog.at_level("INFO", "otmel.kernels.registry"):
        for _ in range(3):
            select(Formula(Attention(), SoftPool()), "lanes")
    assert [record.message for record in caplog.records] == ["kernel lanes for attention, softpool"]
