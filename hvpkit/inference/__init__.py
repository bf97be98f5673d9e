"""Predictions for one text or for many."""
