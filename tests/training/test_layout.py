"""What of a run is sent, kept and told apart, without a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from otmel.errors import CheckpointError
from otmel.remote.cache import walked
from otmel.training.checkpoints import seal
from otmel.training.layout import RECORD, TRAINING, Sent


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two finished checkpoints and one that is being written, whose weights are half written too."""
    for name in ("run.json", "log.jsonl", "model.safetensors", ".half.tmp", "eval-dev/result.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    for step in (2, 10, 12):
        checkpoint = tmp_path / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "weights").write_text(f"{step}")
        if step != 12:
            seal(checkpoint)
    return tmp_path


def content(run: Path) -> set[str]:
    return TRAINING.content(walked(run), run)


def stamp(run: Path) -> str:
    return TRAINING.stamp(walked(run), lambda name: (run / name).read_bytes())


FINISHED = {f"checkpoints/checkpoint-{step}/{name}" for step in (2, 10) for name in ("seal.json", "weights")}


def test_finished_checkpoints_are_sent_and_weights_at_the_end(run: Path) -> None:
    assert content(run) == {"run.json", "log.jsonl"}
    Sent.of(run, ended=False).write(run)
    assert content(run) == {"run.json", "log.jsonl", RECORD} | FINISHED
    Sent.of(run, ended=True).write(run)
    assert content(run) == {"run.json", "log.jsonl", RECORD, "model.safetensors"} | FINISHED
    assert TRAINING.heads(content(run), ()) == ["run.json", RECORD]


def test_a_reader_who_trains_on_needs_what_the_record_names_or_else_what_is_sealed(run: Path) -> None:
    def needed() -> set[str]:
        return {name for needs in TRAINING.rounds(walked(run), run) for name in needs}

    assert needed() == {"run.json", "log.jsonl"} | FINISHED
    Sent.of(run, ended=True).write(run)
    seal(run / "checkpoints" / "checkpoint-12")  # the record does not know it yet
    (run / "checkpoints" / "checkpoint-2" / "weights").unlink()
    assert needed() == {"run.json", "log.jsonl", RECORD} | FINISHED - {"checkpoints/checkpoint-2/weights"}


def test_what_the_record_does_not_name_of_checkpoints_is_left_over(run: Path) -> None:
    Sent.of(run, ended=False).write(run)
    assert TRAINING.garbage(walked(run), run) == ["checkpoints/checkpoint-12/weights"]


def test_every_commit_has_a_stamp_of_its_own(run: Path) -> None:
    stamps = [stamp(run)]  # as another tool has put it there
    Sent.of(run, ended=False).write(run)
    stamps.append(stamp(run))
    (run / "log.jsonl").write_text("more")
    assert stamp(run) == stamps[-1]
    seal(run / "checkpoints" / "checkpoint-12")
    Sent.of(run, ended=False).write(run)
    stamps.append(stamp(run))
    (run / "run.json").write_text("another run")
    Sent.of(run, ended=False).write(run)
    assert len({*stamps, stamp(run)}) == 4


def test_the_same_state_is_not_written_twice(run: Path) -> None:
    Sent.of(run, ended=False).write(run)
    before = (run / RECORD).stat().st_ino
    Sent.of(run, ended=False).write(run)
    assert (run / RECORD).stat().st_ino == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": 7}', '{"run": "a", "checkpoints": {}, "other": 1}'])
def test_a_damaged_record_is_named(run: Path, text: str) -> None:
    (run / RECORD).write_text(text)
    with pytest.raises(CheckpointError, match="the record of the checkpoints is damaged") as caught:
        content(run)
    assert caught.value.where == str(run / RECORD)


def test_of_a_damaged_seal_nothing_is_sent(run: Path) -> None:
    (run / "checkpoints" / "checkpoint-2" / "seal.json").write_text("no JSON")
    Sent.of(run, ended=False).write(run)
    assert "checkpoints/checkpoint-2/weights" not in content(run)


def test_only_parts_of_a_run_may_stand_where_one_begins() -> None:
    assert all(map(TRAINING.owns, ("run.json", "log.jsonl", "checkpoints/checkpoint-2/weights")))
    assert not TRAINING.owns("letters.txt")
    assert not TRAINING.committed({})
