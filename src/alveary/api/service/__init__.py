"""The service face: requests that run scripts."""

from alveary.api.service.execute import serve

__all__ = ["serve"]
