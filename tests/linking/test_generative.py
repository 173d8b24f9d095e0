"""Names written over the trie: never another one, and with beams enough the ranking that brute force gives."""

import pytest
import torch

from otmel.data.datasets import load_dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity
from otmel.errors import CheckpointError, ConfigurationError
from otmel.linking.generative import Writer, generate_links
from otmel.models.base import Side
from otmel.models.bundle import Bundle


@pytest.fixture(scope="module")
def dataset(tiny_dataset_folder):
    return load_dataset(tiny_dataset_folder)


@pytest.fixture(scope="module")
def bundle(gemel_run) -> Bundle:
    return Bundle.load(gemel_run)


@pytest.fixture(scope="module")
def mentions(dataset):
    """With and without image, of several lengths, more than are decoded at once."""
    return [*dataset.split("train"), *dataset.split("dev"), *dataset.split("test")] * 2


@pytest.mark.parametrize("beams", [1, 2, 3, 10, 14])
def test_only_names_of_the_graph_are_written_each_once_and_in_order(bundle, dataset, mentions, beams):
    for names in generate_links(bundle, dataset.graph, mentions, beams):
        assert len(names) == min(beams, 10)
        assert len({one.rows for one in names}) == len(names)
        scores = [one.score for one in names]
        assert scores == sorted(scores, reverse=True)
        for one in names:
            assert {dataset.graph[row].name for row in one.rows} == {one.name}
            assert one.rows == tuple(row for row, entity in enumerate(dataset.graph) if entity.name == one.name)


@pytest.mark.parametrize("beams", [10, 25])
def test_with_a_beam_for_every_name_it_is_brute_force(bundle, dataset, mentions, beams):
    model, processor = bundle.model, bundle.processor
    entities = Side(processor.entities(list(dataset.graph))).to(model.device)
    for mention, names in zip(mentions, generate_links(bundle, dataset.graph, mentions, beams), strict=True):
        columns = torch.arange(12, device=model.device)
        with torch.no_grad():
            one = Side(processor.mentions([mention])).to(model.device)
            scores = model.rescore(one, entities, (torch.zeros_like(columns), columns)).cpu()
        expected = scores[[one.rows[0] for one in names]]
        torch.testing.assert_close(torch.tensor([one.score for one in names]), expected, atol=1e-5, rtol=1e-5)
        assert len(names) == 10
        lengths = torch.tensor([one.tokens for one in names])
        written = torch.tensor([one.log_probability for one in names])
        torch.testing.assert_close(written, expected * lengths, atol=1e-4, rtol=1e-5)


def test_a_mention_is_written_for_alone_as_among_others(bundle, dataset, mentions):
    together = generate_links(bundle, dataset.graph, mentions, 4)
    for place in (0, 5, 9):
        (alone,) = generate_links(bundle, dataset.graph, mentions[place : place + 1], 4)
        assert [one.rows for one in alone] == [one.rows for one in together[place]]
        assert [one.score for one in alone] == pytest.approx([one.score for one in together[place]], abs=1e-5)


def test_one_name_that_begins_another_and_an_empty_one(bundle, dataset):
    graph = KnowledgeGraph(
        [Entity("A", "Anna"), Entity("B", "Anna Bell"), Entity("C", "Anna Bell Dunn"), Entity("D", "")]
    )
    (names,) = generate_links(bundle, graph, dataset.split("dev")[:1], 8)
    assert sorted(one.name for one in names) == ["", "Anna", "Anna Bell", "Anna Bell Dunn"]


def test_a_run_of_another_system_writes_no_names(tiny_run, dataset):
    with pytest.raises(CheckpointError, match="'ot-mel' writes no names"):
        Writer.of(Bundle.load(tiny_run), dataset.graph)


def test_names_longer_than_the_model_reads_are_refused(bundle, dataset, monkeypatch):
    monkeypatch.setattr(bundle.model.encoder.text_tower.config, "n_positions", 20)
    with pytest.raises(ConfigurationError, match="20 positions"):
        generate_links(bundle, dataset.graph, dataset.split("dev"), 2)
