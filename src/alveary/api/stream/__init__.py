"""The stream face: the queues and topics of stream collections, and the subscribers of topics."""

from alveary.api.stream.endpoints import serve
from alveary.api.stream.topics import subscribe

__all__ = ["serve", "subscribe"]
