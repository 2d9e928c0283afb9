"""Whether WebDAV locks let a request do what it is about to do (RFC 4918, sections 7 and 10.4).

A change of what is at a place needs a token of a lock on it; one of which names are in a collection needs a token of
a lock on the collection; a removal needs both, and tokens for all locks below. Of several locks on one resource,
shared ones, the token of one will do, and a token counts only for who made its lock. What does not belong here:
privileges, which are judged before, and how locks come and go (``locks``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from alveary.errors import IF_FAILED, LOCKED, Refusal
from alveary.model.locks import NO_LOCKS, Locks, Trail
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import Node, Place
from alveary.model.values import frozen
from alveary.ports.store import LockReader, NodeReader, WriteTx
from alveary.usecases.access import Access, BoxPath
from alveary.wire.dav_if import Condition
from alveary.wire.etags import ETag

SUBMITTED: Final = "lock-token-submitted"
"""What WebDAV calls the condition that a LOCKED refusal's ``roots`` say was not met."""


class _Looks(Protocol):
    @property
    def nodes(self) -> NodeReader: ...
    @property
    def locks(self) -> LockReader: ...


async def held(tx: _Looks, place: Place, now_ms: int) -> Locks:
    """The locks in the box of *place* at that time."""
    return NO_LOCKS if place.box is None else (await tx.locks.of(place.box.id)).at(now_ms)


@frozen
class Claimant:
    """Who made a request, with what it claims; each method is for one kind of what it is about to do.

    They are run within the transaction that does it, after the privilege check. Where one returns, the If header
    holds and no lock is in the way.
    """

    access: Access

    async def looks(self, tx: WriteTx, place: Place) -> None:
        """What is at *place* is only read; nothing but the If header counts.

        Raises:
            Refusal: IF_FAILED.
        """
        await self._heed(tx, place, tx.now_ms)

    async def changes(self, tx: WriteTx, place: Place) -> None:
        """What is at *place* is changed, or made where nothing is.

        Raises:
            Refusal: IF_FAILED, LOCKED.
        """
        await self.may_change(tx, place, tx.now_ms)

    async def removes(self, tx: WriteTx, place: Place) -> None:
        """What is at *place* goes, and all below it; locks with their root there end.

        Raises:
            Refusal: IF_FAILED, LOCKED.
        """
        await self._heed(tx, place, tx.now_ms)
        await self._end(tx, place)

    async def arrives(self, tx: WriteTx, target: Place) -> None:
        """Something is copied or moved to *target*, and what is there goes, with its locks.

        Raises:
            Refusal: LOCKED.
        """
        if target.node is not None:
            await self._end(tx, target)
        else:
            self._open(await held(tx, target, tx.now_ms), {_changed(target)})

    async def may_change(self, tx: _Looks, place: Place, now_ms: int) -> None:
        """The same at that time, before anything is changed: of a body that would come in vain, nothing is read.

        Raises:
            Refusal: IF_FAILED, LOCKED.
        """
        await self._heed(tx, place, now_ms)
        self._open(await held(tx, place, now_ms), {_changed(place)})

    async def _end(self, tx: WriteTx, place: Place) -> None:
        locks = await held(tx, place, tx.now_ms)
        if not locks:
            return
        trail = place.segments
        ending = (*locks.by_root.get(trail, ()), *locks.below(trail))
        self._open(locks, {trail, trail[:-1], *(lock.trail for lock in ending)})
        for lock in ending:
            await tx.locks.remove(lock.token)

    def _open(self, locks: Locks, trails: Iterable[Trail]) -> None:
        if not locks:
            return
        tokens, holder = self.access.claim.tokens, self.access.holder
        roots: set[Trail] = set()
        for trail in trails:
            covering = locks.on(trail)
            if covering and not any(lock.token in tokens and lock.holder == holder for lock in covering):
                roots.add(covering[0].trail)
        if roots:
            raise Refusal(LOCKED, condition=SUBMITTED, roots=tuple(sorted(roots)))

    # The If header

    async def _heed(self, tx: _Looks, here: Place, now_ms: int) -> None:
        lists = self.access.claim.lists
        if not lists:
            return
        for path, conditions in lists:
            if await self._hold(tx, here, path, conditions, now_ms):
                return
        raise Refusal(IF_FAILED)

    async def _hold(
        self, tx: _Looks, here: Place, path: BoxPath | None, conditions: tuple[Condition, ...], now_ms: int
    ) -> bool:
        place = here if path is None else await tx.nodes.locate(path.box, path.segments)
        tokens = {lock.token for lock in (await held(tx, place, now_ms)).on(place.segments)}
        # Of what stands elsewhere, only who may see its tag is told by the answer which one it has.
        sees = path is None or self.access.may_on(place, place.chain, BoxPrivilege.READ_PROPERTIES)
        tag = _opaque_tag(place.node) if sees else None
        return all(each.holds(tokens, tag) for each in conditions)


def _changed(place: Place) -> Trail:
    """Where a change of *place* is one: in the collection above, when nothing is there."""
    return place.segments if place.node is not None else place.segments[:-1]


def _opaque_tag(node: Node | None) -> str | None:
    return None if node is None else ETag(node.version, node.updated_ms).opaque
