"""Receivers and subscribers within this process.

What does not belong here: messages that wait for someone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from alveary.errors import TOO_MANY_REQUESTS, Refusal
from alveary.model.streams import Published
from alveary.ports.streams import Deliver


class _Turn:
    """A receiver's place; ``called`` until it looks."""

    __slots__ = ("_change", "_given_up", "called")

    def __init__(self) -> None:
        self.called = False
        self._given_up = False
        self._change: asyncio.Future[None] | None = None

    async def comes(self, *, within_s: float) -> bool:
        """Whether there is something to look for."""
        if within_s > 0 and not (self.called or self._given_up):
            loop = asyncio.get_running_loop()
            self._change = loop.create_future()
            timer = loop.call_later(within_s, self._wake)
            try:
                await self._change
            finally:
                timer.cancel()
                self._change = None
        if self._given_up or not self.called:
            return False
        self.called = False
        return True

    def call(self) -> None:
        """There is something to look for."""
        self.called = True
        self._wake()

    def give_up(self) -> None:
        """Nobody waits any more."""
        self._given_up = True
        self._wake()

    def _wake(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)


class MemoryStreams:
    """The receivers and subscribers of a unit."""

    def __init__(self, *, receivers: int) -> None:
        """At most *receivers* wait at once."""
        self._places = receivers
        self._turns: dict[Hashable, dict[_Turn, None]] = {}
        self._subscribers: dict[Hashable, dict[object, Deliver]] = {}

    @contextmanager
    def waiting(self, queue: Hashable) -> Iterator[_Turn]:
        """A place behind all others that wait for *queue*.

        Raises:
            Refusal: TOO_MANY_REQUESTS.
        """
        if self._places == 0:
            raise Refusal(TOO_MANY_REQUESTS, headers={"retry-after": "1"})
        turn = _Turn()
        turns = self._turns.setdefault(queue, {})
        turns[turn] = None
        self._places -= 1
        try:
            yield turn
        except BaseException:
            turn.called = True  # whether it has looked is not known
            raise
        finally:
            self._places += 1
            del turns[turn]
            if not turns:
                del self._turns[queue]
            if turn.called:
                self.arrived(queue)

    def arrived(self, queue: Hashable) -> None:
        """Wake the first receiver of *queue* that is not awake yet."""
        turn = next((each for each in self._turns.get(queue, ()) if not each.called), None)
        if turn is not None:
            turn.call()

    @contextmanager
    def subscribed(self, topic: Hashable, deliver: Deliver) -> Iterator[None]:
        """Within the block, *deliver* is given all that is published to *topic*, until it answers False."""
        place = object()
        self._subscribers.setdefault(topic, {})[place] = deliver
        try:
            yield
        finally:
            self._forget(topic, place)

    def publish(self, topic: Hashable, message: Published) -> None:
        """Give *message* to all subscribers of *topic*."""
        for place, deliver in list(self._subscribers.get(topic, {}).items()):
            if not deliver(message):
                self._forget(topic, place)

    def _forget(self, topic: Hashable, place: object) -> None:
        subscribers = self._subscribers.get(topic, {})
        if subscribers.pop(place, None) is not None and not subscribers:
            del self._subscribers[topic]
