"""A trie holds exactly the names it was given, each with all rows that bear it."""

from hypothesis import given
from hypothesis import strategies as st

from otmel.linking.name_trie import NameTrie

END = 0
names = st.lists(st.lists(st.integers(1, 3), max_size=4).map(lambda name: (*name, END)), max_size=12)


@given(names)
def test_it_holds_every_name_with_all_its_rows(given_names):
    trie = NameTrie(given_names)
    for name in given_names:
        assert trie.rows(name) == tuple(row for row, other in enumerate(given_names) if other == name)
    assert len(trie) == len(set(given_names)) == len(list(trie))
    assert sorted(row for rows in trie for row in rows) == list(range(len(given_names)))
    assert trie.depth == max(map(len, given_names), default=0)


@given(names, st.lists(st.integers(0, 3), max_size=6))
def test_what_may_follow_is_what_does_in_some_name(given_names, prefix):
    follows = {
        name[len(prefix)] for name in given_names if name[: len(prefix)] == tuple(prefix) and len(name) > len(prefix)
    }
    trie = NameTrie(given_names)
    assert sorted(trie.after(prefix)) == sorted(follows)
    if tuple(prefix) not in given_names:
        assert trie.rows(prefix) == ()


@given(names.filter(bool), st.randoms())
def test_walking_along_it_always_ends_at_a_name(given_names, random):
    trie, walked = NameTrie(given_names), []
    while following := trie.after(walked):
        walked.append(random.choice(following))
    assert tuple(walked) in given_names
    assert trie.rows(walked)
