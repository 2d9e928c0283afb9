"""The unit's one runner of work that outlives its request: tasks of the event loop, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class TaskJobs:
    """Runs work as tasks; at the end of the unit they are told to stop and waited for."""

    def __init__(self, *, places: int) -> None:
        """At most *places* run at once, the others wait their turn."""
        self._places = asyncio.Semaphore(places)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Whether the unit is shutting down."""
        return self._stopping

    def start(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run *work* as soon as a place is free."""
        task = asyncio.get_running_loop().create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        async with self._places:
            if not self._stopping:
                await work()

    async def close(self) -> None:
        """Tell all work to stop and wait until it has."""
        self._stopping = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
