"""Threads of a kernel."""

from __future__ import annotations

import threading

import pytest
import torch

from otmel.kernels import Workers, default_threads


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("uses_torch", [True, False])
def test_every_task_is_done_once(count, uses_torch):
    done: list[int] = []
    workers = Workers(count, uses_torch)
    workers.each(done.append, range(20))
    workers.each(done.append, range(20, 23))
    assert sorted(done) == list(range(23))


def test_torch_has_one_thread_within_a_task_and_as_many_as_before_outside():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen: list[int] = []
        Workers(2).each(lambda _: seen.append(torch.get_num_threads()), range(4))
        assert set(seen) == {1}
        assert default_threads() == 2
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [2]
    finally:
        torch.set_num_threads(before)


def test_an_error_of_a_task_is_raised():
    def fail(task: int) -> None:
        raise ValueError(f"task {task}")

    with pytest.raises(ValueError, match="task 0"):
        Workers(2).each(fail, range(2))


def test_tasks_that_do_not_use_torch_run_where_they_are_asked_for():
    seen: list[int] = []
    Workers(4, uses_torch=False).each(lambda _: seen.append(threading.get_ident()), range(1))
    assert seen == [threading.get_ident()]
