"""Trees that are copied and trees that are removed whole, on every adapter: shared bytes, counts, ACLs on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from alveary.model.acl import Ace, Acl
from alveary.model.entities import EntityKind, Link
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import Content, Node, NodeKind
from tests.contract.rows import entity, link, save
from tests.stores import INLINE_BYTES, HandClock, Unit, eventually, new_id, on_sqlite, open_registry

LARGE = b"0123456789" * INLINE_BYTES
MANY = 2_500
"""More than are removed by one step."""


async def copied(unit: Unit, source: Node, name: str) -> Node:
    async def copy(tx: Any) -> Node:
        node = replace(source, id=new_id(), name=name, version=1, published_ms=tx.now_ms, updated_ms=tx.now_ms)
        await tx.nodes.save(node)
        await tx.nodes.copy_below(source.id, node, new_id)
        return node

    node: Node = await unit.write(copy)
    return node


async def fill(unit: Unit, parent: Node, count: int) -> None:
    async def save(tx: Any) -> None:
        for number in range(count):
            await tx.nodes.save(Node(new_id(), parent.id, f"file{number:06}", NodeKind.FILE, 1, tx.now_ms, tx.now_ms))

    await unit.write(save)


async def totals(unit: Unit) -> tuple[int, int]:
    found: tuple[int, int] = await unit.read(lambda tx: tx.nodes.totals())
    assert await unit.contents.scan(lambda tx: tx.nodes.totals()) == found
    return found


class TestCopies:
    async def test_a_copy_has_all_that_is_below_with_ids_versions_and_times_of_its_own(self, unit: Unit) -> None:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        inner = await unit.make_collection(outer, "inner")
        file = await unit.put(inner, "file", b"x")
        acl, properties = Acl((Ace("role", (BoxPrivilege.READ,)),)), {"p@urn:x": "<p/>"}
        changed = replace(file, version=5, acl=acl, properties=properties, media_type="text/x")
        await unit.write(lambda tx: tx.nodes.save(changed))
        unit.clock.ms += 1_000
        await copied(unit, outer, "twin")
        twin = (await unit.locate("twin", "inner", "file")).node
        assert twin is not None and twin.id != file.id
        now_ms = unit.clock.ms
        times = {"version": 1, "published_ms": now_ms, "updated_ms": now_ms}
        assert twin == replace(changed, id=twin.id, parent=twin.parent, **times)
        assert (await unit.locate("outer", "inner", "file")).node == changed
        assert await totals(unit) == (8, 2)

    async def test_a_blob_that_two_files_name_goes_with_the_last_of_them(self, unit: Unit) -> None:
        main = await unit.main_box()
        outer = await unit.make_collection(main, "outer")
        file = await unit.put(outer, "file", LARGE)
        twin = await copied(unit, outer, "twin")
        assert unit.blob_count(unit.contents) == 1
        await unit.put(outer, "file", b"small")
        assert await unit.bytes_of((await unit.locate("twin", "file")).chain[-1].content) == LARGE
        third = await copied(unit, twin, "third")
        for node in (outer, twin):
            await unit.write(lambda tx, node=node: tx.nodes.remove(node.id))
            await unit.put(main, "probe", LARGE)
            assert await unit.bytes_of(file.content) == LARGE
        await unit.write(lambda tx: tx.nodes.remove(third.id))
        await eventually(lambda: unit.blob_count(unit.contents) == 1)

    async def test_a_tree_that_holds_both_files_of_a_blob_takes_it_along(self, unit: Unit) -> None:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        inner = await unit.make_collection(outer, "inner")
        await unit.put(inner, "file", LARGE)
        await copied(unit, inner, "twin")
        await unit.write(lambda tx: tx.nodes.remove(outer.id))
        await eventually(lambda: unit.blob_count(unit.contents) == 0)

    async def test_odata_collections_are_named_for_those_who_copy_what_is_in_them(self, unit: Unit) -> None:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        odata = Node(new_id(), outer.id, "odata", NodeKind.ODATA, 1, 1, 1)
        await unit.write(lambda tx: tx.nodes.save(odata))

        async def copy(tx: Any) -> Any:
            node = replace(outer, id=new_id(), name="twin")
            await tx.nodes.save(node)
            return await tx.nodes.copy_below(outer.id, node, new_id)

        pairs = await unit.write(copy)
        assert pairs == [(odata.id, (await unit.locate("twin", "odata")).chain[-1].id)]

    async def test_what_is_in_a_collection_is_its_schema_its_data_and_their_links(self, unit: Unit) -> None:
        kinds = [entity(EntityKind.ENTITY_TYPE, name, "node", node="node") for name in "AB"]
        theirs = [
            entity(EntityKind.PROPERTY, "p", kinds[0].id, node="node"),
            entity(EntityKind.USER_DATA, "1", kinds[0].id, node="node"),
            entity(EntityKind.USER_DATA, "2", kinds[1].id, node="node"),
        ]
        elsewhere = entity(EntityKind.ENTITY_TYPE, "A", "other", node="other")
        await save(unit, *kinds, *theirs, elsewhere, entity(EntityKind.USER_DATA, "1", elsewhere.id, node="other"))
        joint = Link.between((kinds[0].id, theirs[1].id), (kinds[1].id, theirs[2].id), 1)
        await link(unit, joint, Link.between(("Account", "one"), ("Role", "other"), 1))

        async def ask(tx: Any) -> Any:
            entities = [each async for each in tx.entities.of_collection("node")]
            return entities, [each async for each in tx.links.of_collection("node")]

        entities, links = await unit.read(ask)
        assert {each.id for each in entities[:2]} == {each.id for each in kinds}
        assert {each.id for each in entities[2:]} == {each.id for each in theirs}
        assert links == [joint]

    async def test_guarded_nodes_come_with_the_way_that_leads_to_them(self, unit: Unit) -> None:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        inner = await unit.make_collection(outer, "inner")
        await unit.put(inner, "open")
        file = await unit.put(inner, "file")
        acl = Acl((), "public")
        await unit.write(lambda tx: tx.nodes.save(replace(file, acl=acl)))

        async def ask(tx: Any) -> Any:
            return [tuple(node.name for node in chain) async for chain in tx.nodes.guarded(outer.id)]

        assert await unit.read(ask) == [("inner", "file")]
        await unit.write(lambda tx: tx.nodes.save(replace(inner, acl=acl)))
        assert sorted(await unit.read(ask)) == [("inner",), ("inner", "file")]


class TestLargeTrees:
    async def test_a_removed_tree_is_gone_for_everyone_at_once_and_its_name_is_free(self, unit: Unit) -> None:
        main = await unit.main_box()
        outer = await unit.make_collection(main, "outer")
        inner = await unit.make_collection(outer, "inner")
        await fill(unit, inner, MANY)
        file = await unit.put(outer, "large", LARGE)
        assert await totals(unit) == (MANY + 5, len(LARGE))
        await unit.write(lambda tx: tx.nodes.remove(outer.id))
        assert await totals(unit) == (2, 0)
        assert (await unit.locate("outer", "inner", "file000000")).nearest == main
        assert await unit.read(lambda tx: tx.nodes.child_count(main.id)) == 0
        again = await unit.make_collection(main, "outer")
        assert await unit.read(lambda tx: tx.nodes.child_count(again.id)) == 0
        assert await totals(unit) == (3, 0)
        await eventually(lambda: unit.blob_count(unit.contents) == 0)
        assert file.content is not None

    async def test_a_removal_that_was_taken_back_leaves_all_in_place(self, unit: Unit) -> None:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        await fill(unit, outer, MANY)

        async def body(tx: Any) -> None:
            await tx.nodes.remove(outer.id)
            raise LookupError

        try:
            await unit.write(body)
        except LookupError:
            assert await totals(unit) == (MANY + 3, 0)
            assert await unit.read(lambda tx: tx.nodes.child_count(outer.id)) == MANY


async def test_trees_of_many_blobs_are_copied_and_removed_whatever_sqlite_must_note_of_it(tmp_path: Path) -> None:
    count = 60_000
    async with on_sqlite(tmp_path) as unit:
        outer = await unit.make_collection(await unit.main_box(), "outer")

        async def fill(tx: Any) -> None:
            for number in range(count):
                times = 1, tx.now_ms, tx.now_ms
                content = Content(1, b"", blob=new_id())
                await tx.nodes.save(Node(new_id(), outer.id, f"{number:06}", NodeKind.FILE, *times, content=content))

        await unit.write(fill)
        twin = await copied(unit, outer, "twin")
        assert await totals(unit) == (2 * count + 4, 2 * count)
        for node in (outer, twin):
            await unit.write(lambda tx, node=node: tx.nodes.remove(node.id))
        assert await totals(unit) == (2, 0)


async def test_a_collection_of_many_entities_is_removed_whatever_sqlite_must_note_of_it(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as unit:
        odata = Node(new_id(), (await unit.main_box()).id, "odata", NodeKind.ODATA, 1, 1, 1)
        kind = entity(EntityKind.ENTITY_TYPE, "T", odata.id, node=odata.id)

        async def fill(tx: Any) -> None:
            await tx.nodes.save(odata)
            await tx.entities.save(kind)
            for number in range(100_000):
                await tx.entities.add(entity(EntityKind.USER_DATA, str(number), kind.id, node=odata.id))

        await unit.write(fill)
        await unit.write(lambda tx: tx.nodes.remove(odata.id))
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.USER_DATA)) == 0


async def test_what_a_stopped_process_left_of_a_tree_goes_after_the_next_start(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as unit:
        outer = await unit.make_collection(await unit.main_box(), "outer")
        await fill(unit, outer, MANY)
        await unit.put(outer, "large", LARGE)
        await unit.write(lambda tx: tx.nodes.remove(outer.id))
        cell = unit.cell
    registry = open_registry(tmp_path, HandClock())
    try:
        registry.recover()
        contents: Any = registry.store.contents(cell)
        await eventually(lambda: not contents.marks.orphans.wanted and not contents.busy)
        left = await contents.read(_rows)
        assert left == (2, 0)
        await eventually(lambda: not list((contents.folder / "blobs").glob("*/*")))
        assert (await contents.read(lambda tx: tx.nodes.locate(MAIN_BOX, ("outer",)))).node is None
    finally:
        await registry.close()


async def _rows(tx: Any) -> tuple[int, int]:
    count = "SELECT (SELECT count(*) FROM node), (SELECT count(*) FROM orphan)"
    found: tuple[int, int] = tx.connection.execute(count).get
    return found
