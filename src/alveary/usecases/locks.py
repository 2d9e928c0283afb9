"""WebDAV locks: taken, kept for longer, given back (RFC 4918, sections 9.10 and 9.11).

What does not belong here: what a lock forbids (``claims``), XML and headers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from alveary.errors import IF_FAILED, LOCKED, METHOD_NOT_ALLOWED, NO_SUCH_LOCK, TOO_MANY_LOCKS, Refusal
from alveary.model.locks import Lock, Locks, LockScope, Trail
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import NO_BYTES, Place
from alveary.ports import Ports
from alveary.ports.store import WriteTx
from alveary.usecases.access import Access, BoxPath, Need
from alveary.usecases.claims import Claimant, held
from alveary.usecases.files import Put, existing, is_source_collection
from alveary.wire.etags import Precondition

LOCK: Final = Need(BoxPrivilege.WRITE_CONTENT, BoxPrivilege.BIND)

CONFLICT: Final = "no-conflicting-lock"
MISMATCH: Final = "lock-token-matches-request-uri"
"""What WebDAV calls the conditions that this module's refusals say were not met."""

_EMPTY_FILE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Order:
    """What a LOCK asks for; ``owner`` is XML, ``life_s`` within what the unit gives."""

    scope: LockScope
    deep: bool
    owner: str
    life_s: int


@dataclass(frozen=True, slots=True)
class Granted:
    """A lock, and whether an empty file was made for it."""

    lock: Lock
    created: bool


@dataclass(frozen=True, slots=True)
class Hindered:
    """No lock, because of those below whose roots are told."""

    roots: tuple[Trail, ...]


async def lock(ports: Ports, access: Access, path: BoxPath, order: Order) -> Granted | Hindered:
    """A new lock on what is at *path*; where nothing is, an empty file is made for it.

    Raises:
        Refusal: as Access.require_at; IF_FAILED, LOCKED, METHOD_NOT_ALLOWED (a service's source collection),
            TOO_MANY_LOCKS, and where nothing is as files.put.
    """
    await access.require_at(ports, path, LOCK)

    async def save(tx: WriteTx) -> Granted | Hindered:
        place = await access.judge(tx, path, LOCK)
        if is_source_collection(place):
            raise Refusal(METHOD_NOT_ALLOWED)
        if place.node is not None:
            await Claimant(access).looks(tx, place)
        else:
            await Put(path, _EMPTY_FILE, Precondition()).apply(ports, access, tx, NO_BYTES)
        locks = await held(tx, place, tx.now_ms)
        hindering = _rivals(locks, path, order)
        if hindering:
            return Hindered(hindering)
        if sum(1 for _ in locks) >= ports.config.limits.locks:
            raise Refusal(TOO_MANY_LOCKS)
        fresh = _made(ports, access, tx, place, order)
        await tx.locks.save(fresh)
        return Granted(fresh, created=place.node is None)

    return await ports.store.contents(access.here).write(save)


def _rivals(locks: Locks, path: BoxPath, order: Order) -> tuple[Trail, ...]:
    """The roots of the locks below that forbid this one.

    Raises:
        Refusal: LOCKED when one on the resource itself does.
    """
    here = locks.rivals(path.segments, order.scope)
    if here:
        raise Refusal(LOCKED, condition=CONFLICT, roots=tuple(sorted({each.trail for each in here})))
    below = locks.rivals_below(path.segments, order.scope) if order.deep else ()
    return tuple(sorted({each.trail for each in below}))


def _made(ports: Ports, access: Access, tx: WriteTx, place: Place, order: Order) -> Lock:
    assert place.box is not None
    return Lock(
        _token(ports.ids.hex()),
        place.box.id,
        place.segments,
        order.scope,
        order.deep,
        order.owner,
        access.holder,
        tx.now_ms + order.life_s * 1000,
    )


def _token(digits: str) -> str:
    """A UUID of version 4 with the randomness of *digits*, as a URN."""
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


async def refresh(ports: Ports, access: Access, path: BoxPath, life_s: int) -> Lock:
    """The lock on what is at *path* that the If header names, its life begun anew.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, IF_FAILED, LACKS_PRIVILEGE or
            AUTH_REQUIRED (it is another's).
    """
    await access.require_at(ports, path, LOCK)

    async def save(tx: WriteTx) -> Lock:
        place = await access.judge(tx, path, LOCK)
        existing(place)
        await Claimant(access).looks(tx, place)
        old = _found(await held(tx, place, tx.now_ms), path, access.claim.tokens)
        if old is None:
            raise Refusal(IF_FAILED, condition=MISMATCH, roots=())
        access.require_own(old.holder)
        renewed = replace(old, until_ms=tx.now_ms + life_s * 1000)
        await tx.locks.save(renewed)
        return renewed

    return await ports.store.contents(access.here).write(save)


async def unlock(ports: Ports, access: Access, path: BoxPath, token: str) -> None:
    """End the lock of that *token*, of whose scope what is at *path* must be.

    Only who made the lock may, or one of the unit who may write there anyway.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, NO_SUCH_LOCK.
    """
    await access.require_at(ports, path, LOCK)

    async def remove(tx: WriteTx) -> None:
        place = await access.judge(tx, path, LOCK)
        existing(place)
        found = _found(await held(tx, place, tx.now_ms), path, frozenset({token}))
        if found is None:
            raise Refusal(NO_SUCH_LOCK, condition=MISMATCH, roots=())
        access.require_holder(found.holder)
        await tx.locks.remove(token)

    await ports.store.contents(access.here).write(remove)


def _found(locks: Locks, path: BoxPath, tokens: frozenset[str]) -> Lock | None:
    return next((each for each in locks.on(path.segments) if each.token in tokens), None)
