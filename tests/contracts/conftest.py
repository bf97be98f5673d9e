from __future__ import annotations

import os
from pathlib import Path

import pytest
import small_models


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No check may need the network, or try it."""
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    called = small_models.no_network(monkeypatch)
    yield
    assert not called


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """Give the folder of a small encoder of a kind, made once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = small_models.save_encoder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def backbone_folder(tmp_path_factory):
    """Give the folder of a small backbone of a kind, made once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = small_models.save_backbone(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return folder
