"""The page of equations is complete, and says so when it is not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def equations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("equations", ROOT / "scripts" / "equations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["equations"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("The cost (Eq. 10 = Eq. 20), in [0, 1].", {10, 20}),
        ("``G = A H`` (Eq. 8 = 12 = 22).", {8, 12, 22}),
        ("Eq. 6–12 and 19–22 are this one module.", {*range(6, 13), *range(19, 23)}),
        ("Eqs. 2-3, 30–33", {2, 3, 30, 31, 32, 33}),
        ("Eq. 13 and 15–17: the pool", {13, 15, 16, 17}),
        ("Eq. 28 and its two ablations", {28}),
        ("Equation 5; 96 channels, Table 2, row 3", {5}),
        ("Eq. 1–35 are all in this package", set()),
        ("In the year 2024, 12 of 30", set()),
        ("Eq.\n    7", {7}),
    ],
)
def test_the_equations_of_a_docstring(equations: ModuleType, text: str, numbers: set[int]) -> None:
    assert equations.equations_in(text) == set(map(str, numbers))


def test_the_algorithm_is_one_of_them(equations: ModuleType) -> None:
    assert equations.equations_in("Alg. 1 of the paper, Eq. 3") == {"Alg. 1", "3"}
    assert equations.equations_in("Algorithm 1") == {"Alg. 1"}
    assert equations.equations_in("Alg. 12") == set()


def test_only_the_home_package_counts_and_functions_come_before_modules(equations: ModuleType) -> None:
    cost, pool, world = (f"src/otmel/{name}.py" for name in ("ot/cost", "ot/pool", "data/world"))
    documented = [
        (equations.Place(cost, ""), "Eq. 10"),
        (equations.Place(pool, "everything"), "Eq. 9–12"),
        (equations.Place(cost, "cosine_cost"), "Eq. 10"),
        (equations.Place(world, "world"), "Eq. 10"),
    ]
    assert [place.link() for place in equations.places(documented)["10"]] == [
        "[`ot.cost.cosine_cost`](../src/otmel/ot/cost.py)",
        "[`ot.pool.everything`](../src/otmel/ot/pool.py)",
        "[`ot.cost`](../src/otmel/ot/cost.py)",
    ]


def test_classes_methods_and_modules_are_read(equations: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "src" / "otmel" / "ot" / "a.py"
    file.parent.mkdir(parents=True)
    file.write_text('"""M."""\nclass C:\n    """C."""\n    def f(self):\n        """F."""\n        return "Eq. 1"\n')
    found = {place.name: text for place, text in equations.docstrings(tmp_path)}
    assert found == {"": "M.", "C": "C.", "C.f": "F."}


def test_the_page_has_a_row_for_each_and_names_what_is_missing(equations: ModuleType) -> None:
    assert set(equations.HOMES) == {*map(str, range(1, 36)), "Alg. 1"}
    page = equations.page({})
    assert page.count("**missing**") == 36
    assert all(f"| Eq. {number} |" in page for number in range(1, 36))


def test_a_page_out_of_date_and_an_equation_without_a_place_both_fail(
    equations: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equations, "PAGE", tmp_path / "docs" / "equations.md")
    assert "out of date" in equations.main(["--check"])
    equations.main([])
    places = dict(equations.places(equations.docstrings()))
    monkeypatch.setattr(equations, "places", lambda _: {**places, "25": []})
    assert "out of date" in equations.main(["--check"])
    assert equations.main([]) == "no docstring says where these are: 25 (expected in models)"


def test_every_equation_of_the_paper_has_its_place(equations: ModuleType) -> None:
    assert set(equations.places(equations.docstrings())) == set(equations.HOMES)
