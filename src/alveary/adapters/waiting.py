"""How adapters run a transaction's body, and wait for work on other threads.

What does not belong here: the threads, and what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    """Run *coroutine* to its end at once. One that waits for anything but its transaction is a bug."""
    steps = coroutine.__await__()
    try:
        next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    steps.close()
    raise RuntimeError("a transaction's body may await nothing but its transaction")


class Lasting(asyncio.Future[T]):
    """What is going to be answered; a caller that is cancelled meanwhile leaves only after it has been."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse: the work goes on. The task that waits is cancelled where it would go on."""
        return False


async def outlast(job: asyncio.Future[T]) -> T:
    """The same for any future: what *job* answers, once it has ended."""
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        while not job.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([job])
        raise
