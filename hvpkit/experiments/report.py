"""The tables of a report, from results alone (no torch): scores with controls, seeds, differences, transfers, published scores, runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hvpkit.experiments.published_scores import TABLE_3, compare_conditions, find_published
from hvpkit.experiments.results import Header, Outcomes, Result, RunScore, read_results
from hvpkit.experiments.seed_statistics import Difference, SeedStatistics, compare, seed_statistics
from hvpkit.experiments.tables import Cell, Table, mark_best
from hvpkit.messages import Message

METRICS = ("precision", "recall", "f1")
NAMES = ("P", "R", "F1")  # of these
MISSING = "-"


@dataclass(frozen=True)
class ReportRow:
    """One line of the scores: a system trained on a part of the training set with the settings of a grid point."""

    system: str
    part: str
    settings: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """Name it in one text."""
        return ", ".join([self.system, *(f"{key}={value}" for key, value in self.settings)])


@dataclass(frozen=True)
class ExperimentReport:
    """Results, in the plan's order."""

    header: Header
    results: dict[str, Result]

    @classmethod
    def from_folder(cls, folder: Path) -> ExperimentReport:
        """Read a folder's results; raises PlanError."""
        header, results = read_results(folder)
        found = {result.run.name: result for result in results}
        return cls(header, {name: found[name] for name in header.runs if name in found})

    @property
    def missing(self) -> list[str]:
        """Name the runs that are not finished."""
        return [name for name in self.header.runs if name not in self.results]

    def tables(self) -> list[Table]:
        """Make every table that there are results for."""
        if self.header.plan.search is not None:
            return [_search_table(self), *([_runs_table(self)] if self.results else [])]
        made = (_scores_table, _seeds_table, _differences_table, _transfers_table, _published_table, _runs_table)
        return [table for table in (make(self) for make in made) if table is not None and table.rows]

    def notes(self) -> list[str]:
        """Say on what data, with which encoders and seeds this was, and what is not finished."""
        results = list(self.results.values())
        lines: list[str] = []
        for name in dict.fromkeys(result.run.dataset for result in results):
            data = next((r.data for r in results if r.run.dataset == name and r.data.fingerprint), None)
            if data is not None:
                dev, test = data.examples["dev"], data.examples["test"]
                lines.append(Message("report-data", dataset=name, fingerprint=data.fingerprint, dev=dev, test=test))
        seeds, encoders = self.header.plan.seeds, list(dict.fromkeys(result.encoder for result in results if result.encoder))
        if any(not result.data.examples.get("dev") for result in self.main):
            lines.append(Message("report-last-epoch", seeds=seeds, encoders=encoders))
        else:
            lines.append(Message("report-best-epoch", seeds=seeds, encoders=encoders))
        lines += dict.fromkeys(note for result in results for note in result.notes)
        return [*lines, *([_unfinished(self.missing, len(self.header.runs))] if self.missing else [])]

    # --------------------------------------------------------------------------------------------------------- what there is
    @property
    def main(self) -> list[Result]:
        """Give the results that the tables' rows are made of: no twins, transfers or trials."""
        return [r for r in self.results.values() if not r.run.is_twin and r.run.source is None and r.trial is None]

    @property
    def datasets(self) -> list[str]:
        """List the datasets with results, in the plan's order."""
        there = {result.run.dataset for result in self.results.values()}
        return [name for name in self.header.plan.datasets if name in there]

    def rows(self) -> list[ReportRow]:
        """List the rows with results: part by part of the training set, systems in the plan's order."""
        rows = dict.fromkeys(row_of(result) for result in self.main)
        parts = list(dict.fromkeys([*map(_share, self.header.plan.fractions), *map(_shots, self.header.plan.shots)]))
        return sorted(rows, key=lambda row: parts.index(row.part) if row.part in parts else len(parts))

    def of_row(self, row: ReportRow, dataset: str) -> list[Result]:
        """Give a row's results on a dataset, one a seed."""
        return [result for result in self.main if row_of(result) == row and result.run.dataset == dataset]

    def score(self, result: Result) -> RunScore | None:
        """Give the score that the plan is about."""
        return result.test if self.header.plan.score_split == "test" else result.dev

    def controls(self, results: Sequence[Result]) -> list[Result]:
        """Give the results of the text-only twins, where finished."""
        return [self.results[result.run.twin] for result in results if result.run.twin in self.results]


def row_of(result: Result) -> ReportRow:
    """Say in which row a result stands."""
    run = result.run
    return ReportRow(run.system, _share(run.share) if run.shots is None else _shots(run.shots), tuple(run.settings.items()))


def _share(share: float) -> str:
    return "all" if share == 1.0 else f"{100 * share:g}%"


def _shots(shots: int) -> str:
    return f"{shots} shots"


def percent(score: SeedStatistics | None) -> str:
    """Write a score in percent: mean±std, or the mean of one seed."""
    if score is None:
        return MISSING
    return f"{100 * score.mean:.2f}" + ("" if score.spread is None else f"±{100 * score.spread:.2f}")


def signed(value: float) -> str:
    """Write a difference in points, with its sign."""
    return f"{100 * value:+.2f}"


def f1_over_seeds(report: ExperimentReport, results: Sequence[Result]) -> SeedStatistics | None:
    """Summarise F1 of results over their seeds."""
    return _over([score.f1 for result in results if (score := report.score(result)) is not None])


def _over(values: Sequence[float]) -> SeedStatistics | None:
    return seed_statistics(values) if values else None


# ------------------------------------------------------------------------------------------------------------------- tables
def _scores_table(report: ExperimentReport) -> Table:
    plan, rows, kinds = report.header.plan, report.rows(), _Columns(report)
    names = [(dataset, name) for dataset in report.datasets for name, _ in kinds.of(dataset)]
    made: list[tuple[Cell, ...]] = []
    for part in dict.fromkeys(row.part for row in rows):
        of_part = [row for row in rows if row.part == part]
        found = [[score(row) for dataset in report.datasets for _, score in kinds.of(dataset)] for row in of_part]
        cells = [[*_row_cells(report, row), *(Cell(percent(score)) for score in own)] for row, own in zip(of_part, found, strict=True)]
        compared = [[score.mean if score and name in NAMES else None for score, (_, name) in zip(own, names, strict=True)] for own in found]
        made += mark_best(cells, compared, lambda value: f"{100 * value:.2f}")
    notes = [Message("table-scores", split=plan.score_split)]
    if "text-only" in plan.controls:
        notes.append(Message("table-text-only"))
    if "shuffled-images" in plan.controls:
        notes.append(Message("table-shuffled"))
    return Table("scores", f"{plan.title}: scores", (*_row_columns(report), *map(" ".join, names)), made, notes)


class _Columns:
    """The columns of a dataset: a name, and the score of a row."""

    def __init__(self, report: ExperimentReport) -> None:
        self.report = report

    def of(self, dataset: str) -> list[tuple[str, Callable[[ReportRow], SeedStatistics | None]]]:
        def metric(name: str) -> Callable[[ReportRow], SeedStatistics | None]:
            return lambda row: _over([getattr(score, name) for r in self.report.of_row(row, dataset) if (score := self.report.score(r))])

        def twin(row: ReportRow) -> SeedStatistics | None:
            return f1_over_seeds(self.report, self.report.controls(self.report.of_row(row, dataset)))

        def shuffled(row: ReportRow) -> SeedStatistics | None:
            return _over([result.shuffled.f1 for result in self.report.of_row(row, dataset) if result.shuffled])

        controls = {"text-only": ("text-only F1", twin), "shuffled-images": ("shuffled F1", shuffled)}
        asked = [controls[name] for name in dict.fromkeys(self.report.header.plan.controls)]
        return [*zip(NAMES, map(metric, METRICS), strict=True), *asked]


def _row_columns(report: ExperimentReport) -> tuple[str, ...]:
    rows = report.rows()
    part = ("training set",) if any(row.part != "all" for row in rows) else ()
    return ("system", *part, *dict.fromkeys(key for row in rows for key, _ in row.settings))


def _row_cells(report: ExperimentReport, row: ReportRow) -> list[Cell]:
    values = {"system": row.system, "training set": row.part} | dict(row.settings)
    return [Cell(values.get(column, "")) for column in _row_columns(report)]


def _seeds_table(report: ExperimentReport) -> Table:
    rows = []
    for row in report.rows():
        for dataset in report.datasets:
            results = [result for result in report.of_row(row, dataset) if report.score(result)]
            over = f1_over_seeds(report, results)
            if over is not None:
                by_seed = ", ".join(f"{r.run.seed}: {100 * s.f1:.2f}" for r in results if (s := report.score(r)))
                interval = MISSING if over.low is None or over.high is None else f"{100 * over.low:.2f} to {100 * over.high:.2f}"
                rows.append((*_row_cells(report, row), Cell(dataset), Cell(percent(over)), Cell(interval), Cell(by_seed)))
    columns = (*_row_columns(report), "data", "F1", "95% interval of the mean", "by seed")
    return Table("seeds", "F1 over seeds", columns, rows, [Message("table-seeds")])


def _differences_table(report: ExperimentReport) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for dataset in report.datasets:
        for part in dict.fromkeys(row.part for row in report.rows()):
            there = [row for row in report.rows() if row.part == part and report.of_row(row, dataset)]
            first = next((row for row in there if row.system == report.header.plan.reference), there[0] if there else None)
            for row in there:
                mine = report.of_row(row, dataset)
                if first is not None and row != first:
                    rows += _difference(report, part, dataset, (row.label, mine), (first.label, report.of_row(first, dataset)))
                if report.controls(mine):
                    rows += _difference(report, part, dataset, (row.label, mine), (Message("table-own-text-only"), report.controls(mine)))
    columns = ("data", "training set", "first", "second", "F1", "95%", "p", "beware")
    return Table("differences", "Differences", columns, rows, [Message("table-differences")])


def _difference(
    report: ExperimentReport, part: str, dataset: str, one: tuple[str, list[Result]], other: tuple[str, list[Result]]
) -> Iterator[tuple[Cell, ...]]:
    found = difference(report, one[1], other[1])
    if found is None:
        return
    interval = MISSING if found.low is None or found.high is None else f"{signed(found.low)} to {signed(found.high)}"
    p = MISSING if found.p is None else f"{found.p:.3f}"
    texts = (dataset, part, one[0], other[0], signed(found.difference), interval, p, found.warning or "")
    yield tuple(map(Cell, texts))


def difference(report: ExperimentReport, one: Sequence[Result], other: Sequence[Result]) -> Difference | None:
    """Compare two systems' results over the seeds that both have; None where there is none."""
    first, second = ({result.run.seed: result for result in results if report.score(result)} for results in (one, other))
    seeds = [seed for seed in first if seed in second]
    scores = [f1_over_seeds(report, [by_seed[seed] for seed in seeds]) for by_seed in (first, second)]
    if scores[0] is None or scores[1] is None:
        return None
    outcomes = [[by_seed[seed].outcomes for seed in seeds] for by_seed in (first, second)]
    known: list[list[Outcomes]] = [[each for each in run if each is not None] for run in outcomes]
    tested = report.header.plan.score_split == "test" and all(len(run) == len(seeds) for run in known)
    return compare(scores[0], scores[1], (known[0], known[1]) if tested else None)


def _transfers_table(report: ExperimentReport) -> Table | None:
    rows = []
    moved = [result for result in report.results.values() if result.run.source is not None]
    for system, source, dataset, settings in dict.fromkeys((r.run.system, r.run.source or "", r.run.dataset, _grid(r)) for r in moved):
        with_it = [r for r in moved if (r.run.system, r.run.source, r.run.dataset, _grid(r)) == (system, source, dataset, settings)]
        without = [r for r in report.main if (r.run.system, r.run.dataset, _grid(r)) == (system, dataset, settings)]
        found = difference(report, with_it, without)
        label = ReportRow(system, "all", settings).label
        texts = [label, f"{source} → {dataset}", *(percent(f1_over_seeds(report, results)) for results in (without, with_it))]
        texts += [MISSING, ""] if found is None else [signed(found.difference), found.warning or ""]
        name = report.header.plan.systems[system].published or system
        texts.append("{} → {} ({})".format(*TABLE_3[name, source, dataset]) if (name, source, dataset) in TABLE_3 else MISSING)
        rows.append(tuple(map(Cell, texts)))
    columns = ("system", "from → to", "F1 without", "F1 with", "difference", "beware", "published F1")
    return Table("transfers", "Transfers", columns, rows, [Message("table-transfers")])


def _grid(result: Result) -> tuple[tuple[str, str], ...]:
    return tuple(result.run.settings.items())


def _published_table(report: ExperimentReport) -> Table:
    rows = []
    for row in (row for row in report.rows() if row.part == "all"):
        for dataset in report.datasets:
            results = report.of_row(row, dataset)
            name = report.header.plan.systems[row.system].published or row.system
            printed = find_published(name, dataset)
            if printed is None or not results or report.header.plan.score_split != "test":
                continue
            ours = [_over([getattr(r.test, metric) for r in results if r.test]) for metric in METRICS]
            texts = [row.label, dataset, *map(percent, ours), printed.precision, printed.recall, printed.f1]
            texts += [
                f"{100 * ours[2].mean - float(printed.f1):+.2f}" if ours[2] else MISSING,
                "; ".join(compare_conditions(name, results[0])),
            ]
            rows.append(tuple(map(Cell, texts)))
    columns = ("system", "data", "P", "R", "F1", "published P", "published R", "published F1", "F1 less published", "conditions")
    return Table("published", "Beside the published scores", columns, rows, [Message("table-published")])


def _runs_table(report: ExperimentReport) -> Table:
    rows = []
    for name, result in report.results.items():
        score = report.score(result) or result.dev
        numbers = [f"{100 * getattr(score, metric):.2f}" if score else MISSING for metric in METRICS]
        shuffled = f"{100 * result.shuffled.f1:.2f}" if result.shuffled else MISSING
        rows.append(tuple(map(Cell, (name, *numbers, shuffled, str(result.best_epoch), f"{result.seconds:.0f}"))))
    columns = ("run", "P", "R", "F1", "shuffled F1", "best epoch", "seconds")
    return Table("runs", "Runs", columns, rows, [Message("table-runs")])


def _search_table(report: ExperimentReport) -> Table:
    rows: list[tuple[Cell, ...]] = []
    trials = [result for result in report.results.values() if result.trial]
    keys = list(dict.fromkeys(key for result in trials for key in result.run.settings))
    for system, dataset in dict.fromkeys((result.run.system, result.run.dataset) for result in trials):
        own = [result for result in trials if (result.run.system, result.run.dataset) == (system, dataset)]
        own.sort(key=lambda result: -1.0 if result.dev is None else result.dev.f1, reverse=True)
        for place, result in enumerate(own):
            found = Message("table-pruned") if result.dev is None else f"{100 * result.dev.f1:.2f}"
            number = str(result.trial.number) if result.trial else ""
            texts = (system, dataset, number, *(result.run.settings.get(key, "") for key in keys))
            rows.append((*map(Cell, texts), Cell(found, bold=place == 0 and result.dev is not None)))
    columns = ("system", "data", "trial", *keys, "dev F1")
    return Table("search", f"{report.header.plan.title}: trials, best first", columns, rows, [Message("table-search")])


def _unfinished(names: Sequence[str], runs: int) -> Message:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return Message("report-unfinished", missing=len(names), runs=runs, names=names[:5], more=more)
