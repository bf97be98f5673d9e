"""What each tensor of a released checkpoint is called here."""

from __future__ import annotations

from hvpkit.types import Task

BESIDE = "release.safetensors"  # the file of a model folder for what no part of the model reads
TAGS = ("O", "B-MISC", "I-MISC", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")  # ids 1 to 9, between PAD and X
PREFIXES = {
    "bert.": "text.model.",
    "image_model.resnet.": "vision.backbone.body.",
    "encoder_conv.": "fusion.projector.map.",
    "gates.": "fusion.gate.maps.",
}
HEADS: dict[Task, dict[str, str]] = {
    "mner": {"fc.": "head.linear.", "crf.": "head.crf."},
    "mre": {"classifier.": "head.linear."},
}
UNREAD = ("bert.pooler.", "bert.embeddings.position_ids", "image_model.resnet.fc.")  # no part of the model reads them


def to_hvpkit_name(name: str, task: Task) -> str | None:
    """Give our name of a released tensor, None for one that has no place in the model."""
    if name.startswith(UNREAD):
        return None
    return next((to + name[len(prefix) :] for prefix, to in (PREFIXES | HEADS[task]).items() if name.startswith(prefix)), None)


def to_release_name(name: str, task: Task) -> str | None:
    """Give the released name of one of our tensors, None for one that the release does not have."""
    return next((prefix + name[len(to) :] for prefix, to in (PREFIXES | HEADS[task]).items() if name.startswith(to)), None)
