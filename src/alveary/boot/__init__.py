"""The composition root: the only room that names concrete adapters and all faces."""

from alveary.boot.unit import Running, run, serve

__all__ = ["Running", "run", "serve"]
