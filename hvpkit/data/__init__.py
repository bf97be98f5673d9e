"""Datasets: readers, checks, the prepared form, and batches."""
