"""Messages about training, and about checkpoints of the code that the authors released in 2022."""

from __future__ import annotations

from hvpkit.messages import Template

_TRAINING: dict[str, Template] = {
    # data
    "objects-mismatch": Template(
        "{location}: the recipe's objects are not those that {data} was prepared with ({found}); prepare it again, or leave them out: "
        "--set data.objects=null",
        {"location": "a.yaml:4", "data": "data/mnre", "found": "objects: those that came with the data"},
    ),
    "no-training-examples": Template("{data} has no training examples", {"data": "data/mnre"}),
    "no-entity-to-sample": Template(
        "{location}: no training example of {data} has an entity to draw", {"location": "a.yaml:9", "data": "data/twitter2017"}
    ),
    "no-dev-examples": Template("{data} has no dev examples to choose an epoch by: the last one is kept", {"data": "data/mnre"}),
    "no-training-images": Template("no training example has an image: this model learnt from text alone"),
    "training-examples-left-out": Template(
        "{count} training examples are left out; the first: {reason}", {"count": 2, "reason": "a.jpg: no such file"}
    ),
    "training-words-cut": Template(
        "{words} words of {examples} training examples are cut off: data.max_length is {max_length} positions",
        {"words": 31, "examples": 4, "max_length": 128},
    ),
    "no-usable-training-examples": Template("no training example can be used; the first: {reason}", {"reason": "a.jpg: no such file"}),
    "scored-examples-unreadable": Template(
        "{count} {split} examples could not be read and count as finding nothing; the first: {reason}",
        {"count": 2, "split": "dev", "reason": "a.jpg: no such file"},
    ),
    "examples-unreadable": Template(
        "could not be read: {counts} (in training they are left out, in scores they count as finding nothing)",
        {"counts": ["3 train examples", "2 dev examples"]},
    ),
    "examples-of-split": Template("{count} {split} examples", {"count": 2, "split": "dev"}),
    # random and other models' weights
    "backbone-random": Template("the visual backbone was trained from random weights"),
    "frozen-backbone-random": Template("the visual backbone keeps its random weights"),
    "no-tensors-in-common": Template(
        "{model}: none of its weights has a place in this model; leave train.init_from out, or name another", {"model": "runs/other"}
    ),
    "tensors-loaded": Template(
        "{model}, taken over: {parts}", {"model": "runs/other", "parts": ["180 tensors of text", "6 tensors of fusion"]}
    ),
    "no-tensors-loaded": Template("{model}, taken over: nothing", {"model": "runs/other"}),
    "rows-loaded": Template(
        "{model}, in part: {tensor}, {loaded} of {rows} rows; the others start anew",
        {"model": "runs/other", "tensor": "text.model.embeddings.weight", "loaded": 900, "rows": 1000},
    ),
    "tensors-initialized": Template(
        "{model}, not taken over: {count} tensors of {part} ({reason})",
        {"model": "runs/other", "count": 4, "part": "head", "reason": "heads are the task's own"},
    ),
    "tensors-unused": Template("{model}, without a place here: {parts}", {"model": "runs/other", "parts": ["6 tensors of fusion"]}),
    "tensors-of-part": Template("{count} tensors of {part}", {"count": 6, "part": "fusion"}),
    "head-not-loaded": Template("heads are the task's own"),
    "tensor-not-there": Template("the other model has none"),
    "tensor-shapes-differ": Template("its shape is {expected} here and {found} there", {"expected": "32 x 16", "found": "one number"}),
    # a run
    "resumed": Template("Going on from {checkpoint}", {"checkpoint": "checkpoint-300"}),
    "resumed-without-checkpoint": Template("Starting from the beginning: no epoch was finished"),
    "stopped-early": Template("Stopped: for {patience} epochs dev F1 has not risen (train.patience)", {"patience": 5}),
    "training-diverged": Template(
        "training diverged in epoch {epoch}: weights are no numbers any more; take lower learning rates (train.lr, train.head_lr, ...), "
        "clip gradients (train.max_grad_norm), or look for what divides by 0 in a plugin",
        {"epoch": 1},
    ),
    "training-diverged-with-checkpoints": Template(
        "training diverged in epoch {epoch}: weights are no numbers any more; remove what it left ({folder}), and take lower learning "
        "rates (train.lr, train.head_lr, ...), clip gradients (train.max_grad_norm), or look for what divides by 0 in a plugin",
        {"epoch": 3, "folder": "runs/model.training"},
    ),
    "out-of-gpu-memory": Template(
        "the GPU's memory does not suffice ({reason}); take a smaller train.batch_size", {"reason": "tried to allocate 2 GiB"}
    ),
    "out-of-gpu-memory-with-graphs": Template(
        "the GPU's memory does not suffice ({reason}); take a smaller train.batch_size, or record no steps: --set train.cuda_graphs=false",
        {"reason": "tried to allocate 2 GiB"},
    ),
    "cuda-graph-failed": Template(
        "a training step could not be recorded as a CUDA graph ({reason}); record none: --set train.cuda_graphs=false",
        {"reason": "operation not permitted when stream is capturing"},
    ),
    "no-tensorboard": Template(
        "train.report_to: tensorboard is not installed; run `pip install tensorboard`, or set train.report_to to none"
    ),
    # the folder of a run
    "output-exists": Template("{output} is there already; give another --output or remove it", {"output": "runs/model"}),
    "output-finished": Template(
        "{output} is there already; its training was done, and what it had left is removed", {"output": "runs/model"}
    ),
    "output-locked": Template(
        "{output} is being trained by another process; wait for it, or give another --output", {"output": "runs/model"}
    ),
    "run-folder-not-empty": Template(
        "{folder}, where this would be trained, holds other files ({names}); give another --output or remove it",
        {"folder": "runs/model.training", "names": [".git", "thesis.tex"]},
    ),
    "run-unfinished": Template(
        "{folder} holds an unfinished run; continue it with --resume, or remove it", {"folder": "runs/model.training"}
    ),
    "unfinished-run-differs": Template(
        "{folder} was started with another {differences}; start afresh with another --output",
        {"folder": "runs/model.training", "differences": ["data (0123456789abcdef, not fedcba9876543210)", "recipe (train.lr: 1, not 2)"]},
    ),
    "part-differs": Template(
        "{part} ({expected}, not {found})", {"part": "data", "expected": "0123456789abcdef", "found": "fedcba9876543210"}
    ),
    "recipe-differs": Template("recipe ({settings})", {"settings": ["head: unset, not crf", "train.epochs: 3, not 4"]}),
    "run-file-damaged": Template(
        "{file} is damaged ({reason}); remove {folder} and start afresh",
        {"file": "runs/model.training/run.json", "reason": "Expecting value", "folder": "runs/model.training"},
    ),
    "disk-full-in-training": Template(
        "there is no room left to train in {folder} ({reason}); make some, and go on with --resume",
        {"folder": "runs/model.training", "reason": "No space left on device"},
    ),
}

_RELEASE: dict[str, Template] = {
    # reading
    "no-checkpoint": Template("there is no checkpoint file {file}", {"file": "old.pth"}),
    "no-state-dict": Template(
        "{file} holds no state dict (tensors by name), nor one under {expected}; its keys: {found}",
        {"file": "old.pth", "expected": ["state_dict", "model"], "found": ["epoch", "lr"]},
    ),
    "not-a-state-dict": Template("{file} holds a {found}, not a state dict (tensors by name)", {"file": "old.pth", "found": "list"}),
    "not-a-release-checkpoint": Template(
        "{checkpoint} is no checkpoint of the release: it lacks {names}",
        {"checkpoint": "old.pth", "names": ["bert.embeddings.word_embeddings.weight"]},
    ),
    "checkpoint-mismatch": Template(
        "{checkpoint} does not fit a model of the release:\n{faults:lines}",
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
        "{name} is {found}, expected {expected}", {"name": "fc.bias", "found": "[12] float32", "expected": "[13] float32"}
    ),
    "tokenizer-mismatch": Template(
        "--text {text} has {found} pieces, but {checkpoint} has word embeddings for {expected}: it was trained with another tokenizer "
        "(the release's is bert-base-uncased), or for the other --task",
        {"text": "bert-base-cased", "found": 28996, "checkpoint": "old.pth", "expected": 30522},
    ),
    "marked-tokenizer-mismatch": Template(
        "--text {text} has {found} pieces and {markers} markers, but {checkpoint} has word embeddings for {expected}: it was trained with "
        "another tokenizer (the release's is bert-base-uncased), or for the other --task",
        {"text": "bert-base-cased", "found": 28996, "markers": 4, "checkpoint": "old.pth", "expected": 30526},
    ),
    "no-tokenizer-files": Template("it holds no tokenizer (tokenizer.json or vocab.txt)"),
    "no-relation-ids": Template("a checkpoint for relations needs its class ids: give --relations ours_rel2id.json"),
    "relation-ids-not-json": Template("{file} cannot be read as JSON: {reason}", {"file": "rel2id.json", "reason": "Expecting value"}),
    "relation-ids-invalid": Template(
        "{file}: expected an object of relations with the ids 0, 1, 2, ..., each once", {"file": "rel2id.json"}
    ),
    "relation-ids-first": Template("{file}: id 0 is {found!r}; expected `None` there", {"file": "rel2id.json", "found": "/per/per/peer"}),
    "imported-weights": Template(
        "the weights were imported from {checkpoint}; the seed and data they were trained with are not known", {"checkpoint": "old.pth"}
    ),
    "no-start-marker": Template("row {row} has no start marker of its {role} (id {id})", {"row": 1, "role": "head", "id": 30522}),
    # writing
    "tensors-without-place": Template(
        "{model}: the released code has no place for {count} of its tensors: {names}{more}; it holds models of the recipe release_{task}",
        {"model": "runs/model", "count": 9, "names": ["fusion.gate.scale"], "more": " and 8 more", "task": "mner"},
    ),
    "tags-mismatch": Template(
        "{model}: the released code knows the tags {expected} of pieces; this model has others",
        {"model": "runs/model", "expected": ["O", "B-MISC", "I-MISC"]},
    ),
}

TEMPLATES: dict[str, Template] = _TRAINING | _RELEASE
