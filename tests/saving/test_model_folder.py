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
from raising import raises

from hvpkit.batching import Batcher
from hvpkit.errors import ModelFolderError, RecipeError
from hvpkit.inference.decode import predict_stream
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import latest_model_folder, open_model_folder
from hvpkit.saving.weights import load_model, save_model
from hvpkit.utils.atomic_write import atomic_directory

GATE = '''
from hvpkit.hookspecs import hookimpl


@hookimpl
def register_gates(register):
    register("even", even)


def even(shape):
    """All levels alike."""
    import torch
    from hvpkit.interfaces import Gate

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


def refusal(folder: Path) -> ModelFolderError:
    """Open a folder that cannot be opened; gives the error."""
    with pytest.raises(ModelFolderError) as error:
        load_model(open_model_folder(folder), "cpu")
    return error.value


def damage(folder: Path) -> set[tuple[str, str]]:
    """Open a folder that is not whole; gives what is wrong with it, as (code, file)."""
    error = refusal(folder)
    assert (error.code, error.fields["folder"]) == ("model-folder-damaged", folder)
    return {(fault.code, fault.fields["file"]) for fault in error.fields["damage"]}


# ------------------------------------------------------------------------------------------------------------ save and
# load
def test_model_folder_has_the_permissions_of_the_umask(mner_text_model, tmp_path):
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
    assert list(predict_stream(model, Batcher(model, what.recipe), examples)) == list(
        predict_stream(reloaded, Batcher(reloaded, again.recipe), examples)
    )
    assert all(torch.equal(tensor, reloaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert (again.recipe, again.labels, again.metrics) == (what.recipe, what.labels, what.metrics)


def saved(what, model, folder: Path) -> Path:
    """Write an opened model elsewhere."""
    save_model(model, type(what)(folder, what.recipe, what.labels, what.registry, what.metrics), "# A model\n")
    return folder


def test_a_loaded_model_is_ready_to_predict(mner_text_model):
    assert not load_model(open_model_folder(mner_text_model), "cpu").training


def test_incomplete_folder_is_removed(mner_text_model, tmp_path, monkeypatch):
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
    with pytest.raises(OSError), atomic_directory(folder) as draft:
        (draft / "model.json").write_text("{}", encoding="utf-8")
    assert (folder / "model.json").read_bytes() == before
    assert [entry.name for entry in folder.parent.iterdir()] == ["model"]


# ------------------------------------------------------------------------------------------------------------------
# damage
DAMAGED = {
    "model-file-size",
    "model-file-unreadable",
    "model-file-no-object",
    "labels-incomplete",
    "description-incomplete",
}
NEEDED = (
    "labels.json",
    "metrics.json",
    "model.json",
    "recipe.yaml",
    "text/config.json",
    "text/tokenizer.json",
    "weights.safetensors",
)


def test_these_are_the_files(mner_text_model):
    written = {file.relative_to(mner_text_model).as_posix() for file in mner_text_model.rglob("*") if file.is_file()}
    assert {*NEEDED, "README.md"} <= written
    assert written <= {*NEEDED, "README.md", *(name for name in written if name.startswith("text/"))}


def test_a_folder_that_is_not_there(tmp_path):
    error = refusal(tmp_path / "runs/x")
    assert (error.code, error.fields) == ("model-folder-missing", {"folder": tmp_path / "runs/x"})


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert ("model-file-missing", name) in damage(folder)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff" * 40, b"[]", b"{}", b"[" * 100_000], ids=["empty", "junk", "list", "object", "deep"]
)
@pytest.mark.parametrize("name", NEEDED)
def test_a_damaged_file_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    if (name, content) == ("metrics.json", b"{}"):
        assert open_model_folder(folder).metrics == {}  # nothing that a prediction needs
    elif name == "recipe.yaml":
        with raises(RecipeError, "recipe-invalid") as refused:
            open_model_folder(folder)
        assert refused.value.problems[0].location == f"{folder}/recipe.yaml:1"
    else:
        found = damage(folder)
        assert {file for _, file in found} == {name}
        assert {code for code, _ in found} <= DAMAGED


@pytest.mark.parametrize("name", [name for name in NEEDED if name != "recipe.yaml"])
def test_a_file_that_was_cut_short_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    found = damage(folder)
    assert {file for _, file in found} == {name}
    assert {code for code, _ in found} <= DAMAGED


def test_everything_that_is_missing_or_damaged_is_named_at_once(folder):
    for name in ("labels.json", "recipe.yaml", "text/tokenizer.json"):
        (folder / name).unlink()
    (folder / "metrics.json").write_text("{", encoding="utf-8")
    (folder / "weights.safetensors").write_bytes(b"x")
    missing = {("model-file-missing", name) for name in ("labels.json", "recipe.yaml", "text/tokenizer.json")}
    assert damage(folder) == {
        *missing,
        ("model-file-unreadable", "metrics.json"),
        ("model-file-size", "weights.safetensors"),
    }
    assert len(refusal(folder).fields["damage"]) == 5  # each once


def test_an_empty_folder_lacks_everything(tmp_path):
    names = ("model.json", "labels.json", "recipe.yaml", "weights.safetensors", "text")
    assert {("model-file-missing", name) for name in names} <= damage(tmp_path)


@pytest.mark.parametrize(
    ("name", "values", "code", "file"),
    [
        ("model.json", {"components": []}, "description-incomplete", "model.json"),
        ("labels.json", {"names": "O"}, "labels-incomplete", "labels.json"),
        ("labels.json", {"names": [1]}, "labels-incomplete", "labels.json"),
        ("model.json", {"files": {"text/more.json": 3}}, "model-file-missing", "text/more.json"),
    ],
)
def test_incomplete_files_are_refused(folder, name, values, code, file):
    change(folder, name, **values)
    assert (code, file) in damage(folder)


@pytest.mark.parametrize(
    ("name", "values", "code", "fields"),
    [
        ("labels.json", {"task": "mre"}, "labels-task-mismatch", {"found": "mre", "expected": "mner"}),
        ("labels.json", {"names": ["O", "B-PER", "I-PER"]}, "model-weights-mismatch", {}),
        ("model.json", {"format": 3, "hvpkit": "9.0"}, "model-format", {"found": 3, "expected": 2, "writer": "9.0"}),
    ],
)
def test_inconsistent_files_are_refused(folder, name, values, code, fields):
    change(folder, name, **values)
    error = refusal(folder)
    assert (error.code, {name: error.fields[name] for name in fields}) == (code, fields)


def test_weights_of_another_model_are_refused(folder, mre_text_model):
    change(folder, "model.json", files={})
    shutil.copy(mre_text_model / "weights.safetensors", folder)
    error = refusal(folder)
    assert (error.code, error.fields["file"]) == ("model-weights-mismatch", folder / "weights.safetensors")


def test_damage_that_keeps_the_size_is_detected(folder):
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[8:40] = b"\x00" * 32
    (folder / "weights.safetensors").write_bytes(content)
    error = refusal(folder)
    assert (error.code, error.fields["file"]) == ("model-weights-damaged", folder / "weights.safetensors")


# -----------------------------------------------------------------------------------------------------------------
# plugins
def test_model_of_a_plugin_names_the_plugin(tmp_path, mner_data):
    plugin = tmp_path / "even_gate.py"
    plugin.write_text(GATE, encoding="utf-8")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("fusion.gate=even",))
    folder = tiny.save_tiny_model(tmp_path / "model", recipe, mner_data, (plugin,))
    error = refusal(folder)
    assert (error.code, error.fields["folder"]) == ("components-not-installed", folder)
    [needed] = error.fields["components"]
    assert (needed.code, needed.fields["kind"], needed.fields["name"]) == ("component-of", "gate", "even")
    assert needed.fields["source"].startswith("even_gate.py (file, sha256 ")
    assert open_model_folder(folder, [plugin]).registry is load_registry([plugin])
    assert not any("even_gate.py" in note for note in open_model_folder(folder, [plugin]).metrics["notes"])


def test_changed_plugin_is_noted(tmp_path, mner_data):
    plugin, later = tmp_path / "even_gate.py", tmp_path / "later" / "even_gate.py"
    later.parent.mkdir()
    plugin.write_text(GATE, encoding="utf-8")
    later.write_text(GATE + "\n", encoding="utf-8")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("fusion.gate=even",))
    folder = tiny.save_tiny_model(tmp_path / "model", recipe, mner_data, (plugin,))
    assert not open_model_folder(folder, [plugin]).changed
    opened = open_model_folder(folder, [later])
    [note] = opened.changed
    assert note in opened.metrics["notes"]
    assert (note.code, note.fields["component"]) == ("plugin-changed", "gate even")
    found, expected = note.fields["found"], note.fields["expected"]
    assert found != expected
    assert all(re.fullmatch(r"even_gate\.py \(file, .*\)", source) for source in (found, expected))


# ------------------------------------------------------------------------------------------------------------------
# newest
def test_the_newest_model_is_the_one_written_last_however_deep(tmp_path):
    for age, name in enumerate(["c", "group/a", ".b.draft", "b"]):
        (tmp_path / name).mkdir(parents=True)
        file = tmp_path / name / "model.json"
        file.write_text("{}", encoding="utf-8")
        os.utime(file, (1000 - age, 1000 - age))
    assert latest_model_folder(tmp_path) == tmp_path / "c"
    os.utime(tmp_path / "group/a/model.json", (2000, 2000))
    os.utime(tmp_path / ".b.draft/model.json", (3000, 3000))
    assert latest_model_folder(tmp_path) == tmp_path / "group/a"


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_missing_model_names_the_training_command(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with raises(ModelFolderError, "no-models", folder=tmp_path / name):
        latest_model_folder(tmp_path / name)
