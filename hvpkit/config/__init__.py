"""Recipes: how they are read and checked."""
