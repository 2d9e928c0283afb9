"""What a start does before anything is served: cut jobs are taken up, and what is overdue is forgotten.

What does not belong here: what the store puts right by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from alveary.errors import Refusal
from alveary.model.cell import Cell
from alveary.model.keep import Job, JobKind
from alveary.ports import Ports
from alveary.ports.store import KeepReadTx
from alveary.usecases import exports, imports, uploads

_TAKE_UP: Final[Mapping[JobKind, Callable[[Ports, Cell, Job], Awaitable[None]]]] = {
    JobKind.EXPORT: exports.take_up,
    JobKind.IMPORT: imports.take_up,
}


async def resume(ports: Ports) -> None:
    """Begin cut exports again; end cut imports as failed, or as done where only their last step was missing.

    Uploads whose time is over are forgotten, unless the disk is full.
    """
    for cell in await ports.registry.unfinished():
        with suppress(Refusal):
            await uploads.sweep(ports, cell)
        for job in await ports.store.keep(cell).read(_jobs):
            await _TAKE_UP[job.kind](ports, cell, job)


async def _jobs(tx: KeepReadTx) -> list[Job]:
    return await tx.jobs.current()
