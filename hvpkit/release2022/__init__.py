"""Checkpoints of the code that the paper's authors released in 2022: into a model folder, back, and the same numbers."""

from hvpkit.release2022.export_checkpoint import ExportResult, export_release
from hvpkit.release2022.forward import ReleaseOutput, forward
from hvpkit.release2022.import_checkpoint import ImportResult, import_release

__all__ = ["ExportResult", "ImportResult", "ReleaseOutput", "export_release", "forward", "import_release"]
