"""Contract checks for components: hand one your factory and its options in a test; a CheckFailed, an AssertionError, says what is broken.

`check_gate(my_gate, sharpness=2.0)` is a whole test. Inputs are tiny, seeded and offline. What each kind must do stands in
hvpkit/interfaces.py; hvpkit's own tests put every registered component through the same checks.
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
