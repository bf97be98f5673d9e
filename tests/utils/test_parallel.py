"""A function over a stream: in order, in bounded memory, here or in worker processes, and no death goes unnoticed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import count, islice
from pathlib import Path

import pytest
from raising import raises

from hvpkit.errors import HvpkitError
from hvpkit.utils.parallel import CHUNK_SIZE, PREFETCH, WorkerPool


def where(thing: int) -> tuple[int, int]:
    return thing, os.getpid()


def fail_at_seven(thing: int) -> int:
    if thing == 7:
        raise ValueError("seven")
    return thing


def die_at_seven(thing: int) -> int:
    if thing == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return thing


def test_few_items_run_in_process_and_many_in_workers_in_order():
    with WorkerPool(where, few=20, count=2, fork=True) as workers:
        assert list(workers.ordered_map(range(20))) == [(thing, os.getpid()) for thing in range(20)]
        found = list(workers.ordered_map(range(50)))
        again = list(workers.ordered_map([3]))
    assert [thing for thing, _ in found] == list(range(50))
    processes = {process for _, process in found}
    assert os.getpid() not in processes
    assert {process for _, process in again} <= processes  # they stay for what comes next
    assert all(is_gone(process) for process in processes)


def test_a_process_that_may_have_no_children_does_everything_itself(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with WorkerPool(where, few=2, count=2, fork=True) as workers:
        assert list(workers.ordered_map(range(20))) == [(thing, os.getpid()) for thing in range(20)]


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_endless_stream_is_prefetched_by_a_bounded_number_of_items():
    taken = []
    stream = (taken.append(thing) or thing for thing in count())
    with WorkerPool(where, few=3, count=2, fork=True) as workers:
        found = workers.ordered_map(stream)
        assert [thing for thing, _ in islice(found, 10)] == list(range(10))
        assert len(taken) <= 10 + (PREFETCH * 2 + 1) * CHUNK_SIZE
        found.close()


def test_what_the_function_raises_is_raised_here():
    with WorkerPool(fail_at_seven, few=0, count=2, fork=True) as workers, pytest.raises(ValueError, match="seven"):
        list(workers.ordered_map(range(20)))


def test_a_dead_worker_is_an_error_and_not_a_missing_result():
    with WorkerPool(die_at_seven, few=0, count=2, fork=True) as workers, raises(HvpkitError, "worker-died"):
        list(workers.ordered_map(range(20)))


SCRIPT = """
import os, sys, time
sys.path[:0] = {folders!r}
from test_parallel import where
from hvpkit.utils.parallel import WorkerPool
with WorkerPool(where, few=0, count=2, fork=True) as workers:
    print(*{{process for _, process in workers.ordered_map(range(40))}}, flush=True)
    time.sleep(60)
"""


def test_workers_do_not_outlive_a_parent_that_is_killed():
    script = SCRIPT.format(folders=[str(folder) for folder in Path(__file__).parents[:2]])
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        processes = [int(process) for process in parent.stdout.readline().split()]
        parent.kill()
    assert processes
    end = time.monotonic() + 30
    while not all(map(is_gone, processes)) and time.monotonic() < end:
        time.sleep(0.05)
    assert all(map(is_gone, processes))
