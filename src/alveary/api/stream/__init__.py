"""The stream face: the queues and topics of stream collections."""

from alveary.api.stream.endpoints import serve

__all__ = ["serve"]
