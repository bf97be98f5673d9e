"""Projectors: from pooled image features to the width of the text encoder."""
