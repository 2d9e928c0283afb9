"""The WebDAV tree changed and locked at random by its use cases, under preconditions, against a plain model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alveary.config import Config, Dav, Limits
from alveary.errors import Kind, Refusal
from alveary.model import acl
from alveary.model.acl import EMPTY
from alveary.model.dav_semantics import SEMANTICS
from alveary.model.locks import Lock, LockScope
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import NodeKind
from alveary.usecases import files, locks, properties, transfers
from alveary.usecases.access import Access, BoxPath, Claim, Who
from alveary.usecases.locks import Granted, Hindered, Order
from alveary.usecases.transfers import Transfer, Verb
from alveary.wire.acl_xml import WrittenAce, WrittenAcl
from alveary.wire.dav_if import Condition
from alveary.wire.dav_xml import PropertyChange
from alveary.wire.etags import Precondition
from tests.control_unit import Unit, opened
from tests.dav_locks_model import Asking, Held, HeldLocks, Trail
from tests.dav_model import Thing, Tree
from tests.stores import HandClock

CHILDREN = 2
DEPTH = 2
LOCKS = 4
TICK_S = 0.01
"""Between two requests: the store makes it a later time after a removal, and the model shall know which."""

UNKNOWN = "urn:uuid:181d4fae-7d8c-41d0-a765-00a0c91e6bf2"
NO_LOCK = "DAV:no-lock"

first = st.sampled_from([("a",), ("a", "b"), ("a", "b", "c"), ("b",)])
paths = st.one_of(first, first, st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple))
places = st.one_of(paths, paths, paths, st.just(()))
bodies = st.sampled_from([b"", b"small", b"large" * 5_000])
conditions = st.sampled_from(["none", "none", "none", "any", "current", "stale", "absent"])
keys = st.sampled_from(["p@urn:x", "q@", "displayname@DAV:"])
changes = st.lists(st.tuples(keys, st.sampled_from(["<x>1</x>", "<x>2</x>", None])), min_size=1, max_size=4)

lives_s = st.sampled_from([10, 30, 300])


@dataclass(frozen=True)
class Wish:
    """Who asks, and how their If header names tokens; *pick* says which, where there are several."""

    is_admin: bool
    how: str
    pick: int

    def among(self, tokens: Iterable[str]) -> str:
        known = list(tokens)
        return known[self.pick % len(known)] if known else UNKNOWN


picks = st.integers(0, LOCKS * 2)
wishes = st.builds(
    Wish,
    st.booleans(),
    st.sampled_from(["nothing", "all", "all", "all", "one", "here", "denied", "ended", "ended or none"]),
    picks,
)
CLAIMS_NOTHING = Wish(is_admin=True, how="nothing", pick=0)
one_token = st.builds(Wish, st.booleans(), st.sampled_from(["one", "here", "here", "denied", "ended"]), picks)


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
        self.clock = HandClock()
        unit: Unit = self.run(self.stack.enter_async_context(opened(Path(self.folder.name), self.clock)))
        config = Config(dav=Dav(semantics=self.semantics), limits=Limits(children=CHILDREN, depth=DEPTH, locks=LOCKS))
        self.ports, self.access = replace(unit.ports, config=config), unit.admin
        self.account = Access(self.access.cell, Who.ACCOUNT, frozenset({acl.ALL}), EMPTY, account_id="alice")
        self.locks = HeldLocks(LOCKS, masters=frozenset({self.access.holder}))
        self.tree = Tree(SEMANTICS[self.semantics], CHILDREN, DEPTH, self.locks)
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

    def asking(self, wish: Wish) -> tuple[Access, Asking]:
        """Who asks as *wish* says, with the claim that the use cases take and as the model has it."""
        self.wait(TICK_S)
        held = self.locks.held
        lists: list[tuple[Trail | None, tuple[tuple[str, bool], ...]]] = []
        match wish.how:
            case "all":
                lists = [(lock.root, ((token, True),)) for token, lock in held.items()]
            case "one":
                token = wish.among(held)
                lists = [(held[token].root if token in held else None, ((token, True),))]
            case "here":
                lists = [(None, ((wish.among(held), True),))]
            case "denied":
                lists = [(None, ((wish.among(held), False),))]
            case "ended":
                lists = [(None, ((wish.among(self.locks.ended), True),))]
            case "ended or none":
                lists = [(None, ((wish.among(self.locks.ended), True),)), (None, ((NO_LOCK, False),))]
        claim = Claim(
            tuple(
                (
                    None if place is None else at(place),
                    tuple(Condition(token, is_token=True, negated=not locks) for token, locks in conditions),
                )
                for place, conditions in lists
            )
        )
        access = self.access if wish.is_admin else self.account
        return replace(access, claim=claim), Asking(access.holder, tuple(lists))

    # What is done

    @initialize(root=places, shared=st.booleans(), deep=st.booleans())
    def begin(self, root: Trail, shared: bool, deep: bool) -> None:
        """A small tree with a lock, so that there is something to change from the first step, open to everyone."""
        everything = WrittenAcl((WrittenAce(acl.ALL, (BoxPrivilege.ALL,)),), None)
        self.run(properties.set_acl(self.ports, self.access, at(()), everything))
        for path in (("a",), ("a", "b")):
            self.make_collection(path, CLAIMS_NOTHING)
        self.put(("a", "b", "c"), b"large" * 5_000, "none", CLAIMS_NOTHING)
        self.put(("b",), b"small", "none", CLAIMS_NOTHING)
        self.lock(root, shared, deep, 300, CLAIMS_NOTHING)

    @rule(path=paths, data=bodies, how=conditions, wish=wishes)
    def put(self, path: Trail, data: bytes, how: str, wish: Wish) -> None:
        access, asks = self.asking(wish)
        expect, met = self.condition(how, path)
        was_there = path in self.tree.things
        call = files.put(self.ports, access, files.Put(at(path), "text/plain", expect), pieces(data))
        saved = self.attempt(self.tree.put(path, data, asks, met=met), call)
        assert saved is None or saved.created is not was_there

    @rule(path=paths, wish=wishes)
    def make_collection(self, path: Trail, wish: Wish) -> None:
        access, asks = self.asking(wish)
        call = files.make_collection(self.ports, access, at(path), NodeKind.COLLECTION)
        self.attempt(self.tree.make_collection(path, asks), call)

    @rule(path=paths, recursive=st.booleans(), how=conditions, wish=wishes)
    def remove(self, path: Trail, recursive: bool, how: str, wish: Wish) -> None:
        access, asks = self.asking(wish)
        expect, met = self.condition(how, path)
        call = files.delete(self.ports, access, at(path), recursive=recursive, expect=expect)
        self.attempt(self.tree.remove(path, asks, recursive=recursive, met=met), call)

    @rule(path=paths, changes=changes, wish=wishes)
    def patch(self, path: Trail, changes: list[tuple[str, str | None]], wish: Wish) -> None:
        access, asks = self.asking(wish)
        asked = [PropertyChange(key, element or "<x/>", removed=element is None) for key, element in changes]
        self.attempt(self.tree.patch(path, changes, asks), properties.patch(self.ports, access, at(path), asked))

    @rule(source=paths, goal=paths, shallow=st.booleans(), overwrite=st.booleans(), how=conditions, wish=wishes)
    def copy(self, source: Trail, goal: Trail, shallow: bool, overwrite: bool, how: str, wish: Wish) -> None:
        self.transfer(Verb.COPY, source, goal, wish, shallow=shallow, overwrite=overwrite, how=how)

    @rule(source=paths, goal=paths, overwrite=st.booleans(), how=conditions, wish=wishes)
    def move(self, source: Trail, goal: Trail, overwrite: bool, how: str, wish: Wish) -> None:
        self.transfer(Verb.MOVE, source, goal, wish, shallow=False, overwrite=overwrite, how=how)

    def transfer(
        self, verb: Verb, source: Trail, goal: Trail, wish: Wish, *, shallow: bool, overwrite: bool, how: str
    ) -> None:
        access, asks = self.asking(wish)
        expect, met = self.condition(how, source)
        was_there, old = goal in self.tree.things, self.etags.get(goal)
        order = Transfer(verb, at(goal), overwrite, expect, shallow=shallow)
        kinds = {"copies": verb is Verb.COPY, "shallow": shallow, "overwrite": overwrite, "met": met}
        call = transfers.transfer(self.ports, access, at(source), order)
        saved = self.attempt(self.tree.transfer(source, goal, asks, **kinds), call)
        if saved is not None:
            assert saved.created is not was_there
            assert str(saved.etag) != old

    # Its locks

    @rule(path=places, shared=st.booleans(), deep=st.booleans(), life_s=lives_s, wish=wishes)
    def lock(self, path: Trail, shared: bool, deep: bool, life_s: int, wish: Wish) -> None:
        access, asks = self.asking(wish)
        was_there = path in self.tree.things
        wanted = Held("", path, shared, deep, access.holder, self.clock.ms + life_s * 1000)
        verdict = self.tree.lock(wanted, asks)
        refused = verdict if isinstance(verdict, Kind) else None
        order = Order(LockScope.SHARED if shared else LockScope.EXCLUSIVE, deep, "", life_s)
        answer = self.attempt(refused, locks.lock(self.ports, access, at(path), order))
        if isinstance(answer, Granted):
            assert verdict is None and answer.created is not was_there
            self.locks.held[answer.lock.token] = replace(wanted, token=answer.lock.token)
        elif isinstance(answer, Hindered):
            assert verdict == list(answer.roots)

    @rule(path=places, at_root=st.booleans(), life_s=lives_s, wish=one_token)
    def refresh(self, path: Trail, at_root: bool, life_s: int, wish: Wish) -> None:
        access, asks = self.asking(wish)
        path = self.where(asks, at_root, path)
        refused = self.tree.refresh(path, asks, self.clock.ms + life_s * 1000)
        self.attempt(refused, locks.refresh(self.ports, access, at(path), life_s))

    def where(self, asks: Asking, at_root: bool, path: Trail) -> Trail:
        """The root of the one lock that *asks* names, if it is to be that and there is one; else *path*."""
        (token,) = asks.tokens
        return self.locks.held[token].root if at_root and token in self.locks.held else path

    @rule(path=places, at_root=st.booleans(), wish=one_token)
    def unlock(self, path: Trail, at_root: bool, wish: Wish) -> None:
        """By the token of a lock that holds or held, where its root is or anywhere."""
        access, asks = self.asking(wish)
        path, (token,) = self.where(asks, at_root, path), asks.tokens
        call = locks.unlock(self.ports, access, at(path), token)
        self.attempt(self.tree.unlock(path, token, access.holder), call)

    @rule(seconds=st.sampled_from([1, 10, 60]))
    def wait(self, seconds: float) -> None:
        self.clock.ms += round(seconds * 1000)
        self.locks.expire(self.clock.ms)

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
            assert {each.token for each in shown.locks} == {each.token for each in self.locks.on(path)}
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

    @invariant()
    def the_locks_are_those_of_the_model(self) -> None:
        found = {
            each.token: Held(
                each.token, each.trail, each.scope is LockScope.SHARED, each.deep, each.holder, each.until_ms
            )
            for each in self.run(self._held())
        }
        assert found == self.locks.held

    async def _held(self) -> list[Lock]:
        async def read(tx: Any) -> list[Lock]:
            place = await tx.nodes.locate(MAIN_BOX, ())
            return list((await tx.locks.of(place.box.id)).at(self.clock.ms))

        found: list[Lock] = await self.ports.store.contents(self.access.here).read(read)
        return found


class PersoniumMachine(DavMachine):
    semantics = "personium"


class Rfc4918Machine(DavMachine):
    semantics = "rfc4918"


_SETTINGS = settings(max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestPersonium = PersoniumMachine.TestCase
TestPersonium.settings = _SETTINGS
TestRfc4918 = Rfc4918Machine.TestCase
TestRfc4918.settings = _SETTINGS
