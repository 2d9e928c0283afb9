"""Coroutines that run before they have a task.

What does not belong here: what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

Work = Coroutine[Any, Any, None]


def run_at_once(work: Work) -> Work | None:
    """Run *work* until it has to wait; None when it never did, else what remains of it, for a task.

    Up to there it has no task of its own, so it must not ask for the current one, as timeouts do.
    """
    try:
        waited_for = work.send(None)
    except StopIteration:
        return None
    return _remains(work, waited_for)


@coroutine
def _remains(work: Work, waited_for: asyncio.Future[Any] | None) -> Generator[Any, Any, None]:
    """Wait for what *work* already waits for, then go on with it."""
    try:
        while True:
            try:
                result = yield waited_for
            except BaseException as error:
                waited_for = work.throw(error)
            else:
                waited_for = work.send(result)
    except StopIteration:
        return
