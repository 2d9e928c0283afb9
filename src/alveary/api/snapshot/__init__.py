"""The snapshot face: the snapshot area of a cell, its export and its import."""

from alveary.api.snapshot.files import area
from alveary.api.snapshot.jobs import export, import_

__all__ = ["area", "export", "import_"]
