"""Image features of frozen backbones: extraction, cache and store."""
