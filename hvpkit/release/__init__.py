"""Checkpoints of the code that the paper's authors released in 2022: into a model folder, back, and the same numbers."""

from hvpkit.release.forward import Released, forward
from hvpkit.release.reading import Imported, import_release
from hvpkit.release.writing import Exported, export_release

__all__ = ["Exported", "Imported", "Released", "export_release", "forward", "import_release"]
