"""The unit face: the unit's own URL, and what tells whether it is well."""

from alveary.api.unit.quotas import quota
from alveary.api.unit.root import serve

__all__ = ["quota", "serve"]
