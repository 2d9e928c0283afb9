"""Exports: everything in a cell as one snapshot file, made while the cell stays in use.

What does not belong here: what a snapshot looks like (``snapshot_writer``).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

import orjson

from alveary.errors import SNAPSHOT_EXISTS, Refusal
from alveary.model.cell import Cell
from alveary.model.keep import Job, JobKind
from alveary.model.names import SnapshotName
from alveary.model.privileges import CellPrivilege
from alveary.model.tree import Content
from alveary.ports import Ports
from alveary.ports.store import KeepTx, ReadTx, WriteTx
from alveary.usecases import cell_jobs, seals
from alveary.usecases.access import Access
from alveary.usecases.cell_jobs import Interrupted, Progress
from alveary.usecases.snapshot_writer import SnapshotWriter
from alveary.usecases.snapshots import MEDIA_TYPE, refuse_locked, refuse_promised, require_room, save_file
from alveary.wire.sealed_archive import SealedSink
from alveary.wire.snapshot.manifest import Manifest
from alveary.wire.zip import ZipWriter

PATH: Final = "__export"

SEALED_MEDIA_TYPE: Final = "application/octet-stream"
_FAILURE_MEDIA_TYPE: Final = "application/json"


async def find(ports: Ports, access: Access) -> Job | None:
    """The export that is under way, None when there is none.

    Raises:
        Refusal: as Access.require.
    """
    access.require(CellPrivilege.ROOT)
    return await cell_jobs.find(ports, access.here, JobKind.EXPORT)


async def start(ports: Ports, access: Access, name: SnapshotName | None, passphrase: str | None = None) -> Job:
    """Begin to export the cell as the snapshot *name*, by default one that tells cell and time.

    With a *passphrase* the file is encrypted, and opens with it alone.

    The answer comes at once; the export survives a restart of the unit, and leaves a file for its success or one
    for its failure.

    Raises:
        Refusal: as Access.require; SNAPSHOT_EXISTS, TOO_MANY_CHILDREN, CELL_LOCKED, DISK_FULL.
    """
    access.require(CellPrivilege.ROOT)
    cell = access.here
    refuse_locked(ports, cell)
    seal = None if passphrase is None else seals.hidden(ports, await seals.make(ports, passphrase))

    async def accept(tx: KeepTx) -> Job:
        chosen = name or _default_name(cell, tx.now_ms)
        await refuse_promised(tx, chosen.archive)
        if await tx.snapshots.find(chosen.archive):
            raise Refusal(SNAPSHOT_EXISTS, name=chosen.archive)
        job = await cell_jobs.accept(tx, JobKind.EXPORT, chosen, cell, seal)
        await require_room(tx, ports.config.limits.children)
        return job

    job = await ports.store.keep(cell).write(accept)
    ports.jobs.start(partial(_run, ports, cell, job))
    return job


def _default_name(cell: Cell, now_ms: int) -> SnapshotName:
    return SnapshotName(f"{cell.name}_{datetime.fromtimestamp(now_ms // 1000, UTC):%Y%m%d_%H%M%S}")


async def take_up(ports: Ports, cell: Cell, job: Job) -> None:
    """Begin *job* of *cell* again, which the end of the unit has cut."""
    ports.jobs.start(partial(_run, ports, cell, job))


async def _run(ports: Ports, cell: Cell, job: Job) -> None:
    try:
        await _export(ports, cell, job)
    except Interrupted:
        return
    except Exception as error:
        if await cell_jobs.is_gone(ports, cell):
            return
        refusal = cell_jobs.as_refusal(ports, error)
        await cell_jobs.insist(ports, partial(_fail, ports, cell, job, refusal))


async def _export(ports: Ports, cell: Cell, job: Job) -> None:
    keep, contents = ports.store.keep(cell), ports.store.contents(cell)
    progress = Progress(ports.jobs)
    seal = None if job.seal is None else seals.shown(ports, job.seal)
    with keep.blobs.compose() as draft:

        async def write(tx: ReadTx) -> Content:
            now_ms = ports.clock.now_ms()
            manifest = Manifest(ports.urls.unit_url, now_ms, ports.urls.path_style)
            sink = None if seal is None else SealedSink(draft.write, seal)
            with keep.blobs.scratch() as spool:
                archive = ZipWriter(draft.write if sink is None else sink.write, spool)
                await SnapshotWriter(tx, contents.blobs, cell, archive, progress).write(manifest)
            if sink is not None:
                sink.finish()
            return draft.keep()

        content = await cell_jobs.watched(keep, job, progress, contents.scan(write))
        with suppress(Refusal):  # an import has begun since: its contents know nothing of this export
            await ports.store.contents(cell).write(_tell)
        # After the event: an end between the two tells it twice, and never not at all.
        await cell_jobs.insist(ports, partial(_succeed, ports, cell, job, content))


async def _tell(tx: WriteTx) -> None:
    await tx.outbox.append(cell_jobs.ended_event("cell.export", PATH))


async def _succeed(ports: Ports, cell: Cell, job: Job, content: Content) -> None:
    name = SnapshotName(job.name)

    async def end(tx: KeepTx) -> None:
        await save_file(tx, name.archive, MEDIA_TYPE if job.seal is None else SEALED_MEDIA_TYPE, content)
        await tx.snapshots.remove(name.failure)
        await tx.jobs.remove(job)

    await ports.store.keep(cell).write(end)


async def _fail(ports: Ports, cell: Cell, job: Job, refusal: Refusal) -> None:
    keep = ports.store.keep(cell)
    text = orjson.dumps({"code": refusal.kind.code, "message": {"lang": "en", "value": refusal.text}})
    with keep.blobs.compose() as draft:
        draft.write(text)
        content = draft.keep()

        async def end(tx: KeepTx) -> None:
            await save_file(tx, SnapshotName(job.name).failure, _FAILURE_MEDIA_TYPE, content)
            await tx.jobs.remove(job)

        await keep.write(end)
