"""Render an explanation as HTML or as a figure."""
