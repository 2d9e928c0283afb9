"""What a body did that was rolled back, it did not do: not to rows, not to blobs, not to what is remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from alveary.adapters.blobs.files import BlobLimits
from alveary.adapters.machine import SystemClock, SystemIds
from alveary.adapters.sqlite.part import Part
from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.adapters.sqlite.store import StoreSettings
from alveary.adapters.sqlite.transactions import ContentsTx
from alveary.errors import ETAG_MISMATCH, Refusal
from alveary.model.cell import Cell, CellStatus
from alveary.model.names import CellName
from alveary.model.tree import Node, NodeKind


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture
async def contents(tmp_path: Path) -> AsyncIterator[Part[ContentsTx]]:
    settings = StoreSettings(tmp_path, BlobLimits(disk_reserve_percent=0))
    registry = SqliteRegistry(settings, clock=SystemClock(), ids=SystemIds())
    cell = await registry.create(Cell(SystemIds().new(), CellName("cell"), None, CellStatus.NORMAL, "", 1, 0, 0))
    yield registry.store.contents(cell)
    await registry.close()


async def put(contents: Part[ContentsTx], data: bytes, *, fail: bool = False) -> None:
    async with contents.blobs.stage(pieces(data), max_bytes=0) as staged:
        content = await staged.keep()

        async def save(tx: ContentsTx) -> None:
            place = await tx.nodes.locate("__", ("big",))
            old = place.node
            fresh = Node("file", place.nearest.id, "big", NodeKind.FILE, 1, tx.now_ms, tx.now_ms)
            await tx.nodes.save(replace(old or fresh, content=content))
            if fail:
                raise Refusal(ETAG_MISMATCH)

        await contents.write(save)


async def read(contents: Part[ContentsTx]) -> bytes:
    async def find(tx: ContentsTx) -> Node | None:
        return (await tx.nodes.locate("__", ("big",))).node

    node = await contents.read(find)
    assert node is not None and node.content is not None
    return b"".join([piece async for piece in contents.blobs.read(node.content)])


async def test_the_old_blob_stays_when_its_replacement_was_rolled_back(contents: Part[ContentsTx]) -> None:
    await put(contents, b"old" * 10_000)
    with pytest.raises(Refusal):
        await put(contents, b"new" * 10_000, fail=True)
    await put_elsewhere(contents)
    assert await read(contents) == b"old" * 10_000
    assert len(list((contents.folder / "blobs").glob("*/*"))) == 1


async def put_elsewhere(contents: Part[ContentsTx]) -> None:
    """Another commit, after which what earlier ones let go is deleted."""

    async def save(tx: ContentsTx) -> None:
        root = await tx.nodes.root()
        await tx.nodes.save(replace(root, version=root.version + 1))

    await contents.write(save)
    await contents.database.settle()


async def test_the_blob_that_was_replaced_for_good_goes(contents: Part[ContentsTx]) -> None:
    await put(contents, b"old" * 10_000)
    await put(contents, b"new" * 10_000)
    assert await read(contents) == b"new" * 10_000


async def test_a_file_that_was_read_before_is_not_remembered_after_its_change(contents: Part[ContentsTx]) -> None:
    for text in (b"1", b"2", b"3"):
        await put(contents, text)
        assert await read(contents) == text
        with pytest.raises(Refusal):
            await put(contents, b"never", fail=True)
        assert await read(contents) == text
