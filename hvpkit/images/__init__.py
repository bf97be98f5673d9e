"""Decode images safely and cut regions from them."""
