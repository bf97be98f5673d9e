"""Explain predictions: attention on images, gate weights and counterfactuals.

Example:
    `explain_example(predictor, parse_input(PredictionInput("Ada in Paris", "ada.jpg"), recipe))` in
    `hvpkit.explain.explain_example`, with `predictor = hvpkit.load("runs/first")`.
"""
