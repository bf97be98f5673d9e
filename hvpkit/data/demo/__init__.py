"""Demo data: tweets with pictures whose truth is known, generated offline, with the best scores that text and pictures allow (our own)."""
