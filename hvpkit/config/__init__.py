"""Recipes: loading and validation."""
