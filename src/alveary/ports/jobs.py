"""Work that goes on after its request was answered.

What does not belong here: what survives a restart; the store remembers that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Protocol


class Jobs(Protocol):
    """The unit's one runner."""

    def start(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run *work* as soon as one of the bounded places is free."""

    @property
    def stopping(self) -> bool:
        """Whether the unit is shutting down: long work ends where it is, to be ended or begun again at the start."""
