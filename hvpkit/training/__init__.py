"""Training of a recipe with transformers.Trainer."""
