"""The snapshot area of a cell: files that exports leave there and imports start from.

What does not belong here: what is in a snapshot, exporting (``exports``) and importing (``imports``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from alveary.errors import CELL_LOCKED, NO_SUCH_RESOURCE, SNAPSHOT_EXISTS, TOO_MANY_CHILDREN, Refusal
from alveary.model.cell import Cell
from alveary.model.keep import JobKind, SnapshotFile
from alveary.model.names import SnapshotFileName, SnapshotName
from alveary.model.privileges import CellPrivilege
from alveary.model.tree import Content
from alveary.ports import Ports
from alveary.ports.store import KeepReadTx, KeepTx
from alveary.usecases.access import Access
from alveary.usecases.files import Saved, require_digest
from alveary.wire.etags import ETag, Precondition

MEDIA_TYPE: Final = "application/zip"


def etag_of(file: SnapshotFile) -> ETag:
    """The strong ETag of *file*."""
    return ETag(file.version, file.updated_ms)


async def list_files(ports: Ports, access: Access) -> list[SnapshotFile]:
    """All files of the area, ordered by name.

    Raises:
        Refusal: as Access.require.
    """
    access.require(CellPrivilege.ROOT)

    async def find(tx: KeepReadTx) -> list[SnapshotFile]:
        return await tx.snapshots.list()

    return await ports.store.keep(access.here).read(find)


async def get(ports: Ports, access: Access, name: SnapshotFileName) -> SnapshotFile:
    """The file of that name.

    Raises:
        Refusal: as Access.require; NO_SUCH_RESOURCE.
    """
    access.require(CellPrivilege.ROOT)

    async def find(tx: KeepReadTx) -> SnapshotFile:
        return existing(await tx.snapshots.find(name), name)

    return await ports.store.keep(access.here).read(find)


async def put(
    ports: Ports,
    access: Access,
    name: SnapshotFileName,
    body: AsyncIterator[bytes],
    *,
    media_type: str,
    expect: Precondition,
    sha256: bytes | None = None,
) -> Saved:
    """Store *body* as the file of that name, whole or not at all; what can refuse it does so before it is read.

    *sha256* is what it has to be, None for whatever comes.

    Raises:
        Refusal: as Access.require; ETAG_MISMATCH, SNAPSHOT_EXISTS (an export is about to take the name),
            TOO_MANY_CHILDREN, BODY_TOO_LARGE, DIGEST_MISMATCH, CELL_LOCKED, DISK_FULL.
    """
    access.require(CellPrivilege.ROOT)
    refuse_locked(ports, access.here)
    keep = ports.store.keep(access.here)

    async def check(tx: KeepReadTx | KeepTx) -> SnapshotFile | None:
        refuse_locked(ports, access.here)
        old = await tx.snapshots.find(name)
        expect.check(etag_of(old) if old else None)
        await refuse_promised(tx, name)
        if old is None:
            await require_room(tx, ports.config.limits.children)
        return old

    await keep.read(check)
    async with keep.blobs.stage(body, max_bytes=ports.config.limits.snapshot_bytes) as staged:
        content = await staged.keep()  # before the row: an orphan is swept later, a dangling row would not be
        require_digest(content, sha256)

        async def save(tx: KeepTx) -> Saved:
            old = await check(tx)
            saved = await save_file(tx, name, media_type, content)
            return Saved(etag_of(saved), created=old is None, sha256=content.sha256)

        return await keep.write(save)


async def delete(ports: Ports, access: Access, name: SnapshotFileName, *, expect: Precondition) -> None:
    """Remove the file of that name; downloads of it go on.

    Raises:
        Refusal: as Access.require; NO_SUCH_RESOURCE, ETAG_MISMATCH, CELL_LOCKED.
    """
    access.require(CellPrivilege.ROOT)
    refuse_locked(ports, access.here)

    async def remove(tx: KeepTx) -> None:
        expect.check(etag_of(existing(await tx.snapshots.find(name), name)))
        await tx.snapshots.remove(name)

    await ports.store.keep(access.here).write(remove)


def existing(file: SnapshotFile | None, name: SnapshotFileName) -> SnapshotFile:
    """*file*, looked for under *name*, if it was found.

    Raises:
        Refusal: NO_SUCH_RESOURCE.
    """
    if file is None:
        raise Refusal(NO_SUCH_RESOURCE, url=name)
    return file


def refuse_locked(ports: Ports, cell: Cell) -> None:
    """Return when nothing keeps *cell* from being changed.

    Raises:
        Refusal: CELL_LOCKED.
    """
    reason = ports.store.locked(cell)
    if reason is not None:
        raise Refusal(CELL_LOCKED, reason=reason)


async def refuse_promised(tx: KeepReadTx | KeepTx, name: SnapshotFileName) -> None:
    """Return when no export is about to make a file of that name.

    Raises:
        Refusal: SNAPSHOT_EXISTS.
    """
    for job in await tx.jobs.current():
        if job.kind is JobKind.EXPORT and SnapshotName(job.name).archive == name:
            raise Refusal(SNAPSHOT_EXISTS, name=name)


async def require_room(tx: KeepReadTx | KeepTx, most: int) -> None:
    """Return when the area holds fewer than *most* files.

    Raises:
        Refusal: TOO_MANY_CHILDREN.
    """
    if await tx.snapshots.count() >= most:
        raise Refusal(TOO_MANY_CHILDREN)


async def save_file(tx: KeepTx, name: SnapshotFileName, media_type: str, content: Content) -> SnapshotFile:
    """The file of that name with *content*, as its next version when it is there already."""
    old = await tx.snapshots.find(name)
    if old is None:
        file = SnapshotFile(name, media_type, content, 1, tx.now_ms, tx.now_ms)
    else:
        file = replace(old, media_type=media_type, content=content, version=old.version + 1, updated_ms=tx.now_ms)
    await tx.snapshots.save(file)
    return file
