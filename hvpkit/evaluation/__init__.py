"""Evaluation of predictions against gold labels."""
