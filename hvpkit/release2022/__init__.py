"""Checkpoints of the code that the paper's authors released in 2022: into a model folder, back, and the same numbers."""

from hvpkit.release2022.export_checkpoint import Exported, export_release
from hvpkit.release2022.forward import Released, forward
from hvpkit.release2022.import_checkpoint import Imported, import_release

__all__ = ["Exported", "Imported", "Released", "export_release", "forward", "import_release"]
