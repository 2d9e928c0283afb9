"""Imports: the contents of a cell replaced by those of a snapshot file, all of them or none.

New contents are built aside and put into service in one step; whatever goes wrong before leaves the old ones. What
does not belong here: how a snapshot is read (``snapshot_loader``).
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Final, Self

import orjson

from alveary.errors import JOB_CUT, SNAPSHOT_UNREADABLE, Refusal
from alveary.model.cell import Cell, CellStatus
from alveary.model.keep import Job, JobKind, SnapshotFile
from alveary.model.names import SnapshotName
from alveary.model.privileges import CellPrivilege
from alveary.model.seals import Seal
from alveary.ports import Ports
from alveary.ports.store import BuildTx, KeepReadTx, KeepTx
from alveary.usecases import cell_jobs, seals
from alveary.usecases.access import Access
from alveary.usecases.cell_jobs import Interrupted, Progress
from alveary.usecases.snapshot_loader import Plan, SnapshotLoader, check, open_archive
from alveary.usecases.snapshots import existing, refuse_locked
from alveary.wire.snapshot.layout import SnapshotProblem
from alveary.wire.zip import ZipProblem

PATH: Final = "__import"


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """How the last import of a cell failed: what the cell's row remembers as JSON."""

    name: str
    started_ms: int
    progress: int
    code: str
    text: str

    @classmethod
    def parse(cls, raw: str) -> Self:
        """The failure that :meth:`render` spelled."""
        return cls(**orjson.loads(raw))

    def render(self) -> str:
        """The JSON text of it."""
        return orjson.dumps(asdict(self)).decode()


async def find(ports: Ports, access: Access) -> Job | ImportFailure | None:
    """The import that is under way, else how the last one failed; None when neither is so.

    Raises:
        Refusal: as Access.require.
    """
    access.require(CellPrivilege.ROOT)
    cell = access.here
    job = await cell_jobs.find(ports, cell, JobKind.IMPORT)
    if job is not None or cell.failure is None:
        return job
    return ImportFailure.parse(cell.failure)


@dataclass(frozen=True, slots=True)
class _Source:
    """The snapshot file that an import is from, and what it is encrypted with."""

    file: SnapshotFile
    seal: Seal | None


async def start(ports: Ports, access: Access, name: SnapshotName, passphrase: str | None = None) -> Job:
    """Begin to replace the contents of the cell by those of the snapshot *name*, which *passphrase* may have to open.

    What is refused here changes nothing. Once accepted, writes of the cell are refused until the end, and any failure
    sets its status.

    Raises:
        Refusal: as Access.require; NO_SUCH_RESOURCE, SNAPSHOT_NOT_ZIP, SNAPSHOT_VERSION, SNAPSHOT_ENTRY_MISSING,
            SNAPSHOT_UNREADABLE, SNAPSHOT_SEALED, SNAPSHOT_PASSPHRASE, CELL_LOCKED, DISK_FULL.
    """
    access.require(CellPrivilege.ROOT)
    cell = access.here
    refuse_locked(ports, cell)
    keep = ports.store.keep(cell)

    async def find_file(tx: KeepReadTx) -> SnapshotFile:
        return existing(await tx.snapshots.find(name.archive), name.archive)

    async def look(tx: KeepReadTx) -> Plan:
        with keep.blobs.open(source.file.content) as file:
            return check(seals.opened(file, source.seal), ports.config)

    async def accept(tx: KeepTx) -> Job:
        return await cell_jobs.accept(tx, JobKind.IMPORT, name, cell)

    async with AsyncExitStack() as held:
        # Locked first: a snapshot that was checked cannot be replaced before it is opened.
        await held.enter_async_context(ports.store.lock(cell, JobKind.IMPORT.value))
        found = await keep.read(find_file)
        source = _Source(found, await seals.of_file(ports, keep, found, passphrase))
        plan = await keep.scan(look)
        job = await keep.write(accept)
        lock = held.pop_all()
    ports.jobs.start(partial(_run, ports, cell, job, source, plan, lock))
    return job


async def acknowledge(ports: Ports, access: Access) -> None:
    """Take note of a failure: the cell's status is normal again, with the contents it had.

    Raises:
        Refusal: as Access.require; CELL_LOCKED while an import is under way.
    """
    access.require(CellPrivilege.ROOT)
    refuse_locked(ports, access.here)

    def heal(row: Cell) -> Cell:
        return replace(row, status=CellStatus.NORMAL, failure=None)

    if access.here.status is not CellStatus.NORMAL:
        await ports.registry.update(access.here.id, heal)


async def take_up(ports: Ports, cell: Cell, job: Job) -> None:
    """End *job* of *cell*, which the end of the unit has cut: it failed, unless its contents are in service."""
    if cell.contents == job.contents:
        await _record_failure(ports, cell, job, Refusal(JOB_CUT, job=job.kind.value))
    await _forget(ports, cell, job)


async def _run(ports: Ports, cell: Cell, job: Job, source: _Source, plan: Plan, lock: AsyncExitStack) -> None:
    progress = Progress(ports.jobs, plan.total_bytes)
    async with lock:
        try:
            await _import(ports, cell, job, source, plan, progress)
        except Interrupted:
            return
        except Exception as error:
            failed = replace(job, progress=progress.percent)
            refusal = cell_jobs.as_refusal(ports, error)
            # The cell's row first: an end in between leaves the job, which says the same at the next start.
            await cell_jobs.insist(ports, partial(_record_failure, ports, cell, failed, refusal))
    # After the lock: whoever is told that it has ended may write again.
    await cell_jobs.insist(ports, partial(_forget, ports, cell, job))


async def _import(ports: Ports, cell: Cell, job: Job, source: _Source, plan: Plan, progress: Progress) -> None:
    keep = ports.store.keep(cell)

    async def tell(tx: BuildTx) -> None:
        await tx.outbox.append(cell_jobs.ended_event("cell.import", PATH))

    async with ports.store.build(cell) as build:
        with keep.blobs.open(source.file.content) as file:
            archive = open_archive(seals.opened(file, source.seal), ports.config)
            loader = SnapshotLoader(ports, cell, plan, archive, progress)
            try:
                await cell_jobs.watched(keep, job, progress, loader.load(build))
            except (ZipProblem, SnapshotProblem) as problem:
                raise Refusal(SNAPSHOT_UNREADABLE, cause=problem) from None
        await build.fill(tell)
        await build.swap()


async def _record_failure(ports: Ports, cell: Cell, job: Job, refusal: Refusal) -> None:
    failure = ImportFailure(job.name, job.started_ms, job.progress, refusal.kind.code, refusal.text)

    def fail(row: Cell) -> Cell:
        return replace(row, status=CellStatus.IMPORT_FAILED, failure=failure.render())

    await ports.registry.update(cell.id, fail)


async def _forget(ports: Ports, cell: Cell, job: Job) -> None:
    async def forget(tx: KeepTx) -> None:
        await tx.jobs.remove(job)

    await ports.store.keep(cell).write(forget)
