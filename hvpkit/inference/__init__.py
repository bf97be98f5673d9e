"""Prediction for one text, for streams and for JSON lines files."""
