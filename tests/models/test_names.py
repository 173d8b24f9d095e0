"""Name match: laws of the scores, the reference in plain scikit-learn, the state, and the figure on real names."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from otmel.data.records import Entity
from otmel.errors import CheckpointError, ConfigurationError
from otmel.evaluation.measures import MRR, Hit
from otmel.evaluation.ranks import ranks_of
from otmel.models.names import NameMatch, NameMatchSettings, NameVectorizer, names_of

CONGRESS = Path(__file__).resolve().parents[3] / "shared" / "data" / "congress-mel"
NAMES = ["Anna Bell", "Anna Bell", "Carl Dunn", "Carla Dunn", "Émile Fournier", "王小明", "", "X", "José Núñez"]
ENTITIES = [Entity(f"Q{row}", name) for row, name in enumerate(NAMES)]
TEXT = st.text(max_size=20)


@pytest.fixture(scope="module")
def match() -> NameMatch:
    return NameMatch.fit(ENTITIES)


@settings(max_examples=40, deadline=None)
@given(mentions=st.lists(TEXT, min_size=1, max_size=4), names=st.lists(TEXT, min_size=1, max_size=6))
def test_scores_lie_between_zero_and_one_for_any_text(mentions, names):
    scores = NameMatch.fit([Entity(str(row), name) for row, name in enumerate(names)]).scores(mentions)
    assert scores.shape == (len(mentions), len(names))
    assert scores.dtype == np.float32
    assert np.all((scores >= 0) & (scores <= 1))


@settings(max_examples=40, deadline=None)
@given(names=st.lists(TEXT, min_size=1, max_size=8), cut=st.integers(0, 8))
def test_tiles_join_to_the_whole(names, cut):
    match = NameMatch.fit([Entity(str(row), name, (name[::-1], "Bell")[: row % 3]) for row, name in enumerate(names)])
    tiles = [match.scores(["Anna Bell", *names], slice(0, cut)), match.scores(["Anna Bell", *names], slice(cut, None))]
    assert np.array_equal(np.concatenate(tiles, 1), match.scores(["Anna Bell", *names]))


def test_a_name_matches_itself_and_equal_names_tie_exactly(match):
    scores = match.scores(NAMES)
    with_grams = [row for row, name in enumerate(NAMES) if name]
    assert np.allclose(scores[with_grams, with_grams], 1, atol=1e-6)
    assert np.array_equal(scores[:, 0], scores[:, 1])
    assert scores[2, 2] > scores[2, 3] > scores[2, 0]


def test_an_empty_name_scores_zero_everywhere(match):
    assert not match.scores([""]).any()
    assert not match.scores(NAMES)[:, NAMES.index("")].any()


def test_case_and_accents_do_not_matter_unless_asked(match):
    assert match.scores(["emile FOURNIER"])[0, 4] == pytest.approx(1, abs=1e-6)
    exact = NameMatch.fit(ENTITIES, NameMatchSettings(lowercase=False, strip_accents=False))
    assert exact.scores(["emile FOURNIER"])[0, 4] < 0.9


def test_a_lone_surrogate_is_scored_not_refused(match):
    assert np.isfinite(match.scores(["Anna \ud800 Bell"])).all()


def test_the_score_of_an_entity_is_the_best_over_its_names():
    both = Entity("Q1", "Joseph Biden", ("Joe Biden", "Joseph Biden"))
    vectorizer = NameVectorizer.fit(["Joseph Biden", "Joe Biden", "Anna Bell"])
    one_by_one = NameMatch(vectorizer, [Entity("a", "Joseph Biden"), Entity("b", "Joe Biden")])
    mentions = ["Joe", "Joseph", "Biden"]
    together = NameMatch(vectorizer, [Entity("0", "Anna Bell"), both]).scores(mentions)[:, 1]
    assert names_of(both) == ["Joseph Biden", "Joe Biden"]
    assert np.array_equal(together, one_by_one.scores(mentions).max(1))


@pytest.mark.parametrize("sublinear", [False, True])
def test_agrees_with_plain_tfidf_on_known_n_grams(sublinear):
    reference = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), strip_accents="unicode", sublinear_tf=sublinear, dtype=np.float64
    )
    expected = (reference.fit_transform(NAMES) @ reference.transform(NAMES).T).toarray()
    ours = NameMatch.fit(ENTITIES, NameMatchSettings(sublinear=sublinear)).scores(NAMES)
    assert np.allclose(ours, expected, atol=1e-5)


def test_an_entity_scores_the_same_whatever_else_is_in_the_graph(match):
    grown = NameMatch.from_state(match.state(), [*reversed(ENTITIES), Entity("new", "Anna Bellini")])
    expected = match.scores(["Bell", "Dunn"])
    assert np.array_equal(grown.scores(["Bell", "Dunn"])[:, : len(NAMES)][:, ::-1], expected)


def test_the_state_survives_a_file_without_pickle(match, tmp_path):
    np.savez(tmp_path / "names.npz", **match.state())
    with np.load(tmp_path / "names.npz", allow_pickle=False) as state:
        again = NameMatch.from_state(state, ENTITIES)
    assert again.vectorizer.settings == match.vectorizer.settings
    assert np.array_equal(again.scores(NAMES), match.scores(NAMES))
    assert all(array.dtype.kind in "iu" for array in match.state().values())


@pytest.mark.parametrize("key", ["settings", "documents", "buckets", "counts"])
def test_a_state_with_a_missing_array_is_refused(match, key):
    state = {name: array for name, array in match.state().items() if name != key}
    with pytest.raises(CheckpointError, match=key):
        NameVectorizer.from_state(state)


def test_a_state_that_does_not_fit_is_refused(match):
    state = match.state()
    with pytest.raises(CheckpointError, match="do not fit"):
        NameVectorizer.from_state({**state, "buckets": state["buckets"] + 2**20})
    with pytest.raises(CheckpointError, match="do not fit"):
        NameVectorizer.from_state({**state, "counts": state["counts"] * 1000})
    unknown = np.frombuffer(json.dumps({"analyser": "char"}).encode(), dtype=np.uint8)
    with pytest.raises(ConfigurationError, match="analyser"):
        NameVectorizer.from_state({**state, "settings": unknown})


def test_candidates_are_the_best_with_ties_to_the_lower_row(match):
    best = match.name_candidates(["Anna Bell", "Carla", ""], k=3, block=2)
    assert best[0, :2].tolist() == [0, 1]
    assert best[1, 0] == 3
    assert best[2].tolist() == [0, 1, 2]
    assert match.name_candidates(["Anna"], k=100).shape == (1, len(NAMES))


def test_bad_settings_and_rows_are_refused(match):
    with pytest.raises(ConfigurationError, match="5 to 2"):
        NameVectorizer.fit(NAMES, NameMatchSettings(shortest=5, longest=2))
    with pytest.raises(ValueError, match="contiguous"):
        match.scores(["Anna"], slice(0, 8, 2))
    assert match.scores(["Anna"], slice(3, 3)).shape == (1, 0)


@pytest.mark.data
@pytest.mark.skipif(not CONGRESS.is_dir(), reason="the Congress data set is absent (../shared/data)")
def test_the_floor_on_congress_development_mentions():
    rows = json.loads((CONGRESS / "kb_entity.json").read_text(encoding="utf8"))
    mentions = json.loads((CONGRESS / "Congress_dev.json").read_text(encoding="utf8"))
    places = {row["qid"]: place for place, row in enumerate(rows)}
    match = NameMatch.fit([Entity(row["qid"], unquote(row["entity_name"])) for row in rows])
    scores = match.scores([unquote(mention["mentions"]) for mention in mentions])
    ranks = ranks_of(scores, [places[mention["answer"]] for mention in mentions]).realistic
    assert (len(rows), len(mentions)) == (6382, 196)
    assert round(100 * Hit(1)(ranks), 1) == 68.4
    assert round(100 * MRR(ranks), 1) == 77.5
