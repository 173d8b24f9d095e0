from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.fields import RowError
from otmel.data.findings import Findings
from otmel.data.sources.claims import attribute_text, best_values

ENTITY = "http://www.wikidata.org/entity/"


def statement(value=None, kind="string", rank="normal", snak="value"):
    main = {"snaktype": snak} | ({"datavalue": {"type": kind, "value": value}} if snak == "value" else {})
    return {"mainsnak": main, "rank": rank, "type": "statement"}


def values(*statements, labels=None):
    return best_values({"claims": {"P1": list(statements)}}, "P1", labels or {}, Findings())


def time(text, precision):
    return {"time": text, "precision": precision}


@pytest.mark.parametrize(
    "kind, value, text",
    [
        ("string", " some\n text ", "some text"),
        ("wikibase-entityid", {"entity-type": "item", "numeric-id": 42, "id": "Q42"}, "Q42"),
        ("wikibase-entityid", {"entity-type": "item", "numeric-id": 42}, "Q42"),
        ("wikibase-entityid", {"entity-type": "property", "numeric-id": 31}, "P31"),
        ("wikibase-entityid", {"id": "L12-F3"}, "L12-F3"),
        ("wikibase-entityid", {"id": "Q5"}, "human being"),
        ("monolingualtext", {"text": "Liberté", "language": "fr"}, "Liberté"),
        ("quantity", {"amount": "+1.80", "unit": "1"}, "1.80"),
        ("quantity", {"amount": "-3", "unit": ENTITY + "Q25267", "upperBound": "-2"}, "-3 Q25267"),
        ("quantity", {"amount": "+2", "unit": ENTITY + "Q11573"}, "2 metre"),
        ("time", time("+1952-03-11T00:00:00Z", 11), "1952-03-11"),
        ("time", time("+1952-03-00T00:00:00Z", 10), "1952-03"),
        ("time", time("+1952-00-00T00:00:00Z", 9), "1952"),
        ("time", time("+1952-00-00T00:00:00Z", 8), "1950s"),
        ("time", time("+1900-00-00T00:00:00Z", 7), "19th century"),
        ("time", time("+1901-00-00T00:00:00Z", 7), "20th century"),
        ("time", time("+2100-00-00T00:00:00Z", 7), "21st century"),
        ("time", time("+1150-00-00T00:00:00Z", 7), "12th century"),
        ("time", time("+1500-00-00T00:00:00Z", 6), "2nd millennium"),
        ("time", time("-0044-03-15T00:00:00Z", 11), "0044-03-15 BCE"),
        ("time", time("-0044-00-00T00:00:00Z", 9), "44 BCE"),
        ("time", time("+00000000079-08-24T00:00:00Z", 11), "0079-08-24"),
        ("time", time("-13798000000-00-00T00:00:00Z", 3), "13798000000 BCE"),
        ("globecoordinate", {"latitude": 48.85, "longitude": 2, "precision": 0.1}, "48.85, 2"),
    ],
)
def test_a_value_is_written_so_that_one_can_read_it(kind, value, text):
    assert values(statement(value, kind), labels={"Q5": "human being", "Q11573": "metre"}) == [text]


def test_the_preferred_rank_hides_the_normal_and_the_deprecated_never_shows():
    normal, preferred = statement("n"), statement("p", rank="preferred")
    deprecated = statement("d", rank="deprecated")
    assert values(deprecated, normal, preferred, statement("q", rank="preferred")) == ["p", "q"]
    assert values(deprecated, normal) == ["n"]
    assert values(deprecated) == values() == []


def test_values_that_are_none_are_passed_over():
    assert values(statement(snak="somevalue"), statement("a"), statement(snak="novalue"), statement(" ")) == ["a"]
    # What is preferred is known to be unknown: the normal value is not what holds.
    assert values(statement("a"), statement(snak="novalue", rank="preferred")) == []


def test_a_new_kind_of_value_is_counted_and_left_out(findings):
    row = {"claims": {"P1": [statement({}, "hologram"), statement("a")]}}
    assert best_values(row, "P1", {}, findings) == ["a"]
    assert findings.counts == {"value of an unknown kind left out": 1}


def test_properties_stand_in_the_order_asked_for_with_their_labels(findings):
    row = {"claims": {"P2": [statement("b"), statement("c"), statement("b")], "P1": [statement("a")], "P4": []}}
    assert attribute_text(row, ("P1", "P2", "P3", "P4"), {"P2": "Second"}, findings) == "P1: a. Second: b, c"
    assert attribute_text({"claims": []}, ("P1",), {}, findings) == ""
    assert attribute_text({}, ("P1",), {}, findings) == ""


@pytest.mark.parametrize(
    "statements",
    [
        {"P1": "a"},
        {"P1": [3]},
        {"P1": [{"rank": "best", "mainsnak": {}}]},
        {"P1": [{"rank": [], "mainsnak": {}}]},
        {"P1": [{"rank": "normal", "mainsnak": []}]},
        {"P1": [{"rank": "normal", "mainsnak": {"snaktype": "value"}}]},
        {"P1": [statement({"id": 5}, "wikibase-entityid")]},
        {"P1": [statement({"id": "five"}, "wikibase-entityid")]},
        {"P1": [statement({"entity-type": "item", "numeric-id": True}, "wikibase-entityid")]},
        {"P1": [statement(time("yesterday", 11), "time")]},
        {"P1": [statement(time("+" + "9" * 5000 + "-01-01T", 7), "time")]},
        {"P1": [statement({"amount": 3, "unit": "1"}, "quantity")]},
        {"P1": [statement({"amount": "3", "unit": "metre"}, "quantity")]},
        {"P1": [statement(None, "monolingualtext")]},
    ],
)
def test_what_is_malformed_is_a_reason(statements):
    with pytest.raises(RowError, match="statements of P1 are malformed"):
        best_values({"claims": statements}, "P1", {}, Findings())
    with pytest.raises(RowError, match="claims is no object"):
        best_values({"claims": [statements]}, "P1", {}, Findings())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["value", "normal"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "time", "type", "value", "unit", "rank", "mainsnak"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(JSON, st.sampled_from(["string", "wikibase-entityid", "monolingualtext", "quantity", "time", "globecoordinate"]))
def test_wrong_types_at_any_depth_are_a_reason_and_no_other_error(value, kind):
    for statements in (value, [value], [statement(value, kind)], [statement({"time": value, "precision": 9}, kind)]):
        try:
            found = best_values({"claims": {"P1": statements}}, "P1", {}, Findings())
        except RowError:
            continue
        assert all(isinstance(text, str) and text == " ".join(text.split()) for text in found)
