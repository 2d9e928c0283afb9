"""Exports and imports as jobs of their cell: one at a time, watched while they run, ended in a stated way.

The row of a job is there before its request is answered and until its end is written, so a restart finds it. What
does not belong here: what a job does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from alveary.errors import CELL_LOCKED, DISK_FULL, UNEXPECTED, Refusal
from alveary.model.cell import Cell
from alveary.model.entities import JsonValue
from alveary.model.keep import Job, JobKind
from alveary.ports import Ports
from alveary.ports.jobs import Jobs
from alveary.ports.store import Keep, KeepReadTx, KeepTx, RegistryReadTx

T = TypeVar("T")

_REPORT_S: Final = 0.5
"""How often progress is looked at; it is written when it has moved by a whole percent."""

_RETRY_S: Final = 2.0
"""How soon the end of a job is written again when the disk was full."""


class Interrupted(Exception):  # noqa: N818 - the unit is told to stop: nothing has gone wrong
    """The unit stops before the end of a job, which stays for the next start to take up."""


class Progress:
    """How far a job is: told by the thread that works, read by the task that watches."""

    def __init__(self, jobs: Jobs, total_bytes: int = 0) -> None:
        """Of *total_bytes* nothing is done yet."""
        self._jobs = jobs
        self._done_bytes = 0
        self.total_bytes = total_bytes

    def advance(self, size_bytes: int) -> None:
        """So many more bytes are done.

        Raises:
            Interrupted: the unit is about to stop.
        """
        if self._jobs.stopping:
            raise Interrupted
        self._done_bytes += size_bytes

    @property
    def percent(self) -> int:
        """The share that is done, 0 to 99: only its end makes a job complete."""
        return min(99, self._done_bytes * 100 // max(self.total_bytes, 1))


async def accept(tx: KeepTx, kind: JobKind, name: str, cell: Cell, seal: bytes | None = None) -> Job:
    """The row of a new job of *cell*; *seal* is kept for it until its end.

    Raises:
        Refusal: CELL_LOCKED while another has not ended.
    """
    for running in await tx.jobs.current():
        raise Refusal(CELL_LOCKED, reason=running.kind.value)
    job = Job(kind, name, tx.now_ms, cell.contents, seal=seal)
    await tx.jobs.save(job)
    return job


async def find(ports: Ports, cell: Cell, kind: JobKind) -> Job | None:
    """The job of that kind that *cell* has now."""

    async def current(tx: KeepReadTx) -> Job | None:
        return next((job for job in await tx.jobs.current() if job.kind is kind), None)

    return await ports.store.keep(cell).read(current)


async def watched(keep: Keep, job: Job, progress: Progress, work: Coroutine[Any, Any, T]) -> T:
    """What *work* answers; meanwhile the row of *job* tells its progress."""
    task = asyncio.create_task(work)
    told = job.progress
    try:
        while not (await asyncio.wait({task}, timeout=_REPORT_S))[0]:
            if progress.percent != told:
                told = progress.percent
                with suppress(Refusal):  # a number that is not written stops nothing
                    await keep.write(_saving(replace(job, progress=told)))
        return task.result()
    finally:
        if task.cancel():
            await asyncio.wait({task})


def _saving(job: Job) -> Callable[[KeepTx], Awaitable[None]]:
    async def save(tx: KeepTx) -> None:
        await tx.jobs.save(job)

    return save


async def insist(ports: Ports, write: Callable[[], Awaitable[T]]) -> T:
    """What *write* answers, tried again for as long as the disk is full: the end of a job must not be lost.

    Raises:
        Refusal: DISK_FULL when the unit stops meanwhile, or whatever else *write* raises.
    """
    while True:
        try:
            return await write()
        except Refusal as refusal:
            if refusal.kind is not DISK_FULL or ports.jobs.stopping:
                raise
        await asyncio.sleep(_RETRY_S)


def as_refusal(ports: Ports, error: Exception) -> Refusal:
    """What users are told of *error*: a refusal as it is, of a bug only the number under which the log has it."""
    if isinstance(error, Refusal):
        return error
    trace = ports.ids.hex()
    ports.log.error("job failed", trace=trace, exc_info=error)
    return Refusal(UNEXPECTED, trace=trace)


async def is_gone(ports: Ports, cell: Cell) -> bool:
    """Whether *cell* has been deleted, so that nobody waits for the end of its jobs."""

    async def find_row(tx: RegistryReadTx) -> Cell | None:
        return await tx.cells.get(cell.id)

    return await ports.registry.read(find_row) is None


def ended_event(kind: str, path: str) -> dict[str, JsonValue]:
    """The event of a job's success: nobody's, for the request that asked for it has long been answered."""
    return {
        "RequestKey": None,
        "External": False,
        "Schema": None,
        "Subject": None,
        "Type": kind,
        "Object": f"personium-localcell:/{path}",
        "Info": "",
    }
