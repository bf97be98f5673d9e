"""Files and directories appear complete or not at all, and nothing is replaced that is not ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from raising import raises

import hvpkit
from hvpkit.errors import DataError, InputError
from hvpkit.utils import atomic_write
from hvpkit.utils.atomic_write import atomic_directory, atomic_file, check_overwrite, remove_drafts

RENAMES = re.compile(r"os\.(replace|rename)\(|\.rename\(|NamedTemporaryFile|mkdtemp|mkstemp")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_file_is_replaced_at_the_end_of_the_block(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with atomic_file(tmp_path / "a.txt") as draft:
        draft.write_text("new")
        assert draft.parent == tmp_path and draft.suffix == ".txt"
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_file_in_a_missing_directory_is_written(tmp_path):
    with atomic_file(tmp_path / "a" / "b" / "c") as draft:
        draft.write_text("new")
    assert (tmp_path / "a" / "b" / "c").read_text() == "new"


def test_error_leaves_the_old_file_and_no_draft(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_file(tmp_path / "a") as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_link_stays_a_link_to_the_new_content(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a").write_text("old")
    (tmp_path / "link").symlink_to("there/a")
    with atomic_file(tmp_path / "link") as draft:
        draft.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "a").read_text() == "new"


def test_pipe_is_written_directly(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with atomic_file(tmp_path / "pipe") as draft:
        draft.write_text("through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_permissions_follow_the_umask(tmp_path, umask):
    with atomic_file(tmp_path / "file") as draft:
        draft.write_text("")
    with atomic_directory(tmp_path / "directory") as draft:
        (draft / "inner").mkdir(mode=0o700)
        (draft / "inner" / "private").touch(mode=0o600)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "directory", "directory/inner")]
    assert modes == [0o666 & ~umask, 0o777 & ~umask, 0o777 & ~umask]
    assert (tmp_path / "directory/inner/private").stat().st_mode & 0o777 == 0o666 & ~umask


def test_everything_is_flushed_before_the_rename(tmp_path, monkeypatch):
    flushed: list[int] = []
    flush, rename = os.fsync, os.rename

    def record(descriptor):
        flushed.append(os.fstat(descriptor).st_ino)
        flush(descriptor)

    def check(draft, path):
        assert {entry.stat().st_ino for entry in (draft, *draft.rglob("*"))} <= set(flushed)
        rename(draft, path)

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(os, "rename", check)
    with atomic_directory(tmp_path / "out") as draft:
        (draft / "inner").mkdir()
        (draft / "inner" / "file").write_text("x")
    assert flushed[-1] == tmp_path.stat().st_ino  # the rename itself
    assert names(tmp_path) == ["out", "out/inner", "out/inner/file"]


def test_many_files_are_flushed_at_once(tmp_path, monkeypatch):
    calls = []
    sync = os.sync
    monkeypatch.setattr(os, "sync", lambda: (calls.append("sync"), sync()))
    monkeypatch.setattr(atomic_write, "MAX_FLUSHES", 3)
    for count in (2, 3):  # and the directory
        with atomic_directory(tmp_path / str(count)) as draft:
            for number in range(count):
                (draft / str(number)).touch()
    assert calls == ["sync"]
    assert names(tmp_path / "3") == ["0", "1", "2"]


def test_directory_with_files_is_replaced_on_request_only(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with pytest.raises(OSError), atomic_directory(tmp_path / "out") as draft:
        (draft / "new").touch()
    assert names(tmp_path) == ["out", "out/old"]
    with atomic_directory(tmp_path / "out", replace=True) as draft:
        (draft / "new").touch()
    assert names(tmp_path) == ["out", "out/new"]


def test_old_directory_returns_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    rename = os.rename

    def fail_for_the_draft(source, target):
        if (source / "new").exists():
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_for_the_draft)
    with pytest.raises(OSError), atomic_directory(tmp_path / "out", replace=True) as draft:
        (draft / "new").touch()
    assert names(tmp_path) == ["out", "out/old"]


def test_full_disk_leaves_the_old_file(tmp_path, limited_file_size):
    (tmp_path / "a").write_text("old")
    with limited_file_size(100), pytest.raises(OSError), atomic_file(tmp_path / "a") as draft:
        draft.write_bytes(bytes(1000))
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


KILLED = """
import os, sys
from pathlib import Path
from hvpkit.utils.atomic_write import atomic_directory, atomic_file
folder = Path(sys.argv[1])
with atomic_file(folder / "a") as file, atomic_directory(folder / "b", replace=True) as directory:
    file.write_text("half")
    (directory / "half").touch()
    os.kill(os.getpid(), 9)
"""


def test_killed_process_leaves_drafts_that_can_be_removed(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    (tmp_path / ".b.more~x").mkdir()  # of another output
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 5
    remove_drafts(tmp_path / "a")
    remove_drafts(tmp_path / "b")
    assert names(tmp_path) == [".b.more~x", "a", "b"]


def test_only_outputs_of_ours_are_replaced(tmp_path):
    check_overwrite(tmp_path / "new")
    (tmp_path / "a").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    for name in ("a", "broken"):
        with raises(InputError, "output-exists", output=tmp_path / name):
            check_overwrite(tmp_path / name)
    check_overwrite(tmp_path / "a", Path.is_file)

    def refuse(path: Path) -> bool:
        raise DataError("output-not-a-folder", folder=path)

    check_overwrite(tmp_path / "new", refuse)
    with raises(DataError, "output-not-a-folder", folder=tmp_path / "a"):
        check_overwrite(tmp_path / "a", refuse)


def test_nothing_else_renames():
    package = Path(hvpkit.__file__).parent
    files = [file for file in package.rglob("*.py") if RENAMES.search(file.read_text(encoding="utf-8"))]
    assert [file.relative_to(package).as_posix() for file in files] == ["utils/atomic_write.py"]
