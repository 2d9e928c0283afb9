"""Write locks as values (RFC 4918, sections 6 and 7): what a lock covers, and which locks get in each other's way.

A lock is on a place in a box, not on the node that is there; it goes with what it was made for. What does not belong
here: XML and headers (``wire``), whose a lock is and what it forbids (``usecases.claims``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

Trail = tuple[str, ...]
"""The names that lead from a box to a place in it; none for the box itself."""


class LockScope(StrEnum):
    """Whether others may hold a lock on the same resource, in WebDAV's words."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Lock:
    """A write lock.

    ``box`` is the id of the box, ``trail`` leads to the lock's root in it. ``deep``: all below the root is locked
    too. ``owner`` is the XML of the element by which the client names itself, empty when it did not; ``holder`` is
    who made the lock, as the unit knows them. From ``until_ms`` on the lock is as if it were not there.
    """

    token: str
    box: str
    trail: Trail
    scope: LockScope
    deep: bool
    owner: str
    holder: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks in one box, by the places of their roots; ``ends_ms`` is when the first of them ends."""

    by_root: Mapping[Trail, tuple[Lock, ...]]
    ends_ms: int

    @classmethod
    def of(cls, locks: Iterable[Lock]) -> Self:
        """*locks*, all of one box."""
        by_root: dict[Trail, tuple[Lock, ...]] = {}
        for lock in locks:
            by_root[lock.trail] = (*by_root.get(lock.trail, ()), lock)
        return cls(by_root, min((lock.until_ms for each in by_root.values() for lock in each), default=0))

    def __iter__(self) -> Iterator[Lock]:
        """All of them."""
        return (lock for each in self.by_root.values() for lock in each)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.by_root)

    def at(self, now_ms: int) -> Locks:
        """Those of them that have not ended by then."""
        if not self.by_root or now_ms < self.ends_ms:
            return self
        return Locks.of(lock for lock in self if lock.until_ms > now_ms)

    def on(self, trail: Trail) -> tuple[Lock, ...]:
        """Those that cover the resource at *trail*: with their root there, or deep ones with it above."""
        if not self.by_root:
            return ()
        above = (lock for length in range(len(trail)) for lock in self.by_root.get(trail[:length], ()) if lock.deep)
        return (*above, *self.by_root.get(trail, ()))

    def below(self, trail: Trail) -> tuple[Lock, ...]:
        """Those with their root below *trail*."""
        depth = len(trail)
        return tuple(lock for lock in self if len(lock.trail) > depth and lock.trail[:depth] == trail)

    def rivals(self, trail: Trail, scope: LockScope) -> tuple[Lock, ...]:
        """Those that forbid a lock of *scope* with its root at *trail*."""
        return _in_the_way(self.on(trail), scope)

    def rivals_below(self, trail: Trail, scope: LockScope) -> tuple[Lock, ...]:
        """Those that forbid it to be deep."""
        return _in_the_way(self.below(trail), scope)


def _in_the_way(locks: tuple[Lock, ...], scope: LockScope) -> tuple[Lock, ...]:
    if scope is LockScope.EXCLUSIVE:
        return locks
    return tuple(lock for lock in locks if lock.scope is LockScope.EXCLUSIVE)


NO_LOCKS: Final = Locks({}, 0)
