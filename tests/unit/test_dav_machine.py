"""The WebDAV tree changed at random by its use cases, under preconditions, against a plain model of the rules."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alveary.config import Config, Dav, Limits
from alveary.errors import Kind, Refusal
from alveary.model.dav_semantics import SEMANTICS
from alveary.model.names import MAIN_BOX
from alveary.model.tree import NodeKind
from alveary.usecases import files, properties, transfers
from alveary.usecases.access import BoxPath
from alveary.usecases.transfers import Transfer, Verb
from alveary.wire.dav_xml import PropertyChange
from alveary.wire.etags import Precondition
from tests.control_unit import Unit, opened
from tests.dav_model import Thing, Trail, Tree

CHILDREN = 2
DEPTH = 2

paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)
bodies = st.sampled_from([b"", b"small", b"large" * 5_000])
conditions = st.sampled_from(["none", "none", "none", "any", "current", "stale", "absent"])
keys = st.sampled_from(["p@urn:x", "q@", "displayname@DAV:"])
changes = st.lists(st.tuples(keys, st.sampled_from(["<x>1</x>", "<x>2</x>", None])), min_size=1, max_size=4)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


def at(path: Trail) -> BoxPath:
    return BoxPath(MAIN_BOX, path)


class DavMachine(RuleBasedStateMachine):
    """What the use cases answer, and the tree that they show after each step, is what the model says."""

    semantics: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        unit: Unit = self.run(self.stack.enter_async_context(opened(Path(self.folder.name))))
        config = Config(dav=Dav(semantics=self.semantics), limits=Limits(children=CHILDREN, depth=DEPTH))
        self.ports, self.access = replace(unit.ports, config=config), unit.admin
        self.tree = Tree(SEMANTICS[self.semantics], CHILDREN, DEPTH)
        self.etags: dict[Trail, str] = {}

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def attempt(self, refused: Kind | None, call: Coroutine[Any, Any, Any]) -> Any:
        """What *call* answers, which is refused in that way, or not at all."""
        try:
            answer = self.run(call)
        except Refusal as refusal:
            assert refusal.kind is refused, f"{refusal.kind.code}, not {refused and refused.code}"
            return None
        assert refused is None, f"done, though {refused.code}"
        return answer

    def condition(self, how: str, path: Trail) -> tuple[Precondition, bool]:
        """A precondition on what is at *path*, and whether it is met."""
        there = path in self.tree.things
        match how:
            case "any":
                return Precondition.parse("*"), True
            case "current":
                return Precondition.parse(self.etags.get(path, '"9-9"')), there
            case "stale":
                return Precondition.parse('"9-9"'), False
            case "absent":
                return Precondition.parse(None, "*"), not there
            case _:
                return Precondition(), True

    # What is done

    @initialize()
    def begin(self) -> None:
        """A small tree, so that there is something to change from the first step."""
        for path in (("a",), ("a", "b")):
            self.make_collection(path)
        self.put(("a", "b", "c"), b"large" * 5_000, "none")
        self.put(("b",), b"small", "none")

    @rule(path=paths, data=bodies, how=conditions)
    def put(self, path: Trail, data: bytes, how: str) -> None:
        expect, met = self.condition(how, path)
        was_there = path in self.tree.things
        call = files.put(self.ports, self.access, at(path), pieces(data), media_type="text/plain", expect=expect)
        saved = self.attempt(self.tree.put(path, data, met=met), call)
        assert saved is None or saved.created is not was_there

    @rule(path=paths)
    def make_collection(self, path: Trail) -> None:
        call = files.make_collection(self.ports, self.access, at(path), NodeKind.COLLECTION)
        self.attempt(self.tree.make_collection(path), call)

    @rule(path=paths, recursive=st.booleans(), how=conditions)
    def remove(self, path: Trail, recursive: bool, how: str) -> None:
        expect, met = self.condition(how, path)
        call = files.delete(self.ports, self.access, at(path), recursive=recursive, expect=expect)
        self.attempt(self.tree.remove(path, recursive=recursive, met=met), call)

    @rule(path=paths, changes=changes)
    def patch(self, path: Trail, changes: list[tuple[str, str | None]]) -> None:
        asked = [PropertyChange(key, element or "<x/>", removed=element is None) for key, element in changes]
        self.attempt(self.tree.patch(path, changes), properties.patch(self.ports, self.access, at(path), asked))

    @rule(source=paths, goal=paths, shallow=st.booleans(), overwrite=st.booleans(), how=conditions)
    def copy(self, source: Trail, goal: Trail, shallow: bool, overwrite: bool, how: str) -> None:
        self.transfer(Verb.COPY, source, goal, shallow=shallow, overwrite=overwrite, how=how)

    @rule(source=paths, goal=paths, overwrite=st.booleans(), how=conditions)
    def move(self, source: Trail, goal: Trail, overwrite: bool, how: str) -> None:
        self.transfer(Verb.MOVE, source, goal, shallow=False, overwrite=overwrite, how=how)

    def transfer(self, verb: Verb, source: Trail, goal: Trail, *, shallow: bool, overwrite: bool, how: str) -> None:
        expect, met = self.condition(how, source)
        was_there, old = goal in self.tree.things, self.etags.get(goal)
        order = Transfer(verb, at(goal), overwrite, expect, shallow=shallow)
        kinds = {"copies": verb is Verb.COPY, "shallow": shallow, "overwrite": overwrite, "met": met}
        call = transfers.transfer(self.ports, self.access, at(source), order)
        saved = self.attempt(self.tree.transfer(source, goal, **kinds), call)
        if saved is not None:
            assert saved.created is not was_there
            assert str(saved.etag) != old

    # What must hold

    @invariant()
    def the_tree_is_that_of_the_model(self) -> None:
        seen: dict[Trail, Thing] = {}
        self.etags = {}
        for shown in self.run(self._listed()):
            node, path = shown.node, shown.segments[1:]
            found = self.run(files.get(self.ports, self.access, at(path)))
            data = self.run(self._bytes(found)) if isinstance(found, files.OpenFile) else None
            seen[path] = Thing(data, dict(node.properties))
            self.etags[path] = str(files.etag_of(node))
        assert seen == self.tree.things

    async def _listed(self) -> list[properties.Shown]:
        _, batches = await properties.find(self.ports, self.access, at(()), levels=None)
        return [shown async for batch in batches for shown in batch]

    async def _bytes(self, found: files.OpenFile) -> bytes:
        blobs = self.ports.store.contents(self.access.here).blobs
        return b"".join([piece async for piece in blobs.read(found.content)])

    @invariant()
    def counts_are_those_of_the_model(self) -> None:
        nodes, size_bytes = self.run(self._totals())
        held = [thing.data for thing in self.tree.things.values() if thing.data is not None]
        assert (nodes - 1, size_bytes) == (len(self.tree.things), sum(map(len, held)))

    async def _totals(self) -> tuple[int, int]:
        found: tuple[int, int] = await self.ports.store.contents(self.access.here).read(lambda tx: tx.nodes.totals())
        return found


class PersoniumMachine(DavMachine):
    semantics = "personium"


class Rfc4918Machine(DavMachine):
    semantics = "rfc4918"


_SETTINGS = settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestPersonium = PersoniumMachine.TestCase
TestPersonium.settings = _SETTINGS
TestRfc4918 = Rfc4918Machine.TestCase
TestRfc4918.settings = _SETTINGS
