"""A tree of files and collections in plain Python, with the rules of WebDAV as this unit has them.

Each method says why something is refused, or does it and answers None.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from alveary.errors import (
    BAD_HEADER,
    DESTINATION_EXISTS,
    DESTINATION_IS_SOURCE,
    ETAG_MISMATCH,
    HAS_CHILDREN,
    METHOD_NOT_ALLOWED,
    MOVE_INTO_FILE,
    MOVE_ONTO_COLLECTION,
    NO_SUCH_RESOURCE,
    NO_SUCH_URI,
    PARENT_MISSING,
    RESOURCE_EXISTS,
    TOO_DEEP,
    TOO_MANY_CHILDREN,
    Kind,
)
from alveary.model.dav_semantics import DavSemantics
from tests.dav_locks_model import Asking, Held, HeldLocks, Trail


@dataclass
class Thing:
    """A file with its bytes, or a collection (None); its dead properties."""

    data: bytes | None
    properties: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Thing:
        return Thing(self.data, dict(self.properties))


@dataclass
class Tree:
    """What there is by its path, under those limits."""

    semantics: DavSemantics
    children: int
    depth: int
    locks: HeldLocks
    things: dict[Trail, Thing] = field(default_factory=lambda: {(): Thing(None)})

    # What is there

    def is_collection(self, path: Trail) -> bool:
        return path in self.things and self.things[path].data is None

    def below(self, path: Trail) -> list[Trail]:
        """*path* and all below it."""
        return [each for each in self.things if each[: len(path)] == path]

    def _under_file(self, path: Trail) -> bool:
        return any(path[:end] in self.things and not self.is_collection(path[:end]) for end in range(len(path)))

    def _absent(self, path: Trail) -> Kind | None:
        if path in self.things:
            return None
        return NO_SUCH_URI if self._under_file(path) else NO_SUCH_RESOURCE

    def _without_parent(self, path: Trail) -> Kind | None:
        if self._under_file(path):
            return NO_SUCH_URI
        return None if self.is_collection(path[:-1]) else PARENT_MISSING

    def _full(self, path: Trail) -> Kind | None:
        held = sum(len(each) == len(path) and each[:-1] == path[:-1] for each in self.things)
        return TOO_MANY_CHILDREN if held >= self.children else None

    # What is done

    def put(self, path: Trail, data: bytes, asks: Asking, *, met: bool) -> Kind | None:
        old = self.things.get(path)
        if old is not None:
            refused = METHOD_NOT_ALLOWED if old.data is None else None if met else ETAG_MISMATCH
            refused = refused or self._closed(path, asks, path)
        else:
            refused = self._no_new_file(path, asks, met=met)
        if refused is None:
            self.things[path] = Thing(data, old.properties if old else {})
        return refused

    def _no_new_file(self, path: Trail, asks: Asking, *, met: bool) -> Kind | None:
        return (
            self._without_parent(path)
            or (None if met else ETAG_MISMATCH)
            or self._closed(path, asks, path[:-1])
            or self._full(path)
        )

    def _closed(self, here: Trail, asks: Asking, *changed: Trail) -> Kind | None:
        """Why a request on *here* does not change those places, by what *asks* says and by the locks there."""
        return self.locks.fails(asks, here) or self.locks.forbid(asks, changed)

    def make_collection(self, path: Trail, asks: Asking) -> Kind | None:
        if path in self.things:
            return RESOURCE_EXISTS if self.is_collection(path) else METHOD_NOT_ALLOWED
        refused = (
            self._without_parent(path)
            or (TOO_DEEP if len(path) > self.depth else None)
            or self._full(path)
            or self._closed(path, asks, path[:-1])
        )
        if refused is None:
            self.things[path] = Thing(None)
        return refused

    def remove(self, path: Trail, asks: Asking, *, recursive: bool, met: bool) -> Kind | None:
        whole = recursive or self.semantics.deletes_full
        refused = (
            self._absent(path)
            or (None if met else ETAG_MISMATCH)
            or (HAS_CHILDREN if len(self.below(path)) > 1 and not whole else None)
            or self._closed(path, asks, *self.locks.changed_without(path))
        )
        if refused is None:
            self._forget(path)
        return refused

    def _forget(self, path: Trail) -> None:
        self.locks.go_with(path)
        for each in self.below(path):
            del self.things[each]

    def patch(self, path: Trail, changes: list[tuple[str, str | None]], asks: Asking) -> Kind | None:
        refused = self._absent(path) or self._closed(path, asks, path)
        for key, element in changes if refused is None else ():
            self.things[path].properties.pop(key, None)
            if element is not None:
                self.things[path].properties[key] = element
        return refused

    def transfer(
        self, source: Trail, goal: Trail, asks: Asking, *, copies: bool, shallow: bool, overwrite: bool, met: bool
    ) -> Kind | None:
        changed = set() if copies else self.locks.changed_without(source)
        changed |= self.locks.changed_without(goal) if goal in self.things else {goal[:-1]}
        refused = (
            self._absent(source)
            or (None if met else ETAG_MISMATCH)
            or self._not_apart(source, goal, alone=copies and shallow, overwrite=overwrite)
            or self._no_place(goal, overwrite=overwrite)
            or (self._full(goal) if goal not in self.things and (copies or source[:-1] != goal[:-1]) else None)
            or self._too_deep(source, goal, shallow=shallow)
            or self._closed(source, asks, *changed)
        )
        if refused is not None:
            return refused
        carried = [source] if shallow else self.below(source)
        fresh = {goal + each[len(source) :]: self.things[each].copy() for each in carried}
        self._forget(goal)
        if not copies:
            self._forget(source)
        self.things |= fresh
        return None

    def _not_apart(self, source: Trail, goal: Trail, *, alone: bool, overwrite: bool) -> Kind | None:
        if source == goal:
            return DESTINATION_IS_SOURCE
        within = goal[: len(source)] == source and not alone
        around = source[: len(goal)] == goal and overwrite
        return BAD_HEADER if within or around else None

    def _no_place(self, goal: Trail, *, overwrite: bool) -> Kind | None:
        if goal in self.things:
            if not overwrite:
                return DESTINATION_EXISTS
            return MOVE_ONTO_COLLECTION if self._kept(goal) else None
        if goal[:-1] not in self.things:
            return PARENT_MISSING
        return None if self.is_collection(goal[:-1]) else MOVE_INTO_FILE

    def _kept(self, goal: Trail) -> bool:
        return self.is_collection(goal) and not self.semantics.replaces_collections

    def _too_deep(self, source: Trail, goal: Trail, *, shallow: bool) -> Kind | None:
        if not self.is_collection(source):
            return None
        carried = [source] if shallow else [each for each in self.below(source) if self.is_collection(each)]
        deepest = max(len(goal) + len(each) - len(source) for each in carried)
        return TOO_DEEP if deepest > self.depth else None

    # Its locks

    def lock(self, wanted: Held, asks: Asking) -> Kind | list[Trail] | None:
        """Why *wanted* is not given: a reason, or what hinders it below. Else a file is made where nothing is."""
        fresh = wanted.root not in self.things
        refused = (
            self._no_new_file(wanted.root, asks, met=True) if fresh else self.locks.fails(asks, wanted.root)
        ) or self.locks.against(wanted)
        if refused is None and fresh:
            self.things[wanted.root] = Thing(b"")
        return refused

    def refresh(self, path: Trail, asks: Asking, until_ms: int) -> Kind | None:
        return self._absent(path) or self.locks.fails(asks, path) or self.locks.refresh(path, asks, until_ms)

    def unlock(self, path: Trail, token: str, who: str) -> Kind | None:
        return self._absent(path) or self.locks.unlock(path, token, who)
