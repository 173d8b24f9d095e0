"""Detectors by name, and what models of others find."""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.dataset import Dataset
from otmel.data.documents import Span
from otmel.errors import ConfigurationError, MissingExtra
from otmel.linking.detection import DictionaryDetector, detector
from otmel.linking.detection.base import without_overlap
from otmel.linking.detection.gliner_model import WORD, GlinerDetector, pieces

spacy = pytest.importorskip("spacy")
SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)).map(lambda pair: Span(pair[0], pair[0] + pair[1])))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real pipeline in a folder: English words and an entity ruler."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [
            {"label": "PERSON", "pattern": "Paul Quist"},
            {"label": "DATE", "pattern": "Monday"},
            {"label": "GPE", "pattern": "Oslo"},
        ]
    )
    folder = tmp_path_factory.mktemp("pipelines") / "ruler"
    nlp.to_disk(folder)
    return folder


@given(spans=SPANS)
def test_without_overlap(spans: list[Span]) -> None:
    kept = list(without_overlap(spans))
    assert all(one.end <= two.start for one, two in itertools.pairwise(kept))
    assert all(span in spans for span in kept)
    assert all(any(span.start < one.end and one.start < span.end for one in kept) for span in spans)


def test_names_of_detectors(tiny: Dataset, pipeline: Path) -> None:
    assert isinstance(detector("dictionary", tiny.graph), DictionaryDetector)
    assert detector(f"spacy:{pipeline}", tiny.graph).name == f"spacy:{pipeline}"


@pytest.mark.parametrize("name", ["", "dictionry", "spacy", "spacy:", "gliner:", "dictionary:x"])
def test_a_wrong_name_lists_the_right_ones(name: str, tiny: Dataset) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"there is no detector {name!r}")) as caught:
        detector(name, tiny.graph)
    assert "dictionary, spacy:MODEL, gliner:MODEL" in str(caught.value.cure)


def test_spacy_finds_names_and_no_amounts(pipeline: Path, tiny: Dataset) -> None:
    found = detector(f"spacy:{pipeline}", tiny.graph).detect("🦀 Paul Quist came to Oslo on Monday.")
    assert found == [Span(2, 12, label="PERSON"), Span(21, 25, label="GPE")]


def test_spacy_reads_a_long_text_in_pieces(pipeline: Path, tiny: Dataset) -> None:
    one: Any = detector(f"spacy:{pipeline}", tiny.graph)
    one._pipeline.max_length = 12
    assert one.detect("Paul Quist. Oslo.") == [Span(0, 10, label="PERSON"), Span(12, 16, label="GPE")]
    assert one.detect("") == []


def test_a_pipeline_that_is_absent_says_how_to_get_it(tiny: Dataset) -> None:
    with pytest.raises(ConfigurationError, match="spaCy has no pipeline 'en_absent_sm'") as caught:
        detector("spacy:en_absent_sm", tiny.graph)
    assert "python -m spacy download en_absent_sm" in str(caught.value.cure)


def test_a_pipeline_that_finds_nothing_is_refused(tmp_path: Path, tiny: Dataset) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ConfigurationError, match="finds no entities"):
        detector(f"spacy:{tmp_path / 'blank'}", tiny.graph)


@pytest.mark.skipif(importlib.util.find_spec("gliner") is not None, reason="gliner is installed")
def test_without_gliner_its_extra_is_named(tiny: Dataset) -> None:
    with pytest.raises(MissingExtra, match="'gliner:any' needs the package 'gliner'") as caught:
        detector("gliner:any", tiny.graph)
    assert caught.value.cure == "pip install 'otmel[gliner]'"


class Capitals:
    """Finds capitalised words, in gliner's form of call and answer; refuses what gliner would cut off in silence."""

    def predict_entities(self, text: str, labels: list[str]) -> Sequence[Mapping[str, Any]]:
        assert len(re.findall(r"\w+(?:[-_]\w+)*|\S", text)) <= 296
        found = re.finditer(r"[A-Z]\w+", text)
        return [
            {"start": one.start(), "end": one.end(), "text": one.group(), "label": labels[0], "score": 0.9}
            for one in found
        ]


def test_gliners_pieces_lose_no_place() -> None:
    text = "Anna met Bell. " * 200 + "word " * 700 + "Carl"
    found = GlinerDetector(Capitals(), "gliner:capitals").detect(text)
    assert [(span.start, span.end) for span in found] == [one.span() for one in re.finditer(r"[A-Z]\w+", text)]
    assert found[0].label == "person"


@given(text=st.lists(st.sampled_from(["a", "B.", "c!", "\n", "d-e", ""])).map(" ".join), most=st.integers(1, 9))
def test_laws_of_pieces(text: str, most: int) -> None:
    cut = [text[piece] for piece in pieces(text, most)]
    assert "".join(cut) == (text if WORD.search(text) else "")
    assert all(0 < len(WORD.findall(piece)) <= most for piece in cut)
