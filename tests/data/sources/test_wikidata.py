from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.findings import Findings
from otmel.data.records import Entity
from otmel.data.sources import SourceOptions, open_source
from otmel.data.sources.wikidata import commons_name


def text(value, language="en"):
    return {"language": language, "value": value}


def claim(value, kind="string"):
    snak = {"snaktype": "value", "property": "P1", "datavalue": {"value": value, "type": kind}}
    return [{"mainsnak": snak, "type": "statement", "rank": "normal", "references": []}]


ADAMS = {
    "type": "item",
    "id": "Q42",
    "labels": {"en": text("Douglas Adams"), "de": text("Adams, Douglas", "de"), "mul": text("D. Adams", "mul")},
    "descriptions": {"en": text("English author"), "de": text("Autor", "de")},
    "aliases": {"en": [text("DNA"), text("Douglas Adams")], "mul": [text("DNA", "mul"), text("D. N. Adams", "mul")]},
    "claims": {
        "P31": claim({"id": "Q5"}, "wikibase-entityid"),
        "P569": claim({"time": "+1952-03-11T00:00:00Z", "precision": 11}, "time"),
        "P18": claim("Douglas_adams portrait.jpg"),
    },
    "sitelinks": {"enwiki": {"site": "enwiki", "title": "Douglas Adams"}},
}


def rows_of(folder, *items, findings=None, **options):
    path = folder / "dump.json"
    path.write_text("[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]\n")
    source = open_source(
        path, SourceOptions(format="wikidata", **options), Findings() if findings is None else findings
    )
    return list(source.rows())


def row_of(folder, item, **options):
    (row,) = rows_of(folder, item, **options)
    return row


def test_an_item_becomes_an_entity(tmp_path, findings):
    options = {"claims": ("P569", "P31", "P106", "P31"), "labels": {"P569": "born", "Q5": "human"}}
    row = row_of(tmp_path, ADAMS, findings=findings, **options)
    assert row.entity == Entity(
        "Q42", "Douglas Adams", ("DNA", "D. N. Adams"), "English author", "born: 1952-03-11. P31: human"
    )
    assert row.extra == {"image_name": "Douglas adams portrait.jpg"}
    assert not findings


@pytest.mark.parametrize(
    "language, name, description, counted",
    [
        ("de", "Adams, Douglas", "Autor", 0),
        ("de-at", "Adams, Douglas", "Autor", 1),
        ("mul", "D. Adams", "", 0),
        ("fr", "D. Adams", "", 1),
    ],
)
def test_the_label_falls_back_and_is_counted(language, name, description, counted, tmp_path, findings):
    row = row_of(tmp_path, ADAMS, findings=findings, language=language)
    assert row.entity is not None
    assert (row.entity.name, row.entity.description) == (name, description)
    assert sum(count for kind, count in findings.counts.items() if kind.startswith("label in")) == counted


def test_without_mul_the_label_is_english_and_without_any_there_is_a_reason(tmp_path):
    item = {**ADAMS, "labels": {"en": text("Adams"), "mul": text(" ", "mul")}}
    entity = row_of(tmp_path, item, language="fr").entity
    assert entity is not None
    assert entity.name == "Adams"
    row = row_of(tmp_path, {**ADAMS, "labels": {"de": text("Adams")}}, language="fr")
    assert row.reason == "no label in fr, mul, en"


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"id": "P31", "type": "property"}, "a property, no item"),
        ({"id": "L7", "type": "lexeme"}, "a lexeme, no item"),
        ({"id": "M7"}, "a media file, no item"),
        ({"redirect": "Q1"}, "a redirect"),
    ],
)
def test_what_is_meant_to_be_no_item_is_rejected_as_foreign(change, reason, tmp_path):
    row = row_of(tmp_path, {**ADAMS, **change})
    assert (row.reason, row.foreign) == (reason, True)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"id": None}, "id missing"),
        ({"id": 42}, "id is no text"),
        ({"id": "42"}, "id is none of an item"),
        ({"id": "Q042"}, "id is none of an item"),
        ({"labels": "x"}, "labels is no object"),
        ({"labels": []}, "no label in en, mul"),
        ({"labels": {"en": "x"}}, "a label, description or alias is no text"),
        ({"descriptions": {"en": {"value": 3}}}, "a label, description or alias is no text"),
        ({"aliases": {"en": "x"}}, "aliases are no list"),
        ({"aliases": {"mul": [3]}}, "a label, description or alias is no text"),
        ({"claims": {"P18": 3}}, "the statements of P18 are malformed"),
        ({"labels": {"en": text("a\0")}}, "NUL character"),
        ({"aliases": {"en": [text("a\ud800")]}}, "lone surrogate"),
        ({"claims": {"P18": claim("a\0.jpg")}}, "NUL character"),
        ({"descriptions": {"en": text("x" * 1_000_000)}}, "text too long"),
    ],
)
def test_what_cannot_be_used_says_why_and_its_neighbours_are_kept(change, reason, tmp_path):
    rows = rows_of(tmp_path, ADAMS, {**ADAMS, **change}, ADAMS)
    assert [(row.reason, row.foreign) for row in rows] == [(None, False), (reason, False), (None, False)]


def test_what_is_not_used_may_be_anything_and_of_ten_megabytes(tmp_path):
    item = {**ADAMS, "sitelinks": "\0", "labels": {**ADAMS["labels"], "fr": "x" * 10_000_000}}
    assert row_of(tmp_path, item).reason is None


@pytest.mark.parametrize("stored", ["Douglas adams portrait.jpg", "Douglas_adams_portrait.jpg"])
def test_the_image_is_found_under_the_root_in_either_spelling(stored, tmp_path, findings):
    root = tmp_path / "images"
    root.mkdir()
    row = row_of(tmp_path, ADAMS, findings=findings, image_root=root)
    assert row.extra == {"image_name": "Douglas adams portrait.jpg"}
    assert findings.counts == {"image missing": 1}
    (root / stored).write_bytes(b"x")
    row = row_of(tmp_path, ADAMS, image_root=root)
    assert row.entity is not None
    assert (row.entity.images, row.extra) == ((root / stored,), {})


@pytest.mark.parametrize("name", ["../dump.json", "/etc/passwd", "https://example.org/x.jpg", "C:\\x.jpg"])
def test_an_image_never_lies_outside_the_root(name, tmp_path, findings):
    (tmp_path / "images").mkdir()
    item = {**ADAMS, "claims": {"P18": claim(name)}}
    row = row_of(tmp_path, item, findings=findings, image_root=tmp_path / "images")
    assert row.entity is not None
    assert row.entity.images == ()
    assert sum(findings.counts.values()) == 1


@pytest.mark.parametrize(
    "name, normal",
    [
        ("File:a_b  c.jpg", "A b c.jpg"),
        ("image: éa.png", "Éa.png"),
        (" A.jpg_", "A.jpg"),
        ("filed.jpg", "Filed.jpg"),
        ("", ""),
    ],
)
def test_names_of_commons_have_one_spelling(name, normal):
    assert commons_name(name) == normal == commons_name(normal)


PATHS = [
    ("id",), ("labels",), ("labels", "en"), ("labels", "en", "value"), ("descriptions",), ("descriptions", "en"),
    ("aliases",), ("aliases", "en"), ("aliases", "en", 0), ("aliases", "en", 0, "value"), ("claims",),
    ("claims", "P31"), ("claims", "P31", 0), ("claims", "P31", 0, "rank"), ("claims", "P31", 0, "mainsnak"),
    ("claims", "P31", 0, "mainsnak", "snaktype"), ("claims", "P31", 0, "mainsnak", "datavalue"),
    ("claims", "P31", 0, "mainsnak", "datavalue", "value"), ("claims", "P31", 0, "mainsnak", "datavalue", "type"),
    ("claims", "P569", 0, "mainsnak", "datavalue", "value", "time"), ("claims", "P18", 0, "mainsnak", "datavalue"),
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wikidata")


@settings(deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=3))
def test_wrong_types_at_any_depth_are_a_reason_and_no_error(changes, folder):
    item = copy.deepcopy(ADAMS)
    for path, value in changes:
        parent = item
        for step in path[:-1]:
            if not isinstance(parent, (dict, list)) or (isinstance(parent, list) and not parent):
                break
            parent = parent.get(step) if isinstance(parent, dict) else parent[0]
        if isinstance(parent, dict):
            parent[path[-1]] = value
    rows = rows_of(folder, ADAMS, item, ADAMS, claims=("P31", "P569"))
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[0].entity == rows[2].entity != None  # noqa: E711
    assert (rows[1].entity is None) == (rows[1].reason is not None)
