"""Tables of a report: scores with controls, seeds, differences, transfers, published scores and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hvpkit.experiments.published_scores import compare_conditions, find_published, find_published_transfer
from hvpkit.experiments.results import Header, Outcomes, Result, RunScore, read_results
from hvpkit.experiments.seed_statistics import Difference, SeedStatistics, compare, seed_statistics
from hvpkit.experiments.tables import Cell, Table, mark_best
from hvpkit.messages import Message
from hvpkit.utils.percent import format_difference, format_score

METRICS = ("precision", "recall", "f1")
METRIC_COLUMNS = ("P", "R", "F1")  # column names of METRICS
MISSING = "-"


@dataclass(frozen=True)
class ReportRow:
    """One row of the score table.

    Attributes:
        system: Name of the system.
        training_size: Size of the training set, such as "all", "10%" or "4 shots".
        settings: Values of the grid point, by recipe key.
    """

    system: str
    training_size: str
    settings: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """System and settings in one text."""
        return ", ".join([self.system, *(f"{key}={value}" for key, value in self.settings)])


@dataclass(frozen=True)
class ExperimentReport:
    """Results of an experiment and the tables made from them.

    Attributes:
        header: Plan and names of its runs.
        results: Results by run name, in the order of the plan.
    """

    header: Header
    results: dict[str, Result]

    @classmethod
    def from_folder(cls, folder: Path) -> ExperimentReport:
        """Read the results of a folder.

        Raises:
            PlanError: As `read_results` raises it.
        """
        header, results = read_results(folder)
        by_name = {result.run.name: result for result in results}
        return cls(header, {name: by_name[name] for name in header.runs if name in by_name})

    @property
    def missing(self) -> list[str]:
        """Names of the runs that are not finished."""
        return [name for name in self.header.runs if name not in self.results]

    def tables(self) -> list[Table]:
        """Build every table for which there are results."""
        if self.header.plan.search is not None:
            return [_search_table(self), *([_runs_table(self)] if self.results else [])]
        builders = (_scores_table, _seeds_table, _differences_table, _transfers_table, _published_table, _runs_table)
        return [table for table in (build(self) for build in builders) if table is not None and table.rows]

    def notes(self) -> list[str]:
        """Return notes on data, seeds, encoders and unfinished runs."""
        results = list(self.results.values())
        lines: list[str] = []
        for name in dict.fromkeys(result.run.dataset for result in results):
            data = next((r.data for r in results if r.run.dataset == name and r.data.fingerprint), None)
            if data is not None:
                dev, test = data.examples["dev"], data.examples["test"]
                lines.append(Message("report-data", dataset=name, fingerprint=data.fingerprint, dev=dev, test=test))
        seeds = self.header.plan.seeds
        encoders = list(dict.fromkeys(result.encoder for result in results if result.encoder))
        if any(not result.data.examples.get("dev") for result in self.main_results):
            lines.append(Message("report-last-epoch", seeds=seeds, encoders=encoders))
        else:
            lines.append(Message("report-best-epoch", seeds=seeds, encoders=encoders))
        lines += dict.fromkeys(note for result in results for note in result.notes)
        return [*lines, *([_unfinished_runs_note(self.missing, len(self.header.runs))] if self.missing else [])]

    @property
    def main_results(self) -> list[Result]:
        """Results that the rows of the tables are about: no controls, transfers or trials."""
        return [r for r in self.results.values() if not r.run.is_control and r.run.source is None and r.trial is None]

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets with results, in the order of the plan."""
        with_results = {result.run.dataset for result in self.results.values()}
        return [name for name in self.header.plan.datasets if name in with_results]

    def rows(self) -> list[ReportRow]:
        """List the rows with results: by training set size, systems in the order of the plan."""
        rows = dict.fromkeys(to_row(result) for result in self.main_results)
        plan = self.header.plan
        labels = [*map(_fraction_label, plan.fractions), *map(_shots_label, plan.shots)]
        training_sizes = list(dict.fromkeys(labels))
        return sorted(
            rows,
            key=lambda row: (
                training_sizes.index(row.training_size) if row.training_size in training_sizes else len(training_sizes)
            ),
        )

    def results_for(self, row: ReportRow, dataset: str) -> list[Result]:
        """Return the results of a row on a dataset, one per seed."""
        return [result for result in self.main_results if to_row(result) == row and result.run.dataset == dataset]

    def score(self, result: Result) -> RunScore | None:
        """Return the score of a result on the split that the plan is about."""
        return result.test if self.header.plan.score_split == "test" else result.dev

    def controls(self, results: Sequence[Result]) -> list[Result]:
        """Return the results of the text-only controls of these runs, where finished."""
        return [self.results[result.run.control] for result in results if result.run.control in self.results]


def to_row(result: Result) -> ReportRow:
    """Return the row that a result belongs to."""
    run = result.run
    training_size = _fraction_label(run.fraction) if run.shots is None else _shots_label(run.shots)
    return ReportRow(run.system, training_size, tuple(run.settings.items()))


def _fraction_label(fraction: float) -> str:
    return "all" if fraction == 1.0 else f"{100 * fraction:g}%"


def _shots_label(shots: int) -> str:
    return f"{shots} shots"


def mean_and_spread(statistics: SeedStatistics | None) -> str:
    """Format the mean±standard deviation in percent, or the score of one seed."""
    if statistics is None:
        return MISSING
    spread = "" if statistics.spread is None else f"±{format_score(statistics.spread)}"
    return format_score(statistics.mean) + spread


def f1_over_seeds(report: ExperimentReport, results: Sequence[Result]) -> SeedStatistics | None:
    """Compute F1 of results over their seeds; None without scores."""
    return _statistics_or_none([score.f1 for result in results if (score := report.score(result)) is not None])


def _statistics_or_none(values: Sequence[float]) -> SeedStatistics | None:
    return seed_statistics(values) if values else None


def _scores_table(report: ExperimentReport) -> Table:
    plan, rows, columns = report.header.plan, report.rows(), _ScoreColumns(report)
    names = [(dataset, name) for dataset in report.datasets for name, _ in columns.get(dataset)]
    table_rows: list[tuple[Cell, ...]] = []
    for training_size in dict.fromkeys(row.training_size for row in rows):
        rows_of_size = [row for row in rows if row.training_size == training_size]
        scores = [
            [score(row) for dataset in report.datasets for _, score in columns.get(dataset)] for row in rows_of_size
        ]
        cells = [
            [*_row_cells(report, row), *(Cell(mean_and_spread(score)) for score in row_scores)]
            for row, row_scores in zip(rows_of_size, scores, strict=True)
        ]
        compared = [
            [
                score.mean if score and name in METRIC_COLUMNS else None
                for score, (_, name) in zip(row_scores, names, strict=True)
            ]
            for row_scores in scores
        ]
        table_rows += mark_best(cells, compared, format_score)
    notes = [Message("table-scores", split=plan.score_split)]
    if "text-only" in plan.controls:
        notes.append(Message("table-text-only"))
    if "shuffled-images" in plan.controls:
        notes.append(Message("table-shuffled"))
    return Table("scores", f"{plan.title}: scores", (*_row_columns(report), *map(" ".join, names)), table_rows, notes)


class _ScoreColumns:
    """The score columns of a dataset: a name, and a function from a row to its score."""

    def __init__(self, report: ExperimentReport) -> None:
        self.report = report

    def get(self, dataset: str) -> list[tuple[str, Callable[[ReportRow], SeedStatistics | None]]]:
        def metric(name: str) -> Callable[[ReportRow], SeedStatistics | None]:
            def over_seeds(row: ReportRow) -> SeedStatistics | None:
                scores = map(self.report.score, self.report.results_for(row, dataset))
                return _statistics_or_none([getattr(score, name) for score in scores if score])

            return over_seeds

        def text_only(row: ReportRow) -> SeedStatistics | None:
            return f1_over_seeds(self.report, self.report.controls(self.report.results_for(row, dataset)))

        def shuffled(row: ReportRow) -> SeedStatistics | None:
            return _statistics_or_none(
                [result.shuffled.f1 for result in self.report.results_for(row, dataset) if result.shuffled]
            )

        controls = {"text-only": ("text-only F1", text_only), "shuffled-images": ("shuffled F1", shuffled)}
        control_columns = [controls[name] for name in dict.fromkeys(self.report.header.plan.controls)]
        return [*zip(METRIC_COLUMNS, map(metric, METRICS), strict=True), *control_columns]


def _row_columns(report: ExperimentReport) -> tuple[str, ...]:
    rows = report.rows()
    training_size = ("training set",) if any(row.training_size != "all" for row in rows) else ()
    return ("system", *training_size, *dict.fromkeys(key for row in rows for key, _ in row.settings))


def _row_cells(report: ExperimentReport, row: ReportRow) -> list[Cell]:
    values = {"system": row.system, "training set": row.training_size} | dict(row.settings)
    return [Cell(values.get(column, "")) for column in _row_columns(report)]


def _seeds_table(report: ExperimentReport) -> Table:
    rows = []
    for row in report.rows():
        for dataset in report.datasets:
            results = [result for result in report.results_for(row, dataset) if report.score(result)]
            statistics = f1_over_seeds(report, results)
            if statistics is not None:
                by_seed = ", ".join(f"{r.run.seed}: {format_score(s.f1)}" for r in results if (s := report.score(r)))
                interval = (
                    MISSING
                    if statistics.low is None or statistics.high is None
                    else f"{format_score(statistics.low)} to {format_score(statistics.high)}"
                )
                rows.append(
                    (
                        *_row_cells(report, row),
                        Cell(dataset),
                        Cell(mean_and_spread(statistics)),
                        Cell(interval),
                        Cell(by_seed),
                    )
                )
    columns = (*_row_columns(report), "data", "F1", "95% interval of the mean", "by seed")
    return Table("seeds", "F1 over seeds", columns, rows, [Message("table-seeds")])


def _differences_table(report: ExperimentReport) -> Table:
    rows: list[tuple[Cell, ...]] = []
    reference = report.header.plan.reference
    for dataset in report.datasets:
        for training_size in dict.fromkeys(row.training_size for row in report.rows()):
            rows_of_size = [
                row for row in report.rows() if row.training_size == training_size and report.results_for(row, dataset)
            ]
            first = next(
                (row for row in rows_of_size if row.system == reference), rows_of_size[0] if rows_of_size else None
            )
            for row in rows_of_size:
                results = report.results_for(row, dataset)
                if first is not None and row != first:
                    rows += _difference_rows(
                        report,
                        training_size,
                        dataset,
                        (row.label, results),
                        (first.label, report.results_for(first, dataset)),
                    )
                if controls := report.controls(results):
                    text_only = Message("table-own-text-only")
                    rows += _difference_rows(
                        report, training_size, dataset, (row.label, results), (text_only, controls)
                    )
    columns = ("data", "training set", "first", "second", "F1", "95%", "p", "warning")
    return Table("differences", "Differences", columns, rows, [Message("table-differences")])


def _difference_rows(
    report: ExperimentReport,
    training_size: str,
    dataset: str,
    first: tuple[str, list[Result]],
    second: tuple[str, list[Result]],
) -> Iterator[tuple[Cell, ...]]:
    result = compare_over_seeds(report, first[1], second[1])
    if result is None:
        return
    interval = (
        MISSING
        if result.low is None or result.high is None
        else f"{format_difference(result.low)} to {format_difference(result.high)}"
    )
    p = MISSING if result.p is None else f"{result.p:.3f}"
    texts = (
        dataset,
        training_size,
        first[0],
        second[0],
        format_difference(result.difference),
        interval,
        p,
        result.warning or "",
    )
    yield tuple(map(Cell, texts))


def compare_over_seeds(
    report: ExperimentReport, first: Sequence[Result], second: Sequence[Result]
) -> Difference | None:
    """Compare the results of two systems over the seeds that both have; None without a common seed."""
    first_by_seed, second_by_seed = (
        {result.run.seed: result for result in results if report.score(result)} for results in (first, second)
    )
    seeds = [seed for seed in first_by_seed if seed in second_by_seed]
    scores = [f1_over_seeds(report, [by_seed[seed] for seed in seeds]) for by_seed in (first_by_seed, second_by_seed)]
    if scores[0] is None or scores[1] is None:
        return None
    outcomes = [[by_seed[seed].outcomes for seed in seeds] for by_seed in (first_by_seed, second_by_seed)]
    known: list[list[Outcomes]] = [[counts for counts in by_seed if counts is not None] for by_seed in outcomes]
    is_paired = report.header.plan.score_split == "test" and all(len(by_seed) == len(seeds) for by_seed in known)
    return compare(scores[0], scores[1], (known[0], known[1]) if is_paired else None)


def _transfers_table(report: ExperimentReport) -> Table | None:
    rows = []
    transferred = [result for result in report.results.values() if result.run.source is not None]
    for system, source, dataset, settings in dict.fromkeys(
        (r.run.system, r.run.source or "", r.run.dataset, _grid_point(r)) for r in transferred
    ):
        with_transfer = [
            r
            for r in transferred
            if (r.run.system, r.run.source, r.run.dataset, _grid_point(r)) == (system, source, dataset, settings)
        ]
        without = [
            r
            for r in report.main_results
            if (r.run.system, r.run.dataset, _grid_point(r)) == (system, dataset, settings)
        ]
        effect = compare_over_seeds(report, with_transfer, without)
        label = ReportRow(system, "all", settings).label
        texts = [
            label,
            f"{source} → {dataset}",
            *(mean_and_spread(f1_over_seeds(report, results)) for results in (without, with_transfer)),
        ]
        texts += [MISSING, ""] if effect is None else [format_difference(effect.difference), effect.warning or ""]
        name = report.header.plan.systems[system].published or system
        published = find_published_transfer(name, source, dataset)
        texts.append(f"{published.before} → {published.after} ({published.difference})" if published else MISSING)
        rows.append(tuple(map(Cell, texts)))
    columns = ("system", "from → to", "F1 without", "F1 with", "difference", "warning", "published F1")
    return Table("transfers", "Transfers", columns, rows, [Message("table-transfers")])


def _grid_point(result: Result) -> tuple[tuple[str, str], ...]:
    return tuple(result.run.settings.items())


def _published_table(report: ExperimentReport) -> Table:
    rows = []
    for row in (row for row in report.rows() if row.training_size == "all"):
        for dataset in report.datasets:
            results = report.results_for(row, dataset)
            name = report.header.plan.systems[row.system].published or row.system
            published = find_published(name, dataset)
            if published is None or not results or report.header.plan.score_split != "test":
                continue
            scores = [_statistics_or_none([getattr(r.test, metric) for r in results if r.test]) for metric in METRICS]
            texts = [
                row.label,
                dataset,
                *map(mean_and_spread, scores),
                published.precision,
                published.recall,
                published.f1,
            ]
            texts += [
                f"{100 * scores[2].mean - float(published.f1):+.2f}" if scores[2] else MISSING,
                "; ".join(compare_conditions(name, results[0])),
            ]
            rows.append(tuple(map(Cell, texts)))
    columns = (
        "system",
        "data",
        "P",
        "R",
        "F1",
        "published P",
        "published R",
        "published F1",
        "F1 minus published",
        "conditions",
    )
    return Table("published", "Comparison with the published scores", columns, rows, [Message("table-published")])


def _runs_table(report: ExperimentReport) -> Table:
    rows = []
    for name, result in report.results.items():
        score = report.score(result) or result.dev
        numbers = [format_score(getattr(score, metric)) if score else MISSING for metric in METRICS]
        shuffled = format_score(result.shuffled.f1) if result.shuffled else MISSING
        rows.append(tuple(map(Cell, (name, *numbers, shuffled, str(result.best_epoch), f"{result.seconds:.0f}"))))
    columns = ("run", "P", "R", "F1", "shuffled F1", "best epoch", "seconds")
    return Table("runs", "Runs", columns, rows, [Message("table-runs")])


def _search_table(report: ExperimentReport) -> Table:
    rows: list[tuple[Cell, ...]] = []
    trials = [result for result in report.results.values() if result.trial]
    keys = list(dict.fromkeys(key for result in trials for key in result.run.settings))
    for system, dataset in dict.fromkeys((result.run.system, result.run.dataset) for result in trials):
        study = [result for result in trials if (result.run.system, result.run.dataset) == (system, dataset)]
        study.sort(key=lambda result: -1.0 if result.dev is None else result.dev.f1, reverse=True)
        for rank, result in enumerate(study):
            score = Message("table-pruned") if result.dev is None else format_score(result.dev.f1)
            number = str(result.trial.number) if result.trial else ""
            texts = (system, dataset, number, *(result.run.settings.get(key, "") for key in keys))
            rows.append((*map(Cell, texts), Cell(score, bold=rank == 0 and result.dev is not None)))
    columns = ("system", "data", "trial", *keys, "dev F1")
    return Table("search", f"{report.header.plan.title}: trials, best first", columns, rows, [Message("table-search")])


def _unfinished_runs_note(names: Sequence[str], runs: int) -> Message:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return Message("report-unfinished", missing=len(names), runs=runs, names=names[:5], more=more)
