"""Fixtures that all tests share; what is session-scoped is read only: copy a folder before you change it."""

from __future__ import annotations

import logging
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny

from hvpkit.data.prepared import PreparedData
from hvpkit.messages import LOGGERS, Message
from hvpkit.utils.progress import set_backend


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Let writes beyond a file size fail in the block, in bytes; this stands for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def limited_file_size() -> Callable[[int], AbstractContextManager[None]]:
    """Context manager in which writes beyond a file size fail."""
    return limit_file_size


@pytest.fixture
def logged(caplog) -> Callable[..., list[Message]]:
    """The messages that hvpkit has logged so far: all of them, or those of a level."""
    for name in LOGGERS:
        caplog.set_level(logging.INFO, name)

    def messages(level: int | None = None) -> list[Message]:
        records = [record for record in caplog.records if record.name.partition(".")[0] in LOGGERS]
        return [record.msg for record in records if level in (None, record.levelno)]

    return messages


@dataclass
class RecordedBar:
    """A progress bar: what it was opened with, the steps done, whether it is closed."""

    description: str
    total: int | None
    done: int = 0
    closed: bool = False

    def advance(self, steps: int = 1) -> None:
        self.done += steps


class RecordedBars(list[RecordedBar]):
    """Records progress."""

    @contextmanager
    def start(self, description: str, total: int | None) -> Iterator[RecordedBar]:
        bar = RecordedBar(description, total)
        self.append(bar)
        try:
            yield bar
        finally:
            bar.closed = True


@pytest.fixture
def bars() -> Iterator[RecordedBars]:
    """Every progress bar that the test opens, in order."""
    recorded = RecordedBars()
    before = set_backend(recorded)
    yield recorded
    set_backend(before)


@pytest.fixture(scope="session")
def mner_data(tmp_path_factory) -> PreparedData:
    """Tiny prepared MNER data with images (tests/tiny.py)."""
    return tiny.prepare(tmp_path_factory.mktemp("mner") / "data", "mner")


@pytest.fixture(scope="session")
def mre_data(tmp_path_factory) -> PreparedData:
    """Tiny prepared MRE data with images, all 23 classes."""
    return tiny.prepare(tmp_path_factory.mktemp("mre") / "data", "mre")


@pytest.fixture(scope="session")
def mner_model(tmp_path_factory, mner_data) -> Path:
    """An untrained HVPNeT for MNER: visual prefix, ResNet-18, CRF."""
    folder = tmp_path_factory.mktemp("mner-model")
    return tiny.save_tiny_model(folder / "model", tiny.recipe(folder, mner_data.folder, "mner"), mner_data)


@pytest.fixture(scope="session")
def mre_model(tmp_path_factory, mre_data) -> Path:
    """An untrained HVPNeT for MRE: visual prefix, ResNet-18, entity starts."""
    folder = tmp_path_factory.mktemp("mre-model")
    return tiny.save_tiny_model(folder / "model", tiny.recipe(folder, mre_data.folder, "mre"), mre_data)


@pytest.fixture(scope="session")
def mner_text_model(tmp_path_factory, mner_data) -> Path:
    """An untrained MNER model of text alone: small enough to copy and damage."""
    folder = tmp_path_factory.mktemp("mner-text-model")
    return tiny.save_tiny_model(
        folder / "model", tiny.recipe(folder, mner_data.folder, "mner", images=False), mner_data
    )


@pytest.fixture(scope="session")
def mre_text_model(tmp_path_factory, mre_data) -> Path:
    """An untrained MRE model of text alone."""
    folder = tmp_path_factory.mktemp("mre-text-model")
    return tiny.save_tiny_model(folder / "model", tiny.recipe(folder, mre_data.folder, "mre", images=False), mre_data)


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory):
    """Return the folder of a small detector of a kind, made once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            import small_models

            made[kind] = small_models.save_detector(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return folder
