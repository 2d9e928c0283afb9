"""The composition root: the only room that names concrete adapters and all faces."""

from alveary.boot.plugins import PluginProblem
from alveary.boot.unit import Running, run, serve

__all__ = ["PluginProblem", "Running", "run", "serve"]
