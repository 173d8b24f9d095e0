"""What is written comes back: the same search, to the bit; and what was made of something else is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from index_graphs import answers, graph

from otmel.errors import CheckpointError
from otmel.index.build import build_index
from otmel.index.columns import KEYS, arrays_of, expected, names_of
from otmel.index.encode import Encoding, encoded_alike
from otmel.index.expected import Expected
from otmel.index.index import EntityIndex
from otmel.index.manifest import MANIFEST, Made, Manifest, read_record, write_record
from otmel.index.packing import packed
from otmel.index.source import RunSource
from otmel.index.store import open_index
from otmel.index.writer import IndexSettings
from otmel.models.tables import entity_table

COUNT = 70
PRECISIONS = ("float32", "float16", "int8")


@pytest.fixture(scope="module")
def source(tiny_run):
    return RunSource.load(tiny_run, graph(COUNT))


@pytest.fixture(scope="module")
def state(source):
    table = entity_table(source.graph, source.processor, source.bundle.vectorizer)
    return encoded_alike(Encoding.entities(source.bundle.model), table)


@pytest.fixture(scope="module", params=PRECISIONS)
def built(request, source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / request.param
    build_index(source, folder, IndexSettings(precision=request.param, most=20))
    return folder


def test_it_answers_as_the_index_in_memory(built, source, state):
    opened = open_index(built)
    assert len(opened.segments) > 2
    memory = EntityIndex.of(state, source.composition, opened.manifest.made.precision)
    assert answers(opened.index(source.composition), source) == answers(memory, source)
    assert opened.ids == list(source.graph.ids)


def test_every_array_is_what_its_record_says_and_plain_npy(built):
    for folder in (built / "segments").iterdir():
        for path in folder.glob("*.npy"):
            array = np.load(path, allow_pickle=False)
            assert not array.dtype.hasobject
            assert array.flags.c_contiguous
    opened = open_index(built, check="whole")
    for record, segment in zip(opened.records, opened.segments, strict=True):
        again = {name: array.numpy() for name, array in arrays_of(segment).items()}
        again |= {} if segment.names is None else names_of(segment.names)
        assert set(record.arrays) == set(again) | set(KEYS) == set(expected(record.made))
        for name, array in again.items():
            assert record.arrays[name].dtype == array.dtype.newbyteorder("<").str
            assert record.arrays[name].shape == array.shape


def test_writing_to_an_open_index_changes_no_file(built):
    opened = open_index(built)
    before = {path: path.read_bytes() for path in built.rglob("*.npy")}
    for segment in opened.segments:
        for array in arrays_of(segment).values():
            array.zero_()
    assert before == {path: path.read_bytes() for path in built.rglob("*.npy")}


def test_opening_keeps_no_file_open(built):
    before = len(list(Path("/proc/self/fd").iterdir()))
    opened = [open_index(built) for _ in range(3)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(opened) == 3


def expectation(source, **changes):
    values = {"model": source.model, "inputs": source.inputs, "graph": source.graph.snapshot}
    return Expected(**{**values, "composition": source.composition, **changes})


def test_what_it_was_made_of_is_accepted(built, source):
    open_index(built, expectation(source, precision=built.name))


@pytest.mark.parametrize("what", ["model", "inputs", "graph", "precision"])
def test_another_is_refused_with_both_names(built, source, what):
    with pytest.raises(CheckpointError) as caught:
        open_index(built, expectation(source, **{what: "f" * 16}))
    manifest = read_record(built / MANIFEST, Manifest)
    found = manifest.graph if what == "graph" else getattr(manifest.made, what)
    assert found in str(caught.value)
    assert "f" * 16 in str(caught.value)
    assert "otmel index" in str(caught.value.cure)


def test_a_score_of_other_parts_is_refused(built, make_case):
    with pytest.raises(CheckpointError, match="parts"):
        open_index(built).index(make_case("PAPER").model.composition())


def test_another_format_version_is_refused(built, tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(built, folder)
    manifest = read_record(folder / MANIFEST, Manifest)
    for changes, words in (({"version": 2}, "version 2 .* reads 1"), ({"format": "otmel-graph"}, "otmel-graph")):
        write_record(folder / MANIFEST, manifest.model_copy(update=changes))
        with pytest.raises(CheckpointError, match=words):
            open_index(folder)


def test_no_index_is_no_index(tmp_path):
    with pytest.raises(CheckpointError, match="no index here: it has no manifest"):
        open_index(tmp_path)
    (tmp_path / "segments").mkdir()
    with pytest.raises(CheckpointError, match="its build has not ended"):
        open_index(tmp_path)


def test_a_record_is_as_it_is_written(built):
    manifest = read_record(built / MANIFEST, Manifest)
    assert manifest.entities == COUNT
    assert manifest.entries == COUNT
    assert json.loads((built / MANIFEST).read_text())["record"] == manifest.model_dump(mode="json")


def test_every_formula_and_precision_comes_back(make_case, tmp_path):
    for name, variant in (("PAPER", "ot"), ("RELEASED", "ot"), ("default", "m2"), ("default", "f2")):
        case = make_case(name, variant)
        composition = case.model.composition()
        for precision in PRECISIONS:
            made = Made.of(composition, "m", "i", precision)
            segment = packed(case.entities, torch.arange(len(case.entities)), composition, precision)
            wanted = {key for key in expected(made) if key.split(".")[0] not in ("ids", "digests", "names")}
            assert set(arrays_of(segment)) == wanted
