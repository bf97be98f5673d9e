"""Contract checks for components of plugins.

A test calls a check with the factory of a component and its options, as in `check_gate(my_gate, sharpness=2.0)`. A
failed check raises CheckFailed, an AssertionError. Inputs are tiny, seeded and offline. The contracts are documented in
hvpkit/interfaces.py, and the tests of hvpkit run the same checks on all registered components.
"""

from __future__ import annotations

from hvpkit.testing.assertions import CheckFailed
from hvpkit.testing.backbones import check_backbone
from hvpkit.testing.detectors import check_detector
from hvpkit.testing.fusions import check_fusion
from hvpkit.testing.gates import check_gate
from hvpkit.testing.heads import check_head
from hvpkit.testing.projectors import check_projector
from hvpkit.testing.readers import check_reader
from hvpkit.testing.text_encoders import check_text_encoder

__all__ = [
    "CheckFailed",
    "check_backbone",
    "check_fusion",
    "check_gate",
    "check_head",
    "check_projector",
    "check_detector",
    "check_reader",
    "check_text_encoder",
]
