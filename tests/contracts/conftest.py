from __future__ import annotations

from pathlib import Path

import pytest
import small_models
from huggingface_hub import constants


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No check may need the network, or try it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # read from the environment at import
    called = small_models.no_network(monkeypatch)
    yield
    assert not called


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """Return the folder of a small encoder of a kind, made once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = small_models.save_encoder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def backbone_folder(tmp_path_factory):
    """Return the folder of a small backbone of a kind, made once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = small_models.save_backbone(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return folder
