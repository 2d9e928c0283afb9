"""What a start does before anything is served: it takes up the jobs that the end of the unit has cut.

What does not belong here: what the store puts right by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from alveary.model.cell import Cell
from alveary.model.keep import Job, JobKind
from alveary.ports import Ports
from alveary.ports.store import KeepReadTx
from alveary.usecases import exports, imports

_TAKE_UP: Final[Mapping[JobKind, Callable[[Ports, Cell, Job], Awaitable[None]]]] = {
    JobKind.EXPORT: exports.take_up,
    JobKind.IMPORT: imports.take_up,
}


async def resume(ports: Ports) -> None:
    """Begin cut exports again; end cut imports as failed, or as done where only their last step was missing."""
    for cell in await ports.registry.unfinished():
        for job in await ports.store.keep(cell).read(_jobs):
            await _TAKE_UP[job.kind](ports, cell, job)


async def _jobs(tx: KeepReadTx) -> list[Job]:
    return await tx.jobs.current()
