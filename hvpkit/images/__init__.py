"""Decode untrusted images and crop regions of them."""
