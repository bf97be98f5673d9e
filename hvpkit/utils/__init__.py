"""Helpers that every package of hvpkit may use, one topic per module."""
