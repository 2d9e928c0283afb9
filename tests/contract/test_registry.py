"""What the use cases may expect of the registry, of new contents made aside, and of a cell's keep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from alveary.errors import CELL_LOCKED, ENTITY_EXISTS, NO_SUCH_CELL, NOT_OWNER_OF_CELL, Kind, Refusal
from alveary.model.cell import Cell, CellStatus
from alveary.model.entities import Entity, EntityKind
from alveary.model.keep import FamilyState, Job, JobKind, LoginHistory, SigningKey, SnapshotFile
from alveary.model.names import MAIN_BOX, CellName, SnapshotFileName
from alveary.model.queries import Query
from alveary.model.tree import Content, Node, NodeKind
from tests.stores import INLINE_BYTES, Unit, eventually, joined, new_id, pieces

LARGE = b"0123456789" * INLINE_BYTES


class BrokenError(Exception):
    pass


async def refusal_of(call: Awaitable[object]) -> Kind:
    with pytest.raises(Refusal) as caught:
        await call
    assert caught.value.text
    return caught.value.kind


async def found(unit: Unit, name: str) -> Cell | None:
    return await unit.registry.read(lambda tx: tx.cells.find(name))


def anyone(_: Cell) -> None:
    pass


class TestCells:
    async def test_a_new_cell_is_found_by_name_and_id_with_version_and_times(self, unit: Unit) -> None:
        assert await found(unit, "new") is None
        cell = await unit.make_cell("new", "ann")
        assert (cell.version, cell.published_ms, cell.updated_ms) == (1, unit.clock.ms, unit.clock.ms)
        assert cell.contents
        assert await found(unit, "new") == cell
        assert await unit.registry.read(lambda tx: tx.cells.get(cell.id)) == cell
        assert await unit.registry.read(lambda tx: tx.cells.get("nobody")) is None

    async def test_a_name_is_taken_once_however_many_ask(self, unit: Unit) -> None:
        made = await asyncio.gather(*(unit.make_cell("new") for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(each, Cell) for each in made) == 1
        assert [each.kind for each in made if isinstance(each, Refusal)] == [ENTITY_EXISTS] * 4
        assert await unit.registry.read(lambda tx: tx.cells.matching(Query(EntityKind.CELL))) == 2

    async def test_a_change_raises_the_version_and_frees_the_old_name(self, unit: Unit) -> None:
        unit.clock.ms += 5
        changed = await unit.registry.update(unit.cell.id, lambda cell: replace(cell, name=CellName("new")))
        assert (changed.version, changed.updated_ms) == (2, unit.clock.ms)
        assert (await found(unit, "cell"), await found(unit, "new")) == (None, changed)
        assert (await unit.make_cell("cell")).id != unit.cell.id
        rename = unit.registry.update(unit.cell.id, lambda cell: replace(cell, name=CellName("cell")))
        assert await refusal_of(rename) is ENTITY_EXISTS
        assert await found(unit, "new") == changed

    async def test_a_change_that_fails_changes_nothing(self, unit: Unit) -> None:
        def broken(_: Cell) -> Cell:
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.registry.update(unit.cell.id, broken)
        assert await found(unit, "cell") == unit.cell
        assert await refusal_of(unit.registry.update("nobody", lambda cell: cell)) is NO_SUCH_CELL

    async def test_pages_come_in_the_order_of_making_and_by_owner(self, unit: Unit) -> None:
        made = []
        for name, owner in (("c", "ann"), ("a", "bob"), ("b", "ann")):
            unit.clock.ms += 1
            made.append(await unit.make_cell(name, owner))

        async def page(owner: str | None, skip: int, top: int) -> list[Cell]:
            query = Query(EntityKind.CELL, scope=owner, skip=skip, top=top)
            return await unit.registry.read(lambda tx: tx.cells.query(query))

        assert await page(None, 0, 10) == [unit.cell, *made]
        assert await page(None, 1, 2) == made[:2]
        assert await page("ann", 0, 10) == [made[0], made[2]]
        assert await unit.registry.read(lambda tx: tx.cells.matching(Query(EntityKind.CELL, scope="ann"))) == 2

    async def test_a_dropped_cell_is_gone_at_once_and_its_name_is_free(self, unit: Unit) -> None:
        contents, keep = unit.contents, unit.keep
        await unit.registry.drop(unit.cell.id, anyone)
        assert await found(unit, "cell") is None
        for part in (unit.store.contents, unit.store.keep):
            with pytest.raises(Refusal) as caught:
                part(unit.cell)
            assert caught.value.kind is NO_SUCH_CELL
        for held in (contents, keep):  # somebody was about to write
            assert await refusal_of(held.write(lambda tx: asyncio.sleep(0))) is CELL_LOCKED
        assert await refusal_of(unit.registry.drop(unit.cell.id, anyone)) is NO_SUCH_CELL
        again = await unit.make_cell("cell")
        assert await unit.store.contents(again).read(lambda tx: tx.nodes.totals()) == (2, 0)

    async def test_a_drop_that_is_refused_leaves_the_cell_as_it_is(self, unit: Unit) -> None:
        def refuse(_: Cell) -> None:
            raise Refusal(NOT_OWNER_OF_CELL)

        assert await refusal_of(unit.registry.drop(unit.cell.id, refuse)) is NOT_OWNER_OF_CELL
        assert await found(unit, "cell") == unit.cell
        await unit.put(await unit.main_box(), "file")

    async def test_cells_know_nothing_of_each_other(self, unit: Unit) -> None:
        other = await unit.make_cell("other")
        theirs = Node("shared", "parent", "file", NodeKind.FILE, 1, 1, 1, content=Content(1, b"", b"x"))
        await unit.store.contents(other).write(lambda tx: tx.nodes.save(theirs))
        assert await unit.read(lambda tx: tx.nodes.totals()) == (2, 0)

    async def test_nothing_was_unfinished_before_anything_began(self, unit: Unit) -> None:
        assert list(await unit.registry.unfinished()) == []


async def plant(unit: Unit, build: Any, *files: tuple[str, bytes], root_id: str | None = None) -> None:
    """Fill *build* with a tree whose main box holds *files*."""
    root = Node(root_id or new_id(), "", "", NodeKind.CELL, 1, 1, 1)
    main = Node(f"main of {root.id}", root.id, MAIN_BOX, NodeKind.BOX, 1, 1, 1)

    async def nodes(tx: Any) -> None:
        await tx.nodes.save(root)
        await tx.nodes.save(main)
        for name, data in files:
            with build.blobs.compose() as draft:
                draft.write(data)
                content = draft.keep()
            assert await tx.nodes.add(
                Node(f"{name} of {root.id}", main.id, name, NodeKind.FILE, 1, 1, 1, content=content)
            )

    await build.fill(nodes)


class TestBuild:
    async def test_nothing_of_it_is_seen_before_the_swap_and_all_after_it(self, unit: Unit) -> None:
        await unit.put(await unit.main_box(), "old", LARGE)
        stamp = unit.store.access_stamp(unit.cell)
        async with unit.store.build(unit.cell) as build:
            await plant(unit, build, ("small", b"x"), ("large", LARGE))
            assert (await unit.locate("small")).node is None
            cell = await build.swap()
        assert cell == await found(unit, "cell")
        assert (cell.version, cell.contents == unit.cell.contents) == (2, False)
        unit.cell = cell
        assert unit.store.access_stamp(cell) != stamp
        assert (await unit.locate("old")).node is None
        assert await unit.bytes_of((await unit.locate("small")).chain[-1].content) == b"x"
        assert await unit.bytes_of((await unit.locate("large")).chain[-1].content) == LARGE

    async def test_ids_that_are_the_same_in_old_and_new_contents_confuse_nobody(self, unit: Unit) -> None:
        for data in (b"first", b"second"):
            async with unit.store.build(unit.cell) as build:
                await plant(unit, build, ("file", data), root_id="root")
                unit.cell = await build.swap()
            for _ in range(2):
                assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == data
        other = await unit.make_cell("other")
        async with unit.store.build(other) as build:
            await plant(unit, build, ("file", b"third"), root_id="root")
            other = await build.swap()
        place = await unit.store.contents(other).read(lambda tx: tx.nodes.locate(MAIN_BOX, ("file",)))
        assert place.node.content.inline == b"third"

    async def test_a_swap_heals_the_status_and_touches_no_keep(self, unit: Unit) -> None:
        def fail(cell: Cell) -> Cell:
            return replace(cell, status=CellStatus.IMPORT_FAILED, failure="{}")

        unit.cell = await unit.registry.update(unit.cell.id, fail)
        job = Job(JobKind.IMPORT, "name", 1, unit.cell.contents)
        await unit.keep.write(lambda tx: tx.jobs.save(job))
        async with unit.store.build(unit.cell) as build:
            await plant(unit, build)
            unit.cell = await build.swap()
        assert (unit.cell.status, unit.cell.failure) == (CellStatus.NORMAL, None)
        assert await unit.keep.read(lambda tx: tx.jobs.current()) == [job]

    async def test_what_the_old_contents_have_not_told_comes_before_what_the_new_ones_tell(self, unit: Unit) -> None:
        await unit.write(lambda tx: tx.outbox.append({"from": "old"}))
        async with unit.store.build(unit.cell) as build:
            await plant(unit, build)
            await build.fill(lambda tx: tx.outbox.append({"from": "new"}))
            unit.cell = await build.swap()
        await unit.write(lambda tx: tx.outbox.append({"from": "later"}))
        told = await unit.told(unit.contents)
        assert [event["from"] for event in told] == ["old", "new", "later"]

    async def test_without_a_swap_nothing_has_happened(self, unit: Unit) -> None:
        file = await unit.put(await unit.main_box(), "file", LARGE)
        with pytest.raises(BrokenError):
            async with unit.store.build(unit.cell) as build:
                await plant(unit, build, ("new", LARGE))
                raise BrokenError
        async with unit.store.build(unit.cell) as build:
            await plant(unit, build, ("new", LARGE))
        assert await found(unit, "cell") == unit.cell
        assert (await unit.locate("file")).node == file
        assert await unit.bytes_of(file.content) == LARGE
        await unit.put(await unit.main_box(), "another")

    async def test_a_step_that_fails_is_taken_back_and_the_others_stay(self, unit: Unit) -> None:
        async def broken(tx: Any) -> None:
            await tx.entities.save(Entity("2", EntityKind.ROLE, "", "two", 1, 1, 1))
            raise BrokenError

        async with unit.store.build(unit.cell) as build:
            await plant(unit, build)
            await build.fill(lambda tx: tx.entities.save(Entity("1", EntityKind.ROLE, "", "one", 1, 1, 1)))
            with pytest.raises(BrokenError):
                await build.fill(broken)
            unit.cell = await build.swap()
        page = await unit.read(lambda tx: tx.entities.query(Query(EntityKind.ROLE, top=9)))
        assert [role.key for role in page] == ["one"]

    async def test_notes_are_taken_in_the_order_of_their_keys_and_once(self, unit: Unit) -> None:
        async def put(tx: Any) -> None:
            for key in (b"c", b"a", b"a/b", b"b"):
                await tx.notes.put(key, b"note of " + key)

        async with unit.store.build(unit.cell) as build:
            await build.fill(put)
            taken = [await build.fill(lambda tx: tx.notes.take(3)) for _ in range(3)]
        keys = [[key for key, _ in some] for some in taken]
        assert keys == [[b"a", b"a/b", b"b"], [b"c"], []]
        assert taken[1] == [(b"c", b"note of c")]

    async def test_a_lock_outlives_the_swap_and_holds_for_the_new_contents(self, unit: Unit) -> None:
        old = unit.contents
        async with unit.store.lock(unit.cell, "cell import"), unit.store.build(unit.cell) as build:
            await plant(unit, build)
            unit.cell = await build.swap()
            for contents in (old, unit.contents):
                assert await refusal_of(contents.write(lambda tx: tx.nodes.root())) is CELL_LOCKED
        await unit.put(await unit.main_box(), "file")
        assert await refusal_of(old.write(lambda tx: tx.nodes.root())) is CELL_LOCKED

    async def test_a_reader_of_the_old_contents_reads_them_to_the_end(self, unit: Unit) -> None:
        roles = [Entity(new_id(), EntityKind.ROLE, "", f"{n:04}", 1, 1, 1) for n in range(700)]

        async def save(tx: Any) -> None:
            for role in roles:
                await tx.entities.save(role)

        await unit.write(save)
        keys: list[str] = []
        async for batch in unit.contents.stream(lambda tx: tx.entities.each(EntityKind.ROLE)):
            keys += [role.key for role in batch]
            if len(keys) == len(batch):
                async with unit.store.build(unit.cell) as build:
                    await plant(unit, build)
                    unit.cell = await build.swap()
        assert keys == [role.key for role in roles]
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.ROLE)) == 0

    async def test_the_clock_goes_on_from_that_of_the_old_contents(self, unit: Unit) -> None:
        async def now(tx: Any) -> int:
            await tx.outbox.append({})
            return tx.now_ms

        before = await unit.write(now)
        unit.clock.ms -= 1_000
        async with unit.store.build(unit.cell) as build:
            await plant(unit, build)
            assert await build.fill(now) >= before
            unit.cell = await build.swap()
        assert await unit.write(now) >= before

    async def test_a_cell_that_is_gone_takes_no_new_contents(self, unit: Unit) -> None:
        async with unit.store.build(unit.cell) as build:
            await plant(unit, build)
            await unit.registry.drop(unit.cell.id, anyone)
            assert await refusal_of(build.swap()) is NO_SUCH_CELL


def snapshot(name: str, content: Content, version: int = 1) -> SnapshotFile:
    return SnapshotFile(SnapshotFileName(name), "application/zip", content, version, 1, version)


class TestKeep:
    async def put(self, unit: Unit, name: str, data: bytes, version: int = 1) -> SnapshotFile:
        keep = unit.keep
        async with keep.blobs.stage(pieces(data), max_bytes=0) as staged:
            file = snapshot(name, await staged.keep(), version)
            await keep.write(lambda tx: tx.snapshots.save(file))
        return file

    async def test_a_snapshot_file_is_found_listed_counted_and_removed(self, unit: Unit) -> None:
        small, large = await self.put(unit, "b.zip", b"x"), await self.put(unit, "a.zip", LARGE)
        keep = unit.keep
        assert await keep.read(lambda tx: tx.snapshots.find("b.zip")) == small
        assert await keep.read(lambda tx: tx.snapshots.find("c.zip")) is None
        bare = replace(small, content=replace(small.content, inline=None))
        assert await keep.read(lambda tx: tx.snapshots.list()) == [large, bare]
        await keep.write(lambda tx: tx.snapshots.remove("b.zip"))
        await keep.write(lambda tx: tx.snapshots.remove("nothing.zip"))
        assert await keep.read(lambda tx: tx.snapshots.count()) == 1

    async def test_a_replaced_or_removed_one_lets_go_of_its_bytes(self, unit: Unit) -> None:
        await self.put(unit, "a.zip", LARGE)
        file = await self.put(unit, "a.zip", LARGE + b"2", 2)
        await eventually(lambda: unit.blob_count(unit.keep) == 1)
        assert await joined(unit.keep.blobs.read(file.content)) == LARGE + b"2"
        await unit.keep.write(lambda tx: tx.snapshots.save(replace(file, version=3)))  # the same bytes
        assert await joined(unit.keep.blobs.read(file.content)) == LARGE + b"2"
        await unit.keep.write(lambda tx: tx.snapshots.remove("a.zip"))
        await eventually(lambda: unit.blob_count(unit.keep) == 0)

    async def test_a_write_that_fails_keeps_what_was_there(self, unit: Unit) -> None:
        file = await self.put(unit, "a.zip", LARGE)

        async def broken(tx: Any) -> None:
            await tx.snapshots.remove("a.zip")
            await tx.logins.save("ann", LoginHistory(1, 2, 3))
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.keep.write(broken)
        await self.put(unit, "b.zip", b"x")
        assert await unit.keep.read(lambda tx: tx.snapshots.find("a.zip")) == file
        assert await joined(unit.keep.blobs.read(file.content)) == LARGE
        assert await unit.keep.read(lambda tx: tx.logins.find("ann")) == LoginHistory()

    async def test_what_became_of_a_family_is_remembered_until_its_tokens_have_ended(self, unit: Unit) -> None:
        keep = unit.keep
        assert await keep.read(lambda tx: tx.families.find("f")) is None
        await keep.write(lambda tx: tx.families.save("f", FamilyState.REDEEMED, tx.now_ms + 10))
        assert await keep.read(lambda tx: tx.families.find("f")) is FamilyState.REDEEMED
        await keep.write(lambda tx: tx.families.save("f", FamilyState.REVOKED, tx.now_ms + 10))
        assert await keep.read(lambda tx: tx.families.find("f")) is FamilyState.REVOKED
        unit.clock.ms += 1000
        await keep.write(lambda tx: tx.families.save("g", FamilyState.REVOKED, tx.now_ms + 10))
        assert await keep.read(lambda tx: tx.families.find("f")) is None

    async def test_a_revocation_is_a_change_in_who_may_do_what(self, unit: Unit) -> None:
        before = unit.store.access_stamp(unit.cell)
        await unit.keep.write(lambda tx: tx.families.save("f", FamilyState.REVOKED, tx.now_ms + 10))
        assert unit.store.access_stamp(unit.cell) != before

    async def test_the_newest_signing_key_is_the_one_to_sign_with(self, unit: Unit) -> None:
        keep, old, new = unit.keep, SigningKey("b", 1, b"old"), SigningKey("a", 2, b"new")
        assert await keep.read(lambda tx: tx.signing_keys.newest()) is None
        for key in (new, old):
            await keep.write(lambda tx, key=key: tx.signing_keys.save(key))
        assert await keep.read(lambda tx: tx.signing_keys.newest()) == new
        await keep.write(lambda tx: tx.signing_keys.save(replace(new, sealed=b"sealed anew")))
        assert await keep.read(lambda tx: tx.signing_keys.newest()) == replace(new, sealed=b"sealed anew")

    async def test_jobs_are_one_of_a_kind_and_told_the_oldest_first(self, unit: Unit) -> None:
        late, early = Job(JobKind.EXPORT, "a", 2, "c"), Job(JobKind.IMPORT, "b", 1, "c")
        keep = unit.keep
        for job in (late, early, replace(late, progress=50)):
            await keep.write(lambda tx, job=job: tx.jobs.save(job))
        assert await keep.read(lambda tx: tx.jobs.current()) == [early, replace(late, progress=50)]
        await keep.write(lambda tx: tx.jobs.remove(early))
        assert [job.kind for job in await keep.read(lambda tx: tx.jobs.current())] == [JobKind.EXPORT]

    async def test_logins_are_empty_until_something_is_known(self, unit: Unit) -> None:
        assert await unit.keep.read(lambda tx: tx.logins.find("ann")) == LoginHistory()
        history = LoginHistory(5, 2, 7)
        await unit.keep.write(lambda tx: tx.logins.save("ann", LoginHistory(None, 1, 1)))
        await unit.keep.write(lambda tx: tx.logins.save("ann", history))
        assert await unit.keep.read(lambda tx: tx.logins.find("ann")) == history
        assert await unit.keep.read(lambda tx: tx.logins.find("bob")) == LoginHistory()
