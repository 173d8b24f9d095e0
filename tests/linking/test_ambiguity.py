"""Three rules for a name that several entities bear; what they are about is counted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.dataset import Dataset
from otmel.data.datasets import load_dataset
from otmel.data.graph import KnowledgeGraph
from otmel.data.records import Entity, Mention
from otmel.errors import DataError
from otmel.linking.ambiguity import RULES, Ambiguity, generation
from otmel.linking.name_trie import NameTrie
from otmel.models.base import Side
from otmel.models.bundle import Bundle


@pytest.fixture(scope="module")
def bundle(gemel_run) -> Bundle:
    return Bundle.load(gemel_run)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=10), st.data())
def test_counts_are_those_of_the_names(names, data):
    gold = np.array(data.draw(st.lists(st.integers(0, len(names) - 1), max_size=6)), dtype=np.int64)
    found = Ambiguity.of(NameTrie([(name, 0) for name in names]), gold)
    assert (found.entities, found.names, found.mentions) == (len(names), len(set(names)), len(gold))
    assert found.sharing == sum(names.count(name) > 1 for name in names)
    assert found.largest == max(map(names.count, names))
    assert found.ambiguous == sum(names.count(names[row]) > 1 for row in gold)


def certain(bundle: Bundle, copies: int, extra: tuple[Entity, ...] = ()) -> Dataset:
    """A graph with one name for ``copies`` entities, which is thus all that can be written, but for ``extra``."""
    entities = [Entity(f"Q{row}", "Anna Bell", attributes=f"Country: {'ABCDE'[row]}") for row in range(copies)]
    mentions = tuple(Mention("Bell", f"Bell {row}", answer=f"Q{row}", id=f"m{row}") for row in range(copies))
    nobody = Mention("Bell", "Bell", answer="Q99")
    return Dataset("bells", KnowledgeGraph([*entities, *extra]), {"dev": (*mentions, nobody)})


@pytest.mark.parametrize("copies", [1, 3, 5])
def test_where_one_name_is_all_there_is_the_rules_say_what_it_is_worth(bundle, copies):
    result = generation(bundle, certain(bundle, copies), "dev", beams=3)
    hits = result.hits()
    assert len(result.mentions) == copies  # the answer that is not in the graph is left out
    assert hits["name"] == 1
    assert hits["chance"] == pytest.approx(1 / copies)
    assert result.found.all()
    # The first stage chooses one entity for every mention: right for those that it chooses truly.
    model, processor = bundle.model, bundle.processor
    entities = [Entity(f"Q{row}", "Anna Bell", attributes=f"Country: {'ABCDE'[row]}") for row in range(copies)]
    with torch.no_grad():
        mention = model.encode_mentions(Side(processor.mentions(result.mentions)).to(model.device))
        entity = model.encode_entities(Side(processor.entities(entities)).to(model.device))
        scores = model.score(mention, entity).total.cpu()
    chosen = scores.argmax(1) == torch.arange(copies)
    assert hits["first stage"] == pytest.approx(float(chosen.float().mean()))


def test_entities_that_are_alike_share_the_point(bundle):
    graph = KnowledgeGraph([Entity(f"Q{row}", "Anna Bell") for row in range(4)])
    dataset = Dataset("alike", graph, {"dev": (Mention("Bell", "Bell", answer="Q2"),)})
    assert generation(bundle, dataset, "dev", beams=2).hits() == {"name": 1.0, "chance": 0.25, "first stage": 0.25}


def test_rules_agree_on_names_that_are_nobody_elses(bundle, tiny_dataset_folder):
    result = generation(bundle, load_dataset(tiny_dataset_folder), "test", beams=10)
    assert result.found.all()  # ten beams for ten names
    assert result.ambiguous.tolist() == [False, False, True]
    others = result.hits(~result.ambiguous)
    assert len(set(others.values())) == 1
    assert result.ambiguity == Ambiguity(entities=12, names=10, sharing=4, largest=2, mentions=3, ambiguous=1)
    for mention in range(3):
        chance, name = result.points["chance"][mention], result.points["name"][mention]
        assert chance == name / (2 if result.ambiguous[mention] else 1)
    assert set(result.points) == set(RULES)


def test_a_limit_keeps_the_first(bundle, tiny_dataset_folder):
    dataset = load_dataset(tiny_dataset_folder)
    whole, some = generation(bundle, dataset, "dev", beams=3), generation(bundle, dataset, "dev", beams=3, limit=2)
    assert some.mentions == whole.mentions[:2]
    assert [[one.rows for one in names] for names in some.written] == [
        [one.rows for one in names] for names in whole.written[:2]
    ]


def test_a_split_without_answers_is_refused(bundle):
    dataset = Dataset("none", KnowledgeGraph([Entity("Q1", "Anna")]), {"dev": (Mention("Bell", answer="Q9"),)})
    with pytest.raises(DataError, match="true entity"):
        generation(bundle, dataset, "dev", beams=2)
