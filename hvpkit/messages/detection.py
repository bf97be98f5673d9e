"""Messages about detectors, phrases and detected objects."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Settings
    "detector-not-named": Template(
        "{options} need a detector: name one, for example --detector {detector}.",
        {"options": ["--phrases", "--threshold"], "detector": "saliency"},
    ),
    "detector-ignores-phrases": Template(
        "The detector {detector!r} does not use phrases. Leave out --phrases, or choose one of {detectors}.",
        {"detector": "saliency", "detectors": ["grounding-dino", "owlv2"]},
    ),
    "objects-of-data": Template("objects: those of the dataset"),
    "objects-detected": Template(
        "objects: by {detector} ({version}); at most {max_objects}, scores from {threshold:g}, sides from "
        "{min_size} pixels, NMS at IoU {nms_iou:g}",
        {"detector": "saliency", "version": "1", "max_objects": 3, "threshold": 0.2, "min_size": 16, "nms_iou": 0.5},
    ),
    "objects-detected-by-phrases": Template(
        "objects: by {detector} ({version}) for the phrases {phrases}; at most {max_objects}, scores from "
        "{threshold:g}, sides from {min_size} pixels, NMS at IoU {nms_iou:g}",
        {
            "detector": "owlv2",
            "version": "0a1b",
            "phrases": ["rules", "types"],
            "max_objects": 3,
            "threshold": 0.1,
            "min_size": 16,
            "nms_iou": 0.5,
        },
    ),
    # Phrases
    "unknown-phrases": Template(
        "Unknown phrase extractor {name!r}{hint}", {"name": "rule", "hint": "; did you mean rules?"}
    ),
    "mentions-need-pairs": Template(
        "The phrase extractor `mentions` returns the head and tail entities of a pair (mre), so it cannot be "
        "used for the task mner."
    ),
    "spacy-not-installed": Template(
        'The phrase extractor `spacy` needs spaCy: run pip install "hvpkit[spacy]", or use `rules`.'
    ),
    "spacy-pipeline-unopenable": Template(
        "The spaCy pipeline {pipeline!r} cannot be loaded ({reason}). Install it (python -m spacy download "
        "{default}), or name a folder: --phrases spacy:/path/to/pipeline.",
        {"pipeline": "en_core", "reason": "[E050] Can't find model 'en_core'.", "default": "en_core_web_sm"},
    ),
    "spacy-pipeline-without-parser": Template(
        "The spaCy pipeline {pipeline!r} has no parser, which noun chunks require. Choose a pipeline with a parser.",
        {"pipeline": "en_core_web_sm"},
    ),
    # Detectors
    "detector-weights-missing": Template(
        "The weights file {file} of {detector} does not exist{hint}",
        {"detector": "fasterrcnn", "file": "weights.pth", "hint": "; available: coco, random"},
    ),
    "detector-weights-mismatch": Template(
        "{file} does not contain weights of {detector}: {count} tensors are missing, unknown or of another shape.",
        {"file": "weights.pth", "detector": "fasterrcnn", "count": 3},
    ),
    "detector-model-mismatch": Template(
        "model type is {found}, expected {expected}", {"found": "bert", "expected": "owlv2"}
    ),
    "detector-out-of-memory": Template(
        "Out of memory during detection with a batch size of {batch_size}. Use a smaller one, for example "
        "--batch-size 1.",
        {"batch_size": 8},
    ),
    "detector-answers-mismatch": Template(
        "The detector {detector!r} returned {found} results for {expected} queries. It must return one for each query.",
        {"detector": "mine", "found": 1, "expected": 2},
    ),
    "example-without-image": Template("Example {example!r} has no image.", {"example": "17"}),
    "detection-failed": Template(
        "{reason}", {"reason": "None of the crops of example '17' exists (17_0.png, 17_1.png)."}
    ),
    # Objects for prediction
    "model-detector-unavailable": Template(
        "This model uses objects detected by {detector!r}, which is unavailable: {reason}\nFix the cause, "
        "pass the objects of each image, or predict without object detection: --no-detect.",
        {"detector": "owlv2", "reason": "Object detector owlv2: no such folder: weights."},
    ),
    "detector-version-changed": Template(
        "Objects were detected by {detector} {found}, but by version {expected} in training.",
        {"detector": "saliency", "found": "2", "expected": "1"},
    ),
    "no-object-detected": Template(
        "No object was detected in the image ({detector}, minimum score {threshold:g}).",
        {"detector": "saliency", "threshold": 0.2},
    ),
    "objects-not-given": Template("This model was trained with the objects of its dataset, but no objects were given."),
    # Annotated objects and crops
    "crops-without-source": Template(
        "The option crops needs a source: name the `_dict.pth` file that lists the crops, --set source=FILE."
    ),
    "source-missing": Template("No such file or folder: {source}.", {"source": "annotations"}),
    "source-without-objects": Template(
        "{source} contains neither <image>.xml files nor *_train_dict.pth, *_val_dict.pth or *_test_dict.pth.",
        {"source": "annotations"},
    ),
    "crop-folder-not-given": Template(
        "{source} lists crops. Name the folder that contains them: --set crops=FOLDER.", {"source": "train_dict.pth"}
    ),
    "crop-folder-missing": Template(
        "{source} lists crops, but their folder {folder} does not exist. Name the folder that contains them: "
        "--set crops=FOLDER.",
        {"source": "train_dict.pth", "folder": "crops"},
    ),
    "crop-list-without-split": Template(
        "{source} lists crops by line number, but its file name does not show the split. Rename it to "
        "train_dict.pth, val_dict.pth or test_dict.pth.",
        {"source": "all.pth"},
    ),
    "crop-lists-of-one-split": Template(
        "Both {first} and {second} list crops of the {split} split. Name one of them.",
        {"first": "twitter2015_train_dict.pth", "second": "twitter2017_train_dict.pth", "split": "train"},
    ),
    "crops-missing": Template(
        "None of the crops of example {example!r} exists ({names}).",
        {"example": "17", "names": ["17_0.png", "17_1.png"]},
    ),
    "annotation-unreadable": Template(
        "{file} is not a readable annotation ({reason}).",
        {"file": "17.xml", "reason": "no element found: line 1, column 0"},
    ),
    "annotation-doctype": Template("it has a DOCTYPE, which is not allowed"),
    "annotation-too-large": Template("it is larger than {limit} million bytes", {"limit": 4}),
    "not-annotation": Template("expected <annotation>, got <{found}>", {"found": "kml"}),
    "annotation-without-box": Template("An object has no bndbox with xmin, ymin, xmax and ymax."),
    "annotation-issue": Template(
        "{file}: {reason}", {"file": "17.xml", "reason": "An object has no bndbox with xmin, ymin, xmax and ymax."}
    ),
}
