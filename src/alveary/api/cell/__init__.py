"""The cell face: the cell's own URL, and what leads to its boxes and roles."""

from alveary.api.cell.directories import box, role
from alveary.api.cell.root import serve

__all__ = ["box", "role", "serve"]
