"""LMDB databases: one environment for each folder and process, opened after a fork."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

import lmdb

INITIAL_MAP_SIZE = 2**32  # bytes of address space; doubled when a write does not fit
MAX_READERS = 1024  # processes that read at the same time
DATA_FILE = "data.mdb"
DAMAGE = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.VersionMismatchError)
T = TypeVar("T")


class Database:
    """Database in a folder on a local disk; `open_database` opens it.

    Processes may use one folder at the same time. A forked process opens the files again. A damaged file is replaced
    at the next write.

    Args:
        folder: Folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()

    def read(self, function: Callable[[lmdb.Transaction], T], default: T) -> T:
        """Call a function with a read transaction; its values are buffers that end with the transaction.

        Args:
            function: Function to call.
            default: Result if the file is damaged.
        """
        try:
            with self._begin(write=False) as transaction:
                return function(transaction)
        except lmdb.Error:
            return default

    def write(self, function: Callable[[lmdb.Transaction], None]) -> None:
        """Call a function with a write transaction, which is stored completely or not at all.

        Args:
            function: Function to call; it is called again after the file has grown or was replaced.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        try:
            self._write(function)
        except DAMAGE:
            self._replace_damaged_file()
            self._write(function)

    def _write(self, function: Callable[[lmdb.Transaction], None]) -> None:
        try:
            while True:
                try:
                    with self._begin(write=True) as transaction:
                        return function(transaction)
                except lmdb.MapFullError:
                    self._environment.set_mapsize(2 * self._environment.info()["map_size"])
        except DAMAGE:
            raise
        except lmdb.Error as error:
            raise _to_os_error(error) from error

    def __len__(self) -> int:
        return self.read(lambda transaction: int(transaction.stat()["entries"]), 0)

    def _begin(self, write: bool) -> lmdb.Transaction:
        if self._process != os.getpid():  # forked
            self._environment.close()
            self._open()
        try:
            return self._environment.begin(write=write, buffers=True)
        except lmdb.MapResizedError:  # by another process
            self._environment.set_mapsize(0)
            return self._environment.begin(write=write, buffers=True)

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._environment = _open_environment(self.folder)
        except DAMAGE:
            self._remove_files()
            self._environment = _open_environment(self.folder)
        except lmdb.Error as error:
            raise _to_os_error(error) from error
        self._process, self._file_number = os.getpid(), (self.folder / DATA_FILE).stat().st_ino

    def _replace_damaged_file(self) -> None:
        self._environment.close()
        if self.is_current:  # no other process has replaced it
            self._remove_files()
        self._open()

    def _remove_files(self) -> None:
        for name in (DATA_FILE, "lock.mdb"):
            (self.folder / name).unlink(missing_ok=True)

    @property
    def is_current(self) -> bool:
        """Whether the open file is the one in the folder, which may have been deleted or replaced."""
        file = self.folder / DATA_FILE
        return file.exists() and file.stat().st_ino == self._file_number


_databases: WeakValueDictionary[Path, Database] = WeakValueDictionary()


def open_database(folder: Path) -> Database:
    """Open the database of a folder, once in a process.

    Raises:
        OSError: The folder cannot be created, read or locked.
    """
    path = folder.resolve()
    database = _databases.get(path)
    if database is None or not database.is_current:
        database = _databases[path] = Database(path)
    return database


def _open_environment(folder: Path) -> lmdb.Environment:
    # Without `metasync` the last batch can be lost in a crash of the machine, but the file stays intact.
    writable = os.access(folder, os.W_OK)
    environment = lmdb.open(
        str(folder),
        map_size=INITIAL_MAP_SIZE,
        max_readers=MAX_READERS,
        metasync=False,
        readonly=not writable,
        lock=writable,
    )
    if writable:
        environment.reader_check()  # forget killed processes
        _extend_truncated_file(environment, folder / DATA_FILE)
    return environment


def _extend_truncated_file(environment: lmdb.Environment, file: Path) -> None:
    """Fill a truncated file with zeros: memory behind the end of a file cannot be read."""
    size = _used_bytes(environment)
    if file.stat().st_size < size:
        with environment.begin(write=True):  # nothing else writes meanwhile
            os.truncate(file, max(file.stat().st_size, _used_bytes(environment)))


def _used_bytes(environment: lmdb.Environment) -> int:
    return int((environment.info()["last_pgno"] + 1) * environment.stat()["psize"])


def _to_os_error(error: lmdb.Error) -> OSError:
    if error.code == errno.EIO:  # also of a write that was cut short
        return OSError(errno.EIO, f"{os.strerror(errno.EIO)}, or no space left on device")
    return OSError(error.code, os.strerror(error.code)) if error.code > 0 else OSError(str(error))
