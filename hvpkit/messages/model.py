"""Messages about backbones, projectors, gates, fusions, heads and models."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "bio-transitions-of-words": Template(
        "Option constrained of head 'crf' requires labels 'words'. Remove `constrained: true` or set `labels: words`."
    ),
}
