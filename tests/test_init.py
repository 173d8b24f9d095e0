"""The public names are few, pinned, and cost nothing until they are used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import otmel

PUBLIC = {"Entity", "KnowledgeGraph", "Link", "Linker", "Mention", "__version__", "evaluate", "load_dataset"}


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(otmel.__all__) == set(dir(otmel)) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(otmel, name) is getattr(otmel, name)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'otmel' has no attribute 'Linkr'"):
        otmel.Linkr  # noqa: B018


def test_the_version_is_that_of_the_installed_package() -> None:
    assert otmel.__version__ == version("otmel")


def test_importing_the_package_imports_no_library() -> None:
    code = "import sys; import otmel; print([m for m in ('torch', 'numpy', 'pydantic', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
