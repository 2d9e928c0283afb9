"""The tree of a cell against a plain dictionary, on every adapter, under a clock that stands still."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alveary.model.names import MAIN_BOX
from alveary.model.tree import Node, NodeKind
from tests.stores import INLINE_BYTES, Unit, eventually, in_memory, new_id, on_sqlite, pieces

Trail = tuple[str, ...]
names = st.sampled_from("ab")
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
bodies = st.sampled_from([b"", b"small", b"large" * INLINE_BYTES, b"larger" * INLINE_BYTES])


class TreeMachine(RuleBasedStateMachine):
    """Files and collections are made, replaced, copied, moved and removed; ``tree`` says what must be there then.

    A path leads to the bytes of a file or, for a collection, to None; ``stored`` tells how often bytes came in: what
    was copied has the number of its original.
    """

    open_unit: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.tree: dict[Trail, bytes | None] = {(): None}
        self.puts = 0
        self.stored: dict[Trail, int] = {}
        self.etags: dict[Trail, set[tuple[int, int] | None]] = {}
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.unit: Unit = self.run(self.stack.enter_async_context(self.open_unit(Path(self.folder.name))))

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    # What is done

    @rule(path=paths, data=bodies)
    def put(self, path: Trail, data: bytes) -> None:
        if self._is_collection(path[:-1]) and not self._is_collection(path):
            self.run(self._put(path, data))
            self.tree[path] = data
            self.puts += 1
            self.stored[path] = self.puts
            self._look_for_a_repeated_etag(path)

    async def _put(self, path: Trail, data: bytes) -> None:
        contents = self.unit.contents
        async with contents.blobs.stage(pieces(data), max_bytes=0) as staged:
            content = await staged.keep()

            async def save(tx: Any) -> None:
                place = await tx.nodes.locate(MAIN_BOX, path)
                old = place.node
                if old is None:
                    parent, times = place.nearest.id, (tx.now_ms, tx.now_ms)
                    node = Node(new_id(), parent, path[-1], NodeKind.FILE, 1, *times, content=content)
                else:
                    node = replace(old, version=old.version + 1, updated_ms=tx.now_ms, content=content)
                await tx.nodes.save(node)

            await contents.write(save)

    @rule(path=paths)
    def make_collection(self, path: Trail) -> None:
        if self._is_collection(path[:-1]) and path not in self.tree:
            parent = self.run(self.unit.locate(*path[:-1])).node
            self.run(self.unit.make_collection(parent, path[-1]))
            self.tree[path] = None

    @rule(path=paths)
    def remove(self, path: Trail) -> None:
        if path in self.tree:
            node = self.run(self.unit.locate(*path)).node
            self.run(self.unit.write(lambda tx: tx.nodes.remove(node.id)))
            self._forget(path)

    @rule(source=paths, goal=paths)
    def move(self, source: Trail, goal: Trail) -> None:
        into_itself = goal[: len(source)] == source
        over_collection = self._is_collection(goal) or goal == source[: len(goal)]
        if source not in self.tree or into_itself or over_collection or not self._is_collection(goal[:-1]):
            return
        replaced = self._etag(goal)
        self.run(self.unit.write(lambda tx: self._move(tx, source, goal)))
        assert self._etag(goal) != replaced
        self._forget(goal)
        for path in [path for path in self.tree if path[: len(source)] == source]:
            self.tree[goal + path[len(source) :]] = self.tree.pop(path)
            if path in self.stored:
                self.stored[goal + path[len(source) :]] = self.stored.pop(path)
        # What moves keeps its time, so that its ETag may be one that its new path had before the last thing there.
        self.etags = {path: seen for path, seen in self.etags.items() if path[: len(goal)] != goal}

    @staticmethod
    async def _move(tx: Any, source: Trail, goal: Trail) -> None:
        node = (await tx.nodes.locate(MAIN_BOX, source)).node
        place = await tx.nodes.locate(MAIN_BOX, goal)
        version = node.version
        if place.node is not None:
            version = max(version, place.node.version) + 1
            await tx.nodes.remove(place.node.id)
        parent = (await tx.nodes.locate(MAIN_BOX, goal[:-1])).node
        await tx.nodes.move(replace(node, parent=parent.id, name=goal[-1], version=version))

    @rule(source=paths, goal=paths)
    def copy(self, source: Trail, goal: Trail) -> None:
        if source not in self.tree or goal in self.tree or not self._is_collection(goal[:-1]):
            return
        if goal[: len(source)] == source:
            return
        self.run(self.unit.write(lambda tx: self._copy(tx, source, goal)))
        for path in [path for path in self.tree if path[: len(source)] == source]:
            twin = goal + path[len(source) :]
            self.tree[twin] = self.tree[path]
            if path in self.stored:
                self.stored[twin] = self.stored[path]
                self._look_for_a_repeated_etag(twin)

    @staticmethod
    async def _copy(tx: Any, source: Trail, goal: Trail) -> None:
        node = (await tx.nodes.locate(MAIN_BOX, source)).node
        parent = (await tx.nodes.locate(MAIN_BOX, goal[:-1])).node
        times = {"published_ms": tx.now_ms, "updated_ms": tx.now_ms}
        twin = replace(node, id=new_id(), parent=parent.id, name=goal[-1], version=1, **times)
        await tx.nodes.save(twin)
        await tx.nodes.copy_below(node.id, twin, new_id)

    @rule(path=paths)
    def fail(self, path: Trail) -> None:
        async def body(tx: Any) -> None:
            place = await tx.nodes.locate(MAIN_BOX, path)
            await tx.nodes.remove(place.nearest.id)
            raise LookupError

        try:
            self.run(self.unit.write(body))
        except LookupError:
            return
        raise AssertionError("the write was not taken back")

    # What must hold

    def _is_collection(self, path: Trail) -> bool:
        return path in self.tree and self.tree[path] is None

    def _forget(self, path: Trail) -> None:
        for below in [each for each in self.tree if each[: len(path)] == path]:
            del self.tree[below]
            self.stored.pop(below, None)

    def _etag(self, path: Trail) -> tuple[int, int] | None:
        node = self.run(self.unit.locate(*path)).node
        return (node.version, node.updated_ms) if node is not None else None

    def _look_for_a_repeated_etag(self, path: Trail) -> None:
        etag = self._etag(path)
        seen = self.etags.setdefault(path, set())
        assert etag not in seen
        seen.add(etag)

    @invariant()
    def the_tree_is_what_it_should_be(self) -> None:
        if hasattr(self, "unit"):
            assert self.run(self._walked()) == self.tree
            assert self.run(self.unit.contents.scan(self._totals)) == self.run(self.unit.read(self._totals))

    async def _walked(self) -> dict[Trail, bytes | None]:
        found: dict[Trail, bytes | None] = {}
        waiting: list[Trail] = [()]
        while waiting:
            path = waiting.pop()
            node = (await self.unit.locate(*path)).node
            assert node is not None
            found[path] = None if node.content is None else await self.unit.bytes_of(node.content)
            waiting += [(*path, name) for name in await self.unit.read(lambda tx, at=node.id: self._names(tx, at))]
        return found

    @staticmethod
    async def _names(tx: Any, parent: str) -> list[str]:
        names = [child.name async for child in tx.nodes.children(parent)]
        assert await tx.nodes.child_count(parent) == len(names)
        return names

    @staticmethod
    async def _totals(tx: Any) -> Any:
        return await tx.nodes.totals()

    @invariant()
    def every_blob_is_named_in_the_end(self) -> None:
        if hasattr(self, "unit"):
            large = {self.stored[path] for path, data in self.tree.items() if data and len(data) > INLINE_BYTES}
            self.run(eventually(lambda: self.unit.blob_count(self.unit.contents) == len(large)))


class MemoryTree(TreeMachine):
    open_unit = staticmethod(in_memory)


class SqliteTree(TreeMachine):
    open_unit = staticmethod(on_sqlite)


TestMemoryTree = MemoryTree.TestCase
TestMemoryTree.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestSqliteTree = SqliteTree.TestCase
TestSqliteTree.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
