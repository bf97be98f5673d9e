"""Messages about backbones, projectors, gates, fusions, heads and the model made of them."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "bio-transitions-of-words": Template("head 'crf': `constrained: true` is for words; leave it out, or take `labels: words`"),
}
