"""One state at a time: a write makes the next from a copy, readers keep the one they began with.

What does not belong here: what a state holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, Self, TypeVar

from alveary.adapters.waiting import drive

T = TypeVar("T")


class Copied(Protocol):
    """A state."""

    def copy(self) -> Self:
        """The same again; what is changed in one does not change the other."""


class Changing(Protocol):
    """What a body gets."""

    @property
    def path_freed(self) -> bool:
        """Whether something was removed that may be made again under its old name."""


State = TypeVar("State", bound=Copied)
Tx = TypeVar("Tx", bound=Changing)


class Versions(Generic[State, Tx]):
    """The states of one store, the latest of which is in service."""

    def __init__(
        self, state: State, transaction: Callable[[State, int], Tx], now_ms: Callable[[], int], latest_ms: int = 0
    ) -> None:
        """Begin with *state*; no transaction's time is before *latest_ms*."""
        self.state = state
        self.latest_ms = latest_ms
        self._transaction = transaction
        self._now_ms = now_ms
        self.check: Callable[[State, State], None] | None = None
        """Refuses what goes too far from one state to the next."""

    def view(self) -> Tx:
        """The state in service, for as long as it is wanted."""
        return self._transaction(self.state, self.latest_ms)

    def read(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers in the state in service."""
        return drive(body(self.view()))

    def write(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers, once what it changed is in service."""
        self.latest_ms = max(self._now_ms(), self.latest_ms)
        state = self.state.copy()
        tx = self._transaction(state, self.latest_ms)
        answer = drive(body(tx))
        if self.check is not None:
            self.check(self.state, state)
        self.state = state
        # What is made again under an old name is later by its time: it never repeats an ETag.
        self.latest_ms += tx.path_freed
        return answer
