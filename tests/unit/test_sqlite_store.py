"""What only the adapter on SQLite does: group commit, closing idle stores, putting right what a crash has left."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.errors import DISK_FULL, ENTITY_EXISTS, Refusal
from alveary.model.cell import Cell
from alveary.model.entities import Entity, EntityKind
from alveary.model.names import MAIN_BOX
from alveary.model.tree import Node, NodeKind
from tests.contract.rows import entity
from tests.stores import INLINE_BYTES, HandClock, Unit, eventually, new_id, on_sqlite, open_registry, pieces

LARGE = b"0123456789" * INLINE_BYTES


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with on_sqlite(tmp_path) as opened:
        yield opened


def role(key: str) -> Entity:
    return Entity(new_id(), EntityKind.ROLE, "", key, 1, 1, 1)


async def role_count(unit: Unit) -> int:
    return int(await unit.read(lambda tx: tx.entities.count(EntityKind.ROLE)))


async def in_one_group(unit: Unit, *bodies: Any) -> list[Any]:
    """The outcomes of *bodies*, all of which came while the writer was busy."""
    begun, go_on = threading.Event(), threading.Event()

    async def body(_: Any) -> None:
        begun.set()
        assert go_on.wait(20)

    first = asyncio.create_task(unit.write(body))
    await asyncio.to_thread(begun.wait)
    rest = [asyncio.create_task(unit.write(each)) for each in bodies]
    await asyncio.sleep(0)
    go_on.set()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


class TestGroupCommit:
    async def test_writes_that_came_during_a_commit_share_the_next(self, unit: Unit) -> None:
        commits: list[None] = []
        unit.contents.database.writer.set_commit_hook(lambda: bool(commits.append(None)))  # type: ignore[attr-defined]
        roles = [role(str(number)) for number in range(50)]
        await in_one_group(unit, *(lambda tx, each=each: tx.entities.save(each) for each in roles))
        assert len(commits) == 1  # the busy one changed nothing
        assert await role_count(unit) == 50

    async def test_creates_are_one_statement_without_a_transaction_around_it(self, unit: Unit) -> None:
        people = [entity(EntityKind.USER_DATA, str(number)) for number in range(50)]

        async def add(tx: Any, each: Entity) -> None:
            assert await tx.entities.add(each)
            await tx.outbox.append({"added": each.key})

        await unit.write(lambda tx: tx.outbox.append({}))  # the first looks whether there are too many
        statements: list[str] = []
        writer = unit.contents.database.writer  # type: ignore[attr-defined]
        writer.set_exec_trace(lambda _, statement, __: statements.append(statement) or True)
        await in_one_group(unit, *(lambda tx, each=each: add(tx, each) for each in people))
        writer.set_exec_trace(None)
        assert statements == ["INSERT INTO intake VALUES (?, ?)"]
        assert (await unit.told(unit.contents))[1:] == [{"added": each.key} for each in people]

    async def test_one_that_is_refused_harms_no_neighbour(self, unit: Unit) -> None:
        there = role("there")

        async def refused(tx: Any) -> None:
            await tx.entities.save(role("lost"))
            await tx.entities.save(role("there"))

        async def save(tx: Any) -> None:
            await tx.entities.save(role("after"))

        outcomes = await in_one_group(unit, lambda tx: tx.entities.save(there), refused, save)
        assert outcomes[0] is None
        assert (outcomes[1].kind, outcomes[2]) == (ENTITY_EXISTS, None)
        assert await role_count(unit) == 2

    async def test_when_the_commit_fails_all_of_the_group_fail_and_nothing_has_changed(self, unit: Unit) -> None:
        file = await unit.put(await unit.main_box(), "file", LARGE)
        writer = unit.contents.database.writer  # type: ignore[attr-defined]

        commits: list[None] = []

        def full() -> bool:
            commits.append(None)
            if len(commits) == 1:
                raise apsw.FullError("database or disk is full")
            return False

        writer.set_commit_hook(full)
        outcomes = await in_one_group(
            unit, lambda tx: tx.nodes.remove(file.id), *(lambda tx: tx.entities.save(role("r")) for _ in range(2))
        )
        assert [outcome.kind for outcome in outcomes if isinstance(outcome, Refusal)] == [DISK_FULL] * 3
        await unit.write(lambda tx: tx.entities.save(role("later")))
        assert await role_count(unit) == 1
        assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == LARGE

    async def test_a_body_does_not_see_what_a_refused_one_before_it_did(self, unit: Unit) -> None:
        main = await unit.main_box()
        node = Node(new_id(), main.id, "new", NodeKind.COLLECTION, 1, 1, 1)

        async def refused(tx: Any) -> None:
            await tx.nodes.save(node)
            assert (await tx.nodes.locate(MAIN_BOX, ("new",))).node == node
            assert await tx.nodes.child_count(main.id) == 1
            raise LookupError

        async def look(tx: Any) -> Any:
            return (await tx.nodes.locate(MAIN_BOX, ("new",))).node, await tx.nodes.child_count(main.id)

        assert (await in_one_group(unit, refused, look))[1] == (None, 0)

    async def test_a_caller_that_is_cancelled_while_its_write_commits_takes_no_bytes_back(self, unit: Unit) -> None:
        main = await unit.main_box()
        begun, go_on = threading.Event(), threading.Event()
        contents = unit.contents

        async def put() -> None:
            async with contents.blobs.stage(pieces(LARGE), max_bytes=0) as staged:
                content = await staged.keep()

                async def save(tx: Any) -> None:
                    begun.set()
                    assert go_on.wait(20)
                    await tx.nodes.save(Node(new_id(), main.id, "file", NodeKind.FILE, 1, 1, 1, content=content))

                await contents.write(save)
            await asyncio.sleep(0)
            raise AssertionError("it was not cancelled")

        task = asyncio.create_task(put())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == LARGE


def open_stores(folder: Path) -> int:
    """How many database files are in use: each has a log beside it."""
    return sum(1 for _ in (folder / "cells").rglob("db.sqlite-wal"))


async def idle(part: Any) -> None:
    await eventually(lambda: not part.database.busy)


class TestOpenCells:
    async def test_no_more_stay_open_than_are_allowed_and_all_are_served(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path, open_cells=3) as unit:
            cells = [await unit.make_cell(f"cell{number}") for number in range(8)]
            for turn in range(3):
                for cell in cells:
                    contents = unit.store.contents(cell)
                    await contents.write(lambda tx, turn=turn: tx.entities.save(role(str(turn))))
                    await unit.store.keep(cell).write(lambda tx: tx.snapshots.count())
                    await idle(contents)
                    await idle(unit.store.keep(cell))
                    assert await contents.read(lambda tx: tx.entities.count(EntityKind.ROLE)) == turn + 1
                    assert open_stores(tmp_path) <= 2 * 3

    async def test_one_that_is_in_use_stays_open_however_many_come(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path, open_cells=1) as unit:
            others = [await unit.make_cell(f"cell{number}") for number in range(4)]
            main, contents, arriving = await unit.main_box(), unit.contents, asyncio.Event()

            async def slowly() -> AsyncIterator[bytes]:
                yield LARGE
                await arriving.wait()
                yield LARGE

            async def put() -> None:
                async with contents.blobs.stage(slowly(), max_bytes=0) as staged:
                    content = await staged.keep()
                    node = Node(new_id(), main.id, "file", NodeKind.FILE, 1, 1, 1, content=content)
                    await contents.write(lambda tx: tx.nodes.save(node))

            upload = asyncio.create_task(put())
            await asyncio.sleep(0)
            for other in others:
                await unit.store.contents(other).write(lambda tx: tx.entities.save(role("r")))
            arriving.set()
            await upload
            assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == LARGE + LARGE

    async def test_what_was_remembered_of_a_closed_store_is_not_served(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path, open_cells=1) as unit:
            main, other = await unit.main_box(), await unit.make_cell("other")
            await unit.put(main, "file", b"old")
            stamp = unit.store.access_stamp(unit.cell)
            assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == b"old"
            await unit.put(main, "file", b"new")
            await idle(unit.contents)
            unit.store.contents(other)
            assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == b"new"
            assert unit.store.access_stamp(unit.cell) != stamp


def left_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-left")


def crash(folder: Path) -> None:
    """Set aside what a crash at this moment would leave of *folder*."""
    shutil.copytree(folder, left_of(folder))


def start_again(unit: Unit, folder: Path) -> tuple[SqliteRegistry, Unit]:
    """A unit that starts on what a crash of *unit* has left of *folder*."""
    clock = HandClock()
    registry = open_registry(left_of(folder), clock)
    registry.recover()
    return registry, replace(unit, registry=registry, store=registry.store, clock=clock)


class TestRecovery:
    async def test_blobs_whose_row_never_came_or_is_gone_are_deleted(self, unit: Unit, tmp_path: Path) -> None:
        main = await unit.main_box()
        kept, gone = await unit.put(main, "kept", LARGE), await unit.put(main, "gone", LARGE)
        async with unit.contents.blobs.stage(pieces(LARGE), max_bytes=0) as staged:
            await staged.keep()  # its row never comes
            with unit.contents.database.held():  # type: ignore[attr-defined]
                await unit.write(lambda tx: tx.nodes.remove(gone.id))
                assert unit.blob_count(unit.contents) == 3
                crash(tmp_path)
        registry, after = start_again(unit, tmp_path)
        assert after.blob_count(after.contents) == 1
        assert await after.bytes_of(kept.content) == LARGE
        assert (await after.locate("gone")).node is None
        await registry.close()

    async def test_a_cell_without_a_row_and_contents_without_a_pointer_are_removed(
        self, unit: Unit, tmp_path: Path
    ) -> None:
        await unit.put(await unit.main_box(), "file", LARGE)
        (tmp_path / "cells" / "half-made" / "keep").mkdir(parents=True)
        async with unit.store.build(unit.cell):
            crash(tmp_path)
        registry, after = start_again(unit, tmp_path)
        folder = left_of(tmp_path) / "cells"
        assert [path.name for path in folder.iterdir()] == [unit.cell.id]
        assert [path.name for path in (folder / unit.cell.id / "contents").iterdir()] == [unit.cell.contents]
        assert await after.bytes_of((await after.locate("file")).chain[-1].content) == LARGE
        await registry.close()

    async def test_only_cells_that_were_written_to_are_unfinished(self, unit: Unit, tmp_path: Path) -> None:
        idle = await unit.make_cell("idle")
        await unit.store.contents(idle).read(lambda tx: tx.nodes.root())
        await unit.put(await unit.main_box(), "file")
        crash(tmp_path)
        registry, _ = start_again(unit, tmp_path)
        assert [cell.id for cell in await registry.unfinished()] == [unit.cell.id]
        await registry.close()

    async def test_an_orderly_end_leaves_nothing_unfinished_and_no_log(self, tmp_path: Path) -> None:
        async with on_sqlite(tmp_path) as unit:
            main = await unit.main_box()
            await unit.put(main, "file", LARGE)
            await unit.put(main, "file", b"")
            await eventually(lambda: unit.blob_count(unit.contents) == 0)
        assert not [path for path in tmp_path.rglob("*") if path.name.endswith(("-wal", "-shm"))]
        registry = open_registry(tmp_path, HandClock())
        assert list(await registry.unfinished()) == []
        found: Cell | None = await registry.read(lambda tx: tx.cells.find("cell"))
        assert found is not None
        await registry.close()

    async def test_of_more_events_than_may_wait_the_oldest_go_though_the_file_was_closed_between(
        self, tmp_path: Path
    ) -> None:
        async def happen(tx: Any) -> None:
            for number in range(600):
                await tx.outbox.append({"number": number})

        async with on_sqlite(tmp_path, outbox_rows=100) as unit:
            for _ in range(4):
                await unit.write(happen)
            told = await unit.told(unit.contents)
            assert 100 <= len(told) < 2_400
            assert told[-1] == {"number": 599}
        registry = open_registry(tmp_path, HandClock(), outbox_rows=100)
        contents = registry.store.contents(unit.cell)
        await contents.write(lambda tx: tx.outbox.append({"number": 600}))
        assert await unit.told(contents) == [{"number": number} for number in range(501, 601)]
        await registry.close()

    async def test_time_goes_on_from_the_last_event_though_the_machine_was_set_back(self, tmp_path: Path) -> None:
        async def now(tx: Any) -> int:
            await tx.outbox.append({})
            return int(tx.now_ms)

        async with on_sqlite(tmp_path) as unit:
            last, cell = await unit.write(now), unit.cell
        clock = HandClock()
        clock.ms -= 60_000
        registry = open_registry(tmp_path, clock)
        assert await registry.store.contents(cell).write(now) > last
        await registry.close()
