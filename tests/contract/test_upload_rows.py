"""What the use cases may expect of uploads in several requests, on every adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alveary.model.tree import Content
from alveary.model.uploads import Upload
from tests.stores import INLINE_BYTES, Unit, eventually, new_file, new_id, pieces

LARGE = b"0123456789" * INLINE_BYTES


def upload(**changes: Any) -> Upload:
    plain = Upload(new_id(), "account:a", "box", ("日本", "f"), "text/plain", 1_000, ("*", None, '"1-1"'))
    return replace(plain, **changes)


async def save(unit: Unit, *uploads: Upload) -> None:
    async def body(tx: Any) -> None:
        for each in uploads:
            await tx.uploads.save(each)

    await unit.write(body)


async def add(unit: Unit, to: Upload, data: bytes) -> Content:
    async with unit.contents.blobs.stage(pieces(data), max_bytes=0) as staged:
        content = await staged.keep()
        await unit.write(lambda tx: tx.uploads.add_piece(to, new_id(), content))
    return content


async def pieces_of(unit: Unit, of: Upload) -> list[bytes]:
    found = await unit.read(lambda tx: tx.uploads.pieces(of.id))
    return [await unit.bytes_of(content) for content in found]


async def test_an_upload_comes_back_as_it_was_saved_last(unit: Unit) -> None:
    plain, known = upload(), upload(length_bytes=9, sha256=b"\0" * 32, offset_bytes=3, complete=True)
    await save(unit, plain, known, replace(plain, offset_bytes=7))
    assert await unit.read(lambda tx: tx.uploads.find(plain.id)) == replace(plain, offset_bytes=7)
    assert await unit.read(lambda tx: tx.uploads.find(known.id)) == known
    assert await unit.read(lambda tx: tx.uploads.find("none")) is None


async def test_pieces_come_in_the_order_of_their_bytes_and_each_upload_has_its_own(unit: Unit) -> None:
    one, other = upload(), upload()
    await save(unit, one, other)
    await add(unit, one, b"small")
    await add(unit, other, b"another")
    await add(unit, replace(one, offset_bytes=5), LARGE)
    assert await pieces_of(unit, one) == [b"small", LARGE]
    assert await pieces_of(unit, other) == [b"another"]


async def test_those_whose_time_is_over_are_found_and_those_under_way_counted(unit: Unit) -> None:
    early, late, done = upload(until_ms=10), upload(until_ms=11), upload(until_ms=12, complete=True)
    await save(unit, early, late, done)
    assert await unit.read(lambda tx: tx.uploads.overdue(10)) == [early.id]
    assert await unit.read(lambda tx: tx.uploads.count()) == 2


async def test_what_is_forgotten_leaves_no_blob(unit: Unit) -> None:
    one, other = upload(), upload()
    await save(unit, one, other)
    await add(unit, one, LARGE)
    await add(unit, other, LARGE)
    await unit.write(lambda tx: tx.uploads.remove(one.id))
    assert await unit.read(lambda tx: tx.uploads.find(one.id)) is None
    await eventually(lambda: unit.blob_count(unit.contents) == 1)
    assert await pieces_of(unit, other) == [LARGE]


async def test_a_piece_that_is_a_file_now_outlives_its_upload(unit: Unit) -> None:
    main, one = await unit.main_box(), upload()
    await save(unit, one)
    content = await add(unit, one, LARGE)
    await add(unit, replace(one, offset_bytes=len(LARGE)), LARGE)

    async def adopt(tx: Any) -> None:
        await tx.nodes.save(new_file(tx, main, "f", content))
        await tx.uploads.drop_pieces(one.id, adopted=content)

    await unit.write(adopt)
    await eventually(lambda: unit.blob_count(unit.contents) == 1)
    assert await pieces_of(unit, one) == []
    assert await unit.bytes_of(content) == LARGE
