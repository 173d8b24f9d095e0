"""Linkers over the tiny data set, for every kind of model, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from otmel.data.dataset import Dataset
from otmel.data.datasets import load_dataset
from otmel.data.records import Entity, Mention
from otmel.linking import Explanation, Linker
from otmel.linking.explanation import Part, Term
from otmel.linking.plans import Axis, TokenPlan
from otmel.models.bundle import Bundle
from otmel.models.device import placed
from otmel.models.registry import new_model
from otmel.training.settings import preset


@pytest.fixture(scope="session")
def tiny(tiny_dataset_folder: Path) -> Dataset:
    return load_dataset(tiny_dataset_folder)


@pytest.fixture(scope="session")
def linker(tiny_run: Path, tiny: Dataset) -> Linker:
    return Linker.load(tiny_run, tiny.graph)


@pytest.fixture(scope="session")
def linker_of(tiny_run: Path, tiny: Dataset) -> Callable[[str], Linker]:
    """The linker of a variant of the model, made once."""
    made: dict[str, Linker] = {}

    def linker_of(variant: str) -> Linker:
        if variant not in made:
            bundle = Bundle.load(tiny_run)
            settings = preset("default", variant).model.model_copy(update={"hidden": 16})
            with torch.random.fork_rng():
                torch.manual_seed(1)
                model = placed(new_model(settings, encoder=bundle.model.encoder).eval())
            made[variant] = Linker(Bundle(model, bundle.processor, bundle.vectorizer, bundle.record), tiny.graph)
        return made[variant]

    return linker_of


def text_axis(owner: str, length: int) -> Axis:
    """``length`` tokens with special ones at both ends; every tenth is long."""
    words = ["[CLS]", *(f"token{n}" if n % 10 else "incomprehensibilities" for n in range(1, length - 1)), "[END]"]
    groups = tuple((words[n], (n,)) for n in range(1, length - 1))
    return Axis(owner, "text", tuple(words), (0, length - 1), groups)  # type: ignore[arg-type]


def image_axis(owner: str, grid: tuple[int, int]) -> Axis:
    places = (f"{row + 1},{column + 1}" for row in range(grid[0]) for column in range(grid[1]))
    return Axis(owner, "image", ("[CLS]", *places), (0,), grid=grid)  # type: ignore[arg-type]


def made_up(
    tokens: int, grid: tuple[int, int] | None = (6, 6), attributes: str = "Occupation: painter. "
) -> Explanation:
    """An explanation of given size with random plans; without a grid, of texts alone."""
    random = np.random.default_rng(0)

    def plan(part: str, rows: Axis, columns: Axis) -> TokenPlan:
        matrix = random.gamma(0.3, size=(len(rows), len(columns))) + 1e-9
        return TokenPlan(part, "transport", rows, columns, matrix / matrix.sum(), 3, 0.01)

    mention, entity = text_axis("mention", tokens), text_axis("entity", tokens)
    plans, images = [plan("T", entity, mention)], {}
    if grid is not None:
        pictured, known = image_axis("mention", grid), image_axis("entity", grid)
        plans += [plan("F", mention, pictured), plan("F", pictured, mention), plan("V", known, pictured)]
        images = {"mention": Image.new("RGB", (300, 200), "teal"), "entity": Image.new("RGB", (90, 160), "olive")}
    name, text = "Robert Example of the Very Long Name, Duke of Somewhere", "Occupation: painter. " * 12
    share = 1 / 3 if grid else 1 / 2
    parts = [
        Part("F", 3.0, share, (Term("fused text", 4.0, share), Term("fused image", -1.0, share))),
        Part("T", -1.5, share, (Term("dense", -2.0, share / 2), Term("late", -1.0, share / 2))),
        Part("V", 0.5, share if grid else 0.0, (Term("dense", 1.0, share / 2 if grid else 0.0),)),
        Part("N", 0.8, 2.0, (Term("cosine", 0.8, 2.0),)),
    ]
    return Explanation(
        mention=Mention("Robert", "The actors Robert and $x$ and many others <b>met</b> in “Köln”. " * 12),
        entity=Entity("Q1", name, attributes=text),
        parts=tuple(parts),
        plans=tuple(plans),
        images=images,
        notes=("mention not in its sentence",),
        model="m" * 16,
        graph="g" * 16,
    )
