"""Processes that take turns, so that what is compared runs side by side on a busy machine, and each has its own peak of memory."""

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
    """What a block took: seconds on the clock, and seconds of processor of all threads and of processes that it began and ended."""

    seconds: float
    cpu_seconds: float


class Stopwatch:
    """Measures from its making on; waits for a GPU where one is in use."""

    def __init__(self) -> None:
        settle()
        self._begun = time.perf_counter(), _processor_seconds()

    def read(self) -> Spent:
        settle()
        return Spent(time.perf_counter() - self._begun[0], _processor_seconds() - self._begun[1])


def _processor_seconds() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def settle() -> None:
    """Wait until a GPU has done what it was given, if torch uses one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


class Player:
    """A process of its own that runs `play(pipe, *arguments)` with `threads`, and answers when it is its turn, until the block ends.

    It is no daemon: those may start no processes, such as the workers that decode images.
    """

    def __init__(self, play: Callable[..., None], *arguments: object, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read by the process that begins
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=play, args=(theirs, *arguments))
        self.process.start()
        theirs.close()

    def ask(self, question: object) -> Any:  # noqa: ANN401 - the two ends agree on it
        """Let it do something and wait for what came out; raises RuntimeError when the process is gone."""
        try:
            self.pipe.send(question)
            return self.pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            self.process.join()
            raise RuntimeError(f"a benchmark's process ended too early (exit code {self.process.exitcode})") from error

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *error: object) -> None:
        self.pipe.close()
        self.process.join()


def questions(pipe: Connection) -> Any:  # noqa: ANN401 - the two ends agree on it
    """Go through what is asked until the other end hangs up."""
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def memory() -> dict[str, int]:
    """Give a process's memory in MB: the highest peak, and now what is its own (anonymous) and what is mapped from files; Linux alone.

    Where torch uses a GPU, the peak is that of the memory which it has taken there.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    sizes = {line.partition(":")[0]: line.split()[1] for line in status if line.endswith("kB")}
    found = {name: int(sizes[key]) // 1024 for name, key in (("peak", "VmHWM"), ("own", "RssAnon"), ("mapped", "RssFile"))}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        found["peak"] = torch.cuda.max_memory_reserved() // 2**20
    return found
