"""Uploads in several requests: pieces are gathered, and become the file at once when the last has come.

An upload belongs to who began it, and is forgotten some time after its last piece. It survives restarts, but no
import of the cell. What does not belong here: headers, and what a PUT of a file means (``files``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Final

from alveary.errors import (
    AUTH_REQUIRED,
    BODY_TOO_LARGE,
    NO_SUCH_RESOURCE,
    TOO_MANY_UPLOADS,
    UPLOAD_ENDED,
    UPLOAD_LENGTH,
    UPLOAD_OFFSET,
    Refusal,
)
from alveary.model.cell import Cell
from alveary.model.tree import Content
from alveary.model.uploads import Conditions, Upload
from alveary.ports import Ports
from alveary.ports.blobs import Blobs, Draft
from alveary.ports.store import ReadTx, WriteTx
from alveary.usecases.access import Access, BoxPath
from alveary.usecases.files import PUT, Put, Saved, require_digest
from alveary.wire.etags import Precondition

_COPIED_BYTES: Final = 1024 * 1024

Arrived = Callable[[], bool]
"""Whether a body came to its own end, and not to that of its connection."""


async def begin(
    ports: Ports,
    access: Access,
    path: BoxPath,
    *,
    media_type: str,
    conditions: Conditions,
    length_bytes: int | None,
    sha256: bytes | None,
) -> Upload:
    """A new upload, without any bytes, of what will be the file at *path*.

    What a PUT would refuse is refused here, and again when the upload becomes the file. *length_bytes* and *sha256*
    are what it will have to be, None where the client does not know.

    Raises:
        Refusal: as :func:`files.put`; AUTH_REQUIRED of who does not say who they are, TOO_MANY_UPLOADS.
    """
    place = await access.require_at(ports, path, PUT)
    owner = _owner(access)
    order = Put(path, media_type, Precondition.parse(*conditions))
    await ports.store.contents(access.here).read(lambda tx: order.look(ports, access, tx, place))
    _require_fits(ports, length_bytes or 0)

    async def save(tx: WriteTx) -> Upload:
        order.check(ports, await access.judge(tx, path, PUT))
        await _forget_overdue(tx)
        if await tx.uploads.count() >= ports.config.limits.uploads:
            raise Refusal(TOO_MANY_UPLOADS)
        upload = Upload(
            ports.ids.new(),
            owner,
            path.box,
            path.segments,
            media_type,
            _until_ms(ports, tx),
            conditions,
            length_bytes,
            sha256,
        )
        await tx.uploads.save(upload)
        return upload

    return await ports.store.contents(access.here).write(save)


async def find(ports: Ports, access: Access, upload_id: str) -> Upload:
    """The upload of that id, for who began it.

    Raises:
        Refusal: AUTH_REQUIRED, or why the credentials were not accepted; PASSWORD_CHANGE_TOKEN; NO_SUCH_RESOURCE.
    """
    access.require_known()

    async def look(tx: ReadTx) -> Upload:
        return await _own(tx, access, upload_id, ports.clock.now_ms())

    return await ports.store.contents(access.here).read(look)


async def append(
    ports: Ports,
    access: Access,
    upload: Upload,
    body: AsyncIterator[bytes],
    arrived: Arrived,
    *,
    offset_bytes: int,
    length_bytes: int | None = None,
    sha256: bytes | None = None,
) -> Upload:
    """*upload* with *body* behind its first *offset_bytes*, durably; what a cut body brought is kept too.

    *arrived* is asked at the end of the body, which has to have *sha256* when it came whole.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_RESOURCE, UPLOAD_OFFSET, UPLOAD_ENDED, UPLOAD_LENGTH, DIGEST_MISMATCH,
            BODY_TOO_LARGE, CELL_LOCKED, DISK_FULL.
    """
    await access.require_at(ports, _path(upload), PUT)
    _require_open(upload, offset_bytes)
    contents = ports.store.contents(access.here)
    async with contents.blobs.stage(body, max_bytes=ports.config.limits.upload_bytes) as staged:
        content = await staged.keep()
        if arrived():
            require_digest(content, sha256)
        end_bytes = offset_bytes + content.size_bytes
        _require_fits(ports, end_bytes)

        async def save(tx: WriteTx) -> Upload:
            await access.judge(tx, _path(upload), PUT)
            now = await _own(tx, access, upload.id, tx.now_ms)
            _require_open(now, offset_bytes)
            grown = replace(
                now,
                until_ms=_until_ms(ports, tx),
                length_bytes=_agreed(now.length_bytes, length_bytes),
                offset_bytes=end_bytes,
            )
            if grown.length_bytes is not None and end_bytes > grown.length_bytes:
                raise Refusal(UPLOAD_LENGTH)
            if content.size_bytes:
                await tx.uploads.add_piece(now, ports.ids.new(), content)
            await tx.uploads.save(grown)
            return grown

        return await contents.write(save)


async def finish(ports: Ports, access: Access, upload: Upload) -> Saved:
    """What has come of *upload* as the file that it was begun for.

    Raises:
        Refusal: as :func:`files.put`; NO_SUCH_RESOURCE, UPLOAD_OFFSET, UPLOAD_ENDED, UPLOAD_LENGTH.
    """
    await access.require_at(ports, _path(upload), PUT, partial(_order(upload).look, ports, access))
    contents = ports.store.contents(access.here)
    async with AsyncExitStack() as held:
        draft = held.enter_context(contents.blobs.compose())
        content = await contents.scan(lambda tx: _whole(tx, upload, contents.blobs, draft))
        require_digest(content, upload.sha256)

        async def save(tx: WriteTx) -> Saved:
            now = await _own(tx, access, upload.id, tx.now_ms)
            _require_open(now, upload.offset_bytes)
            if now.length_bytes not in {None, content.size_bytes}:
                raise Refusal(UPLOAD_LENGTH)
            saved = await _order(upload).apply(ports, access, tx, content)
            await tx.uploads.drop_pieces(upload.id, adopted=content)
            await tx.uploads.save(replace(now, complete=True, length_bytes=content.size_bytes))
            return saved

        return await contents.write(save)


async def cancel(ports: Ports, access: Access, upload_id: str) -> None:
    """Forget the upload of that id, with what has come of it.

    Raises:
        Refusal: as :func:`find`; CELL_LOCKED.
    """
    access.require_known()

    async def forget(tx: WriteTx) -> None:
        await _own(tx, access, upload_id, tx.now_ms)
        await tx.uploads.remove(upload_id)

    await ports.store.contents(access.here).write(forget)


async def sweep(ports: Ports, cell: Cell) -> None:
    """Forget the uploads of *cell* whose time is over.

    Raises:
        Refusal: CELL_LOCKED, DISK_FULL.
    """

    async def look(tx: ReadTx) -> list[str]:
        return await tx.uploads.overdue(ports.clock.now_ms())

    contents = ports.store.contents(cell)
    if await contents.read(look):
        await contents.write(_forget_overdue)


async def _forget_overdue(tx: WriteTx) -> None:
    for upload_id in await tx.uploads.overdue(tx.now_ms):
        await tx.uploads.remove(upload_id)


async def _whole(tx: ReadTx, upload: Upload, blobs: Blobs, draft: Draft) -> Content:
    """The bytes of all pieces as one content; one that came in one piece is that piece."""
    pieces = await tx.uploads.pieces(upload.id)
    if len(pieces) == 1:
        return pieces[0]
    for piece in pieces:
        with blobs.open(piece) as file:
            while data := file.read(_COPIED_BYTES):
                draft.write(data)
    return draft.keep()


def _path(upload: Upload) -> BoxPath:
    return BoxPath(upload.box, upload.segments)


def _order(upload: Upload) -> Put:
    return Put(_path(upload), upload.media_type, Precondition.parse(*upload.conditions))


def _owner(access: Access) -> str:
    who = access.account_id or access.subject
    if access.basic or (who is None and not access.owns):  # Basic counts in boxes only, and an upload is in none
        raise Refusal(access.refusal or AUTH_REQUIRED)
    return f"{access.who}:{who or ''}"


async def _own(tx: ReadTx | WriteTx, access: Access, upload_id: str, now_ms: int) -> Upload:
    upload = await tx.uploads.find(upload_id)
    if upload is None or upload.owner != _owner(access) or upload.until_ms <= now_ms:
        raise Refusal(NO_SUCH_RESOURCE, url=upload_id)
    return upload


def _until_ms(ports: Ports, tx: WriteTx) -> int:
    return tx.now_ms + ports.config.limits.upload_s * 1000


def _require_open(upload: Upload, offset_bytes: int) -> None:
    if upload.complete:
        raise Refusal(UPLOAD_ENDED, headers={"upload-complete": "?1"})
    if upload.offset_bytes != offset_bytes:
        raise Refusal(UPLOAD_OFFSET, offset=upload.offset_bytes, headers={"upload-offset": str(upload.offset_bytes)})


def _require_fits(ports: Ports, size_bytes: int) -> None:
    limit = ports.config.limits.upload_bytes
    if limit and size_bytes > limit:
        raise Refusal(BODY_TOO_LARGE, limit=limit)


def _agreed(known: int | None, told: int | None) -> int | None:
    if known is not None and told is not None and known != told:
        raise Refusal(UPLOAD_LENGTH)
    return told if known is None else known
