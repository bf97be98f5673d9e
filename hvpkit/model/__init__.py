"""The model and its components; model.py shows how they are connected."""
