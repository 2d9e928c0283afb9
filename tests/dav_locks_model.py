"""Write locks in plain Python, with the rules of RFC 4918 as this unit has them: sections 6, 7, 9.10, 9.11, 10.4.

What does not belong here: what is in the tree, and which places a request changes (``dav_model``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from alveary.errors import IF_FAILED, LACKS_PRIVILEGE, LOCKED, NO_SUCH_LOCK, TOO_MANY_LOCKS, Kind

Trail = tuple[str, ...]


@dataclass(frozen=True)
class Asking:
    """Who asks, and the lists of the If header, one of which must hold whole.

    Each is of a place, None for that of the request, and says of tokens whether they lock it or do not.
    """

    who: str
    lists: tuple[tuple[Trail | None, tuple[tuple[str, bool], ...]], ...] = ()

    @property
    def tokens(self) -> set[str]:
        """What it submits: all tokens, whatever it says of them."""
        return {token for _, conditions in self.lists for token, _ in conditions}


@dataclass(frozen=True)
class Held:
    """A lock that somebody holds, with its end."""

    token: str
    root: Trail
    shared: bool
    deep: bool
    who: str
    until_ms: int

    def covers(self, path: Trail) -> bool:
        return path == self.root or (self.deep and path[: len(self.root)] == self.root)

    def clashes(self, other: Held) -> bool:
        return not (self.shared and other.shared)


@dataclass
class HeldLocks:
    """The locks by their tokens, no more than *most*; the *masters* may end those of others."""

    most: int
    masters: frozenset[str]
    held: dict[str, Held] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    def on(self, path: Trail) -> list[Held]:
        return [each for each in self.held.values() if each.covers(path)]

    def _rooted(self, path: Trail) -> list[Held]:
        """Those with their root on *path* or below it."""
        return [each for each in self.held.values() if each.root[: len(path)] == path]

    # What they forbid

    def fails(self, asks: Asking, here: Trail) -> Kind | None:
        """Why what *asks* says of a request on *here* is not so."""
        held = any(self._holds(here if place is None else place, conditions) for place, conditions in asks.lists)
        return None if held or not asks.lists else IF_FAILED

    def _holds(self, place: Trail, conditions: tuple[tuple[str, bool], ...]) -> bool:
        tokens = {each.token for each in self.on(place)}
        return all((token in tokens) is locks for token, locks in conditions)

    def forbid(self, asks: Asking, changed: Iterable[Trail]) -> Kind | None:
        """Why those places are not changed: of the locks on each, one must be the asker's own and submitted."""
        for path in changed:
            covering = self.on(path)
            if covering and not any(each.token in asks.tokens and each.who == asks.who for each in covering):
                return LOCKED
        return None

    def changed_without(self, path: Trail) -> set[Trail]:
        """What the removal of *path* changes: itself, the collection above, and all below that has a lock."""
        return {path, path[:-1], *(each.root for each in self._rooted(path))}

    def against(self, wanted: Held) -> Kind | list[Trail] | None:
        """Why *wanted* is not given: a reason, or the roots of the locks below that hinder it."""
        if any(each.clashes(wanted) for each in self.on(wanted.root)):
            return LOCKED
        below = {each.root for each in self._rooted(wanted.root) if wanted.deep and each.clashes(wanted)}
        return sorted(below) or (TOO_MANY_LOCKS if len(self.held) >= self.most else None)

    # How they come and go

    def refresh(self, path: Trail, asks: Asking, until_ms: int) -> Kind | None:
        named = [each for each in self.on(path) if each.token in asks.tokens]
        if not named:
            return IF_FAILED
        (lock,) = named
        if lock.who != asks.who:
            return LACKS_PRIVILEGE
        self.held[lock.token] = replace(lock, until_ms=until_ms)
        return None

    def unlock(self, path: Trail, token: str, who: str) -> Kind | None:
        lock = self.held.get(token)
        if lock is None or not lock.covers(path):
            return NO_SUCH_LOCK
        if who != lock.who and who not in self.masters:
            return LACKS_PRIVILEGE
        self._end([lock])
        return None

    def go_with(self, path: Trail) -> None:
        """What was at *path* is no more, so neither are the locks on it and below."""
        self._end(self._rooted(path))

    def expire(self, now_ms: int) -> None:
        self._end([each for each in self.held.values() if each.until_ms <= now_ms])

    def _end(self, locks: Iterable[Held]) -> None:
        for each in locks:
            del self.held[each.token]
            self.ended.append(each.token)
