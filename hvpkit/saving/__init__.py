"""Model folders, weights and model cards."""
