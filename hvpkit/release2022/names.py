"""Names of tensors in released checkpoints and in hvpkit."""

from __future__ import annotations

from hvpkit.types import Task

BESIDE = "release.safetensors"  # file of a model folder for tensors that the model does not use
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
UNREAD = ("bert.pooler.", "bert.embeddings.position_ids", "image_model.resnet.fc.")  # not used by the model


def to_hvpkit_name(name: str, task: Task) -> str | None:
    """Return the hvpkit name of a released tensor, or None for one that the model does not use."""
    if name.startswith(UNREAD):
        return None
    return next(
        (
            target + name[len(prefix) :]
            for prefix, target in (PREFIXES | HEADS[task]).items()
            if name.startswith(prefix)
        ),
        None,
    )


def to_release_name(name: str, task: Task) -> str | None:
    """Return the released name of an hvpkit tensor, or None for one that the release lacks."""
    return next(
        (
            prefix + name[len(target) :]
            for prefix, target in (PREFIXES | HEADS[task]).items()
            if name.startswith(target)
        ),
        None,
    )
