"""Building: resumable, within its memory, one writer at a time, and nothing of another model is taken over."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from index_graphs import answers, files, graph

from otmel.errors import CheckpointError, ConfigurationError, StorageError
from otmel.index.build import build_index
from otmel.index.gather import bytes_of, room
from otmel.index.source import RunSource, inputs_hash
from otmel.index.store import open_index
from otmel.index.writer import IndexSettings
from otmel.locks import writer_lock
from otmel.models.bundle import Bundle

COUNT = 64
SMALL = IndexSettings(most=20)


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return RunSource.load(tiny_run, graph(1))


@pytest.fixture
def source(bundle):
    return replace(bundle, graph=graph(COUNT))


class Stop(BaseException):
    """Stands for Ctrl-C."""


def stopping_after(source, batches):
    """The same source, interrupted after some batches."""

    class Interrupted(RunSource):
        def states(self, rows):
            for number, piece in enumerate(super().states(rows)):
                if number == batches:
                    raise Stop
                yield piece

    return Interrupted(source.bundle, source.graph, source.model, source.inputs)


def test_an_interrupted_build_goes_on(source, tmp_path):
    whole = build_index(source, tmp_path / "whole", SMALL)
    assert (whole.encoded, whole.kept, whole.changed) == (COUNT, 0, True)
    with pytest.raises(Stop):
        build_index(stopping_after(source, 6), tmp_path / "index", SMALL)
    with pytest.raises(CheckpointError, match="its build has not ended"):
        open_index(tmp_path / "index")
    before = files(tmp_path / "index" / "segments")
    again = build_index(source, tmp_path / "index", SMALL)
    assert 0 < again.kept == COUNT - again.encoded
    assert before.items() <= files(tmp_path / "index" / "segments").items()
    indexes = [open_index(tmp_path / name).index(source.composition) for name in ("whole", "index")]
    assert answers(indexes[0], source) == answers(indexes[1], source)


def test_a_second_build_does_nothing(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    before = files(tmp_path)
    again = build_index(source, tmp_path, SMALL)
    assert (again.encoded, again.kept, again.changed) == (0, COUNT, False)
    before.pop("lock")
    assert before.items() <= files(tmp_path).items()


def test_what_another_model_began_is_not_gone_on_with(source, tmp_path):
    notes = []
    with pytest.raises(Stop):
        build_index(stopping_after(source, 6), tmp_path, SMALL)
    other = replace(source, model="f" * 16)
    assert build_index(other, tmp_path, SMALL, notes.append).kept == 0
    assert "made by another model" in notes[0]
    assert build_index(other, tmp_path, IndexSettings(most=20, precision="int8"), notes.append).kept == 0
    assert open_index(tmp_path).manifest.made.precision == "int8"
    assert not [path for path in tmp_path.rglob("*") if ".tmp" in path.name]


def test_a_damaged_segment_is_encoded_anew_and_the_others_stay(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    target = tmp_path / "segments" / "000002" / "dense.F.numbers.npy"
    content = bytearray(target.read_bytes())
    content[-5] ^= 16
    target.write_bytes(content)
    notes = []
    again = build_index(source, tmp_path, SMALL, notes.append)
    assert 0 < again.encoded < COUNT
    assert "dense.F.numbers.npy" in notes[0]
    open_index(tmp_path, check="whole")


def test_two_writers_exclude_each_other(source, tmp_path):
    build_index(source, tmp_path, SMALL)
    with writer_lock(tmp_path / "lock"), pytest.raises(StorageError, match=f"process {os.getpid()}"):
        build_index(source, tmp_path, SMALL)


def test_nothing_else_is_overwritten(source, tmp_path):
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(StorageError, match="something else stands here"):
        build_index(source, tmp_path)
    with pytest.raises(StorageError, match="something else stands here"):
        build_index(source, tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_on_ready_features_is_refused(source, tmp_path):
    bundle = Bundle(source.bundle.model, None, source.bundle.vectorizer)
    with pytest.raises(CheckpointError, match="ready features"):
        build_index(replace(source, bundle=bundle), tmp_path / "index")


def test_one_entity(source, tmp_path):
    one = replace(source, graph=graph(1))
    build_index(one, tmp_path)
    assert len(open_index(tmp_path).index(one.composition)) == 1


@pytest.mark.parametrize(
    ("text", "count"), [("512MiB", 2**29), ("2 GiB", 2**31), ("1.5GB", 1.5e9), ("100", 100), ("7 kb", 7000)]
)
def test_amounts_of_memory(text, count):
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["", "much", "2 GiBs", "-1GB", "2G"])
def test_no_amount_of_memory(text):
    with pytest.raises(ConfigurationError, match="no amount of memory"):
        bytes_of(text)


def test_a_limit_that_leaves_no_room_names_one_that_does(source, tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        build_index(source, tmp_path, IndexSettings(memory_limit=1000))
    least = bytes_of(str(caught.value.cure).removeprefix("allow at least "))
    assert room(least, source.held(COUNT)) > 0
    build_index(source, tmp_path, IndexSettings(memory_limit=least))


def test_another_tokenizer_is_another_hash(tiny_run, tmp_path):
    for path in tiny_run.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert inputs_hash(tmp_path) == inputs_hash(tiny_run)
    (tmp_path / "run.json").write_text("{}")
    assert inputs_hash(tmp_path) == inputs_hash(tiny_run)
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("e", "a", 1))
    assert inputs_hash(tmp_path) != inputs_hash(tiny_run)


WIDE = """
    import sys
    from pathlib import Path
    import torch
    from index_graphs import graph
    from otmel.encoders import Widths
    from otmel.index.build import build_index
    from otmel.index.source import RunSource
    from otmel.index.writer import IndexSettings
    from otmel.models.base import LateState, State
    from otmel.models.registry import new_model
    from otmel.training.settings import preset

    MODEL = new_model(preset("PAPER").model, widths=Widths(4, 4, 4, 4))

    class Wide(RunSource):
        # States as long and wide as those of a large model, without the time that encoding them would take.

        @property
        def composition(self):
            return MODEL.composition()

        def states(self, rows):
            for some in rows.split(15):
                self._names.update({row: [f"name {row}"] for row in some.tolist()})
                yield some, state(len(some))

    def state(count):
        def late(length):
            mask = torch.ones(count, length, dtype=torch.bool)
            return LateState(torch.randn(count, length, 96), mask, target=torch.randn(count, 96))
        dense = {"F": torch.randn(count, 192), "T": torch.randn(count, 96), "V": torch.randn(count, 96)}
        return State(dense, {"T": late(40), "V": late(50)}, torch.ones(count, dtype=torch.bool))

    def source(count):
        made = Wide(bundle, graph(count), "m", "i")
        made.graph.digests, made.graph.snapshot
        return made

    def memory(what):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])

    run, folder, count, *limits = sys.argv[1:]
    bundle = RunSource.load(run, graph(1)).bundle
    build_index(source(40), folder + "/warm")
    large = source(int(count))
    for limit in limits:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        before = memory("VmRSS")
        built = build_index(large, folder + "/" + limit, IndexSettings(memory_limit=int(limit)))
        print(len(built.manifest.segments), memory("VmHWM") - before)
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks cannot be measured here")
def test_the_memory_limit_holds(tiny_run, tmp_path):
    small, large = 2**27, 2**31
    command = [sys.executable, "-c", textwrap.dedent(WIDE), tiny_run, tmp_path, 2000, small, large]
    path = os.pathsep.join([str(Path(__file__).parents[1] / "data"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    (pieces, grown), (whole, more) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert pieces > 3, done.stdout
    assert grown < small
    assert whole == 1
    assert more > small  # so the first build did not stay below its limit by chance
