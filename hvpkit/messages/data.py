"""Messages about datasets, their readers and prepared data."""

from __future__ import annotations

from hvpkit.messages import Template

PREPARE_AGAIN = "Run `hvp preprocess {name} --root DIR --output {folder}` again."
OTHER_FOLDER = "Name another folder with --output."
OR_OTHER_FOLDER = "or name another folder with --output."
TEXT_ONLY = "Use --text-only to continue with the text alone."

TEMPLATES: dict[str, Template] = {
    # Prepared data.
    "no-prepared-data": Template(
        "There is no prepared data in {folder} (it has no {file}). "
        "Run `hvp preprocess NAME --root DIR --output {folder}`.",
        {"folder": "data/mnre", "file": "manifest.json"},
    ),
    "manifest-damaged": Template(
        "{file} is damaged ({reason}). " + PREPARE_AGAIN,
        {"file": "data/mnre/manifest.json", "reason": "'format'", "name": "mnre", "folder": "data/mnre"},
    ),
    "prepared-format": Template(
        "{file} has format {found}, but this version of hvpkit reads format {expected}. "
        + PREPARE_AGAIN
        + " You can also use the version of hvpkit that wrote it.",
        {"file": "data/mnre/manifest.json", "found": 2, "expected": 1, "name": "mnre", "folder": "data/mnre"},
    ),
    "splits-missing": Template(
        "{folder} has no {files}. " + PREPARE_AGAIN,
        {"files": ["dev.jsonl", "test.jsonl"], "name": "mnre", "folder": "data/mnre"},
    ),
    "split-changed": Template(
        "{file} was changed after it was prepared (expected {expected} examples, got {found}). " + PREPARE_AGAIN,
        {"file": "data/mnre/dev.jsonl", "expected": 12, "found": 11, "name": "mnre", "folder": "data/mnre"},
    ),
    "prepared-line-unreadable": Template(
        "{file}:{line}: The line cannot be read ({reason}). " + PREPARE_AGAIN,
        {"file": "data/mnre/dev.jsonl", "line": 3, "reason": "'words'", "name": "mnre", "folder": "data/mnre"},
    ),
    "task-mismatch": Template(
        "Expected data for the task {expected}, but {data} is for {found}.",
        {"data": "data/mnre", "found": "mre", "expected": "mner"},
    ),
    "images-moved": Template(
        "{reason} If the images were moved, run `hvp preprocess` again with their new folder.",
        {"reason": "Image img_org/1.jpg does not exist."},
    ),
    # Where prepared data is written.
    "prepared-in-use": Template(
        "Another process is writing {folder}. Wait for it to finish, " + OR_OTHER_FOLDER, {"folder": "data/mnre"}
    ),
    "output-not-a-folder": Template(
        "{folder} is not a folder that can be replaced. " + OTHER_FOLDER, {"folder": "data/mnre"}
    ),
    "output-holds-other-files": Template(
        "{folder} contains other files ({files}) and is not replaced. " + OTHER_FOLDER,
        {"folder": "data/mnre", "files": ["thesis.tex"]},
    ),
    "output-holds-other-data": Template(
        "{folder} is the prepared data of {found!r}, not of {expected!r}. " + OTHER_FOLDER,
        {"folder": "data/mnre", "found": "mnre", "expected": "mine"},
    ),
    "output-holds-other-source": Template(
        "{folder} is the prepared data of {found}, not of {expected}. Delete it, " + OR_OTHER_FOLDER,
        {"folder": "data/mine", "found": "jsonl data of a/mine", "expected": "jsonl data of b/mine"},
    ),
    "output-manifest-damaged": Template(
        "{file} is damaged ({reason}). Delete {folder}, " + OR_OTHER_FOLDER,
        {"file": "data/mnre/manifest.json", "reason": "'name'", "folder": "data/mnre"},
    ),
    # Preparing.
    "root-with-path": Template(
        "--root requires the name of a dataset, but {name!r} is a path. Leave out --root.", {"name": "./mine"}
    ),
    "path-needed": Template(
        "{name!r} is a format. Name the path of your data: `hvp preprocess PATH --format {name}`.", {"name": "jsonl"}
    ),
    "unknown-dataset": Template(
        "Unknown dataset {name!r} (for your own data, give a path such as ./{name} or {name}.jsonl){hint}",
        {"name": "mner", "hint": "; did you mean mnre?"},
    ),
    "no-image-readable": Template(
        "None of the images can be read. The first error: {reason} " + TEXT_ONLY,
        {"reason": "Image 1.jpg is empty (0 bytes)."},
    ),
    "no-image-found": Template(
        "None of the {count} images was found. Searched folders:\n{folders:lines}\n{advice} " + TEXT_ONLY,
        {"count": 4, "folders": ["data/images"], "advice": "Unpack the archive there."},
    ),
    "images-outside-folders": Template(
        "All {count} images are outside of the folders {folders}. Name their folder with --images. " + TEXT_ONLY,
        {"count": 60, "folders": ["mine"]},
    ),
    "images-are-urls": Template(
        "All {count} images are URLs, such as {url}, and images are not downloaded. Name files. " + TEXT_ONLY,
        {"count": 60, "url": "https://example.org/a.jpg"},
    ),
    "images-refused": Template(
        "None of the {count} images can be used. The first error: {reason} " + TEXT_ONLY,
        {"count": 60, "reason": "Expected a file name in \"image\", got ['a.jpg']."},
    ),
    "no-image-named": Template(
        "No example names an image. {advice} " + TEXT_ONLY, {"advice": "Name an image in each example."}
    ),
    "image-unreadable": Template("{reason}", {"reason": "Image 1.jpg is empty (0 bytes)."}),
    "crop-unreadable": Template("{reason}", {"reason": "Image 1_crop.jpg is empty (0 bytes)."}),
    "crop-missing": Template("Missing crop: {crop}.", {"crop": "mine/train.jsonl:3: 1_crop.jpg"}),
    "split-without-labels": Template(
        "No example of {split} has an entity or a relation, so that scores on it say nothing.", {"split": "dev"}
    ),
    "text-in-two-splits": Template(
        "Example {id!r} has the same text and image as one of the {other} split: {text!r}.",
        {"id": "7", "text": "Ann sings", "other": "train"},
    ),
    "label-not-in-training": Template(
        "Label {label!r} does not occur in the training split (count here: {count}).", {"label": "GPE", "count": 3}
    ),
    "worker-died": Template(
        "A process that reads images was killed: memory is exhausted, or a file crashes the decoder. In "
        "a script, call this function under `if __name__ == '__main__':`."
    ),
    # Image features of prepared data.
    "features-without-images": Template("--features requires a recipe that uses images."),
    "backbone-changes": Template(
        "--features requires a frozen backbone, but this recipe trains it ({setting}).",
        {"setting": "vision.frozen is false"},
    ),
    "features-kept-nowhere": Template(
        "--features requires a folder, but {variable} is {value}. Set it to a folder, or remove it.",
        {"variable": "HVPKIT_CACHE", "value": "none"},
    ),
    "features-not-written": Template(
        "Image features cannot be stored in {folder} ({reason}). "
        "Free space there, or set {variable} to another folder.",
        {"folder": "data/features", "reason": "No space left on device", "variable": "HVPKIT_CACHE"},
    ),
}
