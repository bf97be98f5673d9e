"""A database survives kills and full disks, grows, and serves several processes, forked ones too."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from itertools import count

import pytest

from hvpkit.features import database as database_module
from hvpkit.features.database import DATA_FILE, Database, open_database
from hvpkit.utils.parallel import WorkerPool


def put(database: Database, *numbers: int, size: int = 100) -> Database:
    database.write(lambda values: [values.put(b"%d" % number, bytes([number % 256]) * size) for number in numbers])
    return database


def get(database: Database, number: int) -> bytes | None:
    value = database.read(lambda values: values.get(b"%d" % number) and bytes(values.get(b"%d" % number)), None)
    return value and value[:1]


def holds(database: Database, *numbers: int) -> bool:
    return all(get(database, number) == bytes([number % 256]) for number in numbers)


def test_a_folder_is_opened_once_in_a_process(tmp_path):
    database = open_database(tmp_path / "a")
    assert open_database(tmp_path / "b" / ".." / "a") is database
    (tmp_path / "link").symlink_to("a")
    assert open_database(tmp_path / "link") is database


def test_failed_write_stores_nothing(tmp_path):
    database = put(open_database(tmp_path), 1)

    def fail(values):
        values.put(b"2", b"x")
        raise ValueError

    with pytest.raises(ValueError):
        database.write(fail)
    assert len(database) == 1 and holds(database, 1)


def test_full_disk_is_an_os_error_and_loses_nothing(tmp_path, limited_file_size):
    database = put(open_database(tmp_path), *range(10))
    with limited_file_size((tmp_path / DATA_FILE).stat().st_size), pytest.raises(OSError) as caught:
        for start in count(10, 10):
            put(database, *range(start, start + 10), size=5000)
    assert caught.value.errno == 27
    assert holds(database, *range(10))
    assert holds(put(database, 10), *range(11))


def test_it_grows_when_a_write_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(database_module, "INITIAL_MAP_SIZE", 2**16)
    database = put(open_database(tmp_path), *range(200), size=5000)
    assert (tmp_path / DATA_FILE).stat().st_size > 2**19
    assert holds(put(database, 200), *range(201))


OTHER_PROCESS = """
import sys
sys.path[:0] = {tests!r}
from pathlib import Path
from hvpkit.features import database as database_module
from test_database import get, holds, put
from hvpkit.features.database import open_database
database_module.INITIAL_MAP_SIZE = 2**16
database = open_database(Path({folder!r}))
for line in sys.stdin:
    {body}
    print("done", flush=True)
"""


@contextmanager
def other_process(folder, body):
    script = OTHER_PROCESS.format(tests=[os.path.dirname(__file__)], folder=str(folder), body=body)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:

        def call(line):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return process.stdout.readline() == "done\n"

        yield call
        process.stdin.close()
        assert process.wait(60) == 0


def test_growth_by_another_process_is_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(database_module, "INITIAL_MAP_SIZE", 2**16)
    database = put(open_database(tmp_path), 0)
    with other_process(tmp_path, "start = int(line); put(database, *range(start, start + 50), size=5000)") as write:
        assert write("1")
        assert holds(database, *range(51))
        put(database, *range(51, 100), size=5000)
        assert write("100")
        assert holds(put(database, 150), *range(151))


def test_forked_processes_open_it_again(tmp_path):
    database = put(open_database(tmp_path), 1)

    def work(number):
        return holds(put(database, number), 1, number), os.getpid()

    with WorkerPool(work, few=0, count=2, fork=True) as pool:
        results = list(pool.ordered_map(range(2, 20)))
    assert all(held and process != os.getpid() for held, process in results)
    assert holds(database, *range(1, 20))
    assert holds(put(database, 20), 20)


KILLED = """
import os, sys
from pathlib import Path
from hvpkit.features.database import open_database
database = open_database(Path(sys.argv[1]))
def write(values):
    for number in range(1000):
        values.put(b"%d" % number, bytes([number % 256]) * 5000)
        if sys.argv[2] == "in the transaction" and number == 500:
            os.kill(os.getpid(), 9)
if sys.argv[2] == "before the transaction":
    os.kill(os.getpid(), 9)
database.write(write)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("moment", ["before the transaction", "in the transaction", "after the transaction"])
def test_killed_process_leaves_whole_transactions_and_no_lock(tmp_path, moment):
    database = put(open_database(tmp_path), 0)
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), moment], check=False).returncode == -9
    stored = 1000 if moment == "after the transaction" else 1
    assert len(database) == stored and holds(database, *range(stored))
    assert holds(put(database, 2000), 2000)


def test_folder_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    put(open_database(tmp_path), 1, 2)
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    database = open_database(tmp_path)
    assert holds(database, 1, 2)
    with pytest.raises(OSError) as caught:
        put(database, 3)
    assert caught.value.errno == 13


def test_folder_that_cannot_be_created_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        open_database(tmp_path / "file" / "database")
