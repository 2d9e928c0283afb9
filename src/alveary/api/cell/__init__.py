"""The cell face: the cell's own URL."""

from alveary.api.cell.root import serve

__all__ = ["serve"]
