"""Stream collections as values: what they are made of, and what goes through them.

What does not belong here: where messages wait, and how they are framed.
"""

from __future__ import annotations

from enum import StrEnum

from alveary.model.values import frozen


class StreamKind(StrEnum):
    """What a stream collection is made of, in the words of its URLs."""

    QUEUE = "queue"
    TOPIC = "topic"


@frozen
class StreamNames:
    """The queues and topics that a stream collection has."""

    queues: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()

    def have(self, kind: StreamKind, name: str) -> bool:
        """Whether there is one of that kind and name."""
        return name in (self.queues if kind is StreamKind.QUEUE else self.topics)


@frozen
class Backlog:
    """How many messages wait in a queue, and how long they are together in UTF-8."""

    count: int = 0
    size_bytes: int = 0


@frozen
class Published:
    """A message to the subscribers of a topic, in the one text that all of them get."""

    text: bytes
