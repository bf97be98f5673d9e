"""Messages about plans of experiments, their runs and reports."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # plans
    "plan-not-found": Template(
        "{file}: no such file; give a plan's file, or the name of a shipped plan{hint}",
        {"file": "tabel1", "hint": "; did you mean table1?"},
    ),
    "plan-is-folder": Template(
        "{file}: a folder; give a plan's file, or the name of a shipped plan{hint}",
        {"file": "plans", "hint": "; available: quick, table1"},
    ),
    "plan-invalid": Template("{problems:lines}", {"problems": ["plan.yaml:9: the plan makes no run: give shares or shots"]}),
    "axis-invalid": Template("{key}: expected a list of values, or low and high with low < high", {"key": "search.space.train.lr"}),
    "axis-log-low": Template("{key}: log needs a low above 0", {"key": "search.space.train.lr"}),
    "name-repeated": Template(
        "{name} is named {count} times, so runs would have the same name; name it once", {"name": "twitter2015", "count": 2}
    ),
    "dataset-not-in-plan": Template(
        "{name} is not among the datasets{hint}", {"name": "twitter2071", "hint": "; did you mean twitter2017?"}
    ),
    "system-not-in-plan": Template("{name} is not among the systems{hint}", {"name": "HVPNet", "hint": "; did you mean HVPNeT?"}),
    "plan-without-sizes": Template("the plan makes no run: give shares or shots"),
    "plan-without-recipes": Template(
        "the plan makes no run: no system has a recipe for {tasks}, the task of its datasets", {"tasks": "mner or mre"}
    ),
    "transfers-of-parts": Template("transfers go from whole training sets: leave shares and shots out"),
    "search-with-others": Template("a search has one seed, the whole training set, and no grid, transfers or controls"),
    "dev-score-with-others": Template("score: dev goes without transfers and controls, which are scored on test"),
    "dataset-unknown": Template(
        "unknown dataset {name!r}: there is no prepared data in {folder}{hint}",
        {"name": "twitter2071", "folder": "data/twitter2071", "hint": "; did you mean twitter2017?"},
    ),
    "dataset-unprepared": Template(
        "no prepared data of {names}: run {commands}, or leave them out with --set datasets=[...]",
        {"names": ["mnre"], "commands": "`hvp preprocess mnre --root DIR --output data/mnre`"},
    ),
    "dataset-differs": Template(
        "{folder} holds other data than the plan draws; remove it, or give the plan's {name} another folder",
        {"folder": "data/demo", "name": "demo"},
    ),
    "recipes-of-one-task": Template(
        "{system} has two recipes for {task}, {first} and {second}",
        {"system": "HVPNeT", "task": "mner", "first": "hvpnet_mner", "second": "quickstart"},
    ),
    "run-invalid": Template(
        "{system} on {dataset}: {reason}",
        {"system": "HVPNeT", "dataset": "twitter2015", "reason": "--set train.lrr=1: unknown key train.lrr; did you mean lr?"},
    ),
    "run-repeated": Template("two runs have the same name {run}: a value stands twice", {"run": "HVPNeT.twitter2015.seed1"}),
    "run-names-collide": Template(
        "two runs have the same name {run}: their systems, datasets or values differ in signs only", {"run": "HVPNeT.twitter2015.seed1"}
    ),
    # what of a plan is left out
    "system-without-recipe": Template("{system}: there is no recipe {recipe}", {"system": "UMT", "recipe": "umt_mner"}),
    "system-not-installed": Template(
        "{system}: {recipe} needs {names}, which is not installed", {"system": "UMT", "recipe": "umt_mner", "names": ["the fusion 'umt'"]}
    ),
    "needed-component": Template("the {kind} {name!r}", {"kind": "fusion", "name": "umt"}),
    "system-without-text-only": Template(
        "{system}: no text-only twin on {dataset}: {reason}",
        {"system": "UMT", "dataset": "twitter2015", "reason": "the head crf cannot read it"},
    ),
    # runs
    "estimate-measured": Template("measured on {runs} finished runs", {"runs": 4}),
    "estimate-assumed": Template(
        "a rule of thumb, nothing was measured yet: {start:g} s a run, and for each example and epoch {cpu:g} s on a processor "
        "({gpu:g} s on a GPU), {small:g} s for small encoders",
        {"start": 8.0, "cpu": 0.3, "gpu": 0.01, "small": 0.004},
    ),
    "experiment-locked": Template(
        "{folder} is being worked on by another `hvp experiment`; wait for it, or give another --output",
        {"folder": "experiments/table1"},
    ),
    "search-needs-optuna": Template('a search needs Optuna: `pip install "hvpkit[search]"`; a `grid:` needs nothing'),
    "run-done": Template("{run}: {seconds:.0f} s", {"run": "HVPNeT.twitter2015.seed1", "seconds": 412.3}),
    "run-scored": Template(
        "{run}: {split} F1 {f1:.2f}, {seconds:.0f} s", {"run": "HVPNeT.twitter2015.seed1", "split": "test", "f1": 75.32, "seconds": 412.3}
    ),
    "run-failed": Template("{run} failed: {reason}", {"run": "HVPNeT.twitter2015.seed1", "reason": "no space left on device"}),
    "run-error": Template(
        "{reason} (all of it: {log})", {"reason": "no space left on device", "log": "experiments/table1/logs/HVPNeT.twitter2015.seed1.log"}
    ),
    "run-killed": Template(
        "it was killed by signal {signal} (all of it: {log})",
        {"signal": 9, "log": "experiments/table1/logs/HVPNeT.twitter2015.seed1.log"},
    ),
    "run-silent": Template(
        "it ended with exit code {exit_code} (all of it: {log})",
        {"exit_code": 1, "log": "experiments/table1/logs/HVPNeT.twitter2015.seed1.log"},
    ),
    "start-failed": Template("the run that it goes on from failed: {run}", {"run": "HVPNeT.twitter2017.seed1"}),
    "trial-scored": Template(
        "{run}: dev F1 {f1:.2f}, {settings}", {"run": "HVPNeT.twitter2015.seed1.trial0", "f1": 74.1, "settings": ["train.lr=3e-05"]}
    ),
    "trial-pruned": Template(
        "{run}: stopped early, {settings}", {"run": "HVPNeT.twitter2015.seed1.trial3", "settings": ["train.lr=1e-05"]}
    ),
    "run-plugins-changed": Template(
        "{model}: {changes}; remove it to train it anew, or give another --output",
        {"model": "models/UMT.twitter2015.seed1", "changes": ["the gate even comes from even.py, the model was trained with odd.py"]},
    ),
    "shuffled-score-missing": Template(
        "no score with shuffled images: {reason}", {"reason": "test of tiny has 1 image, shuffling needs 2"}
    ),
    # results
    "results-missing": Template(
        "there are no results in {folder} (it has no {file}); make some with `hvp experiment PLAN --output {folder}`",
        {"folder": "experiments/table1", "file": "results.jsonl"},
    ),
    "results-empty": Template(
        "{file} is empty; remove it, the runs of {folder} are kept",
        {"file": "experiments/table1/results.jsonl", "folder": "experiments/table1"},
    ),
    "results-line-damaged": Template(
        "{file}:{line}: the line is damaged ({reason}); remove it, its run is done again",
        {"file": "experiments/table1/results.jsonl", "line": 3, "reason": "Invalid JSON: EOF while parsing a string"},
    ),
    "results-header-damaged": Template(
        "{file}:1: the header is damaged ({reason}); give another --output",
        {"file": "experiments/table1/results.jsonl", "reason": "'format'"},
    ),
    "results-format": Template(
        "{file} has format {found} (written by hvpkit {writer}), this hvpkit {reader} reads {expected}; "
        "use that hvpkit, or give another --output",
        {"file": "experiments/table1/results.jsonl", "found": 2, "writer": "3.0", "reader": "1.0", "expected": 1},
    ),
    "results-unwritable": Template(
        "{file} cannot be written ({reason}); nothing is lost: the results before and all models are kept. "
        "Make room and give the same command again",
        {"file": "experiments/table1/results.jsonl", "reason": "No space left on device"},
    ),
    "run-differs": Template(
        "{folder} holds the run {run} with {changes}; give another --output",
        {"folder": "experiments/table1", "run": "HVPNeT.twitter2015.seed1", "changes": ["other data"]},
    ),
    "trial-differs": Template(
        "{folder} holds the trial {run} with {changes}; give another --output",
        {"folder": "experiments/search", "run": "HVPNeT.twitter2015.seed1.trial0", "changes": ["other plugins"]},
    ),
    "recipe-changed": Template("another recipe ({settings})", {"settings": ["train.seed: 2, not 1"]}),
    "plugins-changed": Template("other plugins"),
    "data-changed": Template("other data"),
    # reports
    "report-data": Template(
        "{dataset}: fingerprint {fingerprint}, dev/test {dev}/{test}",
        {"dataset": "twitter2017", "fingerprint": "edcc8b36a454ba25", "dev": 723, "test": 723},
    ),
    "report-best-epoch": Template(
        "seeds {seeds}; encoder {encoders}; dev picked each run's epoch", {"seeds": [1, 2], "encoders": ["bert-base-uncased"]}
    ),
    "report-last-epoch": Template(
        "seeds {seeds}; encoder {encoders}; without a dev split the last epoch counts", {"seeds": [1, 2], "encoders": ["bert-base-uncased"]}
    ),
    "report-unfinished": Template(
        "{missing} of {runs} runs are not finished: {names}{more}",
        {"missing": 6, "runs": 15, "names": ["a.people.seed1", "a.people.seed2"], "more": " and 4 more"},
    ),
    "difference-of-one-seed": Template("one seed: the spread over seeds is not known"),
    "difference-within-spread": Template("smaller than the spread over seeds ({spread:.2f})", {"spread": 0.81}),
    "table-scores": Template("{split}; mean±standard deviation over seeds, in percent; the best P, R and F1 are bold", {"split": "test"}),
    "table-text-only": Template("text-only F1: the twin, the same recipe and seed without images and fusion"),
    "table-shuffled": Template(
        "shuffled F1: the same trained model, each test example with the image (and objects) of another one, by the run's seed"
    ),
    "table-seeds": Template("interval: Student's t over seeds; with one seed there is none"),
    "table-differences": Template(
        "F1 of the first less that of the second, in points, over the seeds that both have; 95% interval and two-sided p by paired "
        "bootstrap over test examples (2000 resamples, the same for both systems and all seeds)"
    ),
    "table-transfers": Template(
        "with: all weights but the head's come from the model of the other dataset and the same seed; published: Chen et al. (2022), "
        "Table 3, differences as printed there (82.50 - 81.85 is 0.65)"
    ),
    "table-published": Template("published: Chen et al. (2022), Table 1, digits as printed"),
    "table-runs": Template("as `hvp eval models/<run>` prints them, shuffled with `--shuffle-images <seed>`"),
    "table-own-text-only": Template("its text-only twin"),
    "table-pruned": Template("stopped early"),
    "table-search": Template("dev alone: no test split was looked at"),
    # conditions of published scores
    "published-data-same": Template("data: the public files ({fingerprint})", {"fingerprint": "edcc8b36a454ba25"}),
    "published-data-of-size": Template(
        "data: as many dev and test examples as the public files (fingerprint {fingerprint}, which is not known to be theirs)",
        {"fingerprint": "edcc8b36a454ba25"},
    ),
    "published-data-other": Template(
        "data: other data than the public files, {sizes} (fingerprint {fingerprint}, which is not known to be theirs)",
        {"sizes": "4000/1000/3257", "fingerprint": "edcc8b36a454ba25"},
    ),
    "published-encoder-same": Template("encoder: the same kind ({published})", {"published": "bert-base-uncased"}),
    "published-encoder-other": Template(
        "encoder: ours {used}, theirs {published}", {"used": "bert-base-cased", "published": "bert-base-uncased"}
    ),
    "published-encoder-unknown": Template("encoder: ours {used}, theirs is not known", {"used": "bert-base-cased"}),
    "published-without-encoder": Template("encoder: ours {used}, theirs word vectors", {"used": "bert-base-cased"}),
    "published-images-same": Template("images: the same kind ({published})", {"published": "resnet50"}),
    "published-images-other": Template("images: ours {used}, theirs {published}", {"used": "none", "published": "resnet50"}),
    "published-images-unknown": Template("images: ours {used}, theirs are not known", {"used": "none"}),
    "published-without-images": Template(
        "images: ours {used}, theirs none", {"used": "resnet50 (imagenet), 723 of 723 test examples have one"}
    ),
    "published-images-nowhere": Template("images: none in either"),
    "images-used": Template(
        "{backbone} ({weights}), {images} of {examples} test examples have one",
        {"backbone": "resnet50", "weights": "imagenet", "images": 723, "examples": 723},
    ),
}
