"""A file of lines that is interrupted anywhere goes on, and ends as if it never had been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otmel.errors import ConfigurationError, StorageError
from otmel.linking.unfinished import unfinished

LINES = [json.dumps({"line": n, "é": "x" * n}, ensure_ascii=False) + "\n" for n in range(11)]
MADE = {"model": "a", "k": 5, "nested": {"pair": (1, 2)}}


class Stop(Exception):
    """Ends the writing."""


def write(target: Path, until: int | None = None, made: dict | None = None, step: int = 4) -> int:
    """Write all lines, or stop after so many in all; how many were there."""
    with unfinished(target, MADE if made is None else made, step) as lines:
        for number in range(lines.kept, len(LINES)):
            if number == until:
                raise Stop
            lines.write(LINES[number])
        return lines.kept


def stopped(target: Path, until: int) -> None:
    with pytest.raises(Stop):
        write(target, until)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_leaves_nothing_beside_it(tmp_path: Path) -> None:
    assert write(tmp_path / "deep" / "out.jsonl") == 0
    assert names(tmp_path / "deep") == ["out.jsonl"]
    assert (tmp_path / "deep" / "out.jsonl").read_text("utf8") == "".join(LINES)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    until=st.integers(1, 10),
    cut=st.integers(0, 400),
    step=st.integers(1, 5),
    noise=st.sampled_from([b"", b"\0\0", b"{\n"]),
)
def test_it_goes_on_from_any_cut(tmp_path: Path, until: int, cut: int, step: int, noise: bytes) -> None:
    """After a kill the part may end at any byte, and hold what never was written whole."""
    target = tmp_path / "out.jsonl"
    stopped(target, until)
    part = tmp_path / "out.jsonl.part"
    data = part.read_bytes()
    left = data[: min(cut, len(data))]
    part.write_bytes(left + noise)
    kept = write(target, step=step)
    assert kept % step == 0
    assert kept == left.count(b"\n") // step * step
    assert target.read_text("utf8") == "".join(LINES)
    assert names(tmp_path) == ["out.jsonl"]
    target.unlink()


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("old", "utf8")
    stopped(target, 6)
    assert target.read_text("utf8") == "old"
    assert names(tmp_path) == ["out.jsonl", "out.jsonl.part", "out.jsonl.part.json"]
    assert write(target) == 4
    assert target.read_text("utf8") == "".join(LINES)


def test_lines_of_something_else_are_refused_and_kept(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    stopped(target, 9)
    before = (tmp_path / "out.jsonl.part").read_bytes()
    with pytest.raises(ConfigurationError, match="model was 'a' and is now 'b'") as caught:
        write(target, made={**MADE, "model": "b"})
    assert "remove out.jsonl.part and out.jsonl.part.json" in str(caught.value.cure)
    assert (tmp_path / "out.jsonl.part").read_bytes() == before
    (tmp_path / "out.jsonl.part.json").write_text("{}", "utf8")
    with pytest.raises(ConfigurationError, match="nothing says what these lines are made of"):
        write(target)
    assert (tmp_path / "out.jsonl.part").read_bytes() == before


def test_an_interruption_before_the_first_line_leaves_nothing(tmp_path: Path) -> None:
    stopped(tmp_path / "out.jsonl", 0)
    assert names(tmp_path) == []
    assert write(tmp_path / "out.jsonl", made={"model": "b"}) == 0


def test_two_at_once_are_one_too_many(tmp_path: Path) -> None:
    with unfinished(tmp_path / "out.jsonl", MADE) as lines:
        lines.write(LINES[0])
        with pytest.raises(StorageError, match="another process is writing here"):
            write(tmp_path / "out.jsonl")
        for line in LINES[1:]:
            lines.write(line)
    assert (tmp_path / "out.jsonl").read_text("utf8") == "".join(LINES)


def test_what_the_disk_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="this is no regular file"):
        write(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write(tmp_path / "file" / "out.jsonl")


def test_an_error_of_the_work_is_not_called_one_of_the_disk(tmp_path: Path) -> None:
    def work() -> None:
        with unfinished(tmp_path / "out.jsonl", MADE) as lines:
            lines.write(LINES[0])
            (tmp_path / "absent").stat()

    with pytest.raises(FileNotFoundError):
        work()
    assert (tmp_path / "out.jsonl.part").read_text("utf8") == LINES[0]
