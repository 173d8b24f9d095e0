"""Laws of settings: saved and read back they are equal; every mistake names its key and the nearest right one."""

from __future__ import annotations

import json
import string
from typing import Annotated, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from otmel.errors import ConfigurationError
from otmel.settings import Settings, overridden, valid_keys, validated


class Solver(Settings):
    epsilon: Annotated[float, Field(gt=0)] = 0.05
    iterations: int = 50


class Softmax(Settings):
    kind: Literal["softmax"] = "softmax"
    temperature: float = 1.0


class Plan(Settings):
    kind: Literal["plan"] = "plan"
    solver: Solver = Solver()
    rows: Literal["none", "sum"] = "sum"


Assignment = Annotated[Softmax | Plan, Field(discriminator="kind")]


class Model(Settings):
    name: str = "model"
    label: str | None = None
    hidden: Annotated[int, Field(ge=1)] = 96
    shares: tuple[float, float] = (0.5, 0.5)
    weights: dict[str, float] = Field(default_factory=dict)
    fusion: Assignment | None = Plan()
    matching: Assignment = Softmax()

    @model_validator(mode="after")
    def _even(self) -> Model:
        if self.hidden % 2:
            raise ValueError("Hidden must be even, for the Two halves")
        return self


ASSIGNMENTS = st.builds(Softmax, temperature=st.floats(0.01, 10)) | st.builds(
    Plan, solver=st.builds(Solver, epsilon=st.floats(1e-4, 10)), rows=st.sampled_from(["none", "sum"])
)
MODELS = st.builds(
    Model,
    name=st.text(),
    label=st.none() | st.text(),
    hidden=st.integers(1, 500).map(lambda n: 2 * n),
    weights=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    fusion=st.none() | ASSIGNMENTS,
    matching=ASSIGNMENTS,
)


@given(model=MODELS)
def test_what_is_saved_is_read_back(model: Model) -> None:
    assert validated(Model, json.loads(model.model_dump_json())) == model
    assert validated(Model, model.model_dump()) == model


@given(model=MODELS)
def test_overriding_nothing_changes_nothing(model: Model) -> None:
    assert overridden(model, []) == model


@given(text=st.text(min_size=1))
def test_any_text_can_be_set_as_it_is_typed(text: str) -> None:
    """``12``, ``1.10``, ``true`` and ``null`` too, where a text is asked for; JSON's own quotes are taken off."""
    assume(not text.startswith('"'))
    assert overridden(Model(), [f"name={text}"]).name == text


@given(epsilon=st.floats(1e-6, 1e6), hidden=st.integers(1, 1000))
def test_numbers_are_set_exactly_wherever_they_are(epsilon: float, hidden: int) -> None:
    model = overridden(Model(), [f"fusion.solver.epsilon={epsilon!r}", f"hidden={2 * hidden}"])
    assert model == Model(hidden=2 * hidden, fusion=Plan(solver=Solver(epsilon=epsilon)))


def test_the_last_assignment_counts_and_the_settings_given_stay_as_they_were() -> None:
    model = Model()
    assert overridden(model, (f"hidden={n}" for n in (2, 4))).hidden == 4
    assert model == Model()


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["fusion=null"], Model(fusion=None)),
        (["label=null"], Model(label=None)),
        (['label="null"'], Model(label="null")),
        (["shares=[1, 0]"], Model(shares=(1.0, 0.0))),
        (["weights.F=2"], Model(weights={"F": 2.0})),
        ([" hidden =4"], Model(hidden=4)),
        (["name=a=b"], Model(name="a=b")),
        (["name="], Model(name="")),
        (["fusion.kind=softmax"], Model(fusion=Softmax())),
        (["fusion.kind=softmax", "fusion.temperature=2"], Model(fusion=Softmax(temperature=2))),
        (["fusion.rows=none", "fusion.kind=plan"], Model(fusion=Plan(rows="none"))),
        (["fusion.kind=softmax", "fusion.kind=plan"], Model(fusion=Plan())),
        (["fusion=null", "fusion.kind=plan", "fusion.solver.epsilon=1"], Model(fusion=Plan(solver=Solver(epsilon=1)))),
        (['matching={"kind": "plan", "solver": {"iterations": 3}}'], Model(matching=Plan(solver=Solver(iterations=3)))),
    ],
)
def test_assignments_reach_every_kind_of_field(assignments: list[str], expected: Model) -> None:
    assert overridden(Model(), assignments) == expected


@pytest.mark.parametrize(
    ("assignment", "problem", "cure"),
    [
        ("hiden=4", "there is no setting 'hiden'", "did you mean 'hidden'?"),
        ("fusion.solver.epsilom=1", "fusion.solver.epsilom", "did you mean 'epsilon'? Valid: epsilon, iterations"),
        ("fusion.row=sum", "fusion.row", "did you mean 'rows'? Valid: kind, rows, solver"),
        ("fuson.solver.epsilon=1", "no group 'fuson'", "did you mean 'fusion'?"),
        ("fusion.solve.epsilon=1", "no group 'solve'", "did you mean 'solver'?"),
        ("hidden.size=1", "hidden is 96", None),
        ("fusion.kind=sotmax", "'sotmax'", "did you mean 'softmax'? Valid: plan, softmax"),
        ("fusion=softmax", "fusion", "a group with the keys"),
        ("fusion.solver=3", "fusion.solver", "a group with the keys epsilon, iterations"),
        ("hidden", "'hidden' is no assignment", "--set key=value"),
        ("=3", "there is no setting ''", "Valid: fusion"),
    ],
)
def test_a_mistyped_key_names_the_nearest(assignment: str, problem: str, cure: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        overridden(Model(), [assignment])
    assert problem in str(caught.value)
    assert (cure or "") in (caught.value.cure or "")


def test_a_group_that_is_off_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"fusion is null, so 'fusion.solver.epsilon' cannot be set"):
        overridden(Model(fusion=None), ["fusion.solver.epsilon=1"])


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("hidden=0", "--set: hidden: input should be greater than or equal to 1, got 0"),
        ("hidden=wide", "--set: hidden: input should be a valid integer, unable to parse string"),
        ("fusion.solver.epsilon=NaN", "fusion.solver.epsilon: input should be a finite number, got nan"),
        ("fusion.rows=mean", "fusion.rows: input should be 'none' or 'sum', got 'mean'"),
        ("hidden=3", "--set: hidden must be even, for the Two halves"),
    ],
)
def test_a_wrong_value_names_key_rule_and_value(assignment: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        overridden(Model(), [assignment])
    assert caught.value.where == "--set"
    assert message in str(caught.value)


def test_a_number_in_a_file_is_no_text() -> None:
    """Only what is typed on the command line has no type of its own."""
    with pytest.raises(ConfigurationError, match="name: input should be a valid string, got 12"):
        validated(Model, {"name": 12})


def test_a_file_is_named_where_the_values_are_from_one() -> None:
    class Needs(Settings):
        value: int

    with pytest.raises(ConfigurationError, match=r"^run\.json: value is missing$"):
        validated(Needs, {}, where="run.json")


def test_a_kind_must_be_told() -> None:
    with pytest.raises(ConfigurationError, match=r"matching: .*'kind'"):
        validated(Model, {"matching": {"temperature": 1}})


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Model().hidden = 4  # type: ignore[misc]


@given(key=st.text(string.ascii_lowercase, min_size=1))
def test_no_unknown_key_is_ever_accepted(key: str) -> None:
    assume(key not in Model.model_fields)
    with pytest.raises(ConfigurationError, match="no setting"):
        validated(Model, {key: 1})


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ([], sorted(Model.model_fields)),
        (["fusion"], ["kind", "rows", "solver", "temperature"]),
        (["fusion", "plan"], ["kind", "rows", "solver"]),
        (["fusion", "softmax"], ["kind", "temperature"]),
        (["fusion", "plan", "solver"], ["epsilon", "iterations"]),
        (["fusion", "solver"], ["epsilon", "iterations"]),
    ],
)
def test_the_keys_of_a_group(path: list[str], keys: list[str]) -> None:
    assert valid_keys(Model, path) == keys
