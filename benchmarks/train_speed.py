"""Measure training of the shipped recipe against the same model trained as the code of 2022 did.

    python benchmarks/train_speed.py                             # synthetic texts python benchmarks/train_speed.py
    --texts DIR                 # Twitter-2017 and MNRE, where DIR contains their text files python
    benchmarks/train_speed.py --task mner --shape tiny    # a part, in seconds

All settings train through the shipped trainer, each in its own process, in rounds of a few steps. Writes
train_speed.json, on a GPU train_speed_gpu.json, and a part of results/train_speed.md. Speeds are examples per second of
processor time (with `--clock wall`, and on a GPU: of wall time).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import report
from subject import SHAPES, Subject, make_subject, without_dropout
from turns import Player, Spent, Stopwatch, memory, questions

SETTINGS = ("2022", "fp32", "bf16")
TF32 = "2022, TF32"  # the default of torch at that time, on GPUs that support it
MATRIX = 1536
WARM_UP = (
    2  # steps that are not counted; the second has the longest batch, so that the peak of memory is that of an epoch
)
SETTLED = 200  # on a GPU: steps until the shapes of batches are captured
CURVE = 20  # steps whose losses are compared


# --------------------------------------------------------------------------------------------------------- in a process
# each
@dataclass(frozen=True)
class Block:
    """Result of a round: losses of its steps (if they are recorded), examples, positions without padding, time."""

    losses: tuple[float, ...]
    examples: int
    positions: int
    spent: Spent


class LongestSecond:
    """Sampler of a trainer with the longest batch as the second one, for texts of `lengths`."""

    def __init__(self, sampler: Any, lengths: Sequence[int], batch_size: int) -> None:  # noqa: ANN401 - transformers comes late
        self.sampler, self.lengths, self.batch_size = sampler, lengths, batch_size

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        order, size = list(self.sampler), self.batch_size
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        longest = max(batches, key=lambda batch: (len(batch), max(self.lengths[place] for place in batch)))
        rest = [batch for batch in batches if batch is not longest]
        return iter([place for batch in (*rest[:1], longest, *rest[1:]) for place in batch])


class Enough(Exception):
    """No further steps are requested."""


def train(pipe: Connection, subject: Subject, setting: str, folder: Path, same_batches: bool = False) -> None:
    """Train with the shipped trainer, in rounds of as many steps as `pipe` requests; send a Block each.

    And memory at the end.
    """
    import torch
    from transformers.trainer_utils import SaveStrategy

    from as_in_2022 import trainer_of_2022
    from hvpkit.registry import load_registry
    from hvpkit.training.acceleration.accelerated import accelerated
    from hvpkit.training.fit import build_trainer
    from hvpkit.training.scoring import SplitScorer
    from hvpkit.training.session import setup

    torch.backends.cuda.matmul.allow_tf32 = setting == TF32
    with ExitStack() as stack:
        if setting in ("2022", TF32):
            trainer = trainer_of_2022(subject.recipe, subject.data, folder, same_batches)
        else:
            session = setup(subject.recipe, load_registry(), subject.data)
            step = stack.enter_context(accelerated(session.model, subject.recipe.train))
            scorer = SplitScorer(session.model, session.batcher, session.examples)
            trainer = build_trainer(session, scorer, folder, step, [])
        trainer.args.save_strategy = SaveStrategy.NO
        if not same_batches:
            lengths = trainer.train_dataset.lengths  # type: ignore[union-attr]
            trainer.sampler = LongestSecond(trainer.sampler, lengths, subject.recipe.train.batch_size)  # type: ignore
        trainer.add_callback(_turns(pipe, trainer, watch=same_batches))
        try:
            trainer.train()
        except Enough:
            return


def _turns(pipe: Connection, trainer: Any, watch: bool) -> Any:  # noqa: ANN401 - transformers comes late
    from transformers import TrainerCallback

    class Turns(TrainerCallback):
        """Wait before a step until steps are requested; read values from a GPU only after the steps."""

        def __init__(self) -> None:
            self.asked, self.left = questions(pipe), 0
            self.losses: list[Any] = []
            self.positions: list[Any] = []
            self.examples = 0
            self.step = trainer.training_step
            trainer.training_step = self.counted

        def counted(self, model: Any, inputs: dict[str, Any], *others: Any) -> Any:  # noqa: ANN401 - the library's signature
            mask = inputs["batch"].text.mask
            self.examples += len(mask)
            self.positions.append(mask.sum())
            loss = self.step(model, inputs, *others)
            if watch:
                self.losses.append(loss)
            return loss

        def on_step_begin(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - the library's signature
            while not self.left:
                question = next(self.asked, None)
                if question is None:
                    raise Enough
                if question == "memory":
                    pipe.send(memory())
                elif question == "captured_steps":
                    pipe.send(len(getattr(trainer.step, "captured_steps", ())))
                else:
                    self.left, self.watch = question, Stopwatch()

        def on_step_end(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - the library's signature
            self.left -= 1
            if not self.left:
                spent = self.watch.read()
                pipe.send(Block(tuple(map(float, self.losses)), self.examples, sum(map(int, self.positions)), spent))
                self.losses, self.examples, self.positions = [], 0, []

    return Turns()


def yardstick(pipe: Connection, subject: Subject, sample: int = 16) -> None:
    """Send FLOPs per second of large matrix products in the precision of a setting, by processor time and by wall time.

    Products use the library of the setting: oneDNN in float32 for the shipped one, where that is exact. The request
    "work" is answered with `work_of` a sample.
    """
    import torch

    from hvpkit.training.acceleration.cpu import onednn_matmul

    device, times = ("cuda", 20) if torch.cuda.is_available() else ("cpu", 3)
    size = 4 * MATRIX if device == "cuda" else MATRIX
    for question in questions(pipe):
        if question == "work":
            pipe.send(work_of(subject, sample))
            continue
        a, b = torch.randn(2, size, size, device=device, dtype=torch.bfloat16 if question == "bf16" else torch.float32)
        torch.backends.cuda.matmul.allow_tf32 = question == TF32
        with onednn_matmul() if question == "fp32" else nullcontext():
            a @ b
            watch = Stopwatch()
            for _ in range(times):
                a @ b
            spent, flops = watch.read(), 2 * size**3 * times
        pipe.send((flops / spent.cpu_seconds, flops / spent.seconds))


def work_of(subject: Subject, sample: int) -> tuple[float, float]:
    """Return mean FLOPs and positions of a training example over `sample` examples, without padding.

    With cached features.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from hvpkit.registry import load_registry
    from hvpkit.training.distributed import local_device
    from hvpkit.training.session import setup

    run = setup(subject.recipe, load_registry(), subject.data)
    run.model.to(local_device())
    flops, positions = [], []
    for example in run.examples["train"][:sample]:
        batch = run.batcher.collate([run.batcher.encode(example, labeled=True)]).to(local_device())
        with FlopCounterMode(display=False) as counter:
            loss = run.model(batch).loss
            assert loss is not None
            loss.backward()
        flops.append(counter.get_total_flops())
        positions.append(batch.text.mask.numel())
    return statistics.fmean(flops), statistics.fmean(positions)


# ------------------------------------------------------------------------------------------------------------------
# compared
@dataclass(frozen=True)
class Plan:
    """What to measure: settings, blocks per setting, steps per block (`steps_of_2022` for 2022), steps before.

    Threads.
    """

    settings: tuple[str, ...]
    blocks: int
    steps: int
    threads: int
    curve: int = CURVE
    clock: str = "cpu"
    steps_of_2022: int = 1
    settling: int = 0

    def seconds(self, block: Block) -> float:
        return block.spent.cpu_seconds / self.threads if self.clock == "cpu" else block.spent.seconds


def measure(subject: Subject, plan: Plan, folder: Path) -> dict[str, Any]:
    """Train all settings in rounds; return rates, memory, and the fraction of the limit."""
    blocks: dict[str, list[Block]] = {name: [] for name in plan.settings}
    products: dict[str, list[float]] = {name: [] for name in plan.settings}
    settling: dict[str, Any] = {}
    with ExitStack() as stack:
        players = {
            name: stack.enter_context(Player(train, _precise(subject, name), name, folder / name, threads=plan.threads))
            for name in plan.settings
        }
        measuring = stack.enter_context(Player(yardstick, subject, threads=plan.threads))
        flops, positions = measuring.ask("work")
        for name, player in players.items():
            player.ask(WARM_UP)
            if plan.settling and name in ("fp32", "bf16"):
                seconds = player.ask(plan.settling).spent.seconds
                settling[name] = {
                    "steps": plan.settling,
                    "seconds": round(seconds, 2),
                    "captured_steps": player.ask("captured_steps"),
                }
            print(f"  {name} is warm", flush=True)
        for _ in range(plan.blocks):
            for name, player in players.items():
                blocks[name].append(player.ask(plan.steps if name in ("fp32", "bf16") else plan.steps_of_2022))
                by_processor, by_clock = measuring.ask(name)
                products[name].append(by_clock if plan.clock == "wall" else by_processor * plan.threads)
        peaks = {name: player.ask("memory") for name, player in players.items()}
    rates = {name: statistics.median(found) for name, found in products.items()}
    return {
        "gflop_a_position": round(flops / positions / 1e9, 3),
        "settings": {
            name: _summary(found, plan, rates[name] * positions / flops)
            | {"memory_mb": peaks[name], "matrix_gflops": round(rates[name] / 1e9, 1)}
            | ({"settling": settling[name]} if name in settling else {})
            for name, found in blocks.items()
        },
    }


def _precise(subject: Subject, setting: str) -> Subject:
    precision = "bf16" if setting == "bf16" else "fp32"
    train = subject.recipe.train.model_copy(update={"precision": precision})
    return Subject(subject.recipe.model_copy(update={"train": train}), subject.data)


def _summary(blocks: Sequence[Block], plan: Plan, limit: float) -> dict[str, Any]:
    """Summarize the rounds; `limit` is in positions per second."""
    examples, positions = (sum(getattr(block, what) for block in blocks) for what in ("examples", "positions"))
    seconds = sum(plan.seconds(block) for block in blocks)
    rates = [block.examples / plan.seconds(block) for block in blocks]
    return {
        "examples_a_second": round(examples / seconds, 3),
        "lowest": round(min(rates), 3),
        "highest": round(max(rates), 3),
        "share_of_limit": round(positions / seconds / limit, 3),
        "positions_an_example": round(positions / examples, 1),
    }


def curves(subject: Subject, plan: Plan, folder: Path) -> dict[str, Any]:
    """Train 2022 and fp32 on the same batches without dropout; return both loss curves and their largest difference."""
    fixed = without_dropout(subject, folder / "fixed-encoder")
    with ExitStack() as stack:
        players = {
            name: stack.enter_context(
                Player(train, _precise(fixed, name), name, folder / f"curve-{name}", True, threads=plan.threads)
            )
            for name in ("2022", "fp32")
        }
        losses: dict[str, tuple[float, ...]] = {name: player.ask(plan.curve).losses for name, player in players.items()}
    apart = max(abs(a - b) / abs(a) for a, b in zip(*losses.values(), strict=True))
    return {"steps": plan.curve, "largest_relative_difference": apart, "losses": losses}


# ------------------------------------------------------------------------------------------------------------------
# reported
def ratios(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Compute speed and peak memory of each setting relative to 2022."""
    base = found["settings"]["2022"]
    return {
        name: {
            "speed": round(each["examples_a_second"] / base["examples_a_second"], 2),
            "memory": round(each["memory_mb"]["peak"] / base["memory_mb"]["peak"], 2),
        }
        for name, each in found["settings"].items()
    }


def section(found: dict[str, Any]) -> str:
    """Format the generated part of results/train_speed.md."""
    clock = {"wall": "wall time", "cpu": "processor time"}[found["clock"]]
    about = (
        f"Data: {found['texts']}. Machine: {report.describe_machine(found['machine'])}. Examples per second of {clock} over "  # noqa: E501
        f"{found['blocks']} rounds (slowest to fastest round)."
    )
    rows, notes = [], []
    for run in found["runs"]:
        what = f"{run['task']}, {run['shape']}, batch {run['batch_size']}"
        rows += [(what, name, *_cells(setting, run["ratios"][name])) for name, setting in run["settings"].items()]
        notes += [f"- {what}: {note}" for note in _notes(run)]
    columns = (
        "model",
        "setting",
        "examples/s",
        "positions per example",
        "speed",
        "fraction of limit",
        "peak MB",
        "memory",
    )
    return "\n".join(
        [report.wrap(about), "", report.table(columns, rows), "", *(report.wrap(note, "  ") for note in notes)]
    )


def _cells(setting: dict[str, Any], ratio: dict[str, float]) -> tuple[object, ...]:
    rate = f"{setting['examples_a_second']:.2f} ({setting['lowest']:.2f} to {setting['highest']:.2f})"
    limit, peak = f"{setting['share_of_limit']:.3f}", setting["memory_mb"]["peak"]
    return rate, setting["positions_an_example"], f"{ratio['speed']:.2f}x", limit, peak, f"{ratio['memory']:.2f}"


def _notes(run: dict[str, Any]) -> Iterator[str]:
    """List further facts of a run: work per position, rates of products, captured graphs, distance of losses."""
    products = ", ".join(f"{setting['matrix_gflops']:.0f} ({name})" for name, setting in run["settings"].items())
    yield f"{run['gflop_a_position']} GFLOP per position; large matrix products at {products} GFLOP/s."
    for name, setting in run["settings"].items():
        if "settling" in setting:
            first = setting["settling"]
            graphs = f"`{name}` captured {first['captured_steps']} CUDA graphs"
            yield f"{graphs} in its first {first['steps']} steps ({first['seconds']} s)."
    if "curve" in run:
        difference, steps = run["curve"]["largest_relative_difference"], run["curve"]["steps"]
        yield (
            f"on the same {steps} batches, without dropout, the losses of `2022` and `fp32` differ by at most {difference:.1e} "  # noqa: E501
            "of their value."
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--texts", type=Path, default=None, metavar="DIR", help="folder with the text files of Twitter-2017 and MNRE"
    )
    parser.add_argument("--task", action="append", choices=("mner", "mre"), help="only this task; may be repeated")
    parser.add_argument("--shape", action="append", choices=SHAPES, help="shape of the model (base); may be repeated")
    parser.add_argument(
        "--setting", action="append", choices=SETTINGS, help="only this setting, besides 2022 and fp32; may be repeated"
    )
    parser.add_argument("--batch-size", type=int, action="append", help="examples per step (8); may be repeated")
    parser.add_argument("--size", type=int, default=3373, help="training examples (3373, as Twitter-2017)")
    parser.add_argument("--blocks", type=int, default=5, help="rounds of each setting (5)")
    parser.add_argument(
        "--steps",
        type=int,
        default=None,
        help="steps per round of the shipped settings (8, and 1 of 2022; on a GPU 40 and 5)",
    )
    parser.add_argument("--curve", type=int, default=CURVE, help=f"steps whose losses are compared ({CURVE}); 0: none")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process (1)")
    parser.add_argument(
        "--clock",
        choices=("cpu", "wall"),
        default=None,
        help="time that is counted (cpu without a GPU: robust on a busy machine)",
    )
    parser.add_argument("--out", type=Path, default=report.HERE, help="folder for JSON and pages (benchmarks/)")
    given = parser.parse_args(arguments)
    described = report.machine(given.threads)
    gpu = described["gpu"] is not None
    settings = tuple(name for name in SETTINGS if name in ("2022", "fp32", *(given.setting or SETTINGS)))
    settings = (*settings[:1], TF32, *settings[1:]) if gpu else settings
    clock, steps = given.clock or ("wall" if gpu else "cpu"), given.steps or (40 if gpu else 8)
    plan = Plan(
        settings, given.blocks, steps, given.threads, given.curve, clock, 5 if gpu else 1, SETTLED if gpu else 0
    )
    texts = "texts of Twitter-2017 and MNRE" if given.texts else "synthetic texts"
    found: dict[str, Any] = {"machine": described, "texts": texts, "clock": clock, "blocks": plan.blocks, "runs": []}
    name = "train_speed_gpu" if gpu else "train_speed"
    for shape, batch_size, task in itertools.product(
        given.shape or ["base"], given.batch_size or [8], given.task or ["mner", "mre"]
    ):
        with tempfile.TemporaryDirectory(prefix="hvp-train-speed-") as place:
            print(f"{task}, {shape}, batch {batch_size}", flush=True)
            wished = [f"train.batch_size={batch_size}"]
            subject = make_subject(
                Path(place), task, SHAPES[shape], texts=given.texts, size=given.size, settings=wished
            )
            of = {"task": task, "shape": shape, "batch_size": batch_size} | measure(subject, plan, Path(place))
            of["ratios"] = ratios(of)
            if plan.curve:
                of["curve"] = curves(subject, plan, Path(place))
            found["runs"].append(of)
        print(
            report.write(given.out, name, "train_speed", found, section(found)), flush=True
        )  # after each: a long run may be cut short


if __name__ == "__main__":
    main()
