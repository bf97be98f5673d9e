"""Speed up training; the only code that may patch modules."""
