"""A model folder is whole or not there, gives back the very same model, and says all that is wrong with it at once."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import tiny
import torch

from hvpkit.data.batching import Batcher
from hvpkit.errors import ModelFolderError, RecipeError
from hvpkit.inference import decode
from hvpkit.model_folder import newest_model, open_model_folder, written_whole
from hvpkit.registry import load_registry
from hvpkit.weights import load_model, save_model

GATE = '''
from hvpkit.hookspecs import hookimpl


@hookimpl
def register_gates(register):
    register("even", even)


def even(shape):
    """All levels alike."""
    import torch
    from hvpkit.contracts import Gate

    class Even(Gate):
        def forward(self, levels):
            b, v, c = levels.shape[:3]
            return levels.new_full((b, v, shape.layers, c), 1 / c)

    return Even()
'''


@pytest.fixture
def folder(mner_text_model, tmp_path) -> Path:
    """A copy of a small model folder, to be damaged."""
    return Path(shutil.copytree(mner_text_model, tmp_path / "model"))


def change(folder: Path, name: str, **values) -> None:
    """Change keys of a JSON file."""
    content = json.loads((folder / name).read_text(encoding="utf-8")) | values
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def refusal(folder: Path) -> str:
    """Open a folder that cannot be opened; gives the message."""
    with pytest.raises(ModelFolderError) as error:
        load_model(open_model_folder(folder), "cpu")
    return str(error.value)


# ------------------------------------------------------------------------------------------------------------ save and load
def test_a_model_folder_is_read_by_whoever_the_umask_lets(mner_text_model, tmp_path):
    what = open_model_folder(mner_text_model)
    mask = os.umask(0o027)
    try:
        folder = saved(what, load_model(what, "cpu"), tmp_path / "model")
    finally:
        os.umask(mask)
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o640}
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o750}


@pytest.mark.parametrize("kind", ["mner_model", "mre_model", "mner_text_model", "mre_text_model"])
def test_a_saved_model_gives_the_same_output_bit_for_bit(kind, request, tmp_path):
    what = open_model_folder(request.getfixturevalue(kind))
    data = request.getfixturevalue(f"{what.recipe.task}_data")
    model = load_model(what, "cpu")
    again = open_model_folder(saved(what, model, tmp_path / "again"))
    reloaded = load_model(again, "cpu")
    examples = data.examples("test")
    assert list(decode(model, Batcher(model, what.recipe), examples)) == list(decode(reloaded, Batcher(reloaded, again.recipe), examples))
    assert all(torch.equal(tensor, reloaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert (again.recipe, again.labels, again.metrics) == (what.recipe, what.labels, what.metrics)


def saved(what, model, folder: Path) -> Path:
    """Write an opened model elsewhere."""
    save_model(model, type(what)(folder, what.recipe, what.labels, what.registry, what.metrics), "# A model\n")
    return folder


def test_a_loaded_model_is_ready_to_predict(mner_text_model):
    assert not load_model(open_model_folder(mner_text_model), "cpu").training


def test_a_folder_that_cannot_be_written_to_its_end_is_not_there(mner_text_model, tmp_path, monkeypatch):
    what = open_model_folder(mner_text_model)
    model = load_model(what, "cpu")

    def fail(folder):
        raise OSError("disk full")

    monkeypatch.setattr(model.fusion, "save", fail, raising=False)
    with pytest.raises(OSError, match="disk full"):
        saved(what, model, tmp_path / "again")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_never_replaced(folder):
    before = (folder / "model.json").read_bytes()
    with pytest.raises(OSError), written_whole(folder) as draft:
        (draft / "model.json").write_text("{}", encoding="utf-8")
    assert (folder / "model.json").read_bytes() == before
    assert [entry.name for entry in folder.parent.iterdir()] == ["model"]


# ------------------------------------------------------------------------------------------------------------------ damage
NEEDED = ("labels.json", "metrics.json", "model.json", "recipe.yaml", "text/config.json", "text/tokenizer.json", "weights.safetensors")


def test_these_are_the_files(mner_text_model):
    written = {file.relative_to(mner_text_model).as_posix() for file in mner_text_model.rglob("*") if file.is_file()}
    assert {*NEEDED, "README.md"} <= written
    assert written <= {*NEEDED, "README.md", *(name for name in written if name.startswith("text/"))}


def test_a_folder_that_is_not_there(tmp_path):
    assert refusal(tmp_path / "runs/x") == f"there is no model folder {tmp_path}/runs/x; train one with `hvp train RECIPE`"


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"{name} is missing" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 40, b"[]", b"{}", b"[" * 100_000], ids=["empty", "junk", "list", "object", "deep"])
@pytest.mark.parametrize("name", NEEDED)
def test_a_damaged_file_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    if (name, content) == ("metrics.json", b"{}"):
        assert open_model_folder(folder).metrics == {}  # nothing that a prediction needs
    elif name == "recipe.yaml":
        with pytest.raises(RecipeError, match=f"{folder}/recipe.yaml:1: "):
            open_model_folder(folder)
    else:
        assert f"{name} is damaged" in refusal(folder)


@pytest.mark.parametrize("name", [name for name in NEEDED if name != "recipe.yaml"])
def test_a_file_that_was_cut_short_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert f"{name} is damaged" in refusal(folder)


def test_everything_that_is_missing_or_damaged_is_named_at_once(folder):
    for name in ("labels.json", "recipe.yaml", "text/tokenizer.json"):
        (folder / name).unlink()
    (folder / "metrics.json").write_text("{", encoding="utf-8")
    (folder / "weights.safetensors").write_bytes(b"x")
    message = refusal(folder)
    assert message.count(" is missing") == 3
    assert message.count(" is damaged") == 2
    for name in ("labels.json", "recipe.yaml", "text/tokenizer.json", "metrics.json", "weights.safetensors"):
        assert name in message


def test_an_empty_folder_lacks_everything(tmp_path):
    message = refusal(tmp_path)
    assert all(f"{name} is missing" in message for name in ("model.json", "labels.json", "recipe.yaml", "weights.safetensors", "text"))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("model.json", {"components": []}, "model.json is damaged"),
        ("labels.json", {"names": "O"}, "labels.json is damaged"),
        ("labels.json", {"names": [1]}, "labels.json is damaged"),
        ("labels.json", {"task": "mre"}, "labels.json is for 'mre', recipe.yaml for 'mner'"),
        ("labels.json", {"names": ["O", "B-PER", "I-PER"]}, "tensors are missing, unknown or of another shape"),
        ("model.json", {"format": 2, "hvpkit": "9.0"}, "has format 2 (written by hvpkit 9.0), this hvpkit"),
        ("model.json", {"files": {"text/more.json": 3}}, "text/more.json is missing"),
    ],
)
def test_files_that_say_something_else_are_refused(folder, name, values, message):
    change(folder, name, **values)
    assert message in refusal(folder)


def test_weights_of_another_model_are_refused(folder, mre_text_model):
    change(folder, "model.json", files={})
    shutil.copy(mre_text_model / "weights.safetensors", folder)
    assert "weights.safetensors does not fit its recipe" in refusal(folder)


def test_damage_that_keeps_the_size_is_found(folder):
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[8:40] = b"\x00" * 32
    (folder / "weights.safetensors").write_bytes(content)
    assert "weights.safetensors is damaged" in refusal(folder)


# ----------------------------------------------------------------------------------------------------------------- plugins
def test_a_model_made_with_a_plugin_says_which_it_needs(tmp_path, mner_data):
    plugin = tmp_path / "even_gate.py"
    plugin.write_text(GATE, encoding="utf-8")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("fusion.gate=even",))
    folder = tiny.save_tiny_model(tmp_path / "model", recipe, mner_data, (plugin,))
    message = refusal(folder)
    assert "needs components that are not installed: gate 'even' (made by even_gate.py (file, sha256 " in message
    assert "--plugin FILE" in message
    assert open_model_folder(folder, [plugin]).registry is load_registry([plugin])
    assert not any("even_gate.py" in remark for remark in open_model_folder(folder, [plugin]).metrics["remarks"])


def test_a_plugin_that_has_changed_since_is_remarked(tmp_path, mner_data):
    plugin, later = tmp_path / "even_gate.py", tmp_path / "later" / "even_gate.py"
    later.parent.mkdir()
    plugin.write_text(GATE, encoding="utf-8")
    later.write_text(GATE + "\n", encoding="utf-8")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("fusion.gate=even",))
    folder = tiny.save_tiny_model(tmp_path / "model", recipe, mner_data, (plugin,))
    assert not open_model_folder(folder, [plugin]).changed
    opened = open_model_folder(folder, [later])
    [remark] = opened.changed
    assert remark in opened.metrics["remarks"]
    source = r"even_gate\.py \(file, .*\)"
    assert re.fullmatch(f"the gate even comes from {source}, the model was trained with {source}", remark)


# ------------------------------------------------------------------------------------------------------------------ newest
def test_the_newest_model_is_the_one_written_last_however_deep(tmp_path):
    for age, name in enumerate(["c", "group/a", ".b.draft", "b"]):
        (tmp_path / name).mkdir(parents=True)
        file = tmp_path / name / "model.json"
        file.write_text("{}", encoding="utf-8")
        os.utime(file, (1000 - age, 1000 - age))
    assert newest_model(tmp_path) == tmp_path / "c"
    os.utime(tmp_path / "group/a/model.json", (2000, 2000))
    os.utime(tmp_path / ".b.draft/model.json", (3000, 3000))
    assert newest_model(tmp_path) == tmp_path / "group/a"


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_no_model_at_all_says_how_to_get_one(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match="there is no model under .*; train one with `hvp train RECIPE`, or name one with --model"):
        newest_model(tmp_path / name)
