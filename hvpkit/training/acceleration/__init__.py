"""Faster training steps; the only code that may patch modules."""
