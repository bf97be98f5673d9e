"""Measure how the time of a prediction grows with examples, text length, objects and batch size.

    python benchmarks/scaling.py                                        # bert-base; a tiny model for the stream of
    examples python benchmarks/scaling.py --shape tiny --most 2048 --turns 1     # seconds

Processor seconds, the best of some rounds over all sizes. Writes scaling.json and a part of results/scaling.md.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import report
from predict_speed import save
from subject import SHAPES, Shape, make_subject
from turns import Stopwatch, memory

if TYPE_CHECKING:
    from hvpkit.inference.predictor import Predictor

FEWEST, MOST = 1024, 65536
WORDS = (8, 16, 32, 64, 128, 256, 512)
OBJECTS = (0, 1, 2, 4, 8)
BATCHES = (1, 2, 4, 8, 16, 32)


def open_predictor(folder: Path, shape: Shape, texts: Path | None, size: int, objects: int) -> Predictor:
    """Write data and a model for a number of objects to `folder`; return its predictor."""
    import hvpkit

    subject = make_subject(
        folder, "mner", shape, texts=texts, size=size, images=8, settings=[f"vision.max_objects={objects}"]
    )
    return hvpkit.load(save(subject, folder / "model"))


def asked(predictor: Predictor, folder: Path, imaged: bool = True) -> list[dict[str, Any]]:
    """Return the training examples of `folder` as inputs of a predictor."""
    from hvpkit.data.prepared import open_prepared

    examples = open_prepared(folder / "twitter2017").examples("train")
    return [{"tokens": list(example.words), "image": example.image if imaged else None} for example in examples]


# -----------------------------------------------------------------------------------------------------------------
# measured
def stream(predictor: Predictor, given: Sequence[dict[str, Any]], fewest: int, most: int) -> list[dict[str, float]]:
    """Predict `most` examples as a stream; return time and memory at `fewest` and at each doubling."""
    rows, due = [], fewest
    watch = Stopwatch()
    for number, _ in enumerate(predictor.predict_many(islice(cycle(given), most)), 1):
        if number == due:
            rows.append(
                {"examples": number, "cpu_seconds": round(watch.read().cpu_seconds, 2), "own_mb": memory()["own"]}
            )
            due *= 2
    return rows


def sizes(column: str, works: dict[int, Callable[[], int]], turns: int) -> list[dict[str, float]]:
    """Alternate the work of all sizes; return the best time per example and its rate.

    Work returns its number of examples.
    """
    best = dict.fromkeys(works, float("inf"))
    for turn in range(turns + 1):  # the first one is a warm-up
        for size, work in works.items():
            watch = Stopwatch()
            examples = work()
            if turn:
                best[size] = min(best[size], watch.read().cpu_seconds / examples)
    return [
        {column: size, "seconds": round(seconds, 4), "examples_a_second": round(1 / seconds, 2)}
        for size, seconds in best.items()
    ]


def consume(answers: Iterator[object]) -> int:
    """Count predictions; raise the error of a failed one."""
    count = 0
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
        count += 1
    return count


def lengths(predictor: Predictor, given: Sequence[dict[str, Any]], turns: int) -> list[dict[str, float]]:
    """Measure texts of several lengths without images; those beyond max_length are read in windows."""
    every = cycle([word for one in given for word in one["tokens"]])
    texts = {words: [{"tokens": list(islice(every, words))} for _ in range(4)] for words in WORDS}
    return sizes(
        "words",
        {words: (lambda some=some: consume(predictor.predict_many(some, 4))) for words, some in texts.items()},
        turns,
    )


def objects(
    predictor: Predictor, given: Sequence[dict[str, Any]], crops: Sequence[Path], turns: int
) -> list[dict[str, float]]:
    """Measure pairs with several numbers of objects."""
    some = {count: [one | {"objects": list(crops[:count])} for one in given[:4]] for count in OBJECTS}
    return sizes(
        "objects",
        {count: (lambda these=these: consume(predictor.predict_many(these, 4))) for count, these in some.items()},
        turns,
    )


def batches(predictor: Predictor, given: Sequence[dict[str, Any]], turns: int) -> list[dict[str, float]]:
    """Measure the same texts without images in several batch sizes."""
    return sizes(
        "batch size",
        {size: (lambda size=size: consume(predictor.predict_many(given, size))) for size in BATCHES},
        turns,
    )


# -----------------------------------------------------------------------------------------------------------------
# reported
COLUMNS = {
    "cpu_seconds": "CPU seconds",
    "own_mb": "private MB",
    "seconds": "CPU seconds per example",
    "examples_a_second": "examples/s",
}


def section(found: dict[str, Any]) -> str:
    """Format the generated part of results/scaling.md."""
    about = (
        f"Machine: {report.describe_machine(found['machine'])}. The stream of examples uses the tiny shape without images, "  # noqa: E501
        f"everything else the shape {found['shape']}."
    )
    lines = [report.wrap(about)]
    for title, rows in found["tables"].items():
        columns = [COLUMNS.get(column, column) for column in rows[0]]
        lines += ["", f"### {title}", "", report.table(columns, [list(row.values()) for row in rows])]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--texts",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder with the text files of Twitter-2017 (synthetic texts)",
    )
    parser.add_argument("--shape", choices=SHAPES, default="base", help="shape of the model (base)")
    parser.add_argument(
        "--fewest", type=int, default=FEWEST, help=f"examples of the stream at the first measurement ({FEWEST})"
    )
    parser.add_argument("--most", type=int, default=MOST, help=f"examples of the stream ({MOST})")
    parser.add_argument("--turns", type=int, default=3, help="counted rounds (3)")
    parser.add_argument("--threads", type=int, default=1, help="threads (1)")
    parser.add_argument("--out", type=Path, default=report.HERE, help="folder for JSON and page (benchmarks/)")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    tables: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="hvp-scaling-") as place:
        small, large = Path(place) / "small", Path(place) / "large"
        tiny = open_predictor(small, SHAPES["tiny"], given.texts, 1000, 3)
        tables["Time by number of examples"] = stream(tiny, asked(tiny, small, imaged=False), given.fewest, given.most)
        predictor = open_predictor(large, SHAPES[given.shape], given.texts, 64, max(OBJECTS))
        bare = asked(predictor, large, imaged=False)[:32]
        tables["Time by text length"] = lengths(predictor, bare, given.turns)
        tables["Time by number of objects"] = objects(
            predictor, asked(predictor, large), sorted((large / "objects").iterdir()), given.turns
        )
        tables["Throughput by batch size"] = batches(predictor, bare, given.turns)
    found = {"machine": report.machine(given.threads), "shape": given.shape, "tables": tables}
    print(report.write(given.out, "scaling", "scaling", found, section(found)))


if __name__ == "__main__":
    main()
