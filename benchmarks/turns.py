"""Processes that alternate, so that both sides of a comparison see the same load and each has its own memory peak."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Spent:
    """Time of a block: wall seconds, and processor seconds of all threads and of finished child processes."""

    seconds: float
    cpu_seconds: float


class Stopwatch:
    """Measure time since construction; waits for a GPU if one is in use."""

    def __init__(self) -> None:
        settle()
        self._begun = time.perf_counter(), _processor_seconds()

    def read(self) -> Spent:
        settle()
        return Spent(time.perf_counter() - self._begun[0], _processor_seconds() - self._begun[1])


def _processor_seconds() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def settle() -> None:
    """Wait for the GPU, if torch uses one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


class Player:
    """Process that runs `play(pipe, *arguments)` with `threads` threads and answers requests until the block ends.

    It is not a daemon, since daemons may not start processes such as the workers that decode images.
    """

    def __init__(self, play: Callable[..., None], *arguments: object, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read by the new process
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=play, args=(theirs, *arguments))
        self.process.start()
        theirs.close()

    def ask(self, question: object) -> Any:  # noqa: ANN401 - the two ends agree on it
        """Send a request and wait for its result.

        Raises:
            RuntimeError: The process has ended.
        """
        try:
            self.pipe.send(question)
            return self.pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            self.process.join()
            raise RuntimeError(f"A benchmark process ended too early (exit code {self.process.exitcode}).") from error

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *error: object) -> None:
        self.pipe.close()
        self.process.join()


def questions(pipe: Connection) -> Any:  # noqa: ANN401 - the two ends agree on it
    """Yield requests until the other end closes the pipe."""
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def memory() -> dict[str, int]:
    """Return the memory of this process in MB: its peak, and now private (anonymous) and mapped from files; Linux only.

    If torch uses a GPU, the peak is that of the reserved GPU memory.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    sizes = {line.partition(":")[0]: line.split()[1] for line in status if line.endswith("kB")}
    found = {
        name: int(sizes[key]) // 1024 for name, key in (("peak", "VmHWM"), ("own", "RssAnon"), ("mapped", "RssFile"))
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        found["peak"] = torch.cuda.max_memory_reserved() // 2**20
    return found
