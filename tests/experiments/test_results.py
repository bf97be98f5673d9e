from __future__ import annotations

import json
import resource
import signal

from experiments import plans
from raising import raises

from hvpkit.errors import HvpkitError, InputError, PlanError
from hvpkit.experiments.results import FILE, Header, ResultsFile, open_results, read_results

RUNS = [plans.planned("a", 1), plans.planned("a", 2), plans.planned("b", 1)]
HEADER = Header(plans.plan(), tuple(run.name for run in RUNS))
FOUND = [plans.result(run, [(1, 1, 2), (0, 1, 1)]) for run in RUNS]


def filled(folder, results=FOUND) -> ResultsFile:
    file = ResultsFile(folder, HEADER, [])
    for result in results:
        file.add(result)
    return file


def test_results_are_read_as_they_were_written(tmp_path):
    filled(tmp_path)
    header, results = read_results(tmp_path)
    assert header.plan == HEADER.plan and header.runs == HEADER.runs
    assert results == FOUND


def test_truncated_line_is_dropped_and_the_file_is_continued(tmp_path):
    filled(tmp_path)
    text = (tmp_path / FILE).read_text()
    for cut in (1, 40, len(text.splitlines()[-1])):
        (tmp_path / FILE).write_text(text[:-cut])
        assert read_results(tmp_path)[1] == FOUND[:2]
        open_results(tmp_path, HEADER, RUNS, {}).add(FOUND[2])
        assert (tmp_path / FILE).read_text() == text


def test_damaged_line_is_reported_with_its_number(tmp_path):
    filled(tmp_path)
    lines = (tmp_path / FILE).read_text().splitlines()
    (tmp_path / FILE).write_text("\n".join([*lines[:2], lines[2][:50], lines[3]]) + "\n")
    with raises(PlanError, "results-line-damaged", file=tmp_path / FILE, line=3):
        read_results(tmp_path)


def test_another_version_is_refused_with_what_to_do(tmp_path):
    filled(tmp_path)
    header, *rest = (tmp_path / FILE).read_text().splitlines()
    (tmp_path / FILE).write_text(
        "\n".join([json.dumps(json.loads(header) | {"format": 99, "hvpkit": "7.0"}), *rest]) + "\n"
    )
    with raises(PlanError, "results-format", file=tmp_path / FILE, found=99, writer="7.0", expected=2):
        read_results(tmp_path)
    with raises(PlanError, "results-missing", folder=tmp_path / "nowhere", file=FILE):
        read_results(tmp_path / "nowhere")


def test_a_file_without_a_sound_header_is_refused(tmp_path):
    (tmp_path / FILE).touch()
    with raises(PlanError, "results-empty", file=tmp_path / FILE, folder=tmp_path):
        read_results(tmp_path)
    (tmp_path / FILE).write_text("{}\n", encoding="utf-8")
    with raises(PlanError, "results-header-damaged", file=tmp_path / FILE, reason="'format'"):
        read_results(tmp_path)


def mixed_in(folder, runs, fingerprints) -> list[dict[str, str]]:
    """Return the settings that differ where results are opened for other runs."""
    with raises(InputError, "run-mismatch", folder=folder, run="a.people.1.0.seed1") as error:
        open_results(folder, HEADER, runs, fingerprints)
    return [difference.fields for difference in error.value.fields["differences"]]


def test_runs_of_another_recipe_other_plugins_or_other_data_are_not_mixed_in(tmp_path):
    filled(tmp_path)
    changed = [RUNS[0].model_copy(update={"recipe": "task: mre\n"}), *RUNS[1:]]
    recipe = {"key": "recipe.task", "before": "mner", "now": "mre"}
    plugin = {"key": "plugins.gate even", "before": "unset", "now": "even.py (file, sha256 1)"}
    data = {"key": "data", "before": "f" * 16, "now": "e" * 16}
    assert mixed_in(tmp_path, changed, {}) == [recipe]
    changed_plugin = [RUNS[0].model_copy(update={"plugins": {"gate even": "even.py (file, sha256 1)"}}), *RUNS[1:]]
    assert mixed_in(tmp_path, changed_plugin, {}) == [plugin]
    assert mixed_in(tmp_path, changed, {"people": "e" * 16}) == [data, recipe]
    assert mixed_in(tmp_path, RUNS, {"people": "e" * 16}) == [data]
    assert open_results(tmp_path, HEADER, RUNS, {"people": "f" * 16}).results == FOUND


def test_a_full_disk_loses_nothing(tmp_path):
    """A limit on the size of files stands for it: writing ends in the middle of a line."""
    file = filled(tmp_path, FOUND[:2])
    before = (tmp_path / FILE).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
        with raises(HvpkitError, "results-unwritable", file=tmp_path / FILE):
            file.add(FOUND[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        with raises(HvpkitError, "results-unwritable", file=tmp_path / FILE):
            open_results(tmp_path, HEADER, RUNS, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    open_results(tmp_path, HEADER, RUNS, {}).add(FOUND[2])
    assert read_results(tmp_path)[1] == FOUND
