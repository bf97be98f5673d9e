"""Debug messages, which `hvp -v` prints: what is opened, on which device, how much is computed, and in what time."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "components-loaded": Template("{count} components of {sources}.", {"count": 48, "sources": ["hvpkit 0.2.0"]}),
    "recipe-loaded": Template(
        "Recipe {file}, settings: {settings}.", {"file": "recipes/hvpnet_mner.yaml", "settings": ["train.lr=2e-5"]}
    ),
    "dataset-located": Template(
        "Reader {reader!r} reads {path}, output in {folder}.",
        {"reader": "twitter2017", "path": "datasets", "folder": "data/twitter2017"},
    ),
    "prepared-data-opened": Template(
        "Prepared data {folder}: {name} ({task}), fingerprint {fingerprint}.",
        {"folder": "data/demo", "name": "demo", "task": "mner", "fingerprint": "8879347ca3f28480"},
    ),
    "pretrained-loaded": Template(
        "Loaded {kind} {name} in {seconds:.1f} s.",
        {"kind": "text encoder", "name": "bert-base-uncased", "seconds": 2.1},
    ),
    "model-loaded": Template(
        "Loaded model {model}: {parameters:,} parameters on {device}, {seconds:.1f} s.",
        {"model": "runs/first", "parameters": 109482240, "device": "cuda", "seconds": 3.2},
    ),
    "image-features-ready": Template(
        "{regions} image regions: {computed} computed, {kept} cached, {seconds:.1f} s.",
        {"regions": 8000, "computed": 7990, "kept": 10, "seconds": 95.0},
    ),
    "training-set-encoded": Template(
        "{encoded} of {examples} training examples encoded in {seconds:.1f} s.",
        {"encoded": 3373, "examples": 3373, "seconds": 1.4},
    ),
    "run-started": Template(
        "Run {run!r} is process {process}, log in {log}.",
        {"run": "HVPNeT.twitter2015.seed1", "process": 4711, "log": "experiments/table1/logs/HVPNeT.log"},
    ),
}
