"""Arrays on disk: what any reader of npy sees, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from otmel.checksums import checksum
from otmel.errors import CheckpointError
from otmel.index.npy import SMALL, TORCH, header, map_array, write_array

ANY = st.sampled_from(sorted(TORCH)).flatmap(
    lambda dtype: arrays.arrays(np.dtype(dtype), arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9))
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(array=ANY)
def test_it_comes_back_here_and_in_numpy(tmp_path, array):
    path = tmp_path / "array.npy"
    record = write_array(path, array)
    assert record.sum("array") == checksum(path)
    mapped = map_array(path, record)
    assert mapped.dtype == TORCH[record.dtype]
    assert tuple(mapped.shape) == array.shape == np.load(path, allow_pickle=False).shape
    assert mapped.numpy().tobytes() == array.tobytes() == np.load(path, allow_pickle=False).tobytes()


@given(dtype=st.sampled_from(sorted(TORCH)), shape=st.lists(st.integers(0, 2**40), min_size=1, max_size=3))
def test_numpy_reads_the_header_and_the_numbers_are_aligned(dtype, shape):
    stream = io.BytesIO(header(dtype, shape))
    assert np.lib.format.read_magic(stream) == (1, 0)
    found = np.lib.format.read_array_header_1_0(stream)
    assert found == (tuple(shape), False, np.dtype(dtype))
    assert len(stream.getvalue()) % 64 == 0
    assert stream.read() == b""


@pytest.mark.parametrize("count", [4, SMALL])
def test_a_tensor_of_a_file_is_a_copy_on_write(tmp_path, count):
    path = tmp_path / "array.npy"
    record = write_array(path, torch.arange(count))
    content = path.read_bytes()
    mapped = map_array(path, record)
    mapped += 1
    assert mapped[-1] == count
    assert path.read_bytes() == content
    assert map_array(path, record)[-1] == count - 1


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"\x93NUMPX" + content[6:],
        lambda content: content.replace(b"<i8", b"<f8"),
        lambda content: content.replace(b"(4,)", b"(2,)"),
        lambda content: b"",
    ],
)
def test_what_is_not_exactly_that_array_is_refused(tmp_path, change):
    path = tmp_path / "array.npy"
    record = write_array(path, np.arange(4))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"array\.npy"):
        map_array(path, record)


@pytest.mark.parametrize(
    "changes", [{"size": 10}, {"shape": (10**12,)}, {"shape": (-4,)}, {"shape": (2**60,) * 3}, {"chunks": "00"}]
)
def test_a_record_that_contradicts_itself_is_refused(tmp_path, changes):
    record = write_array(tmp_path / "array.npy", np.arange(4))
    with pytest.raises(CheckpointError):
        record.model_copy(update=changes).sum("array")
