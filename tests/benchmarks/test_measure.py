"""Timing: turns, and what counts."""

from __future__ import annotations

import time

import torch
from benchmarks._machine import usable_cores
from benchmarks._measure import Timing, in_turns, once, threads
from benchmarks._report import Row, number, said


def test_all_take_turns_after_a_first_go():
    calls = []
    timings = in_turns({name: lambda name=name: calls.append(name) for name in "abc"}, 3)
    assert calls == list("abc") * 4
    assert {name: len(timing.wall) for name, timing in timings.items()} == dict.fromkeys("abc", 3)


def test_one_thread_is_timed_by_the_processor_and_several_by_the_clock():
    timing = Timing(wall=(3.0, 4.0), cpu=(2.0, 1.0))
    assert timing.seconds(1) == 1.0
    assert timing.seconds(2) == 3.0
    assert timing.disturbance == 2.75


def test_sleep_takes_time_by_the_clock_alone():
    timing = once(lambda: time.sleep(0.05))
    assert timing.wall[0] >= 0.05 > timing.cpu[0]


def test_threads_and_cores_are_put_back():
    before, cores = torch.get_num_threads(), usable_cores()
    with threads(1):
        assert torch.get_num_threads() == 1
        assert usable_cores() == cores[-1:]
    assert (torch.get_num_threads(), usable_cores()) == (before, cores)


def test_a_row_in_a_line():
    assert said(Row("a", 12345.6, "pairs/s", 20.04)) == "a: 12,346 pairs/s  (20×)"
    assert [number(value) for value in (3.0, 0.123456, 123.456)] == ["3", "0.1235", "123.5"]
