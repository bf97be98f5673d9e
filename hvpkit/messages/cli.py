"""Messages of the command line."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # every command
    "stopped": Template("Stopped"),
    "quiet-with-verbose": Template("--quiet and --verbose exclude each other."),
    "unknown-component-kind": Template("unknown kind of component {kind!r}{hint}", {"kind": "gat", "hint": "; did you mean gate?"}),
    "unknown-shipped-recipe": Template("unknown recipe {name!r}{hint}", {"name": "hvpnet_mnr", "hint": "; did you mean hvpnet_mner?"}),
    "newest-model": Template("Model: {model} (the newest under {runs}/)", {"model": "runs/first", "runs": "runs"}),
    # hvp preprocess
    "preprocess-stopped": Template("Stopped; the same command goes on: objects and features that were found are kept"),
    "features-with-text-only": Template("--features and --text-only exclude each other"),
    "detector-options-invalid": Template("{problems:lines}", {"problems": ["--set size: expected KEY=VALUE, for example train.lr=2e-5"]}),
    "demo-option-elsewhere": Template(
        "{option} does not go with {data}; it is for data that hvpkit draws: `hvp preprocess demo`",
        {"option": "--task mre", "data": "twitter2017"},
    ),
    "splits-absent": Template("There is no split {splits}.", {"splits": ["dev", "test"]}),
    "images-without-objects": Template(
        "The data brings objects, but none for {count} images; `--detector saliency` would look in all of them.", {"count": 3}
    ),
    "preview-written": Template("Look at the objects before you trust them: {file}", {"file": "data/mnre/preview.html"}),
    "data-prepared": Template("fingerprint {fingerprint}, in {folder}", {"fingerprint": "0123456789abcdef", "folder": "data/mnre"}),
    "text-prepared": Template(
        "fingerprint {fingerprint}, text only, in {folder}", {"fingerprint": "0123456789abcdef", "folder": "data/mnre"}
    ),
    "features-computed": Template(
        "features: {computed} computed, {kept} there before, in {folder}",
        {"computed": 40, "kept": 2, "folder": "data/.features/resnet50-0f3a"},
    ),
    # hvp train
    "model-written": Template("Model: {model}", {"model": "runs/first"}),
    "train-stopped": Template("Stopped; the same command with --resume goes on after the last epoch that was finished"),
    "epoch-finished": Template(
        "epoch {indent}{epoch}/{epochs}  loss {loss:8.4f}  {seconds:6.1f} s",
        {"indent": " ", "epoch": 3, "epochs": 20, "loss": 0.1234, "seconds": 12.5},
    ),
    "epoch-scored": Template(
        "epoch {indent}{epoch}/{epochs}  loss {loss:8.4f}  {seconds:6.1f} s  dev P {precision:5.2f} R {recall:5.2f} F1 {f1:5.2f}{best}",
        {
            "indent": " ",
            "epoch": 3,
            "epochs": 20,
            "loss": 0.1234,
            "seconds": 12.5,
            "precision": 85.84,
            "recall": 87.93,
            "f1": 86.87,
            "best": "  best",
        },
    ),
    # hvp experiment
    "plan-or-report": Template("give a plan, or --report with the folder of an experiment"),
    "experiment-stopped": Template("Stopped; the same command goes on where it was"),
    "left-out-of-plan": Template("left out: {reason}", {"reason": "bert_crf: there is no recipe bert_crf"}),
    "runs-estimated": Template(
        "{runs} runs; about {duration} one after another ({basis})",
        {"runs": 8, "duration": "12 min", "basis": "measured on 1 finished runs"},
    ),
    "remaining-runs-estimated": Template(
        "{runs} runs, {finished} of them finished; about {duration} one after another ({basis})",
        {"runs": 8, "finished": 1, "duration": "12 min", "basis": "measured on 1 finished runs"},
    ),
    "dataset-to-draw": Template("{name}: not prepared yet; it will be drawn.", {"name": "demo"}),
    "dataset-to-prepare": Template("{name}: not prepared yet; run `hvp preprocess {name}`.", {"name": "mnre"}),
    "report-written": Template("Report: {folder}", {"folder": "experiments/table1/report"}),
    "runs-failed": Template("{failed} of {runs} runs failed; the same command tries them again", {"failed": 2, "runs": 8}),
    "charts-need-matplotlib": Template('no charts: matplotlib is not installed; `pip install "hvpkit[figures]"`'),
    # hvp eval
    "output-file-is-folder": Template("{file} is a folder; name a file for {option}", {"file": "runs", "option": "--predictions"}),
    "unreadable-examples-scored": Template(
        "{count} examples could not be read and count as finding nothing; the first: {reason}",
        {"count": 2, "reason": "test-1: images/1.jpg is missing"},
    ),
    "tag-accuracy": Template("accuracy {accuracy:.2f} (tags)", {"accuracy": 96.51}),
    "class-accuracy": Template("accuracy {accuracy:.2f} (classes, None too)", {"accuracy": 80.12}),
    # hvp predict
    "no-entity-found": Template("No entities."),
    "image-seen": Template("Image: {image}", {"image": "x.jpg"}),
    "nothing-to-predict": Template('there is nothing to read: give --text "..." for one text, or --input FILE and --output FILE for many'),
    "text-with-input": Template("{options} and --input exclude each other: one text or many", {"options": ["--text", "--image"]}),
    "input-without-output": Template("--input FILE and --output FILE belong together"),
    "output-without-input": Template("--input FILE and --output FILE belong together; one text is printed"),
    "predictions-kept": Template("{file} holds {kept} of {lines} lines already", {"file": "out.jsonl", "kept": 10, "lines": 600}),
    "input-without-lines": Template("{file} has no lines", {"file": "in.jsonl"}),
    "predict-stopped": Template("Stopped; the same command goes on with {file}", {"file": "out.jsonl"}),
    "predictions-stay": Template("What was written stays; the same command goes on with {file}", {"file": "out.jsonl"}),
    "lines-predicted": Template(
        "{new} lines read in {seconds:.1f} s ({rate:.1f}/s), {failed} of all {lines} failed: {file}",
        {"new": 590, "seconds": 12.34, "rate": 47.81, "failed": 3, "lines": 600, "file": "out.jsonl"},
    ),
    "lines-failed": Template(
        "{failed} of {lines} lines could not be predicted (to try them again, remove {file}); the first: {reason}",
        {"failed": 3, "lines": 600, "file": "out.jsonl", "reason": "line 2: the text is blank"},
    ),
    # hvp explain
    "nothing-to-explain": Template(
        'there is nothing to explain: give --text "...", or --example ID, --count N or --summary for prepared data'
    ),
    "options-need-text": Template("{options} belong to a --text, and there is none", {"options": ["--image", "--head"]}),
    "text-with-examples": Template(
        "--text and {options} exclude each other: one text, or examples of prepared data", {"options": ["--example", "--summary"]}
    ),
    "example-with-count": Template("--example and --count exclude each other: name examples, or say how many"),
    "page-needs-one-text": Template("--html explains one text: give --text, one --example, or --count 1"),
    "no-example-with-image": Template(
        "{split} has no example with an image; name one of the others: --example ID", {"split": "test of twitter2017"}
    ),
    "example-left-out": Template("{example} is left out: {reason}", {"example": "test-1", "reason": "images/1.jpg is missing"}),
    "no-example-explained": Template("none of {count} examples could be explained", {"count": 3}),
    "unreadable-examples-left-out": Template(
        "{count} examples could not be read and are left out; the first: {reason}",
        {"count": 2, "reason": "test-1: images/1.jpg is missing"},
    ),
    "answers-of-data": Template("The data says: {answers}", {"answers": ["Ada: PER", "Oslo: LOC"]}),
    "also-traced": Template("Also traced, see --json: {name}", {"name": "modes"}),
    "image-explained": Template("{title}: {file}", {"title": "Whole image", "file": "x.png"}),
    "file-written": Template("Written: {file}", {"file": "gates.pdf"}),
    "examples-with-images": Template(
        "{data}: {count} of {examples} examples have images that this model sees",
        {"data": "test of twitter2017", "count": 720, "examples": 723},
    ),
    "no-rank-correlation": Template("Layer depth and mean {unit} have no rank correlation: the layers do not differ.", {"unit": "level"}),
    "rank-correlation": Template(
        "Rank correlation of layer depth and mean {unit}, over the means of all examples: {value}{within}.",
        {"unit": "level", "value": "+0.51 [+0.42, +0.58]", "within": "; within an example, on average: +0.31 [+0.25, +0.36]"},
    ),
    "rank-correlation-within": Template("; within an example, on average: {value}", {"value": "+0.31 [+0.25, +0.36]"}),
    "rank-correlation-read": Template(
        "Above 0, deeper layers take {deeper}; {coverage:.0f}% intervals, examples resampled.",
        {"deeper": "coarser levels", "coverage": 95.0},
    ),
    # hvp import-release, hvp export-release
    "tensors-imported": Template("{count} tensors: {parts}", {"count": 206, "parts": ["text 199", "gates 7"]}),
    "checkpoint-written": Template("Checkpoint: {checkpoint}", {"checkpoint": "again.pth"}),
    "relation-ids-written": Template(
        "Ids of its relations: {file} (the released code reads them from ours_rel2id.json)", {"file": "again.rel2id.json"}
    ),
    "tensors-made-up": Template(
        "made up, since the model does not keep them and the released code never reads them: {names}",
        {"names": ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]},
    ),
}
