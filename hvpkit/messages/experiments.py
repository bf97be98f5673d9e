"""Messages about plans of experiments, their runs and reports."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # plans
    "plan-not-found": Template(
        "Plan file {file} does not exist. Pass a plan file or the name of a shipped plan{hint}",
        {"file": "tabel1", "hint": "; did you mean table1?"},
    ),
    "plan-is-folder": Template(
        "{file} is a folder. Pass a plan file or the name of a shipped plan{hint}",
        {"file": "plans", "hint": "; available: quick, table1"},
    ),
    "plan-invalid": Template(
        "{problems:lines}", {"problems": ["plan.yaml:9: The plan contains no run. Set fractions or shots."]}
    ),
    "axis-invalid": Template(
        "Setting {key!r} expects a list of values, or low and high with low < high.", {"key": "search.space.train.lr"}
    ),
    "axis-log-low": Template(
        "Setting {key!r} has a logarithmic scale and expects low above 0.", {"key": "search.space.train.lr"}
    ),
    "name-repeated": Template(
        "Name {name!r} is listed {count} times, so runs would have the same name. List it once.",
        {"name": "twitter2015", "count": 2},
    ),
    "dataset-not-in-plan": Template(
        "{name!r} is not among the datasets of the plan{hint}",
        {"name": "twitter2071", "hint": "; did you mean twitter2017?"},
    ),
    "system-not-in-plan": Template(
        "{name!r} is not among the systems of the plan{hint}", {"name": "HVPNet", "hint": "; did you mean HVPNeT?"}
    ),
    "plan-without-sizes": Template("The plan contains no run. Set fractions or shots."),
    "plan-without-recipes": Template(
        "The plan contains no run: no system has a recipe for {tasks}, the task of its datasets.",
        {"tasks": "mner or mre"},
    ),
    "transfers-of-parts": Template("Transfers use full training sets. Remove fractions and shots."),
    "search-with-others": Template(
        "A search uses one seed and the full training set. Remove grid, transfers and controls."
    ),
    "dev-score-with-others": Template(
        "With score_split: dev, transfers and controls are not possible, because they are scored on test."
    ),
    "dataset-unknown": Template(
        "Unknown dataset {name!r}: there is no prepared data in {folder}{hint}",
        {"name": "twitter2071", "folder": "data/twitter2071", "hint": "; did you mean twitter2017?"},
    ),
    "dataset-unprepared": Template(
        "There is no prepared data for {names}. Run {commands}, or exclude these datasets with --set datasets=[...].",
        {"names": ["mnre"], "commands": "`hvp preprocess mnre --root DIR --output data/mnre`"},
    ),
    "dataset-differs": Template(
        "{folder} contains other data than the plan generates. Remove it, or set another folder for dataset {name!r}.",
        {"folder": "data/demo", "name": "demo"},
    ),
    "recipes-of-one-task": Template(
        "System {system!r} has two recipes for {task}: {first!r} and {second!r}. Keep one.",
        {"system": "HVPNeT", "task": "mner", "first": "hvpnet_mner", "second": "quickstart"},
    ),
    "run-invalid": Template(
        "System {system!r} on dataset {dataset!r}: {reason}",
        {
            "system": "HVPNeT",
            "dataset": "twitter2015",
            "reason": "--set train.lrr=1: Unknown key 'train.lrr'; did you mean lr?",
        },
    ),
    "run-repeated": Template(
        "Two runs have the same name {run!r} because a value is listed twice. List it once.",
        {"run": "HVPNeT.twitter2015.seed1"},
    ),
    "run-names-collide": Template(
        "Two runs have the same name {run!r} because their systems, datasets or values differ only in "
        "special characters. Rename one of them.",
        {"run": "HVPNeT.twitter2015.seed1"},
    ),
    # what of a plan is left out
    "system-without-recipe": Template(
        "System {system!r} is skipped: there is no recipe {recipe!r}.", {"system": "UMT", "recipe": "umt_mner"}
    ),
    "system-not-installed": Template(
        "System {system!r} is skipped: recipe {recipe!r} needs {names}, which is not installed.",
        {"system": "UMT", "recipe": "umt_mner", "names": ["the fusion 'umt'"]},
    ),
    "needed-component": Template("the {kind} {name!r}", {"kind": "fusion", "name": "umt"}),
    "system-without-text-only": Template(
        "System {system!r} has no text-only control on {dataset!r}: {reason}",
        {"system": "UMT", "dataset": "twitter2015", "reason": "The head crf cannot read it."},
    ),
    # runs
    "estimate-measured": Template("measured on {runs} finished runs", {"runs": 4}),
    "estimate-assumed": Template(
        "default rates, nothing was measured yet: {start:g} s per run, and per example and epoch {cpu:g} s "
        "on a CPU, {gpu:g} s on a GPU, {small:g} s for small encoders",
        {"start": 8.0, "cpu": 0.3, "gpu": 0.01, "small": 0.004},
    ),
    "experiment-locked": Template(
        "{folder} is in use by another `hvp experiment`. Wait for it, or pass another --output.",
        {"folder": "experiments/table1"},
    ),
    "search-needs-optuna": Template(
        'A search needs Optuna: `pip install "hvpkit[search]"`. A `grid:` works without it.'
    ),
    "run-done": Template("{run}: {seconds:.0f} s", {"run": "HVPNeT.twitter2015.seed1", "seconds": 412.3}),
    "run-scored": Template(
        "{run}: {split} F1 {f1:.2f}, {seconds:.0f} s",
        {"run": "HVPNeT.twitter2015.seed1", "split": "test", "f1": 75.32, "seconds": 412.3},
    ),
    "run-failed": Template(
        "Run {run!r} failed: {reason}", {"run": "HVPNeT.twitter2015.seed1", "reason": "no space left on device"}
    ),
    "run-error": Template(
        "{reason} (full log: {log})",
        {"reason": "no space left on device", "log": "experiments/table1/logs/HVPNeT.twitter2015.seed1.log"},
    ),
    "run-killed": Template(
        "killed by signal {signal} (full log: {log})",
        {"signal": 9, "log": "experiments/table1/logs/HVPNeT.twitter2015.seed1.log"},
    ),
    "run-silent": Template(
        "ended with exit code {exit_code} (full log: {log})",
        {"exit_code": 1, "log": "experiments/table1/logs/HVPNeT.twitter2015.seed1.log"},
    ),
    "start-failed": Template("run {run!r}, whose weights it starts from, failed", {"run": "HVPNeT.twitter2017.seed1"}),
    "trial-scored": Template(
        "{run}: dev F1 {f1:.2f}, {settings}",
        {"run": "HVPNeT.twitter2015.seed1.trial0", "f1": 74.1, "settings": ["train.lr=3e-05"]},
    ),
    "trial-pruned": Template(
        "{run}: stopped early, {settings}", {"run": "HVPNeT.twitter2015.seed1.trial3", "settings": ["train.lr=1e-05"]}
    ),
    "run-plugins-changed": Template(
        "Model {model} has changed plugins: {changes}. Remove it to train it again, or pass another --output.",
        {
            "model": "models/UMT.twitter2015.seed1",
            "changes": ["the gate 'even' comes from even.py, the model was trained with odd.py"],
        },
    ),
    "shuffled-score-missing": Template(
        "There is no score with shuffled images: {reason}",
        {"reason": "The test split of tiny has 1 image, but shuffling needs 2."},
    ),
    # results
    "results-missing": Template(
        "There are no results in {folder}: it has no {file}. Create them with `hvp experiment PLAN --output {folder}`.",
        {"folder": "experiments/table1", "file": "results.jsonl"},
    ),
    "results-empty": Template(
        "{file} is empty. Remove it; the runs in {folder} are kept.",
        {"file": "experiments/table1/results.jsonl", "folder": "experiments/table1"},
    ),
    "results-line-damaged": Template(
        "{file}:{line}: The line is damaged ({reason}). Remove it; its run is then repeated.",
        {"file": "experiments/table1/results.jsonl", "line": 3, "reason": "Invalid JSON: EOF while parsing a string"},
    ),
    "results-header-damaged": Template(
        "{file}:1: The header is damaged ({reason}). Pass another --output.",
        {"file": "experiments/table1/results.jsonl", "reason": "'format'"},
    ),
    "results-format": Template(
        "{file} has format {found}, written by hvpkit {writer}, but hvpkit {reader} reads format {expected}. "
        "Use that version of hvpkit, or pass another --output.",
        {"file": "experiments/table1/results.jsonl", "found": 2, "writer": "3.0", "reader": "1.0", "expected": 1},
    ),
    "results-unwritable": Template(
        "{file} cannot be written ({reason}). Earlier results and all models are kept. Free some space and "
        "run the same command again.",
        {"file": "experiments/table1/results.jsonl", "reason": "No space left on device"},
    ),
    # reports
    "report-data": Template(
        "Dataset {dataset!r}: fingerprint {fingerprint}, {dev} dev and {test} test examples.",
        {"dataset": "twitter2017", "fingerprint": "edcc8b36a454ba25", "dev": 723, "test": 723},
    ),
    "report-best-epoch": Template(
        "Seeds {seeds}; encoder {encoders}. The epoch of each run was selected on dev.",
        {"seeds": [1, 2], "encoders": ["bert-base-uncased"]},
    ),
    "report-last-epoch": Template(
        "Seeds {seeds}; encoder {encoders}. Without a dev split, the last epoch of each run is scored.",
        {"seeds": [1, 2], "encoders": ["bert-base-uncased"]},
    ),
    "report-unfinished": Template(
        "{missing} of {runs} runs are not finished: {names}{more}.",
        {"missing": 6, "runs": 15, "names": ["a.people.seed1", "a.people.seed2"], "more": " and 4 more"},
    ),
    "difference-of-one-seed": Template("one seed: the standard deviation over seeds is not known"),
    "difference-within-spread": Template(
        "smaller than the standard deviation over seeds ({spread:.2f})", {"spread": 0.81}
    ),
    "table-scores": Template(
        "Scores on {split} in percent, mean±standard deviation over seeds. The best P, R and F1 are bold.",
        {"split": "test"},
    ),
    "table-text-only": Template("Text-only F1: control with the same recipe and seed, without images and fusion."),
    "table-shuffled": Template(
        "Shuffled F1: control with the same trained model, where each test example has the image (and "
        "objects) of another one, permuted by the seed of the run."
    ),
    "table-seeds": Template("The interval is Student's t over seeds; one seed has no interval."),
    "table-differences": Template(
        "F1 of the first minus F1 of the second, in percentage points, over the seeds that both have. The "
        "95% interval and the two-sided p value are from a paired bootstrap over test examples (2000 "
        "resamples, the same for both systems and all seeds)."
    ),
    "table-transfers": Template(
        "With: all weights except the head's are initialized from the model of the other dataset and the "
        "same seed. Published: Chen et al. (2022), Table 3, differences as printed there (82.50 - 81.85 is "
        "0.65)."
    ),
    "table-published": Template("Published: Chen et al. (2022), Table 1, digits as printed."),
    "table-runs": Template("Scores as `hvp eval models/<run>` prints them; shuffled with `--shuffle-images <seed>`."),
    "table-own-text-only": Template("its text-only control"),
    "table-pruned": Template("stopped early"),
    "table-search": Template("Scores on dev only; no test split was used."),
    # conditions of published scores
    "published-data-same": Template("data: the public files ({fingerprint})", {"fingerprint": "edcc8b36a454ba25"}),
    "published-data-of-size": Template(
        "data: as many dev and test examples as the public files (fingerprint {fingerprint}, not verified)",
        {"fingerprint": "edcc8b36a454ba25"},
    ),
    "published-data-other": Template(
        "data: other than the public files, which have {sizes} examples (fingerprint {fingerprint}, not verified)",
        {"sizes": "4000/1000/3257", "fingerprint": "edcc8b36a454ba25"},
    ),
    "published-encoder-same": Template("encoder: same ({published})", {"published": "bert-base-uncased"}),
    "published-encoder-other": Template(
        "encoder: {used}, published {published}", {"used": "bert-base-cased", "published": "bert-base-uncased"}
    ),
    "published-encoder-unknown": Template("encoder: {used}, published not known", {"used": "bert-base-cased"}),
    "published-without-encoder": Template("encoder: {used}, published word vectors", {"used": "bert-base-cased"}),
    "published-images-same": Template("images: same ({published})", {"published": "resnet50"}),
    "published-images-other": Template(
        "images: {used}, published {published}", {"used": "none", "published": "resnet50"}
    ),
    "published-images-unknown": Template("images: {used}, published not known", {"used": "none"}),
    "published-without-images": Template(
        "images: {used}, published none", {"used": "resnet50 (imagenet), 723 of 723 test examples have one"}
    ),
    "published-images-nowhere": Template("images: none in either"),
    "images-used": Template(
        "{backbone} ({weights}), {images} of {examples} test examples have an image",
        {"backbone": "resnet50", "weights": "imagenet", "images": 723, "examples": 723},
    ),
}
