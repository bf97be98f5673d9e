"""Messages about datasets, their readers and prepared data."""

from __future__ import annotations

from hvpkit.messages import Template

PREPARE_AGAIN = "run `hvp preprocess {name} --root DIR --output {folder}` again"
OTHER_FOLDER = "name another folder with --output"
TEXT_ONLY = "To go on with the text alone: --text-only"

TEMPLATES: dict[str, Template] = {
    # Prepared data.
    "no-prepared-data": Template(
        "no prepared data in {folder} (it has no {file}); run `hvp preprocess NAME --root DIR --output {folder}`",
        {"folder": "data/mnre", "file": "manifest.json"},
    ),
    "manifest-damaged": Template(
        "{file} is damaged ({reason}); " + PREPARE_AGAIN,
        {"file": "data/mnre/manifest.json", "reason": "'format'", "name": "mnre", "folder": "data/mnre"},
    ),
    "prepared-format": Template(
        "{file} has format {found}, this hvpkit reads {expected}; " + PREPARE_AGAIN + " or use the hvpkit that wrote it",
        {"file": "data/mnre/manifest.json", "found": 2, "expected": 1, "name": "mnre", "folder": "data/mnre"},
    ),
    "splits-missing": Template(
        "{folder} lacks {files}; " + PREPARE_AGAIN, {"files": ["dev.jsonl", "test.jsonl"], "name": "mnre", "folder": "data/mnre"}
    ),
    "split-changed": Template(
        "{file} is not what was prepared ({expected} examples, now {found}); " + PREPARE_AGAIN,
        {"file": "data/mnre/dev.jsonl", "expected": 12, "found": 11, "name": "mnre", "folder": "data/mnre"},
    ),
    "prepared-line-unreadable": Template(
        "{file}:{line}: cannot be read ({reason}); " + PREPARE_AGAIN,
        {"file": "data/mnre/dev.jsonl", "line": 3, "reason": "'words'", "name": "mnre", "folder": "data/mnre"},
    ),
    "task-mismatch": Template(
        "{data} holds data for {found}, expected data for {expected}", {"data": "data/mnre", "found": "mre", "expected": "mner"}
    ),
    "images-moved": Template(
        "{reason}; if the images were moved, run `hvp preprocess` again where they are now", {"reason": "img_org/1.jpg is missing"}
    ),
    # Where prepared data is written.
    "prepared-in-use": Template("{folder} is being written by another process; wait for it, or " + OTHER_FOLDER, {"folder": "data/mnre"}),
    "output-not-a-folder": Template("{folder} is not a folder of its own; name another with --output", {"folder": "data/mnre"}),
    "output-holds-other-files": Template(
        "{folder} would be replaced but holds other files ({files}); " + OTHER_FOLDER, {"folder": "data/mnre", "files": ["thesis.tex"]}
    ),
    "output-holds-other-data": Template(
        "{folder} holds the prepared data of {found!r}, not of {expected!r}; " + OTHER_FOLDER,
        {"folder": "data/mnre", "found": "mnre", "expected": "mine"},
    ),
    "output-holds-other-source": Template(
        "{folder} holds the prepared data of {found}, this is {expected}; remove it or " + OTHER_FOLDER,
        {"folder": "data/mine", "found": "JSON lines of a/mine", "expected": "JSON lines of b/mine"},
    ),
    "output-manifest-damaged": Template(
        "{file} is damaged ({reason}); remove {folder} or " + OTHER_FOLDER,
        {"file": "data/mnre/manifest.json", "reason": "'name'", "folder": "data/mnre"},
    ),
    # Preparing.
    "root-with-path": Template("--root goes with a dataset's name; {name} is a path and is read where it lies", {"name": "./mine"}),
    "path-needed": Template("say where your data is: `hvp preprocess PATH`, or `hvp preprocess {name} --root PATH`", {"name": "jsonl"}),
    "unknown-dataset": Template(
        "unknown dataset {name!r}{hint}; your own data is named by its path, for example ./{name} or {name}.jsonl",
        {"name": "mner", "hint": "; did you mean mnre"},
    ),
    "no-image-readable": Template("none of the images can be read; the first: {reason}. " + TEXT_ONLY, {"reason": "1.jpg is empty"}),
    "no-image-found": Template(
        "none of the {count} images is there; looked in:\n{folders:lines}\nWhat to do: {advice}. " + TEXT_ONLY,
        {"count": 4, "folders": ["data/images"], "advice": "unpack the archive there"},
    ),
    "no-image-named": Template("no example names an image; {advice}. " + TEXT_ONLY, {"advice": 'give each line an "image"'}),
    "image-unreadable": Template("{reason}", {"reason": "1.jpg is empty"}),
    "crop-unreadable": Template("{reason}", {"reason": "1_crop.jpg is empty"}),
    "crop-missing": Template("{crop}", {"crop": "mine/train.jsonl:3: 1_crop.jpg"}),
    "label-not-in-training": Template("{label}: {count}", {"label": "GPE", "count": 3}),
    "worker-died": Template(
        "a process that reads images died: memory ran out, or a file crashes the decoder "
        "(in a script of your own, call this under `if __name__ == '__main__':`)"
    ),
    # Image features of prepared data.
    "features-without-images": Template("--features: this recipe looks at no images"),
    "backbone-changes": Template(
        "--features: the backbone of this recipe changes in training ({setting}), so that its features cannot be kept",
        {"setting": "vision.frozen is false"},
    ),
    "features-kept-nowhere": Template(
        "--features: {variable} is {value}; set it to a folder, or leave it out", {"variable": "HVPKIT_FEATURES", "value": "none"}
    ),
    "features-not-written": Template(
        "features cannot be kept in {folder} ({reason}); make room there, or set {variable} to another folder",
        {"folder": "data/features", "reason": "No space left on device", "variable": "HVPKIT_FEATURES"},
    ),
}
