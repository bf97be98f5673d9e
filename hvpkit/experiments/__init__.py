"""Experiments: one plan file to many runs, their results, and a paper's tables."""
