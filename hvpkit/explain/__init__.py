"""What the images did: where a model looked, what its gates let in, and what would have changed.

From Python: `explain(hvpkit.load("runs/first"), parse_input(PredictionInput("Ada in Paris", "ada.jpg"), recipe))` in hvpkit.explain.explain.
"""
