"""The connections that read: what takes too long is given up, what finds too much is refused.

What does not belong here: what is read, and which of them does (``database``).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from alveary.errors import QUERY_TOO_LARGE, Refusal

TICK_STEPS: Final = 1_000
"""Of SQLite's machine, after which the time is looked at."""

_execute: Final = apsw.Connection.execute


@dataclass(frozen=True, slots=True)
class Allowance:
    """How long a reader may take, and how much of documents it may find."""

    duration_s: float = math.inf
    size_bytes: int = sys.maxsize


class ReadConnection(apsw.Connection):
    """A connection to read by, which gives up with ``apsw.InterruptError`` what takes longer than it may.

    It looks at the time before each statement, at each call of a function of ours, and now and then within a
    statement: a thousand short ones are one long query to who waits. What finds more than it may is refused.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        """Open *path*."""
        super().__init__(str(path), **options)
        self.set_progress_handler(self._tick, TICK_STEPS)
        self._until_s = math.inf
        self._ticks = 0
        self._size_bytes = self._left_bytes = sys.maxsize

    @contextmanager
    def within(self, allowance: Allowance, ticks: int = sys.maxsize) -> Iterator[None]:
        """Within the block, readers keep to *allowance*, and take *ticks* times ``TICK_STEPS`` steps at the most."""
        self._until_s, self._ticks = time.monotonic() + allowance.duration_s, ticks
        self._size_bytes = self._left_bytes = allowance.size_bytes
        try:
            yield
        finally:
            self._until_s = math.inf
            self._left_bytes = sys.maxsize

    def find(self, size_bytes: int) -> None:
        """Documents of that size are found.

        Raises:
            Refusal: QUERY_TOO_LARGE when they are too much with all that was found before.
        """
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise Refusal(QUERY_TOO_LARGE, limit=self._size_bytes)

    def check(self) -> None:
        """Give up if the time is over."""
        if time.monotonic() > self._until_s:
            raise apsw.InterruptError

    def _tick(self) -> bool:
        self._ticks -= 1
        return self._until_s < math.inf and (self._ticks < 0 or time.monotonic() > self._until_s)

    def execute(  # type: ignore[override]  # what the unit uses of it
        self, statement: str, bindings: Any = None
    ) -> apsw.Cursor:
        """Run *statement*."""
        self.check()
        return _execute(self, statement, bindings)


class NearConnection(ReadConnection):
    """A connection whose read transaction begins with its first statement: what is remembered costs none.

    The transaction goes on from one reader to the next until :meth:`end`; ``serial`` tells it from others, so that
    what was asked within it need not be asked again.
    """

    serial = 0
    _reading = False

    def execute(  # type: ignore[override]  # what the unit uses of it
        self, statement: str, bindings: Any = None
    ) -> apsw.Cursor:
        """Run *statement* within the read transaction."""
        if not self._reading:
            self._reading = True
            _execute(self, "BEGIN")
        self.check()
        return _execute(self, statement, bindings)

    def end(self) -> None:
        """End the read transaction, if one was begun."""
        self.serial += 1
        if self._reading:
            self._reading = False
            _execute(self, "COMMIT")
