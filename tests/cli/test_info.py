from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from hvpkit.cli.info import LIBRARIES


def test_versions_devices_data_and_models_are_listed(hvp, tmp_path, monkeypatch, mner_data, mner_model):
    monkeypatch.chdir(tmp_path)
    for folder, link, target in (("data", "tiny", mner_data.folder), ("runs", "first", mner_model)):
        Path(folder).mkdir()
        Path(folder, link).symlink_to(target)
    facts = json.loads(hvp("info", "--json").out)
    assert (facts["hvpkit"], facts["torch"]) == (version("hvpkit"), version("torch"))
    assert "cpu" in facts["devices"]
    assert (facts["prepared data"], facts["models"]) == (["tiny"], ["first"])
    assert facts["feature cache"]
    printed = dict(line.split("\t") for line in hvp("info").out.splitlines()[1:])
    assert printed["models"] == "first" and set(facts) == set(printed)


def test_without_data_and_models_none_is_printed(hvp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = dict(line.split("\t") for line in hvp("info").out.splitlines()[1:])
    assert (printed["prepared data"], printed["models"]) == ("none", "none")
    assert set(LIBRARIES) & set(printed) >= {"torch", "transformers"}


def test_a_plugin_file_is_listed_with_its_hash(hvp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from hvpkit.hookspecs import hookimpl\n"
        "def build(shape):\n    '''Nothing.'''\n"
        "@hookimpl\ndef register_gates(register):\n    register('mine', build)\n"
    )
    [plugin] = [
        each for each in json.loads(hvp("info", "--plugin", "mine.py", "--json").out)["plugins"] if "mine" in each
    ]
    assert plugin.startswith("mine.py (file, sha256 ")
