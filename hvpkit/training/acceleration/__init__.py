"""Faster training steps; the only package that may change modules, parameters or settings of libraries."""
