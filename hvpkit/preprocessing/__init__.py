"""Prepare datasets: read, check, detect objects, extract features."""
