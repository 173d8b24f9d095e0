"""The component of spaCy in real pipelines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from otmel.errors import CheckpointError, ConfigurationError
from otmel.linking import Linker
from otmel.linking.documents import DocumentLinker

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

spacy = pytest.importorskip("spacy")

from otmel import spacy as component  # noqa: E402
from otmel.data.documents import Document, Span  # noqa: E402

PATTERNS = [{"label": "PERSON", "pattern": "Dunn", "id": "known"}, {"label": "PERSON", "pattern": "Lamptey"}]
TEXTS = ["Judge Dunn adjourned. Dunn left.", "Nobody came.", "", "🦀 Lamptey read two poems to Dunn."]


def pipeline(config: dict[str, Any]) -> Any:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    nlp.add_pipe("otmel", config=config)
    return nlp


@pytest.fixture(scope="module")
def config(tiny_run: Path, tiny_dataset_folder: Path) -> dict[str, Any]:
    return {"run": str(tiny_run), "graph": str(tiny_dataset_folder), "k": 3}


@pytest.fixture(scope="module")
def nlp(config: dict[str, Any]) -> Any:
    return pipeline(config)


def test_entities_get_ids_and_links(nlp: Any, config: dict[str, Any]) -> None:
    doc = nlp(TEXTS[0])
    first, second = doc.ents
    assert (first.label_, first.ent_id_, first.text, second.text) == ("PERSON", "known", "Dunn", "Dunn")
    linker = DocumentLinker(Linker.load(config["run"], config["graph"]), k=3)
    ((one, two),) = linker.link([Document(TEXTS[0], (Span(6, 10), Span(22, 26)))])
    assert (first._.otmel, second._.otmel) == (one.as_json(), two.as_json())
    assert (first._.otmel["start"], first._.otmel["end"], len(first._.otmel["candidates"])) == (6, 10, 3)
    assert one.link.entity is not None
    assert first.kb_id_ == one.link.entity.id
    assert doc[1:2]._.otmel == first._.otmel
    assert doc[0:1]._.otmel is None


def test_a_pipe_gives_what_single_documents_give(nlp: Any) -> None:
    together = list(nlp.pipe(TEXTS * 9, batch_size=7))
    assert [doc.text for doc in together] == TEXTS * 9
    alone = [nlp(text) for text in TEXTS] * 9
    for one, other in zip(together, alone, strict=True):
        assert [(e.kb_id_, e._.otmel["candidates"]) for e in one.ents] == [
            (e.kb_id_, e._.otmel["candidates"]) for e in other.ents
        ]
    assert sum(len(doc.ents) for doc in together) == 36


def test_an_image_of_any_form_is_seen(nlp: Any, tiny_dataset_folder: Path) -> None:
    path = tiny_dataset_folder / "mention_image" / "dev-0.jpg"
    scores = []
    for image in (None, path, str(path), path.read_bytes(), Image.open(path)):
        doc = nlp.make_doc(TEXTS[0])
        doc._.image = image
        scores.append([entity._.otmel["score"] for entity in nlp(doc).ents])
    assert scores[0] != scores[1]
    assert scores[1] == scores[2] == scores[3] == scores[4]


@pytest.mark.parametrize("detect", [True, "dictionary"])
def test_a_detector_adds_entities_beside_those_that_are_there(config: dict[str, Any], detect: bool | str) -> None:
    nlp = pipeline({**config, "detect": detect, "k": 1})
    doc = nlp("Carl Dunn met Paul Quist, the émile-fournier fan.")
    assert [(e.text, e.label_) for e in doc.ents] == [
        ("Dunn", "PERSON"),
        ("Paul Quist", "NAME"),
        ("émile-fournier", "NAME"),
    ]
    assert all(entity.kb_id_ and len(entity._.otmel["candidates"]) == 1 for entity in doc.ents)


def test_a_linked_document_comes_back_from_bytes(nlp: Any) -> None:
    from spacy.tokens import Doc

    doc = nlp(TEXTS[0])
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert [(e.kb_id_, e._.otmel) for e in again.ents] == [(e.kb_id_, e._.otmel) for e in doc.ents]


def test_the_configuration_makes_the_same_pipeline_again(nlp: Any, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "pipeline")
    again = spacy.load(tmp_path / "pipeline")
    assert [e.kb_id_ for e in again(TEXTS[3]).ents] == [e.kb_id_ for e in nlp(TEXTS[3]).ents]


def test_mistakes_are_told(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the folder is no run"):
        pipeline({**config, "run": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="does not say where its graph is"):
        pipeline({"run": config["run"]})
    with pytest.raises(ConfigurationError, match="no detector 'dictionry'"):
        pipeline({**config, "detect": "dictionry"})
    with pytest.raises(Exception, match=r"field required|missing"):
        pipeline({})
    assert component.NIL == "NIL"


def test_spacy_finds_the_component_by_itself(config: dict[str, Any], tmp_path: Path) -> None:
    """By the entry point that the package declares: nothing of otmel is imported before."""
    declared = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf8"))
    ((name, value),) = declared["project"]["entry-points"]["spacy_factories"].items()
    installed = tmp_path / "declared-1.dist-info"  # as an installer writes it
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[spacy_factories]\n{name} = {value}\n")
    code = f"import spacy; nlp = spacy.blank('en'); nlp.add_pipe('otmel', config={config!r}); print(nlp.pipe_names)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.strip() == "['otmel']", done.stderr


def test_without_spacy_its_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "spacy.py").write_text("raise ImportError('not installed')")
    code = "import otmel.spacy"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "MissingExtra" in done.stderr
    assert "pip install 'otmel[spacy]'" in done.stderr
