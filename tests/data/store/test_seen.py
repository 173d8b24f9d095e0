"""The ids an import has met: whatever the batches, the look-up is a dictionary's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.store.seen import RECORD, Seen, hashed
from otmel.errors import DataError


@given(st.lists(st.lists(st.text(max_size=4), max_size=6), max_size=12))
def test_it_is_a_dictionary(batches: list[list[str]]) -> None:
    seen, model, row = Seen(), {}, 0
    for batch in batches:
        assert seen.rows(hashed(batch)).tolist() == [model.get(one, -1) for one in batch]
        new = [one for one in dict.fromkeys(batch) if one not in model]
        seen.add(hashed(new), range(row, row + len(new)))
        model |= {one: row + place for place, one in enumerate(new)}
        row += len(new)
    assert len(seen) == len(model)
    assert seen.rows(hashed(list(model))).tolist() == list(model.values())
    assert all(len(first) > len(second) for first, second in zip(seen._runs, seen._runs[1:], strict=False))


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    seen, path = Seen(), tmp_path / "ids.bin"
    path.write_bytes(b"".join(seen.add(hashed([str(n)]), [n]).tobytes() for n in range(9)) + b"rest")
    again = Seen.read(path, 9 * RECORD.itemsize)
    assert again.rows(hashed(["8", "0", "9"])).tolist() == [8, 0, -1]
    assert len(Seen.read(tmp_path / "absent", 0)) == 0
    with pytest.raises(DataError, match="expected"):
        Seen.read(path, 10 * RECORD.itemsize)
