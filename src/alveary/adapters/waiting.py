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


async def outlast(job: asyncio.Future[T]) -> T:
    """What *job* answers; a caller that is cancelled meanwhile leaves only after the job has ended."""
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        while not job.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([job])
        raise
