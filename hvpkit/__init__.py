"""hvpkit: entities and relations from text with pictures."""
