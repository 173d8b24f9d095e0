"""``evaluate``: a run against a split of a graph, with the floor beside it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from otmel.data.mimic import read_mimic
from otmel.errors import CheckpointError, DataError
from otmel.evaluation.gold import gold_rows
from otmel.evaluation.ranks import ranks_of
from otmel.evaluation.run import evaluate
from otmel.models.bundle import Bundle, weights_hash
from otmel.models.names import NameMatch
from otmel.models.tables import entity_table, mention_table


@pytest.fixture(scope="module")
def data(tiny_dataset_folder):
    return read_mimic(tiny_dataset_folder)


@pytest.fixture(scope="module")
def evaluated(tiny_run, data):
    return evaluate(tiny_run, data, "test")


def test_ranks_are_those_of_scoring_every_pair(tiny_run, data, evaluated):
    bundle, mentions = Bundle.load(tiny_run), data.split("test")
    sides = (
        table.side(torch.arange(len(table))).to(bundle.model.device)
        for table in (
            mention_table(mentions, bundle.processor, bundle.vectorizer),
            entity_table(data.graph, bundle.processor, bundle.vectorizer),
        )
    )
    with torch.no_grad():
        scores = bundle.model.score(
            bundle.model.encode_mentions(next(sides)), bundle.model.encode_entities(next(sides))
        )
    expected = ranks_of(scores.total, gold_rows(mentions, data.graph), tolerance=1e-6)
    assert [row.optimistic for row in evaluated.model.mentions] == expected.optimistic.tolist()
    ranked = expected.realistic[expected.ranked]
    assert evaluated.model.result.measures["realistic"]["MRR"] == pytest.approx(np.mean(1 / ranked))


def test_the_floor_is_name_match_on_the_same_mentions(data, evaluated):
    mentions = data.split("test")
    scores = NameMatch.fit(list(data.graph)).scores([m.name for m in mentions])
    expected = ranks_of(torch.from_numpy(scores), gold_rows(mentions, data.graph))
    assert [row.optimistic for row in evaluated.floor.mentions] == expected.optimistic.tolist()
    assert [row.pessimistic for row in evaluated.floor.mentions] == expected.pessimistic.tolist()
    assert evaluated.floor.result.system.model == "name match"


def test_nil_is_counted_apart_and_everything_says_what_it_is(tiny_run, data, evaluated):
    result = evaluated.model.result
    counts = result.counts
    assert (counts.mentions, counts.ranked, counts.nil, counts.without_image) == (4, 3, 1, 1)
    assert result.task.graph == data.graph.snapshot
    assert result.task.split == "test"
    assert result.task.entities == 12
    assert result.system.hash == weights_hash(tiny_run)
    assert result.system.preset == "default"
    assert evaluated.floor.result.task == result.task


def test_what_is_missing_on_the_way_is_told(data, tiny_run):
    """Two entities and two mentions of this split have no image: one each is not stated, one each not on disk."""
    assert evaluate(tiny_run, data, "dev").findings.counts == {"image not stated": 4}
    assert data.findings.counts["image missing"] == 2


def test_an_unknown_split_and_a_folder_that_is_no_run_are_refused(data, tiny_run, tmp_path):
    with pytest.raises(DataError, match="tset"):
        evaluate(tiny_run, data, "tset")
    with pytest.raises(CheckpointError, match="no such run folder"):
        evaluate(tmp_path / "absent", data)
    incomplete = shutil.copytree(tiny_run, tmp_path / "incomplete")
    (incomplete / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no weights yet"):
        evaluate(incomplete, data)
