"""A function over a stream, in order, in worker processes where there is enough to do (no torch).

At most `AHEAD` results a worker are waited for at a time, so that a stream of any length is read in bounded memory.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import current_process, get_context, parent_process
from types import TracebackType
from typing import Any, Generic, TypeVar

from hvpkit.errors import HvpkitError

FEW = 64  # things that are done sooner than processes start
CHUNK = 4
AHEAD = 2
MOST = 16

Thing = TypeVar("Thing")
Done = TypeVar("Done")


class WorkerPool(Generic[Thing, Done]):
    """Processes that start when `map` first meets more than `few` things, and stay until the block that they are opened in ends.

    `function` runs in one thread; in a daemonic process, which may have no children, it runs right there. With `fork` the processes are
    copies of this one as it then is (on Linux; elsewhere they start afresh and `function` is sent to them): they begin at once, and share
    its memory.
    """

    def __init__(self, function: Callable[[Thing], Done], *, few: int = FEW, count: int | None = None, fork: bool = False) -> None:
        self.function, self.few, self.count = function, few, count or worker_count()
        self._method = "fork" if fork and sys.platform == "linux" else "spawn"
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> WorkerPool[Thing, Done]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def ordered_map(self, things: Iterable[Thing]) -> Iterator[Done]:
        """Apply the function to each; raises what it raises, and HvpkitError when a process dies."""
        remaining = iter(things)
        if current_process().daemon:  # it may have no children
            yield from map(self.function, remaining)
            return
        if self._pool is None:
            first = list(islice(remaining, self.few + 1))
            if len(first) <= self.few:
                yield from map(self.function, first)
                return
            remaining = chain(first, remaining)
        try:
            yield from self._spread(remaining)
        except BrokenProcessPool as error:
            raise HvpkitError("worker-died") from error

    def _spread(self, things: Iterator[Thing]) -> Iterator[Done]:
        waiting: deque[Future[list[Done]]] = deque()
        try:
            while chunk := list(islice(things, CHUNK)):
                waiting.append(self._started().submit(_run, chunk))
                if len(waiting) >= AHEAD * self.count:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.count, get_context(self._method), _begin, (self.function,))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)  # `_begin` sees to that
                self._pool.submit(_run, ())
        return self._pool


def worker_count() -> int:
    """Say how many processes are worth starting: the cores that are ours, shared between the processes of torchrun, at most `MOST`."""
    return max(1, min(available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), MOST))


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_function: Callable[[Any], Any] | None = None  # of this worker process


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are the parent's business
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # a forked process must not wait for threads that only its parent has
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent is killed: nobody else would end this process."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(things: Sequence[Any]) -> list[Any]:
    if _function is None:
        raise RuntimeError("this process is no worker")
    return [_function(thing) for thing in things]
