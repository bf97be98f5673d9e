"""Import, export and forward pass of checkpoints of the code that the authors released in 2022."""

from hvpkit.release2022.export_checkpoint import ExportResult, export_release
from hvpkit.release2022.forward import ReleaseOutput, forward
from hvpkit.release2022.import_checkpoint import ImportResult, import_release

__all__ = ["ExportResult", "ImportResult", "ReleaseOutput", "export_release", "forward", "import_release"]
