"""Check the paper's claims on synthetic data, where gold labels and upper bounds are known: do images help, and when?

    python benchmarks/controlled.py                    # five seeds, both tasks; can be stopped and continued python
    benchmarks/controlled.py --quick            # minutes: one seed, little data; shows that it works, proves nothing
    python benchmarks/controlled.py --only mner.hvpnet # only the runs with this prefix python benchmarks/controlled.py
    --report           # tables and charts of the finished runs

Trains text only, HVPNeT, Flat, 1T3, OnlyObj, AdapCoAtt, MTB, UMT, UMGF, BERT+SG, MEGA, VisualBERT, MKGformer and
IFAformer (recipes/quickstart*.yaml), CNN-BiLSTM-CRF, HBiLSTM-CRF, OCSGA and PCNN (their own recipes) on the same data,
seed by seed. Writes benchmarks/controlled.json, a part of benchmarks/results/controlled.md, and charts into the work
folder. Runs that controlled.json has stay there; a finished run of the work folder replaces its line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from hvpkit.messages import Message, Template, add_templates
from hvpkit.synthetic.scenarios import CLUES
from report import update_page, wrap

HERE = Path(__file__).parent
SYSTEMS = ("text", "hvpnet", "flat", "1t3", "onlyobj")
TASKS = ("mner", "mre")
# other systems of the paper's Table 1, on the same text and, but for MTB, the same images and crops
PLUGINS = {
    "mtb": ("mre",),
    "adapcoatt": TASKS,
    "umt": TASKS,
    "umgf": TASKS,
    "bert-sg": ("mre",),
    "mega": TASKS,
    "visualbert": TASKS,
    "m-encoder": TASKS,  # MKGformer and IFAformer, which are not in the table
    "ifa": TASKS,
}
OPTIONS: dict[str, dict[str, Any]] = {  # of their fusions; of all others, levels: all
    "mega": {"levels": "all", "dependencies": "chain"},
    "mtb": {},
    "umgf": {"levels": "all", "graph_width": 64},
}
POOLED = ("mtb", "bert-sg", "mega")  # those that return one vector for the head of relations
FUSIONS = {("mega", "mner"): "mega-words"}  # fusions with another name than their system
TEXT_PLUGINS = {
    "cnn-bilstm-crf": ("mner",),
    "hbilstm-crf": ("mner",),
    "ocsga": ("mner",),
    "pcnn": ("mre",),
}  # those without pretrained encoders, by their own recipes
COLUMNS = (*TEXT_PLUGINS, "text", *PLUGINS, "onlyobj", "flat", "1t3", "hvpnet")  # of the table of scores
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # fractions of uninformative images at test; in training it is 0.3
FRACTIONS = (0.05, 0.1, 0.25, 0.5)  # of the training data
add_templates(
    {
        "controlled-finished": Template(
            "{finished} of {runs} runs are finished (seeds {seeds}). Scores are F1 in points: mean ± standard deviation over seeds.",  # noqa: E501
            {"finished": 5, "runs": 102, "seeds": [1, 2]},
        ),
        "controlled-not-run": Template("Not run."),
        "controlled-without-charts": Template("No charts: matplotlib is not installed. Run `pip install matplotlib`."),
    }
)


@dataclass(frozen=True)
class Job:
    """One training run of a system on a task.

    Attributes:
        fraction: Fraction of the training data.
        start: Run whose weights, except for the head, are the initial ones.
    """

    task: str
    system: str
    seed: int
    fraction: float = 1.0
    start: Job | None = None

    @property
    def name(self) -> str:
        part = "" if self.fraction == 1 else f".{100 * self.fraction:g}%"
        return f"{self.task}.{self.system}{part}{'.transferred' if self.start else ''}.seed{self.seed}"


def jobs(seeds: Sequence[int]) -> Iterator[Job]:
    """List all runs, starting with those that most claims need."""
    for seed in seeds:
        for system in SYSTEMS:
            yield from (Job(task, system, seed) for task in TASKS)
        for task, other in (TASKS, TASKS[::-1]):
            yield Job(task, "hvpnet", seed, start=Job(other, "hvpnet", seed))
        for system, tasks in (PLUGINS | TEXT_PLUGINS).items():
            yield from (Job(task, system, seed) for task in tasks)
        for fraction in FRACTIONS:
            yield from (Job(task, system, seed, fraction) for task in TASKS for system in ("text", "hvpnet"))


@dataclass(frozen=True)
class Bench:
    """Work folder, number of training examples, number of epochs (None: those of the recipes)."""

    work: Path
    size: int
    epochs: int | None

    def data(self, task: str) -> Path:
        """Return the folder with the data of a task; generate it on first use."""
        from hvpkit.synthetic.generate import generate

        folder = self.work / f"{task}-{self.size}"
        if not (folder / "manifest.json").is_file():
            generate(folder, task=task, size=self.size)  # type: ignore[arg-type]
        return folder

    def test_with(self, task: str, share: float) -> list[Any]:
        """Return the test split with another fraction of uninformative images: the same texts and labels."""
        from hvpkit.records.codec import example_from_json, example_to_json
        from hvpkit.synthetic.scenarios import SyntheticSettings
        from hvpkit.synthetic.tweets import TweetStream

        folder = self.work / f"{task}-{self.size}-test" / f"{100 * share:g}"
        file = folder / "test.jsonl"
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            tweets = TweetStream(SyntheticSettings(task, self.size, 0, test_uninformative=share), "test", folder)  # type: ignore[arg-type]
            lines = "".join(json.dumps(example_to_json(example, folder)) + "\n" for example in tweets)
            file.write_text(lines, encoding="utf-8")
        return [example_from_json(json.loads(line), folder) for line in file.read_text(encoding="utf-8").splitlines()]

    def recipe_epochs(self) -> str:
        """Return the numbers of epochs on full training sets, as words."""
        from hvpkit.config.loading import load_recipe

        recipes = (HERE.parent / "recipes" / name for name in ("quickstart.yaml", "quickstart_mre.yaml"))
        return " and ".join(dict.fromkeys(str(self.epochs or load_recipe(recipe).train.epochs) for recipe in recipes))

    def result(self, job: Job) -> Path:
        return self.work / "results" / f"{job.name}.json"

    def recipe(self, job: Job) -> Any:  # noqa: ANN401 - torch comes late
        """Return the recipe of a run: a variant of the quickstart, or that of the system."""
        from hvpkit.config.loading import load_recipe
        from hvpkit.config.recipe import ComponentSpec, FusionSpec

        if job.system in TEXT_PLUGINS:
            settings = [f"data.folder={self.data(job.task)}", f"train.seed={job.seed}"]
            settings += [f"train.epochs={self.epochs}"] if self.epochs else []
            return load_recipe(f"{job.system.replace('-', '_')}_common_{job.task}", settings)
        recipe = load_recipe(
            HERE.parent / "recipes" / ("quickstart.yaml" if job.task == "mner" else "quickstart_mre.yaml")
        )
        epochs = max(1, round((self.epochs or recipe.train.epochs) * job.fraction**-0.5))  # fewer examples, more epochs
        judged_from = 0.5 if job.fraction == 1 else 0.9  # fraction of the epochs; dev keeps its size
        change: dict[str, Any] = {
            "data": recipe.data.model_copy(update={"folder": self.data(job.task)}),
            "train": recipe.train.model_copy(
                update={"seed": job.seed, "epochs": epochs, "first_eval_epoch": max(1, int(judged_from * epochs))}
            ),
        }
        if job.system == "text":
            change |= {"vision": None, "fusion": FusionSpec(name="none")}
        elif job.system in ("flat", "1t3"):
            change["fusion"] = recipe.fusion.model_copy(update={"gate": ComponentSpec(name=job.system)})
        elif job.system == "onlyobj":
            change["vision"] = recipe.vision.model_copy(update={"full_image": False})
        elif job.system in PLUGINS:
            change["fusion"] = FusionSpec(
                name=FUSIONS.get((job.system, job.task), job.system), options=OPTIONS.get(job.system, {"levels": "all"})
            )
            if job.system == "mtb":
                change["vision"] = None
            if job.system in POOLED and job.task == "mre":
                change["head"] = ComponentSpec(name="cls", options={"dropout": 0.5})
            if job.system == "umt" and job.task == "mner":  # at the recipe's rate it does not learn
                change["train"] = change["train"].model_copy(update={"lr": 1e-3})
            if job.system == "visualbert":
                change["text"] = recipe.text.model_copy(update={"encoder": "visualbert-from-scratch"})
        return recipe.model_copy(update=change)


# ----------------------------------------------------------------------------------------------------------------
# training
def run(job: Job, bench: Bench) -> None:
    """Train one run, measure it and write its result; a finished run is not repeated."""
    if bench.result(job).is_file():
        return
    if job.start is not None:
        run(job.start, bench)
    print(f"{time.strftime('%H:%M:%S')} {job.name}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    model = bench.work / "models" / job.name
    if not model.is_dir():
        fit(job, bench, model)
    found = measure(job, bench, model) | {"seconds": round(time.monotonic() - begun)}
    bench.result(job).parent.mkdir(parents=True, exist_ok=True)
    bench.result(job).write_text(json.dumps(found, indent=1), encoding="utf-8")


def fit(job: Job, bench: Bench, output: Path) -> None:
    """Train; all runs share the words of both tasks, so that weights can be transferred between them."""
    from transformers.trainer_utils import set_seed

    from hvpkit.data.prepared import open_prepared
    from hvpkit.model.model import build_model
    from hvpkit.registry import load_registry
    from hvpkit.saving.model_folder import open_model_folder
    from hvpkit.saving.weights import load_model
    from hvpkit.training.acceleration.accelerated import accelerated
    from hvpkit.training.callbacks import TrainingCallbacks
    from hvpkit.training.fit import fit as run_epochs
    from hvpkit.training.init_from import load_matching
    from hvpkit.training.scoring import SplitScorer
    from hvpkit.training.session import encode_session, read_examples
    from hvpkit.training.train import finish

    recipe, registry = bench.recipe(job), load_registry()
    words = [example for task in TASKS for example in open_prepared(bench.data(task)).examples("train")]
    data = open_prepared(bench.data(job.task))
    examples = read_examples(recipe, data)
    examples["train"] = Random(job.seed).sample(examples["train"], round(job.fraction * len(examples["train"])))
    set_seed(job.seed)
    model = build_model(recipe, registry, data.labels, words)
    if job.start is not None:
        load_matching(model, load_model(open_model_folder(bench.work / "models" / job.start.name), "cpu"))
    session = encode_session(recipe, registry, data, examples, model)
    folder = output.with_name(f"{output.name}.training")
    shutil.rmtree(folder, ignore_errors=True)
    scorer = SplitScorer(model, session.batcher, session.examples)
    with accelerated(model, recipe.train, session.device) as step:
        fitted = run_epochs(session, scorer, folder, step, callbacks=TrainingCallbacks(on_epoch=_log_epoch))
    finish(session, scorer, fitted, output)
    shutil.rmtree(folder)


def _log_epoch(line: Any) -> None:  # noqa: ANN401 - an EpochResult
    dev = "" if line.dev is None else f" dev F1 {100 * line.dev.overall.f1:.2f}"
    print(
        f"  epoch {line.epoch}/{line.epochs} loss {line.loss:.3f}{dev} {line.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


# ---------------------------------------------------------------------------------------------------------------
# measuring
def measure(job: Job, bench: Bench, folder: Path) -> dict[str, Any]:
    """Measure F1 by group with upper bounds, F1 by fraction of uninformative images, and the gates."""
    from hvpkit.batching import Batcher
    from hvpkit.data.prepared import open_prepared
    from hvpkit.evaluation.evaluate import group_scores
    from hvpkit.features.cache import open_feature_cache
    from hvpkit.features.fingerprint import feature_dir
    from hvpkit.inference.decode import predict_stream
    from hvpkit.saving.model_folder import open_model_folder
    from hvpkit.saving.weights import load_model
    from hvpkit.synthetic.upper_bounds import upper_bounds

    opened = open_model_folder(folder)
    model = load_model(opened)
    vision = model.vision  # use the feature cache of training
    kept = (
        open_feature_cache(vision, feature_dir(bench.data(job.task)))
        if vision is not None and vision.is_frozen
        else None
    )
    batcher = Batcher(model, opened.recipe, kept)

    def scored(examples: Sequence[Any]) -> dict[str, Any]:
        answers = list(predict_stream(model, batcher, examples))
        return {name: asdict(group) for name, group in group_scores(upper_bounds(examples), examples, answers).items()}

    data = open_prepared(bench.data(job.task))
    found: dict[str, Any] = {"fingerprint": data.manifest.fingerprint, "groups": scored(data.examples("test"))}
    if job.fraction == 1 and job.start is None and job.system in ("text", "hvpnet"):
        found["uninformative"] = {
            f"{100 * share:g}": scored(bench.test_with(job.task, share))["all"] for share in SHARES
        }
    if job.system == "hvpnet":
        found["gates"] = gates(model, batcher, data.examples("test"))
    return found


def gates(model: Any, batcher: Any, examples: Sequence[Any]) -> dict[str, list[list[float]]]:  # noqa: ANN401 - torch comes late
    """Compute the mean gate [N, C] by clue, of the image region that decides; for clue "none", of all."""
    import torch

    from hvpkit.interfaces import Trace

    rows: dict[str, list[Any]] = {}
    for begin in range(0, len(examples), 32):
        batch, trace = examples[begin : begin + 32], Trace()
        items = [batcher.encode(example, labeled=False) for example in batch]
        with torch.no_grad():
            model(batcher.collate(items), trace)
        for example, item, weights in zip(batch, items, trace.gates, strict=True):  # weights [V, N, C]
            clue, deciding = example.metadata["clue"], example.metadata["deciding_object"]
            regions = [i for i, region in enumerate(item.regions) if region is not None]
            if clue != "none":
                regions = [0 if deciding == "none" else 1 + int(deciding)]
            rows.setdefault(clue, []).append(weights[regions].mean(0))
    return {clue: torch.stack(found).mean(0).tolist() for clue, found in sorted(rows.items())}


# ---------------------------------------------------------------------------------------------------------------
# comparing
@dataclass(frozen=True)
class Comparison:
    """A difference that a claim is about, in points of F1 by seed; the claim holds above `floor`."""

    claim: int
    task: str
    what: str
    points: list[float]
    floor: float = 0.0

    @property
    def mean(self) -> float:
        return statistics.fmean(self.points)

    @property
    def spread(self) -> float | None:
        return statistics.stdev(self.points) if len(self.points) > 1 else None

    @property
    def holds(self) -> str:
        """Return yes or no, "unclear" within two standard errors of the floor, with "(one seed)" without a spread."""
        verdict = "yes" if self.mean > self.floor else "no"
        if self.spread is None:
            return f"{verdict} (one seed)"
        return "unclear" if abs(self.mean - self.floor) < 2 * self.spread / len(self.points) ** 0.5 else verdict


CLAIMS = {
    0: "The models learn what there is to learn",
    1: "Images help, by kind of clue: HVPNeT minus text only",
    2: "Uninformative images do no harm: HVPNeT minus text only, by their fraction at test (30% in training)",
    3: "The gate beats 1T3, and 1T3 beats Flat",
    4: "The full image adds to the objects: HVPNeT minus OnlyObj",
    5: "Weights transfer from the other task: HVPNeT initialized from it minus HVPNeT initialized at random",
    6: "It holds with little data: HVPNeT minus text only, by fraction of the training data",
}


def read_runs(file: Path, bench: Bench) -> dict[str, Any]:
    """Read the runs of controlled.json by name; none if it is missing or of another size or number of epochs."""
    document = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return document["runs"] if (document.get("size"), document.get("epochs")) == (bench.size, bench.epochs) else {}


def write_runs(file: Path, bench: Bench, runs: dict[str, Any]) -> None:
    """Write controlled.json: one line per run, numbers rounded to 6 digits."""
    lines = (f"{json.dumps(name)}:{json.dumps(_rounded(run), separators=(',', ':'))}" for name, run in runs.items())
    document = f'{{"size":{bench.size},"epochs":{json.dumps(bench.epochs)},"runs":{{\n' + ",\n".join(lines) + "\n}}\n"
    file.write_text(document, encoding="utf-8")


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


def finished_runs(bench: Bench, seeds: Sequence[int], file: Path) -> dict[str, Any]:
    """Return runs by name: those of the work folder, and the other ones of controlled.json."""
    runs = read_runs(file, bench)
    return runs | {
        job.name: json.loads(bench.result(job).read_text()) for job in jobs(seeds) if bench.result(job).is_file()
    }


class Results:
    """The finished runs of some seeds."""

    def __init__(self, runs: dict[str, Any], seeds: Sequence[int]) -> None:
        self.seeds = seeds
        self.found = {job: runs[job.name] for job in jobs(seeds) if job.name in runs}

    def f1(self, job: Job, group: str = "all", share: float | None = None) -> float | None:
        found = self.found.get(job)
        if found is None:
            return None
        scores = found["groups"][group] if share is None else found["uninformative"][f"{100 * share:g}"]
        return 100 * float(scores["f1"])

    def less(
        self, claim: int, task: str, what: str, pairs: Iterable[tuple[float | None, float | None]], floor: float = 0.0
    ) -> list[Comparison]:
        """Compare seed by seed; return nothing if no seed has both runs."""
        points = [one - other for one, other in pairs if one is not None and other is not None]
        return [Comparison(claim, task, what, points, floor)] if points else []

    def comparisons(self) -> list[Comparison]:
        rows: list[Comparison] = []
        for task in TASKS:
            each = [{system: Job(task, system, seed) for system in SYSTEMS} for seed in self.seeds]
            texts = [(self.f1(of["text"]), self.upper_bound(of["text"])) for of in each]
            rows += self.less(0, task, "text only minus its upper bound", texts, -3.0)
            rows += self.less(
                0,
                task,
                "% of the gap between the upper bounds that HVPNeT closes, minus 85",
                [(x, 85.0) for x in self.closed(task)],
            )
            for group in ("all", *CLUES, "none"):
                pairs = [(self.f1(of["hvpnet"], group), self.f1(of["text"], group)) for of in each]
                rows += self.less(
                    1, task, "no clue" if group == "none" else group, pairs, -2.0 if group == "none" else 0.0
                )
            for share in SHARES:
                pairs = [(self.f1(of["hvpnet"], share=share), self.f1(of["text"], share=share)) for of in each]
                rows += self.less(2, task, f"{100 * share:g}% uninformative", pairs, -2.0)
            for claim, better, worse in (
                (3, "hvpnet", "1t3"),
                (3, "1t3", "flat"),
                (3, "hvpnet", "flat"),
                (4, "hvpnet", "onlyobj"),
            ):
                rows += self.less(
                    claim, task, f"{better} minus {worse}", [(self.f1(of[better]), self.f1(of[worse])) for of in each]
                )
            other = TASKS[1 - TASKS.index(task)]
            moved = [Job(task, "hvpnet", seed, start=Job(other, "hvpnet", seed)) for seed in self.seeds]
            rows += self.less(
                5,
                task,
                f"{other} to {task}",
                [(self.f1(job), self.f1(of["hvpnet"])) for job, of in zip(moved, each, strict=True)],
            )
            for fraction in FRACTIONS:
                few = [(Job(task, "hvpnet", seed, fraction), Job(task, "text", seed, fraction)) for seed in self.seeds]
                rows += self.less(
                    6, task, f"{100 * fraction:g}% of the data", [(self.f1(one), self.f1(two)) for one, two in few]
                )
        return sorted(rows, key=lambda row: row.claim)

    def upper_bound(self, job: Job) -> float | None:
        return 100 * float(self.found[job]["groups"]["all"]["text_upper_bound"]) if job in self.found else None

    def closed(self, task: str) -> list[float]:
        """Return, by seed, the percentage of the gap between the upper bounds that HVPNeT closes."""
        groups = [
            self.found[job]["groups"]["all"] for seed in self.seeds if (job := Job(task, "hvpnet", seed)) in self.found
        ]
        return [
            100 * (g["f1"] - g["text_upper_bound"]) / (g["image_upper_bound"] - g["text_upper_bound"]) for g in groups
        ]


# ---------------------------------------------------------------------------------------------------------------
# reporting
def report(bench: Bench, seeds: Sequence[int], out: Path) -> str:
    """Write controlled.json, the generated part of results/controlled.md and the charts; return that part."""
    runs = finished_runs(bench, seeds, out / "controlled.json")
    results = Results(runs, seeds)
    out.mkdir(parents=True, exist_ok=True)
    write_runs(out / "controlled.json", bench, runs)
    section = markdown(results, results.comparisons(), bench)
    update_page(out, "controlled", "controlled", section)
    charts(results, bench.work)
    return section


def markdown(results: Results, rows: Sequence[Comparison], bench: Bench) -> str:
    """Format the generated part of results/controlled.md: scores, claims, gates."""
    seeds = sorted({job.seed for job in results.found})
    lines = [
        wrap(
            f"Synthetic data with {bench.size} training examples per task ({_fingerprints(results)}); {bench.recipe_epochs()} epochs; "  # noqa: E501
            "text encoder with random weights; visual backbone of fixed wavelets."
        ),
        "",
        Message("controlled-finished", finished=len(results.found), runs=len(list(jobs(results.seeds))), seeds=seeds),
        "Runs that are not listed were not run.",
        "",
        "### Scores",
        "",
        f"| task | text upper bound | {' | '.join(COLUMNS)} | image upper bound | gap closed |",
        f"|---|---|{'---|' * len(COLUMNS)}---|---|",
        *(_scores_row(results, task) for task in TASKS if any(job.task == task for job in results.found)),
    ]
    for number, claim in CLAIMS.items():
        lines += ["", f"### {number}. {claim}", ""]
        of = [row for row in rows if row.claim == number]
        if not of:
            lines += [Message("controlled-not-run")]
            continue
        lines += ["| task | | difference | at least | holds | seeds |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {r.task} | {r.what} | {_mean(r.points, '+')} | {r.floor:+g} | {r.holds} | {len(r.points)} |" for r in of
        ]
    lines += [
        "",
        "### Gate weights of the deciding image region, by kind of clue",
        "",
        "Mean over layers, examples and seeds; levels from fine to coarse.",
        "",
    ]
    for task in TASKS:
        lines += _gates_table(results, task)
    return "\n".join(lines) + "\n"


def _fingerprints(results: Results) -> str:
    of = {job.task: found["fingerprint"] for job, found in results.found.items() if "fingerprint" in found}
    return ", ".join(f"{task} `{of[task]}`" for task in TASKS if task in of)


def _scores_row(results: Results, task: str) -> str:
    each = {
        system: [f for seed in results.seeds if (f := results.f1(Job(task, system, seed))) is not None]
        for system in COLUMNS
    }
    groups = next(found["groups"]["all"] for job, found in results.found.items() if job.task == task)
    cells = [_mean(each[system]) for system in COLUMNS]
    text_bound, image_bound = (f"{100 * groups[name]:.1f}" for name in ("text_upper_bound", "image_upper_bound"))
    return f"| {task} | {text_bound} | {' | '.join(cells)} | {image_bound} | {_mean(results.closed(task))}% |"


def _gates_table(results: Results, task: str) -> list[str]:
    found = [
        results.found[job]["gates"] for seed in results.seeds if (job := Job(task, "hvpnet", seed)) in results.found
    ]
    if not found:
        return []
    clues = [clue for clue in (*CLUES, "none") if clue in found[0]]
    means = {
        clue: [
            statistics.fmean(level) for level in zip(*(layer for gates in found for layer in gates[clue]), strict=True)
        ]
        for clue in clues
    }
    rows = [f"| {clue} | {' | '.join(f'{weight:.2f}' for weight in means[clue])} |" for clue in clues]
    most = max(max(level) - min(level) for level in zip(*means.values(), strict=True))
    head = " | ".join(f"level {i}" for i in range(1, 1 + len(means["none"])))
    table = [f"| {task} | {head} |", "|---|" + "---|" * len(means["none"]), *rows]
    return [*table, "", f"{task}: the weights of one level differ by up to {most:.2f} between kinds of clue.", ""]


def _mean(points: Sequence[float], sign: str = "") -> str:
    if not points:
        return "-"
    spread = f" ± {statistics.stdev(points):.1f}" if len(points) > 1 else ""
    return f"{statistics.fmean(points):{sign}.1f}{spread}"


def charts(results: Results, out: Path) -> None:
    """Draw F1 by fraction of uninformative images and by fraction of the training data, if matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print(Message("controlled-without-charts"), file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = {
        "uninformative": (
            "uninformative images at test (%)",
            SHARES,
            lambda task, system, seed, x: results.f1(Job(task, system, seed), share=x),
        ),
        "little_data": (
            "fraction of the training data (%)",
            (*FRACTIONS, 1.0),
            lambda task, system, seed, x: results.f1(Job(task, system, seed, x)),
        ),
    }
    for name, (label, xs, f1) in kinds.items():
        lines = {
            (task, system): {
                100 * x: statistics.fmean(ys) for x in xs if (ys := _found(f1, task, system, results.seeds, x))
            }
            for task in TASKS
            for system in ("text", "hvpnet")
        }
        if all(len(line) < 2 for line in lines.values()):
            continue  # not run
        figure, axes = pyplot.subplots(1, len(TASKS), figsize=(9, 3.6), sharey=True)
        for (task, system), line in lines.items():
            axis = axes[TASKS.index(task)]
            axis.plot(list(line), list(line.values()), marker="o", label=system)
            axis.set(title=task, xlabel=label)
            axis.legend()
        axes[0].set_ylabel("F1")
        figure.tight_layout()
        out.mkdir(parents=True, exist_ok=True)
        figure.savefig(out / f"controlled_{name}.png", dpi=110)
        pyplot.close(figure)


def _found(f1: Callable[..., float | None], task: str, system: str, seeds: Sequence[int], x: float) -> list[float]:
    return [y for seed in seeds if (y := f1(task, system, seed, x)) is not None]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds (5)")
    parser.add_argument("--size", type=int, default=None, help="training examples per task (2000)")
    parser.add_argument("--epochs", type=int, default=None, help="epochs of a run (the recipes')")
    parser.add_argument("--quick", action="store_true", help="one seed, 96 examples, one epoch")
    parser.add_argument(
        "--only", action="append", help="run only runs with this prefix, such as mner.hvpnet; may be repeated"
    )
    parser.add_argument(
        "--work", type=Path, default=None, help="folder for data, models, results and charts (build/controlled)"
    )
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder of controlled.json and results/controlled.md (benchmarks/)"
    )
    parser.add_argument("--report", action="store_true", help="report the finished runs without running any")
    given = parser.parse_args(arguments)
    size, epochs = given.size or (96 if given.quick else 2000), given.epochs or (1 if given.quick else None)
    bench = Bench(
        given.work or HERE.parent / "build" / ("controlled-quick" if given.quick else "controlled"), size, epochs
    )
    seeds = range(1, 1 + (1 if given.quick else given.seeds))
    for job in [] if given.report else jobs(seeds):
        if not given.only or job.name.startswith(tuple(given.only)):
            run(job, bench)
    print(report(bench, seeds, given.out if given.out != HERE or not given.quick else bench.work))


if __name__ == "__main__":
    main()
