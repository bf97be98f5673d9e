"""Apply a function to a stream in order, in worker processes if there are many items.

At most `PREFETCH` chunks per worker are pending, so that a stream of any length needs bounded memory.
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

MIN_ITEMS = 64  # so many items take no longer than starting processes
CHUNK_SIZE = 4
PREFETCH = 2
MAX_WORKERS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool(Generic[Item, Result]):
    """Worker processes that start at the first large call of `ordered_map` and stay until the `with` block ends.

    In a daemonic process, which cannot have children, the function runs in the process itself.

    Args:
        function: Function of one item; it runs in one thread.
        few: Largest number of items that is processed without worker processes.
        count: Number of processes; `worker_count()` by default.
        fork: Whether to fork on Linux, which starts at once and shares memory; otherwise processes are spawned and
            `function` is pickled.
    """

    def __init__(
        self, function: Callable[[Item], Result], *, few: int = MIN_ITEMS, count: int | None = None, fork: bool = False
    ) -> None:
        self.function, self.few, self.count = function, few, count or worker_count()
        self._method = "fork" if fork and sys.platform == "linux" else "spawn"
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> WorkerPool[Item, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def ordered_map(self, items: Iterable[Item], count: int | None = None) -> Iterator[Result]:
        """Apply the function to each item, in order.

        Args:
            items: Items.
            count: Number of processes if none is running yet, 0 to run in this process; None for that of the pool.

        Raises:
            HvpkitError: "worker-died" if a process dies; exceptions of the function are re-raised.
        """
        remaining = iter(items)
        if count == 0 or current_process().daemon:  # which cannot have children
            yield from map(self.function, remaining)
            return
        if self._pool is None:
            first = list(islice(remaining, self.few + 1))
            if len(first) <= self.few:
                yield from map(self.function, first)
                return
            remaining = chain(first, remaining)
        try:
            yield from self._map_in_workers(remaining, count or self.count)
        except BrokenProcessPool as error:
            raise HvpkitError("worker-died") from error

    def _map_in_workers(self, items: Iterator[Item], count: int) -> Iterator[Result]:
        pending: deque[Future[list[Result]]] = deque()
        try:
            while chunk := list(islice(items, CHUNK_SIZE)):
                pending.append(self._start_pool(count).submit(_run, chunk))
                if len(pending) >= PREFETCH * count:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _start_pool(self, count: int) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(count, get_context(self._method), _initialize_worker, (self.function,))
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", ".*multi-threaded, use of fork", DeprecationWarning
                )  # handled by `_initialize_worker`
                self._pool.submit(_run, ())
        return self._pool


def worker_count() -> int:
    """Return the number of worker processes: the available cores per torchrun process, at most `MAX_WORKERS`."""
    return max(1, min(available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), MAX_WORKERS))


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_function: Callable[[Any], Any] | None = None  # set in worker processes


def _initialize_worker(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles interrupts
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # a forked process lacks its parent's threads
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the parent process is killed, since no other process would stop this one."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(items: Sequence[Any]) -> list[Any]:
    if _function is None:
        raise RuntimeError("This process is not a worker.")
    return [_function(item) for item in items]
