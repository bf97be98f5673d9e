"""Messages about image features and their cache."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "features-not-cached": Template(
        "features cannot be kept in {folder} ({reason}); they stay in memory, and the next run computes them anew",
        {"folder": "data/.features", "reason": "[Errno 28] No space left on device"},
    ),
    "features-stale": Template(
        "the features in {folder} were not what this backbone makes today; they were computed anew",
        {"folder": "data/.features/resnet-0a1b"},
    ),
    "damaged-features-recomputed": Template("{count} features on disk were damaged; they were computed anew", {"count": 3}),
    "unreadable-regions": Template(
        "{count} images and crops cannot be read; the first: {reason}", {"count": 2, "reason": "images/1.jpg is missing"}
    ),
}
