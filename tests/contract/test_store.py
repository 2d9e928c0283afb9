"""What the use cases may expect of the contents of a cell, on every adapter."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from alveary.errors import CELL_LOCKED, Refusal
from alveary.model.acl import Ace, Acl
from alveary.model.entities import Entity, EntityKind, Link
from alveary.model.locks import Lock, LockScope
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import Content, Node, NodeKind, Place
from tests.contract.rows import entity, link, linked, save
from tests.stores import INLINE_BYTES, NOON_MS, Unit, eventually, new_id, pieces

LARGE = b"0123456789" * INLINE_BYTES


class BrokenError(Exception):
    pass


async def make_box(unit: Unit, name: str, **values: Any) -> Entity:
    box = entity(EntityKind.BOX, name, values={"Name": name, **values})

    async def act(tx: Any) -> None:
        await tx.entities.save(box)
        root = await tx.nodes.root()
        await tx.nodes.save(Node(new_id(), root.id, box.id, NodeKind.BOX, 1, tx.now_ms, tx.now_ms))

    await unit.write(act)
    return box


async def names_below(unit: Unit, node: Node) -> list[str]:
    async def ask(tx: Any) -> list[str]:
        return [child.name async for child in tx.nodes.children(node.id)]

    return await unit.read(ask)


class TestTransactions:
    async def test_an_exception_takes_back_all_that_its_body_did(self, unit: Unit) -> None:
        main = await unit.main_box()
        file = await unit.put(main, "file", LARGE)
        role = entity(EntityKind.ROLE, "role")

        async def body(tx: Any) -> None:
            await tx.entities.save(role)
            await tx.nodes.remove(file.id)
            await tx.outbox.append({"what": "nothing"})
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.write(body)
        await unit.put(main, "another")  # what the next transaction frees is not what this one wanted to
        assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == LARGE
        assert await unit.read(lambda tx: tx.entities.get(role.id)) is None
        assert await unit.told(unit.contents) == []

    async def test_a_body_sees_its_own_changes_and_nobody_else_does_before_its_end(self, unit: Unit) -> None:
        main = await unit.main_box()

        async def body(tx: Any) -> None:
            assert (await tx.nodes.locate(MAIN_BOX, ("new",))).node is None
            node = Node(new_id(), main.id, "new", NodeKind.COLLECTION, 1, tx.now_ms, tx.now_ms)
            await tx.nodes.save(node)
            assert (await tx.nodes.locate(MAIN_BOX, ("new",))).node == node
            assert await tx.nodes.child_count(main.id) == 1
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.write(body)
        assert (await unit.locate("new")).node is None
        assert await unit.read(lambda tx: tx.nodes.child_count(main.id)) == 0

    async def test_a_body_that_awaits_anything_else_is_a_bug_that_changes_nothing(self, unit: Unit) -> None:
        async def body(tx: Any) -> None:
            await tx.entities.save(entity(EntityKind.ROLE, "role"))
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="await nothing but its transaction"):
            await unit.write(body)
        with pytest.raises(RuntimeError, match="await nothing but its transaction"):
            await unit.contents.scan(lambda _: asyncio.sleep(0))
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.ROLE)) == 0

    async def test_what_a_body_answers_is_the_answer(self, unit: Unit) -> None:
        async def seven(_: Any) -> int:
            return 7

        assert [await run(seven) for run in (unit.read, unit.contents.scan, unit.write)] == [7, 7, 7]

    async def test_a_write_whose_caller_is_cancelled_is_whole_or_not_there(self, unit: Unit) -> None:
        main = await unit.main_box()
        task = asyncio.create_task(unit.put(main, "file", LARGE))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        file = (await unit.locate("file")).node
        assert file is None or await unit.bytes_of(file.content) == LARGE

    async def test_events_are_written_with_what_changed_in_order(self, unit: Unit) -> None:
        for number in range(3):
            await unit.write(lambda tx, number=number: tx.outbox.append({"number": number}))
        assert await unit.told(unit.contents) == [{"number": 0}, {"number": 1}, {"number": 2}]


class TestClock:
    async def test_time_never_runs_back(self, unit: Unit) -> None:
        async def now(tx: Any) -> int:
            return tx.now_ms

        first = await unit.write(now)
        unit.clock.ms -= 5_000
        assert await unit.write(now) == first
        unit.clock.ms += 6_000
        assert await unit.write(now) == unit.clock.ms

    @pytest.mark.parametrize("how", ["remove", "move"])
    async def test_what_is_made_again_under_a_freed_path_is_later(self, unit: Unit, how: str) -> None:
        main = await unit.main_box()
        first = await unit.put(main, "file")
        if how == "remove":
            await unit.write(lambda tx: tx.nodes.remove(first.id))
        else:
            await unit.write(lambda tx: tx.nodes.move(replace(first, name="elsewhere")))
        again = await unit.put(main, "file")
        assert (again.version, again.updated_ms) == (first.version, first.updated_ms + 1)

    async def test_an_entity_made_again_is_later_and_so_is_a_snapshot_file(self, unit: Unit) -> None:
        async def now(tx: Any) -> int:
            return tx.now_ms

        role = entity(EntityKind.ROLE, "role")
        await save(unit, role)
        await unit.write(lambda tx: tx.entities.remove(role.id))
        assert await unit.write(now) > NOON_MS
        await unit.keep.write(lambda tx: tx.snapshots.remove("gone.zip"))
        assert await unit.keep.write(now) > NOON_MS

    async def test_a_removal_that_was_taken_back_does_not_move_it(self, unit: Unit) -> None:
        file = await unit.put(await unit.main_box(), "file")

        async def body(tx: Any) -> None:
            await tx.nodes.remove(file.id)
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.write(body)
        assert (await unit.put(await unit.main_box(), "other")).updated_ms == file.updated_ms


class TestTree:
    async def test_a_new_cell_has_its_own_node_and_the_main_box(self, unit: Unit) -> None:
        place = await unit.locate()
        assert [node.kind for node in place.chain] == [NodeKind.CELL, NodeKind.BOX]
        assert place.chain[0] == await unit.read(lambda tx: tx.nodes.root())
        assert place.box is not None
        assert (place.box.id, place.box.name, place.box.schema) == (unit.cell.id, MAIN_BOX, None)
        assert await unit.read(lambda tx: tx.nodes.totals()) == (2, 0)

    async def test_a_path_leads_as_far_as_there_is_something(self, unit: Unit) -> None:
        main = await unit.main_box()
        collection = await unit.make_collection(main, "a")
        file = await unit.put(collection, "file", b"bytes")
        assert (await unit.locate("a", "file")).node == file
        place = await unit.locate("a", "b", "c")
        assert (place.node, place.nearest, place.rest, place.segments) == (
            None,
            collection,
            ("b", "c"),
            ("a", "b", "c"),
        )
        below_a_file = await unit.locate("a", "file", "x")
        assert (below_a_file.nearest, below_a_file.rest) == (file, ("x",))

    async def test_a_path_in_a_box_that_is_not_there_leads_to_the_cell(self, unit: Unit) -> None:
        place = await unit.locate("a", box="nowhere")
        assert (place.box, place.node, place.rest, place.segments) == (None, None, ("nowhere", "a"), ("a",))
        assert [node.kind for node in place.chain] == [NodeKind.CELL]

    async def test_children_come_by_name_and_with_their_bytes_only_when_asked(self, unit: Unit) -> None:
        main = await unit.main_box()
        for name in ("b", "ä", "B", "a", "\U0001f41d", "\uffee"):
            await unit.put(main, name, b"x")
        assert await names_below(unit, main) == sorted(("b", "ä", "B", "a", "\U0001f41d", "\uffee"))

        async def inlines(tx: Any, inline: bool) -> set[bytes | None]:
            return {child.content.inline async for child in tx.nodes.children(main.id, inline=inline)}

        assert await unit.read(lambda tx: inlines(tx, False)) == {None}
        assert await unit.read(lambda tx: inlines(tx, True)) == {b"x"}

    async def test_a_node_keeps_all_that_it_is_given(self, unit: Unit) -> None:
        acl = Acl((Ace("role", (BoxPrivilege.READ,)),), "public")
        main = await unit.main_box()
        node = Node(
            new_id(), main.id, "n", NodeKind.SERVICE, 3, 5, 7, acl, {"p@urn:x": "<p xmlns='urn:x'>é</p>"}, "text/x"
        )
        await unit.write(lambda tx: tx.nodes.save(node))
        assert (await unit.locate("n")).node == node

    async def test_a_node_whose_id_or_place_is_taken_is_not_added(self, unit: Unit) -> None:
        main = await unit.main_box()
        there = await unit.make_collection(main, "there")
        for node, added in (
            (replace(there, name="other"), False),
            (replace(there, id=new_id()), False),
            (replace(there, id=new_id(), name="other"), True),
        ):
            assert await unit.write(lambda tx, node=node: tx.nodes.add(node)) is added
        assert await names_below(unit, main) == ["other", "there"]
        assert await unit.write(lambda tx: tx.nodes.child_count(main.id)) == 2

    async def test_counts_follow_every_kind_of_change(self, unit: Unit) -> None:
        main = await unit.main_box()
        inner = await unit.make_collection(main, "inner")

        async def counted() -> list[int]:
            async def ask(tx: Any) -> list[int]:
                return [await tx.nodes.child_count(main.id), await tx.nodes.child_count(inner.id)]

            counts = await unit.write(ask)
            assert counts == await unit.read(ask)
            return counts

        assert await counted() == [1, 0]
        file = await unit.put(main, "file")
        file = await unit.put(main, "file", LARGE)
        assert await counted() == [2, 0]
        await unit.write(lambda tx: tx.nodes.move(replace(file, parent=inner.id)))
        assert await counted() == [1, 1]
        assert await unit.read(lambda tx: tx.nodes.totals()) == (4, len(LARGE))
        await unit.write(lambda tx: tx.nodes.remove(inner.id))
        assert await counted() == [0, 0]
        assert await unit.read(lambda tx: tx.nodes.totals()) == (2, 0)

    async def test_the_height_counts_levels_of_collections(self, unit: Unit) -> None:
        main = await unit.main_box()
        await unit.put(main, "file")
        assert await unit.read(lambda tx: tx.nodes.height(main.id)) == 0
        inner = await unit.make_collection(await unit.make_collection(main, "a"), "b")
        await unit.put(inner, "file")
        assert await unit.read(lambda tx: tx.nodes.height(main.id)) == 2
        assert await unit.read(lambda tx: tx.nodes.height(inner.id)) == 0

    async def test_a_move_takes_all_below_along_and_changes_no_time(self, unit: Unit) -> None:
        main = await unit.main_box()
        source, target = await unit.make_collection(main, "source"), await unit.make_collection(main, "target")
        file = await unit.put(source, "file", b"x")
        moved = replace(source, parent=target.id, name="new", version=2)
        assert (await unit.locate("source", "file")).node == file
        await unit.write(lambda tx: tx.nodes.move(moved))
        assert (await unit.locate("source")).node is None
        assert (await unit.locate("target", "new")).node == moved
        assert (await unit.locate("target", "new", "file")).node == file

    async def test_removing_a_collection_takes_its_data_and_schema(self, unit: Unit) -> None:
        odata = Node(new_id(), (await unit.main_box()).id, "odata", NodeKind.ODATA, 1, 1, 1)
        await unit.write(lambda tx: tx.nodes.save(odata))
        kind = entity(EntityKind.ENTITY_TYPE, "T", odata.id)
        inner = [
            entity(EntityKind.PROPERTY, "p", kind.id),
            entity(EntityKind.USER_DATA, "1", kind.id, refs=((kind.id, "other"),)),
            entity(EntityKind.USER_DATA, "2", kind.id),
        ]
        kept = entity(EntityKind.ROLE, "role")
        await save(unit, kind, *inner, kept)
        await link(unit, Link.between((kind.id, inner[1].id), (kind.id, inner[2].id), 1))
        await unit.write(lambda tx: tx.nodes.remove(odata.id))
        for each in (kind, *inner):
            assert await unit.read(lambda tx, each=each: tx.entities.get(each.id)) is None
        assert await unit.read(lambda tx: tx.entities.get(kept.id)) == kept
        assert await unit.read(lambda tx: tx.links.count()) == 0
        assert await unit.read(lambda tx: tx.entities.referring("other")) == []


class TestRewriting:
    """A file that was located before is replaced without another look while nothing that was judged there changed."""

    async def test_the_next_version_takes_the_place_of_the_last(self, unit: Unit) -> None:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        await unit.put(outer, "other", b"x")
        file = await unit.put(outer, "file", b"old")
        await unit.write(lambda tx: tx.nodes.save(replace(file, version=2, properties={"a@b": "<a/>"})))
        for data in (b"small", LARGE, LARGE + LARGE, b"small again"):
            place = await unit.locate("outer", "file")
            node = await rewritten(unit, place, data)
            assert node is not None
            assert (await unit.locate("outer", "file")).node == node
            assert node.properties == {"a@b": "<a/>"}
            assert await unit.bytes_of(node.content) == data
            assert await names_below(unit, outer) == ["file", "other"]
            blobs = int(len(data) > INLINE_BYTES)
            await eventually(lambda blobs=blobs: unit.blob_count(unit.contents) == blobs)

    async def test_bytes_that_another_file_has_too_stay(self, unit: Unit) -> None:
        main = await unit.main_box()
        file = await unit.put(main, "file", LARGE)
        await unit.write(lambda tx: tx.nodes.save(replace(file, id=new_id(), name="twin", version=1)))
        assert await rewritten(unit, await unit.locate("file"), b"new") is not None
        assert await unit.bytes_of((await unit.locate("twin")).chain[-1].content) == LARGE

    @pytest.mark.parametrize(
        "change",
        [
            lambda main, outer, file: lambda tx: tx.nodes.save(replace(file, version=2)),
            lambda main, outer, file: lambda tx: tx.nodes.save(replace(outer, version=2)),
            lambda main, outer, file: lambda tx: tx.nodes.save(replace(main, version=2)),
            lambda main, outer, file: lambda tx: tx.nodes.move(replace(file, name="moved", version=2)),
            lambda main, outer, file: lambda tx: tx.nodes.move(replace(outer, name="moved", version=2)),
            lambda main, outer, file: lambda tx: tx.nodes.remove(file.id),
            lambda main, outer, file: lambda tx: tx.nodes.remove(outer.id),
            lambda main, outer, file: lambda tx: tx.locks.save(lock(main.id, "outer", "file")),
        ],
    )
    @pytest.mark.parametrize("within", [False, True], ids=["before", "in the same transaction"])
    async def test_what_changed_meanwhile_is_left_alone(self, unit: Unit, change: Any, within: bool) -> None:
        main = await unit.main_box()
        outer = await unit.make_collection(main, "outer")
        file = await unit.put(outer, "file", b"old")
        place, act = await unit.locate("outer", "file"), change(main, outer, file)
        if not within:
            await unit.write(act)
        assert await rewritten(unit, place, b"new", first=act if within else None) is None
        for path in (("outer", "file"), ("outer", "moved"), ("moved", "file")):
            if (found := (await unit.locate(*path)).node) is not None:
                assert await unit.bytes_of(found.content) == b"old"

    async def test_one_of_two_who_saw_the_same_is_first(self, unit: Unit) -> None:
        await unit.put(await unit.main_box(), "file", b"old")
        place = await unit.locate("file")
        ends = await asyncio.gather(rewritten(unit, place, b"one"), rewritten(unit, place, b"two"))
        (node,) = [each for each in ends if each is not None]
        assert (await unit.locate("file")).node == node

    async def test_one_that_was_taken_back_is_no_version(self, unit: Unit) -> None:
        await unit.put(await unit.main_box(), "file", b"old")
        place = await unit.locate("file")

        async def fail(tx: Any) -> None:
            assert place.node is not None
            assert await tx.nodes.rewrite(place, place.node.holding(place.node.content, "text/plain", tx.now_ms))
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.write(fail)
        assert (await unit.locate("file")).node == place.node
        assert await rewritten(unit, place, b"new") is not None


async def rewritten(unit: Unit, place: Place, data: bytes, *, first: Any = None) -> Node | None:
    """The file at *place* with *data*, None when it was not replaced; *first* is done before in the transaction."""
    async with unit.contents.blobs.stage(pieces(data), max_bytes=0) as staged:
        content = await staged.keep()

        async def act(tx: Any) -> Node | None:
            if first is not None:
                await first(tx)
            assert place.node is not None
            node = place.node.holding(content, "text/plain", tx.now_ms)
            return node if await tx.nodes.rewrite(place, node) else None

        return await unit.contents.write(act)


def lock(box: str, *trail: str) -> Lock:
    return Lock("urn:uuid:1", box, trail, LockScope.EXCLUSIVE, False, "", "account:1", NOON_MS + 1_000)


class TestFreshness:
    """Nobody is served anything older than the last acknowledged write."""

    async def test_a_small_file_that_changes_again_and_again(self, unit: Unit) -> None:
        main = await unit.main_box()
        for number in range(5):
            await unit.put(main, "file", b"%d" % number)
            for _ in range(2):
                assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == b"%d" % number

    async def test_a_file_that_is_added_where_none_was(self, unit: Unit) -> None:
        main = await unit.main_box()
        added = Node(new_id(), main.id, "file", NodeKind.FILE, 1, NOON_MS, NOON_MS, content=Content(1, b"", b"x"))
        for expected in (None, added):
            assert (await unit.locate("file")).node == expected
            await unit.write(lambda tx: tx.nodes.add(added))

    async def test_a_file_that_was_not_there_that_moves_and_goes(self, unit: Unit) -> None:
        main = await unit.main_box()
        assert (await unit.locate("file")).node is None
        file = await unit.put(main, "file", b"x")
        assert (await unit.locate("file")).node == file
        await unit.write(lambda tx: tx.nodes.move(replace(file, name="moved", version=2)))
        assert ((await unit.locate("file")).node, (await unit.locate("moved")).chain[-1].id) == (None, file.id)
        await unit.write(lambda tx: tx.nodes.remove(file.id))
        assert (await unit.locate("moved")).node is None

    async def test_a_collection_and_all_below_it(self, unit: Unit) -> None:
        main = await unit.main_box()
        outer = await unit.make_collection(main, "outer")
        inner = await unit.make_collection(outer, "inner")
        file = await unit.put(inner, "file", b"x")
        assert (await unit.locate("outer", "inner", "file")).node == file
        await unit.write(lambda tx: tx.nodes.move(replace(outer, name="new", version=2)))
        assert (await unit.locate("outer", "inner", "file")).node is None
        assert (await unit.locate("new", "inner", "file")).node == file
        await unit.write(lambda tx: tx.nodes.remove(outer.id))
        assert (await unit.locate("new", "inner", "file")).nearest == main

    async def test_a_node_that_is_replaced_where_it_stands(self, unit: Unit) -> None:
        main = await unit.main_box()
        outer, other = await unit.make_collection(main, "outer"), await unit.make_collection(main, "other")
        await unit.locate("outer")
        changed = replace(outer, version=2)
        await unit.write(lambda tx: tx.nodes.save(replace(changed, parent=other.id, name="elsewhere")))
        assert (await unit.locate("outer")).node == changed
        assert (await unit.locate("other", "elsewhere")).node is None

    async def test_an_acl_on_the_way(self, unit: Unit) -> None:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        await unit.put(outer, "file", b"x")
        await unit.locate("outer", "file")
        changed = replace(outer, version=2, properties={"a@b": "<a/>"})
        await unit.write(lambda tx: tx.nodes.save(changed))
        assert (await unit.locate("outer", "file")).chain[-2] == changed
        root = await unit.read(lambda tx: tx.nodes.root())
        await unit.write(lambda tx: tx.nodes.save(replace(root, version=2)))
        assert (await unit.read(lambda tx: tx.nodes.root())).version == 2

    async def test_a_box_that_is_renamed_and_removed(self, unit: Unit) -> None:
        box = await make_box(unit, "old", Schema="https://app/")
        place = await unit.locate(box="old")
        assert place.box is not None
        assert (place.box.id, place.box.schema) == (box.id, "https://app/")
        await save(unit, replace(box, key="new", version=2, values={"Name": "new"}))
        assert (await unit.locate(box="old")).box is None
        found = (await unit.locate(box="new")).box
        assert found is not None
        assert (found.id, found.schema, found.version) == (box.id, None, 2)
        assert await unit.read(lambda tx: tx.boxes.get(box.id)) == found
        node = (await unit.locate(box="new")).chain[-1]

        async def remove(tx: Any) -> None:
            await tx.nodes.remove(node.id)
            await tx.entities.remove(box.id)

        await unit.write(remove)
        assert (await unit.locate(box="new")).box is None
        assert await unit.read(lambda tx: tx.boxes.find("new")) is None

    async def test_an_account_and_its_roles(self, unit: Unit) -> None:
        account, role = entity(EntityKind.ACCOUNT, "ann"), entity(EntityKind.ROLE, "role")

        async def seen() -> tuple[Entity | None, Entity | None, frozenset[str]]:
            async def ask(tx: Any) -> Any:
                found = await tx.principals.account(account.id)
                return found, await tx.principals.account_named("ann"), await tx.principals.roles_of(account.id)

            return await unit.read(ask)

        assert await seen() == (None, None, frozenset())
        await save(unit, account, role)
        assert await seen() == (account, account, frozenset())
        await link(unit, linked(account, role))
        assert await seen() == (account, account, {role.id})
        changed = replace(account, version=2, hidden={"Credential": "x"})
        await save(unit, changed)
        assert await seen() == (changed, changed, {role.id})
        await unit.write(lambda tx: tx.links.remove(linked(account, role)))
        assert await seen() == (changed, changed, frozenset())
        await link(unit, linked(account, role))
        await unit.write(lambda tx: tx.entities.remove(role.id))
        assert await seen() == (changed, changed, frozenset())
        await unit.write(lambda tx: tx.entities.remove(account.id))
        assert await seen() == (None, None, frozenset())
        assert await unit.read(lambda tx: tx.principals.account(role.id)) is None

    async def test_what_a_transaction_saw_before_a_write_is_not_remembered_after_it(self, unit: Unit) -> None:
        main = await unit.main_box()
        outer = await unit.make_collection(main, "outer")
        begun, written = threading.Event(), threading.Event()

        async def body(tx: Any) -> Any:
            await tx.entities.count(EntityKind.ROLE)  # the state is fixed
            begun.set()
            assert written.wait(20)
            return await tx.nodes.locate(MAIN_BOX, ("outer",))

        scan = asyncio.create_task(unit.contents.scan(body))
        await asyncio.to_thread(begun.wait)
        await unit.write(lambda tx: tx.nodes.move(replace(outer, name="new", version=2)))
        written.set()
        assert (await scan).node == outer
        assert (await unit.contents.scan(lambda tx: tx.nodes.locate(MAIN_BOX, ("outer",)))).node is None

    async def test_the_stamp_changes_with_who_may_do_what(self, unit: Unit) -> None:
        account, role = entity(EntityKind.ACCOUNT, "ann"), entity(EntityKind.ROLE, "role")
        await save(unit, account)
        root = await unit.read(lambda tx: tx.nodes.root())
        stamp = unit.store.access_stamp(unit.cell)
        assert stamp == unit.store.access_stamp(unit.cell)
        changes = (
            lambda tx: tx.entities.save(role),
            lambda tx: tx.links.save(linked(account, role)),
            lambda tx: tx.links.remove(linked(account, role)),
            lambda tx: tx.entities.save(replace(account, version=2)),
            lambda tx: tx.entities.remove(account.id),
            lambda tx: tx.nodes.save(replace(root, version=2)),
        )
        seen = [stamp]
        for change in changes:
            await unit.write(change)
            seen.append(unit.store.access_stamp(unit.cell))
            assert seen[-1] not in seen[:-1]


class TestOneState:
    """Long reads see the state they began with while writers go on."""

    async def test_a_scan(self, unit: Unit) -> None:
        main = await unit.main_box()
        file = await unit.put(main, "file", LARGE)
        begun, go_on = threading.Event(), threading.Event()

        async def body(tx: Any) -> list[str]:
            names = [child.name async for child in tx.nodes.children(main.id)]
            begun.set()
            assert go_on.wait(20)
            assert [child.name async for child in tx.nodes.children(main.id)] == names
            return names

        scan = asyncio.create_task(unit.contents.scan(body))
        await asyncio.to_thread(begun.wait)
        await unit.put(main, "another")
        await unit.write(lambda tx: tx.nodes.remove(file.id))
        assert await names_below(unit, main) == ["another"]
        assert await unit.bytes_of(file.content) == LARGE  # the scan may still ask for it
        go_on.set()
        assert await scan == ["file"]
        await eventually(lambda: unit.blob_count(unit.contents) == 0)

    async def test_a_stream_that_is_taken_slowly(self, unit: Unit) -> None:
        roles = [entity(EntityKind.ROLE, f"role{number:04}") for number in range(1_200)]
        await save(unit, *roles)
        keys: list[str] = []
        batches = 0
        async for batch in unit.contents.stream(lambda tx: tx.entities.each(EntityKind.ROLE)):
            batches += 1
            keys += [role.key for role in batch]
            await unit.write(lambda tx, role=roles[-batches]: tx.entities.remove(role.id))
            await save(unit, entity(EntityKind.ROLE, f"z{batches}"))
        assert keys == [role.key for role in roles]
        assert batches > 1
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.ROLE)) == 1_200

    async def test_a_stream_that_nobody_takes_to_its_end_lets_go_of_its_state(self, unit: Unit) -> None:
        await save(unit, *(entity(EntityKind.ROLE, f"role{number:04}") for number in range(1_200)))
        stream = unit.contents.stream(lambda tx: tx.entities.each(EntityKind.ROLE))
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        await save(unit, entity(EntityKind.ROLE, "new"))
        assert await unit.contents.scan(lambda tx: tx.entities.find(EntityKind.ROLE, "", "new")) is not None

    async def test_a_read_that_stops_half_way_does_not_hold_up_the_next(self, unit: Unit) -> None:
        await save(unit, *(entity(EntityKind.ROLE, f"role{number}") for number in range(5)))

        async def first(tx: Any) -> str:
            async for role in tx.entities.each(EntityKind.ROLE):
                return role.key
            raise AssertionError

        assert await unit.read(first) == "role0"
        await save(unit, entity(EntityKind.ROLE, "a"))
        assert await unit.read(first) == "a"


class TestBlobsOfRows:
    async def test_a_replaced_file_lets_go_of_its_bytes(self, unit: Unit) -> None:
        main = await unit.main_box()
        await unit.put(main, "file", LARGE)
        await unit.put(main, "file", LARGE + LARGE)
        await eventually(lambda: unit.blob_count(unit.contents) == 1)
        file = await unit.put(main, "file", b"small")
        await eventually(lambda: unit.blob_count(unit.contents) == 0)
        assert await unit.bytes_of(file.content) == b"small"

    async def test_a_change_beside_the_bytes_keeps_them(self, unit: Unit) -> None:
        file = await unit.put(await unit.main_box(), "file", LARGE)
        await unit.write(lambda tx: tx.nodes.save(replace(file, version=2, properties={"a@b": "<a/>"})))
        assert await unit.bytes_of(file.content) == LARGE

    async def test_a_removed_collection_takes_the_bytes_below_it(self, unit: Unit) -> None:
        main = await unit.main_box()
        outer = await unit.make_collection(main, "outer")
        for parent in (outer, await unit.make_collection(outer, "inner"), main):
            await unit.put(parent, "file", LARGE)
        await unit.write(lambda tx: tx.nodes.remove(outer.id))
        await eventually(lambda: unit.blob_count(unit.contents) == 1)
        assert await unit.bytes_of((await unit.locate("file")).chain[-1].content) == LARGE

    async def test_a_refused_write_takes_its_new_bytes_with_it_and_no_old_ones(self, unit: Unit) -> None:
        file = await unit.put(await unit.main_box(), "file", LARGE)

        async def body(tx: Any) -> None:
            await tx.nodes.remove(file.id)
            raise BrokenError

        with pytest.raises(BrokenError):
            async with unit.contents.blobs.stage(pieces(LARGE), max_bytes=0) as staged:
                content = await staged.keep()
                assert content.blob
                await unit.contents.write(body)
        await unit.put(await unit.main_box(), "other")
        assert unit.blob_count(unit.contents) == 1
        assert await unit.bytes_of(file.content) == LARGE


class TestLock:
    async def test_it_refuses_writes_with_its_reason_and_lets_reads_through(self, unit: Unit) -> None:
        main = await unit.main_box()
        async with unit.store.lock(unit.cell, "cell import"):
            assert unit.store.locked(unit.cell) == "cell import"
            with pytest.raises(Refusal, match="cell import") as caught:
                await unit.put(main, "file")
            assert caught.value.kind is CELL_LOCKED
            assert (await unit.locate()).node == main
            await unit.keep.write(lambda tx: tx.snapshots.count())
        assert unit.store.locked(unit.cell) is None
        await unit.put(main, "file")

    async def test_one_holds_it(self, unit: Unit) -> None:
        async with unit.store.lock(unit.cell, "first"):
            with pytest.raises(Refusal, match="first") as caught:
                async with unit.store.lock(unit.cell, "second"):
                    pass
            assert caught.value.kind is CELL_LOCKED
            assert unit.store.locked(unit.cell) == "first"

    async def test_it_ends_with_its_block_however_that_ends(self, unit: Unit) -> None:
        with pytest.raises(BrokenError):
            async with unit.store.lock(unit.cell, "reason"):
                raise BrokenError
        await unit.put(await unit.main_box(), "file")

    async def test_writes_under_way_have_ended_at_its_begin(self, unit: Unit) -> None:
        main = await unit.main_box()
        writes = [asyncio.create_task(unit.put(main, f"file{number}")) for number in range(20)]
        await asyncio.sleep(0)
        async with unit.store.lock(unit.cell, "reason"):
            seen = await names_below(unit, main)
            await asyncio.wait(writes)
            assert await names_below(unit, main) == seen
        assert len(seen) == sum(write.exception() is None for write in writes)
