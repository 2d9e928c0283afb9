"""Who waits for messages now: receivers of queues, subscribers of topics.

Nothing here is kept: the messages of queues are in the store, those of topics reach who listens. Queues and topics
are told apart by any key. What does not belong here: who may wait.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Protocol

from alveary.model.streams import Published

Deliver = Callable[[Published], bool]
"""Hands a message on to a subscriber; False when that one listens no more."""


class Turn(Protocol):
    """A receiver's place among those that wait for a queue."""

    async def comes(self, *, within_s: float) -> bool:
        """Whether there is something to look for, as soon as there is; False after that time, or when given up."""

    def give_up(self) -> None:
        """Make :meth:`comes` answer False from now on."""


class Streams(Protocol):
    """The receivers and subscribers of a unit."""

    def waiting(self, queue: Hashable) -> AbstractContextManager[Turn]:
        """A place behind all others that wait for *queue*; what comes for one that leaves is the next one's.

        Raises:
            Refusal: TOO_MANY_REQUESTS.
        """

    def arrived(self, queue: Hashable) -> None:
        """Wake the first receiver of *queue* that is not awake yet: a message is in the store."""

    def subscribed(self, topic: Hashable, deliver: Deliver) -> AbstractContextManager[None]:
        """Within the block, *deliver* is given all that is published to *topic*, until it answers False."""

    def publish(self, topic: Hashable, message: Published) -> None:
        """Give *message* to all subscribers of *topic*; none of them can hold the publisher up."""
