"""The model and its components; hvpkit/model/model.py is the diagram."""
