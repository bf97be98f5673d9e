"""Messages about training, and about checkpoints of the code that the authors released in 2022."""

from __future__ import annotations

from hvpkit.messages import Template

_TRAINING: dict[str, Template] = {
    # data
    "objects-mismatch": Template(
        "{location}: The recipe's objects differ from those that {data} was prepared with ({found}). Prepare the "
        "data again, or remove the setting with --set data.objects=null.",
        {"location": "a.yaml:4", "data": "data/mnre", "found": "objects: those that came with the data"},
    ),
    "no-training-examples": Template("{data} has no training examples.", {"data": "data/mnre"}),
    "no-entity-to-sample": Template(
        "{location}: No training example of {data} has an entity, so that none can be drawn.",
        {"location": "a.yaml:9", "data": "data/twitter2017"},
    ),
    "dev-scores-equal": Template(
        "All {epochs} evaluated epochs have the same dev F1 of {f1:.4f}, so the last epoch ({epoch}) is kept. "
        "Check that the dev split has labels to predict.",
        {"epochs": 3, "f1": 0.0, "epoch": 3},
    ),
    "no-dev-examples": Template(
        "{data} has no dev examples to choose the best epoch, so that the last epoch is kept.", {"data": "data/mnre"}
    ),
    "no-training-images": Template("No training example has an image, so that this model is trained on text only."),
    "training-examples-left-out": Template(
        "Skipped {count} training examples. First error: {reason}", {"count": 2, "reason": "a.jpg: no such file"}
    ),
    "training-words-cut": Template(
        "Truncated {words} words of {examples} training examples to data.max_length ({max_length} positions).",
        {"words": 31, "examples": 4, "max_length": 128},
    ),
    "no-usable-training-examples": Template(
        "No training example can be used. First error: {reason}", {"reason": "a.jpg: no such file"}
    ),
    "scored-examples-unreadable": Template(
        "Could not read {count} {split} examples; they count as examples without predictions. First error: {reason}",
        {"count": 2, "split": "dev", "reason": "a.jpg: no such file"},
    ),
    "examples-unreadable": Template(
        "Unreadable: {counts}. They are skipped in training and count as examples without predictions in scores.",
        {"counts": ["3 train examples", "2 dev examples"]},
    ),
    "examples-of-split": Template("{count} {split} examples", {"count": 2, "split": "dev"}),
    # random and other models' weights
    "backbone-random": Template("The visual backbone was trained from random weights."),
    "frozen-backbone-random": Template("The visual backbone is frozen with random weights."),
    "no-tensors-in-common": Template(
        "{model} has no weights in common with this model. Remove train.init_from, or name another model.",
        {"model": "runs/other"},
    ),
    "tensors-loaded": Template(
        "Loaded from {model}: {parts}.",
        {"model": "runs/other", "parts": ["180 tensors of text", "6 tensors of fusion"]},
    ),
    "no-tensors-loaded": Template("Loaded no tensors from {model}.", {"model": "runs/other"}),
    "rows-loaded": Template(
        "Loaded {loaded} of {rows} rows of {tensor} from {model}; the other rows keep their initialization.",
        {"model": "runs/other", "tensor": "text.model.embeddings.weight", "loaded": 900, "rows": 1000},
    ),
    "tensors-initialized": Template(
        "Not loaded from {model}: {count} tensors of {part} ({reason}).",
        {"model": "runs/other", "count": 4, "part": "head", "reason": "heads are the task's own"},
    ),
    "tensors-unused": Template(
        "Not used of {model}: {parts}.", {"model": "runs/other", "parts": ["6 tensors of fusion"]}
    ),
    "tensors-of-part": Template("{count} tensors of {part}", {"count": 6, "part": "fusion"}),
    "head-not-loaded": Template("heads are never loaded"),
    "tensor-not-there": Template("missing in the other model"),
    "tensor-shapes-differ": Template(
        "shape {expected} in this model, {found} in the other", {"expected": "32 x 16", "found": "one number"}
    ),
    # a run
    "resumed": Template("Resuming from {checkpoint}.", {"checkpoint": "checkpoint-300"}),
    "resumed-without-checkpoint": Template("Starting from the beginning, because no epoch was finished."),
    "stopped-early": Template(
        "Stopped early, because dev F1 did not improve for {patience} epochs (train.patience).", {"patience": 5}
    ),
    "training-diverged": Template(
        "Training diverged in epoch {epoch} (NaN or infinite weights). Lower train.lr or train.head_lr, or set "
        "train.max_grad_norm; with plugins, check for divisions by 0.",
        {"epoch": 1},
    ),
    "training-diverged-with-checkpoints": Template(
        "Training diverged in epoch {epoch} (NaN or infinite weights). Remove {folder}, and lower train.lr or "
        "train.head_lr, or set train.max_grad_norm; with plugins, check for divisions by 0.",
        {"epoch": 3, "folder": "runs/model.training"},
    ),
    "out-of-gpu-memory": Template(
        "Out of GPU memory ({reason}). Use a smaller train.batch_size.", {"reason": "tried to allocate 2 GiB"}
    ),
    "out-of-gpu-memory-with-graphs": Template(
        "Out of GPU memory ({reason}). Use a smaller train.batch_size, or disable CUDA graphs with --set "
        "train.cuda_graphs=false.",
        {"reason": "tried to allocate 2 GiB"},
    ),
    "cuda-graph-failed": Template(
        "Could not capture a training step as a CUDA graph ({reason}). Disable CUDA graphs with --set "
        "train.cuda_graphs=false.",
        {"reason": "operation not permitted when stream is capturing"},
    ),
    "no-tensorboard": Template(
        "train.report_to: TensorBoard is not installed. Run `pip install tensorboard`, or set train.report_to to none."
    ),
    # the folder of a run
    "output-finished": Template(
        "{output} already exists and its training is finished. The rest of its run directory was removed.",
        {"output": "runs/model"},
    ),
    "output-locked": Template(
        "{output} is being trained by another process. Wait for it, or use another --output.", {"output": "runs/model"}
    ),
    "run-folder-not-empty": Template(
        "The run directory {folder} contains other files ({names}). Use another --output, or remove the directory.",
        {"folder": "runs/model.training", "names": [".git", "thesis.tex"]},
    ),
    "run-unfinished": Template(
        "{folder} contains an unfinished run. Continue it with --resume, or remove it.",
        {"folder": "runs/model.training"},
    ),
    "disk-full-in-training": Template(
        "No space left in {folder} ({reason}). Free some disk space and continue with --resume.",
        {"folder": "runs/model.training", "reason": "No space left on device"},
    ),
}

_RELEASE: dict[str, Template] = {
    # reading
    "no-checkpoint": Template("Checkpoint file {file} does not exist.", {"file": "old.pth"}),
    "no-state-dict": Template(
        "{file} contains no state dict (tensors by name), neither directly nor under one of {expected}. Its keys "
        "are: {found}.",
        {"file": "old.pth", "expected": ["state_dict", "model"], "found": ["epoch", "lr"]},
    ),
    "not-a-state-dict": Template(
        "{file} contains a {found}, not a state dict (tensors by name).", {"file": "old.pth", "found": "list"}
    ),
    "not-a-release-checkpoint": Template(
        "{checkpoint} is not a checkpoint of the release: it lacks {names}.",
        {"checkpoint": "old.pth", "names": ["bert.embeddings.word_embeddings.weight"]},
    ),
    "checkpoint-mismatch": Template(
        "{checkpoint} does not match a model of the release:\n{faults:lines}",
        {"checkpoint": "old.pth", "faults": ["  1 missing: gates.1.bias", "  1 unknown: gates.7.bias"]},
    ),
    "tensors-missing": Template(
        "  {count} missing: {names}{more}", {"count": 9, "names": ["gates.1.bias", "fc.bias"], "more": " and 7 more"}
    ),
    "tensors-unknown": Template(
        "  {count} unknown: {names}{more}", {"count": 9, "names": ["gates.7.bias", "fc.bias"], "more": " and 7 more"}
    ),
    "tensors-of-other-form": Template(
        "  {count} of another shape or type: {tensors}{more}",
        {"count": 9, "tensors": ["fc.bias is [12] float32, expected [13] float32"], "more": " and 8 more"},
    ),
    "tensor-form": Template(
        "{name} is {found}, expected {expected}",
        {"name": "fc.bias", "found": "[12] float32", "expected": "[13] float32"},
    ),
    "tokenizer-mismatch": Template(
        "The tokenizer {text!r} has {found} wordpieces, but {checkpoint} has embeddings of {expected}. Set "
        "--text to the tokenizer of the checkpoint (the release uses bert-base-uncased), and check --task.",
        {"text": "bert-base-cased", "found": 28996, "checkpoint": "old.pth", "expected": 30522},
    ),
    "marked-tokenizer-mismatch": Template(
        "The tokenizer {text!r} has {found} wordpieces and {markers} markers, but {checkpoint} has embeddings of "
        "{expected}. Set --text to the tokenizer of the checkpoint (the release uses bert-base-uncased), and "
        "check --task.",
        {"text": "bert-base-cased", "found": 28996, "markers": 4, "checkpoint": "old.pth", "expected": 30526},
    ),
    "no-tokenizer-files": Template("no tokenizer files (tokenizer.json or vocab.txt)"),
    "no-relation-ids": Template("A checkpoint for MRE needs its relation ids. Add --relations ours_rel2id.json."),
    "relation-ids-not-json": Template(
        "Could not read {file} as JSON: {reason}.", {"file": "rel2id.json", "reason": "Expecting value"}
    ),
    "relation-ids-invalid": Template(
        "{file} must contain a JSON object that maps relations to the ids 0, 1, 2, ..., each used once.",
        {"file": "rel2id.json"},
    ),
    "relation-ids-first": Template(
        "{file} maps {found!r} to id 0; expected 'None'.", {"file": "rel2id.json", "found": "/per/per/peer"}
    ),
    "imported-weights": Template(
        "The weights were imported from {checkpoint}; their training data and seed are unknown.",
        {"checkpoint": "old.pth"},
    ),
    "no-start-marker": Template(
        "Row {row} has no start marker of its {role} entity (id {id}).", {"row": 1, "role": "head", "id": 30522}
    ),
    # writing
    "tensors-without-place": Template(
        "The released code does not support {count} tensors of {model}: {names}{more}. Only models of the recipe "
        "release_{task} can be exported.",
        {"model": "runs/model", "count": 9, "names": ["fusion.gate.scale"], "more": " and 8 more", "task": "mner"},
    ),
    "tags-mismatch": Template(
        "The tags of {model} differ from those of the released code: {expected}.",
        {"model": "runs/model", "expected": ["O", "B-MISC", "I-MISC"]},
    ),
}

TEMPLATES: dict[str, Template] = _TRAINING | _RELEASE
