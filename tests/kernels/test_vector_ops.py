"""Vector arithmetic and reads of jitted code, at every width, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed: pip install 'otmel[fast]'")

import numba

from otmel.kernels.vector_memory import load_byte, load_half, pick, pick_byte, pick_half
from otmel.kernels.vector_ops import exp2, fill, gathered, largest, load, load_rows, log2, store
from otmel.kernels.vector_products import products
from otmel.kernels.vector_types import SHAPES, Lanes


@numba.njit
def _powers(w, x, out, count):
    for n in range(count):
        store(out, n, exp2(load(w, x, n)))


@numba.njit
def _logarithms(w, x, out, count):
    for n in range(count):
        store(out, n, log2(load(w, x, n)))


@numba.njit
def _beside(w, halves, bytes_, out, count):
    for n in range(count):
        store(out, n, load_half(w, halves + 2 * n * 4))
        store(out, count + n, load_byte(w, bytes_ + n * 4))


@numba.njit
def _apart(w, places, out):
    store(out, 0, pick(w, places, 8))
    store(out, 1, pick_half(w, places, 8))
    store(out, 2, pick_byte(w, places, 8))


@numba.njit
def _multiply(w, rows, columns, depth, out):
    products(w, rows, columns, depth, out)


@numba.njit
def _fold(w, x, out):
    block = load_rows(w, x, 0)
    store(out, 0, gathered(block, block, fill(w, 1)))
    store(out, 1, largest(block, fill(w, 0)))


@pytest.fixture(params=[4, 8, 16])
def lanes(request) -> Lanes:
    """Vectors of every width; LLVM splits those that this machine does not have."""
    return SHAPES[request.param]


def test_powers_and_logarithms_are_right_to_about_a_unit_in_the_last_place(lanes):
    x = np.linspace(-125, 127, 16 * 4001, dtype=np.float32)
    out = np.empty_like(x)
    _powers(lanes, x.ctypes.data, out.ctypes.data, x.size // lanes.width)
    assert np.abs(out / np.exp2(x.astype(np.float64)) - 1).max() < 2e-7
    logarithm = np.empty_like(x)
    _logarithms(lanes, out.ctypes.data, logarithm.ctypes.data, x.size // lanes.width)
    exact = np.log2(out.astype(np.float64))
    assert (np.abs(logarithm - exact) <= 2e-7 + 1.2e-7 * np.abs(exact)).all()


def test_the_power_of_nothing_is_one_and_far_below_nothing_is_left(lanes):
    x = np.full(16, -1000, dtype=np.float32)
    x[0] = 0
    out = np.empty_like(x)
    _powers(lanes, x.ctypes.data, out.ctypes.data, 1)
    assert out[0] == 1
    assert (out[1 : lanes.width] <= 2.0**-125).all()


def test_every_half_and_every_byte_is_read_exactly():
    lanes = SHAPES[4]
    every = np.arange(65536, dtype=np.uint16)
    halves = every[np.isfinite(every.view(np.float16))]
    halves = np.resize(halves, 65536)
    bytes_ = np.resize(np.arange(-128, 128, dtype=np.int8), 65536)
    out = np.empty(2 * 65536, dtype=np.float32)
    _beside(lanes, halves.ctypes.data, bytes_.ctypes.data, out.ctypes.data, 65536 // 4)
    assert np.array_equal(out[:65536], halves.view(np.float16).astype(np.float32))
    assert np.array_equal(out[65536:], bytes_.astype(np.float32))


def test_lanes_are_read_from_anywhere(lanes):
    draw = np.random.default_rng(0)
    memory = draw.integers(0, 60, 4096, dtype=np.uint8)
    begins = draw.permutation(900)[: lanes.width] * 4
    places = memory.ctypes.data + begins
    out = np.empty((3, lanes.width), dtype=np.float32)
    _apart(lanes, places.ctypes.data, out.ctypes.data)
    at = [memory[b + 8 : b + 12].tobytes() for b in begins]
    assert np.array_equal(out[0], [np.frombuffer(four, np.float32)[0] for four in at])
    assert np.array_equal(out[1], [np.float32(np.frombuffer(four[:2], np.float16)[0]) for four in at])
    assert np.array_equal(out[2], [np.frombuffer(four[:1], np.int8)[0] for four in at])


@pytest.mark.parametrize("depth", [1, 2, 37])
def test_a_register_block_is_a_product(lanes, depth):
    draw = np.random.default_rng(depth)
    rows = draw.standard_normal((depth, lanes.rows, lanes.width)).astype(np.float32)
    columns = draw.standard_normal((depth, lanes.columns)).astype(np.float32)
    out = np.empty((lanes.columns, lanes.rows, lanes.width), dtype=np.float32)
    _multiply(lanes, rows.ctypes.data, columns.ctypes.data, depth, out.ctypes.data)
    assert np.allclose(out, np.einsum("xrw,xc->crw", rows, columns), atol=1e-5)


def test_a_block_folds_into_one_vector(lanes):
    x = np.random.default_rng(1).standard_normal((lanes.rows, lanes.width)).astype(np.float32)
    out = np.empty((2, lanes.width), dtype=np.float32)
    _fold(lanes, x.ctypes.data, out.ctypes.data)
    assert np.allclose(out[0], 1 + (x * x).sum(0), atol=1e-5)
    assert np.array_equal(out[1], np.maximum(x.max(0), 0))
