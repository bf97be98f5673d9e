"""Messages about detectors, phrases and detected objects."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Settings
    "detector-not-named": Template(
        "{options}: say who finds objects too, for example --detector {detector}",
        {"options": ["--phrases", "--threshold"], "detector": "saliency"},
    ),
    "detector-ignores-phrases": Template(
        "the detector {detector!r} reads no phrases: leave --phrases out, or take one that does ({detectors})",
        {"detector": "saliency", "detectors": ["grounding-dino", "owlv2"]},
    ),
    "objects-of-data": Template("objects: those that came with the data"),
    "objects-detected": Template(
        "objects: by {detector} ({version}); the best {max_objects} from score {threshold:g}, {min_size} pixels and more, "
        "overlapping by {nms_iou:g} at most",
        {"detector": "saliency", "version": "1", "max_objects": 3, "threshold": 0.2, "min_size": 16, "nms_iou": 0.5},
    ),
    "objects-detected-by-phrases": Template(
        "objects: by {detector} ({version}), looking for {phrases}; the best {max_objects} from score {threshold:g}, "
        "{min_size} pixels and more, overlapping by {nms_iou:g} at most",
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
    "unknown-phrases": Template("unknown kind of phrases {name!r}{hint}", {"name": "rule", "hint": "; did you mean rules?"}),
    "mentions-need-pairs": Template(
        "the phrases `mentions` are the head and tail of a pair (mre); sentences with entities to find have none"
    ),
    "spacy-not-installed": Template('the phrases `spacy` need spaCy: pip install "hvpkit[spacy]"; `rules` need nothing'),
    "spacy-pipeline-unopenable": Template(
        "spaCy's pipeline {pipeline!r} cannot be opened ({reason}); install it (python -m spacy download {default}) or name a folder: "
        "--phrases spacy:/path/to/pipeline",
        {"pipeline": "en_core", "reason": "[E050] Can't find model 'en_core'.", "default": "en_core_web_sm"},
    ),
    "spacy-pipeline-without-parser": Template(
        "spaCy's pipeline {pipeline!r} has no parser, which noun chunks come from", {"pipeline": "en_core_web_sm"}
    ),
    # Detectors
    "detector-weights-missing": Template(
        "{detector}: there is no weights file {file}{hint}",
        {"detector": "fasterrcnn", "file": "weights.pth", "hint": "; available: coco, random"},
    ),
    "detector-weights-mismatch": Template(
        "{file} does not hold weights of {detector}: {count} tensors are missing, unknown or of another shape",
        {"file": "weights.pth", "detector": "fasterrcnn", "count": 3},
    ),
    "detector-model-mismatch": Template("it is a {found}, not a {expected}", {"found": "bert", "expected": "owlv2"}),
    "detector-out-of-memory": Template(
        "memory ran out while objects were looked for in {batch_size} images at once; fewer: --batch-size 1", {"batch_size": 8}
    ),
    "detector-answers-mismatch": Template(
        "the detector {detector!r} gave {found} answers to {expected} queries", {"detector": "mine", "found": 1, "expected": 2}
    ),
    "example-without-image": Template("example {example!r} has no image to look at", {"example": "17"}),
    "detection-failed": Template("{reason}", {"reason": "none of the crops of '17' is there (17_0.png, 17_1.png)"}),
    # Objects of models
    "model-detector-unavailable": Template(
        "this model looks at objects, found by {detector!r}, which cannot be had: {reason}\n"
        "What to do: mend that, give each image's objects, or go on with whole images alone: --no-detect",
        {"detector": "owlv2", "reason": "object detector owlv2: there is no folder weights"},
    ),
    "detector-version-changed": Template(
        "objects were found by {detector} {found}, in training by {expected}", {"detector": "saliency", "found": "2", "expected": "1"}
    ),
    "no-object-detected": Template(
        "no object was found in the image ({detector}, score {threshold:g} or more)", {"detector": "saliency", "threshold": 0.2}
    ),
    "objects-not-given": Template("this model's objects were given with its data, and none were given here"),
    # Objects that are given: annotations and crops
    "crops-without-source": Template("crops go with a source: give the `_dict.pth` that lists them, --set source=FILE"),
    "source-missing": Template("there is no file or folder {source}", {"source": "annotations"}),
    "source-without-objects": Template(
        "{source} holds neither <image>.xml files nor *_train_dict.pth, *_val_dict.pth or *_test_dict.pth", {"source": "annotations"}
    ),
    "crop-folder-not-given": Template(
        "{source} lists crops: give the folder that holds them, --set crops=FOLDER", {"source": "train_dict.pth"}
    ),
    "crop-folder-missing": Template(
        "{source} lists crops: give the folder that holds them, --set crops=FOLDER (got {folder})",
        {"source": "train_dict.pth", "folder": "crops"},
    ),
    "crop-list-without-split": Template(
        "{source} lists crops by line, of a split that its name does not say: call it train_dict.pth, val_dict.pth, ...",
        {"source": "all.pth"},
    ),
    "crop-lists-of-one-split": Template(
        "both {first} and {second} list crops of the {split} split; name one of them",
        {"first": "twitter2015_train_dict.pth", "second": "twitter2017_train_dict.pth", "split": "train"},
    ),
    "crops-missing": Template("none of the crops of {example!r} is there ({names})", {"example": "17", "names": ["17_0.png", "17_1.png"]}),
    "annotation-unreadable": Template(
        "{file} is no annotation that can be read ({reason})", {"file": "17.xml", "reason": "no element found: line 1, column 0"}
    ),
    "annotation-doctype": Template("it has a DOCTYPE, which annotations do not need and which is not read"),
    "annotation-too-large": Template("it has more than {limit} million bytes", {"limit": 4}),
    "not-annotation": Template("expected <annotation>, got <{found}>", {"found": "kml"}),
    "annotation-without-box": Template("an object has no bndbox with xmin, ymin, xmax and ymax"),
    "annotation-box-invalid": Template("a box is ({box}): expected xmin < xmax and ymin < ymax", {"box": (70.0, 5.0, 60.0, 45.0)}),
}
