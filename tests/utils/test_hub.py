from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from raising import raises
from small_models import no_network

from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.messages import Message
from hvpkit.utils.hub import TIMEOUT_SECONDS, load_pretrained, looks_like_path, require_weights


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def opener(*answers: object):
    """Answer each call in turn, raising what is an exception; `calls` record the arguments of each call."""
    calls: list[tuple[str, bool]] = []
    left = list(answers)

    def open_it(place: str, local: bool) -> object:
        calls.append((place, local))
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    open_it.calls = calls
    return open_it


def opened(name: str, open_it) -> object:
    return load_pretrained(name, "text encoder", "text.name", open_it)


@pytest.mark.parametrize("name", ["./x", "../x", "/x", "~/x", "a/b/c", r"C:\x", "."])
def test_paths_look_like_paths(name):
    assert looks_like_path(name)


@pytest.mark.parametrize("name", ["bert-base-uncased", "owner/model", "a.b/c_d"])
def test_hub_ids_do_not(name):
    assert not looks_like_path(name)


def test_an_existing_folder_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not looks_like_path("bert")
    Path("bert").mkdir()
    assert looks_like_path("bert")


def test_local_folder_is_loaded_without_the_hub(tmp_path, monkeypatch):
    called = no_network(monkeypatch)
    open_it = opener("model")
    assert opened(str(tmp_path), open_it) == "model"
    assert open_it.calls == [(str(tmp_path), True)]
    assert not called


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bert").mkdir()
    open_it = opener("model")
    opened("~/bert", open_it)
    assert open_it.calls == [(str(tmp_path / "bert"), True)]


def test_missing_folder_is_reported(tmp_path):
    with raises(
        ModelFolderError, "pretrained-folder-missing", kind="text encoder", folder="./gone", option="text.name"
    ):
        opened("./gone", opener())


def test_what_is_cached_is_opened_without_the_hub(monkeypatch):
    called = no_network(monkeypatch)
    open_it = opener("cached")
    assert opened("bert-base-uncased", open_it) == "cached"
    assert open_it.calls == [("bert-base-uncased", True)]
    assert not called


def test_what_is_not_cached_is_fetched(monkeypatch):
    asked: list[tuple[str, float]] = []
    monkeypatch.setattr(HfApi, "model_info", lambda self, name, timeout: asked.append((name, timeout)))
    open_it = opener(OSError("not cached"), "fetched")
    assert opened("bert-base-uncased", open_it) == "fetched"
    assert open_it.calls == [("bert-base-uncased", True), ("bert-base-uncased", False)]
    assert asked == [("bert-base-uncased", TIMEOUT_SECONDS)]


def test_without_a_network_the_way_out_is_named(monkeypatch):
    called = no_network(monkeypatch)
    open_it = opener(OSError("not cached"))
    with raises(ModelFolderError, "hub-unreachable", kind="text encoder", name="bert-base-uncased", option="text.name"):
        opened("bert-base-uncased", open_it)
    assert called
    assert open_it.calls == [("bert-base-uncased", True)]  # the library's own download would try again and again


def test_offline_mode_sends_no_request(monkeypatch):
    called = no_network(monkeypatch)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with raises(ModelFolderError, "hub-offline", kind="text encoder", name="bert-base-uncased", option="text.name"):
        opened("bert-base-uncased", opener(OSError("not cached")))
    assert not called


def test_name_that_is_unknown_to_the_hub_is_reported(monkeypatch):
    def unknown(self: HfApi, name: str, timeout: float) -> None:
        error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
        Exception.__init__(error, "404 not found\nmore")
        raise error

    monkeypatch.setattr(HfApi, "model_info", unknown)
    with raises(
        ModelFolderError,
        "hub-refused",
        kind="text encoder",
        name="brt-base",
        option="text.name",
        reason="404 not found",
    ):
        opened("brt-base", opener(OSError("not cached")))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("odd\nlong"), "odd"),
        (KeyError("type"), "'type'"),
        (RuntimeError(""), "RuntimeError"),
        (IndexError("pop from empty list"), "pop from empty list"),
    ],
)
def test_whatever_broken_files_raise_becomes_one_line(error, reason, tmp_path, monkeypatch):
    no_network(monkeypatch)
    for name in (str(tmp_path), "cached-id"):
        with raises(
            ModelFolderError, "pretrained-not-opened", kind="text encoder", name=name, reason=reason
        ) as refused:
            opened(name, opener(error))
        assert "\n" not in str(refused.value)


def test_a_reason_of_our_own_keeps_its_code(tmp_path):
    with pytest.raises(ModelFolderError) as refused:
        opened(str(tmp_path), opener(ValueError(Message("tokenizer-missing"))))
    assert refused.value.fields["reason"].code == "tokenizer-missing"


def test_errors_of_our_own_pass_as_they_are(tmp_path):
    with raises(ComponentError, "prefix-unsupported", encoder="mine"):
        opened(str(tmp_path), opener(ComponentError("prefix-unsupported", encoder="mine")))


def test_weights_may_lack_only_what_is_optional():
    require_weights(
        {"missing_keys": ["pooler.dense.weight"], "mismatched_keys": [("pooler.dense.bias", (1,), (2,))]},
        optional="pooler.",
    )
    require_weights({"missing_keys": set(), "mismatched_keys": set()}, optional="pooler.")
    report = {"missing_keys": {"d", "b", "pooler.x"}, "mismatched_keys": [("a", (1,), (2,)), ("c", (1,), (2,))]}
    with pytest.raises(ValueError) as refused:
        require_weights(report, optional="pooler.")
    (message,) = refused.value.args
    assert (message.code, message.fields) == ("weights-incomplete", {"count": 4, "names": ["a", "b", "c", "..."]})
