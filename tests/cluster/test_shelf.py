"""Parts on a shelf: what is done stays, what is missing is found, and what another command made is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.cluster.parts import Part
from otmel.cluster.shelf import Shelf
from otmel.errors import ConfigurationError, StorageError
from otmel.linking.rows import Tally

MADE = {"model": "a" * 16, "graph": "b" * 16, "k": 5}


def parts(count: int, digest: str = "d") -> list[Part]:
    return [Part("m.jsonl", digest, 32 * number, 32 * number + 32) for number in range(count)]


def put(shelf: Shelf, number: int, part: Part) -> None:
    shelf.write(number, part, [f'{{"part": {part.first}}}\n'], Tally(31, 1))


@given(done=st.sets(st.integers(0, 7)), more=st.integers(0, 3))
def test_what_is_missing_gets_the_numbers_that_are_free(tmp_path_factory, done, more):
    shelf = Shelf(tmp_path_factory.mktemp("out"), MADE)
    with shelf.open():
        for number, part in enumerate(parts(8)):
            if number in done:
                put(shelf, number, part)
        added = [Part("a.jsonl", "e", 0, 32)] * bool(more)  # a file that sorts before: nothing moves
        found, missing = shelf.plan([*added, *parts(8)])
        assert {one.number for one in found} == done
        assert [part for _, part in missing] == [
            *added,
            *(part for number, part in enumerate(parts(8)) if number not in done),
        ]
        for number, part in missing:
            put(shelf, number, part)
        assert len(list(shelf.place.glob("part-*.jsonl"))) == 8 + len(added)
        again, nothing = shelf.plan([*parts(8), *added])
        assert (len(again), nothing) == (8 + len(added), [])
        assert sum(one.linked + one.bad for one in again) == 32 * len(again)


def test_a_part_without_its_marker_is_made_again(tmp_path):
    shelf = Shelf(tmp_path, MADE)
    for number, part in enumerate(parts(3)):
        put(shelf, number, part)
    (tmp_path / "part-00001.json").unlink()
    (tmp_path / ".part-00002.0000.tmp.jsonl").touch()
    with shelf.open():
        assert not list(tmp_path.glob(".part*"))
        assert shelf.plan(parts(3))[1] == [(1, parts(3)[1])]


@pytest.mark.parametrize("key", ["model", "graph", "k"])
def test_parts_of_another_command_are_refused(tmp_path, key):
    put(Shelf(tmp_path, MADE), 0, parts(1)[0])
    other = {**MADE, key: "c" * 16}
    with pytest.raises(ConfigurationError, match=f"{key} was {MADE[key]!r} and is now {'c' * 16!r}") as found:
        Shelf(tmp_path, other).plan(parts(1))
    assert "part-00000.json" in (found.value.where or "")


def test_an_input_that_has_changed_is_refused(tmp_path):
    shelf = Shelf(tmp_path, MADE)
    put(shelf, 0, parts(1)[0])
    with pytest.raises(ConfigurationError, match=r"rows 1 to 32 of m\.jsonl, which the input does not hold any more"):
        shelf.plan(parts(1, digest="other"))


def test_a_part_that_was_cut_is_named(tmp_path):
    shelf = Shelf(tmp_path, MADE)
    put(shelf, 0, parts(1)[0])
    path = Path(tmp_path / "part-00000.jsonl")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StorageError, match="a part has 9 bytes and was written with 12"):
        shelf.plan(parts(1))
    (tmp_path / "part-00000.json").write_text("{")
    with pytest.raises(StorageError, match="the marker of a part is damaged"):
        shelf.plan(parts(1))


def test_two_commands_do_not_share_a_folder(tmp_path):
    shelf = Shelf(tmp_path, MADE)
    with shelf.open(), pytest.raises(StorageError, match="is writing here"), shelf.open():
        pass
