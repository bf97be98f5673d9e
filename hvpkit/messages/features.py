"""Messages about image features and their cache."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "features-not-cached": Template(
        "Image features cannot be cached in {folder} ({reason}). They are kept in memory, and the next run "
        "computes them again.",
        {"folder": "data/.features", "reason": "[Errno 28] No space left on device"},
    ),
    "damaged-features-recomputed": Template("{count} corrupt features in the cache were computed again.", {"count": 3}),
    "unreadable-regions": Template(
        "{count} images and crops cannot be read. The first: {reason}",
        {"count": 2, "reason": "images/1.jpg does not exist."},
    ),
}
