"""Messages of the command-line interface."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # every command
    "stopped": Template("Stopped."),
    "quiet-with-verbose": Template("--quiet and --verbose exclude each other."),
    "unknown-component-kind": Template(
        "Unknown kind of component {kind!r}{hint}", {"kind": "gat", "hint": "; did you mean gate?"}
    ),
    "unknown-shipped-recipe": Template(
        "Unknown recipe {name!r}{hint}", {"name": "hvpnet_mnr", "hint": "; did you mean hvpnet_mner?"}
    ),
    "newest-model": Template("Model: {model} (the latest in {runs}/).", {"model": "runs/first", "runs": "runs"}),
    # hvp runs
    "runs-folder-missing": Template(
        "Folder not found: {folder}. Train a model first, or name a folder with models.", {"folder": "runs"}
    ),
    "run-unreadable": Template(
        "Skipped {folder}: its metrics cannot be read ({reason}).",
        {"folder": "runs/first", "reason": "KeyError: 'data'"},
    ),
    # hvp preprocess
    "preprocess-stopped": Template(
        "Stopped. Run the same command again to continue; detections and features so far are kept."
    ),
    "features-with-text-only": Template("--features and --text-only exclude each other."),
    "detector-options-invalid": Template(
        "{problems:lines}", {"problems": ["--set size: Expected KEY=VALUE, for example train.lr=2e-5."]}
    ),
    "demo-option-elsewhere": Template(
        "Option {option} cannot be used with {data!r}. It applies to synthetic data only: `hvp preprocess demo`.",
        {"option": "--task mre", "data": "twitter2017"},
    ),
    "splits-absent": Template("The dataset has no split: {splits}.", {"splits": ["dev", "test"]}),
    "images-without-objects": Template(
        "The data has annotated objects, but none for {count} images. "
        "`--detector saliency` detects objects in all images.",
        {"count": 3},
    ),
    "preview-written": Template("Check the detected objects before use: {file}", {"file": "data/mnre/preview.html"}),
    "data-prepared": Template(
        "Fingerprint {fingerprint}, in {folder}", {"fingerprint": "0123456789abcdef", "folder": "data/mnre"}
    ),
    "text-prepared": Template(
        "Fingerprint {fingerprint}, text only, in {folder}", {"fingerprint": "0123456789abcdef", "folder": "data/mnre"}
    ),
    "features-computed": Template(
        "Image features: {computed} computed, {kept} already cached, in {folder}",
        {"computed": 40, "kept": 2, "folder": "data/.features/resnet50-0f3a"},
    ),
    # hvp train
    "model-written": Template("Model: {model}", {"model": "runs/first"}),
    "train-stopped": Template("Stopped. Run the same command with --resume to continue after the last finished epoch."),
    "training-started": Template(
        "Training {fusion} ({encoder}, {backbone}, {head}): {trained:.1f} of {parameters:.1f} million parameters, "
        "{examples} examples, {steps} steps per epoch, {epochs} epochs, {device}, {precision}.",
        {
            "fusion": "visual-prefix",
            "encoder": "bert-base-uncased",
            "backbone": "resnet50",
            "head": "crf",
            "trained": 109.5,
            "parameters": 140.0,
            "examples": 3373,
            "steps": 422,
            "epochs": 30,
            "device": "cpu",
            "precision": "fp32",
        },
    ),
    "epoch-finished": Template(
        "epoch {indent}{epoch}/{epochs}  loss {loss:8.4f}  {seconds:6.1f} s  {left} left",
        {"indent": " ", "epoch": 3, "epochs": 20, "loss": 0.1234, "seconds": 12.5, "left": "4 min"},
    ),
    "epoch-scored": Template(
        "epoch {indent}{epoch}/{epochs}  loss {loss:8.4f}  {seconds:6.1f} s  {left} left  "
        "dev P {precision:5.2f} R {recall:5.2f} F1 {f1:5.2f}{best}",
        {
            "indent": " ",
            "epoch": 3,
            "epochs": 20,
            "loss": 0.1234,
            "seconds": 12.5,
            "left": "4 min",
            "precision": 85.84,
            "recall": 87.93,
            "f1": 86.87,
            "best": "  best",
        },
    ),
    # hvp experiment
    "plan-or-report": Template("Expected a plan, or --report with the folder of an experiment, and not both."),
    "experiment-stopped": Template("Stopped. Run the same command again to continue."),
    "left-out-of-plan": Template(
        "Left out of the plan: {reason}", {"reason": "bert_crf: There is no recipe 'bert_crf'."}
    ),
    "runs-estimated": Template(
        "{runs} runs, about {duration} one after another ({basis}).",
        {"runs": 8, "duration": "12 min", "basis": "measured on 1 finished runs"},
    ),
    "remaining-runs-estimated": Template(
        "{runs} runs, {finished} of them finished; the rest takes about {duration} one after another ({basis}).",
        {"runs": 8, "finished": 1, "duration": "12 min", "basis": "measured on 1 finished runs"},
    ),
    "dataset-to-draw": Template("Dataset {name!r} is not prepared yet; it will be generated.", {"name": "demo"}),
    "dataset-to-prepare": Template(
        "Dataset {name!r} is not prepared yet. Run `hvp preprocess {name}`.", {"name": "mnre"}
    ),
    "report-written": Template("Report: {folder}", {"folder": "experiments/table1/report"}),
    "runs-failed": Template(
        "{failed} of {runs} runs failed. Run the same command again to retry them.", {"failed": 2, "runs": 8}
    ),
    "charts-need-matplotlib": Template(
        'No charts were drawn because matplotlib is not installed. Run `pip install "hvpkit[figures]"`.'
    ),
    # hvp eval
    "output-file-is-folder": Template(
        "{file} is a folder. Option {option} expects a file.", {"file": "runs", "option": "--predictions"}
    ),
    "unreadable-examples-scored": Template(
        "{count} examples could not be read and are scored as empty predictions. First error: {reason}",
        {"count": 2, "reason": "test-1: Image images/1.jpg is missing."},
    ),
    "tag-accuracy": Template("Accuracy {accuracy:.2f} (tags).", {"accuracy": 96.51}),
    "class-accuracy": Template("Accuracy {accuracy:.2f} (classes, including None).", {"accuracy": 80.12}),
    # hvp predict
    "no-entity-found": Template("No entities."),
    "image-seen": Template("Image: {image}", {"image": "x.jpg"}),
    "nothing-to-predict": Template(
        'No input. Set --text "..." for one text, or --input FILE and --output FILE for many.'
    ),
    "text-with-input": Template(
        "Options {options} cannot be combined with --input. Predict either one text or a file of many.",
        {"options": ["--text", "--image"]},
    ),
    "stdin-with-output": Template(
        "Predictions of stdin are printed and cannot be continued. Leave out --output, or use --input FILE."
    ),
    "model-twice": Template(
        "Two model folders are given: {argument} and --model {option}.", {"argument": "runs/a", "option": "runs/b"}
    ),
    "output-without-input": Template("--output FILE requires --input FILE. The prediction for one text is printed."),
    "predictions-kept": Template(
        "{file} already contains {kept} of {lines} lines.", {"file": "out.jsonl", "kept": 10, "lines": 600}
    ),
    "input-without-lines": Template("{file} has no lines.", {"file": "in.jsonl"}),
    "predict-stopped": Template("Stopped. Run the same command again to continue {file}.", {"file": "out.jsonl"}),
    "predictions-stay": Template(
        "Lines written so far are kept. Run the same command again to continue {file}.", {"file": "out.jsonl"}
    ),
    "lines-predicted": Template(
        "Predicted {new} lines in {seconds:.1f} s ({rate:.1f}/s), {failed} of all {lines} failed: {file}",
        {"new": 590, "seconds": 12.34, "rate": 47.81, "failed": 3, "lines": 600, "file": "out.jsonl"},
    ),
    "lines-failed": Template(
        "{failed} of {lines} lines could not be predicted. Delete {file} to retry them. First error: {reason}",
        {"failed": 3, "lines": 600, "file": "out.jsonl", "reason": "line 2: The text is blank."},
    ),
    # hvp explain
    "nothing-to-explain": Template(
        'Nothing to explain. Set --text "...", or --example ID, --count N or --summary for prepared data.'
    ),
    "options-need-text": Template("Options {options} require --text.", {"options": ["--image", "--head"]}),
    "text-with-examples": Template(
        "--text cannot be combined with {options}. Explain either one text or examples of prepared data.",
        {"options": ["--example", "--summary"]},
    ),
    "example-with-count": Template("--example and --count exclude each other. Name the examples, or set their number."),
    "page-needs-one-text": Template("--html explains one text. Set --text, one --example, or --count 1."),
    "no-example-with-image": Template(
        "No example with an image in {split}. Select one without an image by --example ID.",
        {"split": "test of twitter2017"},
    ),
    "example-left-out": Template(
        "Example {example!r} is skipped: {reason}", {"example": "test-1", "reason": "Image images/1.jpg is missing."}
    ),
    "no-example-explained": Template("None of the {count} examples could be explained.", {"count": 3}),
    "unreadable-examples-left-out": Template(
        "{count} examples could not be read and are skipped. First error: {reason}",
        {"count": 2, "reason": "test-1: Image images/1.jpg is missing."},
    ),
    "answers-of-data": Template("Gold labels: {answers}", {"answers": ["Ada: PER", "Oslo: LOC"]}),
    "also-traced": Template("Further trace, printed by --json: {name}", {"name": "modes"}),
    "image-explained": Template("{title}: {file}", {"title": "Whole image", "file": "x.png"}),
    "file-written": Template("Written: {file}", {"file": "gates.pdf"}),
    "examples-with-images": Template(
        "{data}: {count} of {examples} examples have images that the model uses",
        {"data": "test of twitter2017", "count": 720, "examples": 723},
    ),
    "no-rank-correlation": Template(
        "Layer depth and mean {unit} have no rank correlation because all layers have the same mean.", {"unit": "level"}
    ),
    "rank-correlation": Template(
        "Rank correlation of layer depth and mean {unit}, over the means of all examples: {value}{within}.",
        {
            "unit": "level",
            "value": "+0.51 [+0.42, +0.58]",
            "within": "; within an example, on average: +0.31 [+0.25, +0.36]",
        },
    ),
    "rank-correlation-within": Template("; within an example, on average: {value}", {"value": "+0.31 [+0.25, +0.36]"}),
    "rank-correlation-read": Template(
        "Positive values mean that deeper layers weight {deeper} more; "
        "{coverage:.0f}% bootstrap intervals over examples.",
        {"deeper": "coarser levels", "coverage": 95.0},
    ),
    # hvp import-release, hvp export-release
    "tensors-imported": Template("{count} tensors: {parts}", {"count": 206, "parts": ["text 199", "gates 7"]}),
    "checkpoint-written": Template("Checkpoint: {checkpoint}", {"checkpoint": "again.pth"}),
    "relation-ids-written": Template(
        "Relation ids: {file} (the released code reads them from ours_rel2id.json).", {"file": "again.rel2id.json"}
    ),
    "tensors-made-up": Template(
        "Tensors filled with default values, because the model has none and the released code "
        "never reads them: {names}",
        {"names": ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]},
    ),
}
