"""Preprocessing of datasets: reading, checking, object detection and feature extraction."""
