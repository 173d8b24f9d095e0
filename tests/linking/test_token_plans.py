"""Beside every plan stands what the other assignment makes of the same projected tokens, by the plain formula."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from otmel.data.dataset import Dataset
from otmel.linking import Linker
from otmel.linking.explain import explained
from otmel.linking.plans import TokenPlan
from otmel.models.base import Side
from otmel.models.otmel import OTMEL
from otmel.ot import Correlation, Distilled, Transport

ORIGIN = {"model": "", "graph": "", "notes": ()}


def softmax(rows: NDArray, columns: NDArray) -> NDArray:
    """Eq. 7, row by row."""
    scores = np.array([[row @ column / math.sqrt(len(row)) for column in columns] for row in rows])
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def sinkhorn(rows: NDArray, columns: NDArray, epsilon: float, iterations: int) -> NDArray:
    """Alg. 1 over the cost of Eq. 10, columns first, uniform marginals."""
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, columns)]
    kernel = np.exp(-(1 - unit[0] @ unit[1].T) / 2 / epsilon)
    a, b = np.full(len(rows), 1 / len(rows)), np.full(len(columns), 1 / len(columns))
    u = np.ones(len(rows))
    for _ in range(iterations):
        v = 1 / (kernel.T @ (a * u))
        u = 1 / (kernel @ (b * v))
    return (a * u)[:, None] * kernel * (b * v)[None, :]


def projected(linker: Linker, plan: TokenPlan, tokens: dict[tuple[str, str], torch.Tensor]) -> list[NDArray]:
    """``Q`` and ``K`` of a plan, by the matrices of its own correlation."""
    model = linker.bundle.model
    assert isinstance(model, OTMEL)
    if plan.part == "F":
        assert model.fusion is not None
        correlation = model.fusion.image_to_text if plan.rows.modality == "text" else model.fusion.text_to_image
    else:
        correlation = model.matching[plan.part].correlation
    assert isinstance(correlation, Correlation)
    sides = [tokens[axis.owner, axis.modality] for axis in (plan.rows, plan.columns)]
    pair = correlation.query(sides[0]), correlation.key(sides[1])
    return [side.detach().double().cpu().numpy() for side in pair]


@torch.no_grad()
def tokens_of(linker: Linker, dataset: Dataset) -> dict[tuple[str, str], torch.Tensor]:
    model, processor = linker.bundle.model, linker.processor
    assert isinstance(model, OTMEL)
    batches = {
        "mention": processor.mentions([dataset.split("dev")[0]]),
        "entity": processor.entities([dataset.graph.entity("Q4")]),
    }
    tokens = {}
    for owner, batch in batches.items():
        views = model.projected(model.views(Side(batch).to(model.device)))
        for modality, elements in (("text", views.text), ("image", views.image)):
            tokens[owner, modality] = elements.tokens[0][elements.mask[0]]
    return tokens


@pytest.mark.parametrize("variant", ["ot", "kd", "a1", "f1", "m1"])
def test_the_counterpart_is_the_plain_formula(variant: str, linker_of: Callable[[str], Linker], tiny: Dataset) -> None:
    linker = linker_of(variant)
    explanation = explained(linker.bundle, tiny.split("dev")[0], tiny.graph.entity("Q4"), ORIGIN)
    tokens = tokens_of(linker, tiny)
    kinds = set()
    for plan in explanation.plans:
        other = plan.counterpart
        assert other is not None
        assert {plan.kind, other.kind} == {"transport", "attention"}
        assert (other.rows, other.columns, other.part, other.counterpart) == (plan.rows, plan.columns, plan.part, None)
        queries, keys = projected(linker, plan, tokens)
        if other.kind == "attention":
            expected = softmax(queries, keys)
        else:
            solver = _teacher(linker, plan).solver
            expected = sinkhorn(queries, keys, solver.epsilon, solver.iterations)
            assert other.iterations == solver.iterations
        np.testing.assert_allclose(other.matrix, expected, rtol=2e-3, atol=2e-6)
        kinds.add(other.kind)
    pure = {"ot": {"attention"}, "kd": {"transport"}, "a1": {"transport"}}
    assert kinds == pure.get(variant, {"attention", "transport"})


def _teacher(linker: Linker, plan: TokenPlan) -> Transport:
    settings = linker.bundle.model.settings
    assignment = settings.fusion if plan.part == "F" else settings.matching
    return assignment.teacher if isinstance(assignment, Distilled) else Transport()


def test_json_holds_both_matrices_and_their_marginals(linker: Linker, tiny: Dataset) -> None:
    explanation = linker.explain(tiny.split("dev")[0], "Q4")
    for plan, told in zip(explanation.plans, json.loads(json.dumps(explanation.as_json()))["plans"], strict=True):
        other = plan.counterpart
        assert other is not None
        matrices = np.array(told["matrix"]), np.array(told["attention"])
        for matrix, facts, one in zip(matrices, (told, told["counterpart"]), (plan, other), strict=True):
            np.testing.assert_allclose(matrix, one.matrix, rtol=1e-6)
            np.testing.assert_allclose(matrix.sum(1), facts["marginals"]["rows"], rtol=1e-6)
            np.testing.assert_allclose(matrix.sum(0), facts["marginals"]["columns"], rtol=1e-6)
            assert facts["entropy"] == pytest.approx(one.entropy)
            assert facts["entropy_share"] == pytest.approx(one.entropy_share)
        np.testing.assert_allclose(matrices[1].sum(1), 1, rtol=1e-5)
        assert told["counterpart"]["kind"] == "attention"
        assert told["counterpart"]["marginal_error"] is None
