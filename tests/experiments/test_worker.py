"""A run's own process: it waits on stdin for the end of whoever started it, and decodes pictures in processes of its own meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SCRIPT = """
import sys, threading
from hvpkit.experiments.worker import _leave_with_parent
from hvpkit.workers import Workers

sys.stdin.readline()
threading.Thread(target=_leave_with_parent, daemon=True).start()
with Workers(abs, few=0, count=2, fork=True) as pool:
    print(list(pool.map([-1, -2, -3])), flush=True)
{last}
"""


@contextmanager
def started(last: str = "") -> Iterator[subprocess.Popen[str]]:
    script = [sys.executable, "-c", SCRIPT.format(last=last)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write("{}\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def test_processes_forked_while_it_waits_on_stdin_do_their_work():
    with started() as process:
        assert process.wait(60) == 0  # stdin is still open
        assert process.stdout.read() == "[1, 2, 3]\n"


def test_it_ends_with_whoever_started_it():
    with started("threading.Event().wait()") as process:
        assert process.stdout.readline() == "[1, 2, 3]\n"
        process.stdin.close()
        assert process.wait(60) == 1
