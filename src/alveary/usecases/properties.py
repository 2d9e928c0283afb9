"""Properties and ACLs of a cell and of what is in its boxes: PROPFIND, PROPPATCH, ACL.

What does not belong here: XML, and what an ACL grants (``access``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from alveary.config import Limits
from alveary.errors import (
    ACL_BOX_MISSING,
    ACL_ROLE_MISSING,
    METHOD_NOT_ALLOWED,
    PROPERTIES_FULL,
    RESOURCE_EXISTS,
    Refusal,
)
from alveary.model import acl as acls
from alveary.model.acl import Ace, Acl
from alveary.model.cell import Cell
from alveary.model.entities import EntityKind
from alveary.model.locks import Lock, Locks
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import BoxPrivilege, CellPrivilege
from alveary.model.tree import Box, Node, NodeKind, Place
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import BoxReader, EntityReader, ReadTx, WriteTx
from alveary.usecases.access import Access, BoxPath, Need
from alveary.usecases.claims import Claimant, held
from alveary.usecases.events import event, local_url
from alveary.usecases.files import (
    etag_of,
    existing,
    in_source,
    is_source_collection,
    noun,
    semantics_of,
)
from alveary.wire.acl_xml import Principal, RoleRef, WrittenAcl
from alveary.wire.dav_properties import PROTECTED, PROTECTED_OF_CELL
from alveary.wire.dav_xml import Outcome, PropertyChange
from alveary.wire.etags import ETag

READ: Final = Need(BoxPrivilege.READ_PROPERTIES, BoxPrivilege.READ_PROPERTIES)
PATCH: Final = Need(BoxPrivilege.WRITE_PROPERTIES, BoxPrivilege.WRITE_PROPERTIES)
SET_ACL: Final = Need(BoxPrivilege.WRITE_ACL, BoxPrivilege.WRITE_ACL)

OK: Final = "200 OK"
NOT_FOUND: Final = "404 Not Found"
FORBIDDEN: Final = "403 Forbidden"
FAILED_DEPENDENCY: Final = "424 Failed Dependency"


@dataclass(frozen=True, slots=True)
class ShownAce:
    """An entry of an ACL with its role's name; ``above`` is the place it is inherited from (None: its own)."""

    principal: Principal
    privileges: tuple[CellPrivilege | BoxPrivilege, ...]
    above: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Inherited:
    """Entries from above; one object is shared by all that inherit the same, so that they are rendered once."""

    aces: tuple[ShownAce, ...] = ()


_NOTHING: Final = Inherited()


@dataclass(frozen=True, slots=True)
class Shown:
    """A resource as PROPFIND shows it.

    ``segments`` are the names below the cell: the box's and those below it. ``aces`` are its own entries, None when
    the ACL is not to be seen; ``inherited`` are those behind them. ``locks`` are those that cover it.
    """

    segments: tuple[str, ...]
    node: Node
    aces: tuple[ShownAce, ...] | None
    inherited: Inherited = _NOTHING
    locks: tuple[Lock, ...] = ()


class _Directory(Protocol):
    @property
    def entities(self) -> EntityReader: ...
    @property
    def boxes(self) -> BoxReader: ...


@dataclass(slots=True)
class _RoleNames:
    """The names of roles by id, each looked up once; None for a role that is gone."""

    tx: _Directory
    known: dict[str, RoleRef | None] = field(default_factory=dict)

    async def shown(self, acl: Acl, above: tuple[str, ...] | None) -> tuple[ShownAce, ...]:
        aces = [(await self._principal(ace.principal), ace) for ace in acl.aces]
        return tuple(ShownAce(who, ace.privileges, above) for who, ace in aces if who is not None)

    async def _principal(self, principal: str) -> Principal | None:
        if principal in _WORDS:
            return principal
        if principal not in self.known:
            self.known[principal] = await self._role(principal)
        return self.known[principal]

    async def _role(self, role_id: str) -> RoleRef | None:
        role = await self.tx.entities.get(role_id)
        if role is None or role.kind is not EntityKind.ROLE:
            return None
        box = await self.tx.boxes.get(role.scope) if role.scope else None
        return RoleRef(box.name if box else MAIN_BOX, role.key)


_WORDS: Final = frozenset({"all", "authenticated", "unauthenticated"})


# Below a box


async def find(
    ports: Ports, access: Access, path: BoxPath, *, levels: int | None, with_acls: bool = True
) -> tuple[ETag, AsyncIterator[list[Shown]]]:
    """The ETag of what is at *path*, and its properties, with those of what is up to *levels* below it (None: all).

    What is closed to the subject further down is left out with all below it. Without *with_acls* no ACL is shown.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI.
    """
    place = await access.require_at(ports, path, READ)
    node = existing(place)

    async def rows(tx: ReadTx) -> AsyncIterator[Shown]:
        names = _RoleNames(tx)
        locks = await held(tx, place, ports.clock.now_ms())
        listing = _Listing(tx, access, place, names, locks, with_acls)
        inherited = Inherited(await _inherited(names, path, place.chain)) if with_acls else _NOTHING
        sees = listing.shows_acl(place.chain)
        own = await names.shown(node.acl, None) if sees else None
        top = _Seen(place.chain, (path.box, *path.segments), inherited, sees)
        yield Shown(top.segments, node, own, inherited, locks.on(path.segments))
        if levels != 0:
            async for shown in listing.below(top, levels):
                yield shown

    contents = ports.store.contents(access.here)
    if levels != 0:
        return etag_of(node), contents.stream(rows)
    return etag_of(node), _one_batch([shown async for shown in contents.stream(rows)])


@frozen
class _Seen:
    """A node on the way down: what leads to it, the entries that it inherits, whether its ACL is shown."""

    chain: tuple[Node, ...]
    segments: tuple[str, ...]
    inherited: Inherited
    sees: bool


@frozen
class _Listing:
    """A walk down the tree from *place*."""

    tx: ReadTx
    access: Access
    place: Place
    names: _RoleNames
    locks: Locks
    with_acls: bool

    async def below(self, above: _Seen, levels: int | None) -> AsyncIterator[Shown]:
        """What is up to *levels* below the last node of *above*, each before what is below it."""
        inherited = await self._handed_down(above)
        async for child in self.tx.nodes.children(above.chain[-1].id):
            chain, segments, sees = (*above.chain, child), (*above.segments, child.name), above.sees
            own: tuple[ShownAce, ...] = ()
            if child.acl is not acls.EMPTY:
                if self._is_closed(chain):
                    continue
                sees = sees or self.shows_acl(chain)
                own = await self.names.shown(child.acl, None) if sees else ()
            yield Shown(segments, child, own if sees else None, inherited, self.locks.on(segments[1:]))
            if levels != 1 and child.kind is not NodeKind.FILE:
                further = None if levels is None else levels - 1
                async for shown in self.below(_Seen(chain, segments, inherited, sees), further):
                    yield shown

    async def _handed_down(self, above: _Seen) -> Inherited:
        """The entries of the last node of *above*, then those that it inherits."""
        acl = above.chain[-1].acl
        if not self.with_acls or not acl.aces:
            return above.inherited
        return Inherited(await self.names.shown(acl, above.segments) + above.inherited.aces)

    def shows_acl(self, chain: tuple[Node, ...]) -> bool:
        """Whether the last node of *chain* is shown with its ACL."""
        return self.with_acls and self._may(chain, BoxPrivilege.READ_ACL)

    def _is_closed(self, chain: tuple[Node, ...]) -> bool:
        """Grants only add on the way down; but an app may be asked for that is not asked for above."""
        if chain[-1].acl.require_schema_authz is None:
            return False
        return not self._may(chain, BoxPrivilege.READ_PROPERTIES)

    def _may(self, chain: tuple[Node, ...], privilege: BoxPrivilege) -> bool:
        return self.access.may_on(self.place, chain, privilege)


async def _inherited(names: _RoleNames, path: BoxPath, chain: Sequence[Node]) -> tuple[ShownAce, ...]:
    """The entries of all above the last node of *chain*, the nearest first."""
    everything = (path.box, *path.segments)
    found: tuple[ShownAce, ...] = ()
    for index in range(len(chain) - 2, -1, -1):
        found += await names.shown(chain[index].acl, everything[:index])
    return found


async def _one_batch(batches: list[list[Shown]]) -> AsyncIterator[list[Shown]]:
    for batch in batches:
        yield batch


async def patch(
    ports: Ports, access: Access, path: BoxPath, changes: Sequence[PropertyChange]
) -> tuple[ETag, list[Outcome]]:
    """Set and remove dead properties of what is at *path* in the order of *changes*: all of them, or none.

    Removing one that is not there stops nothing else; Personium tells it as missing, RFC 4918 as done.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, PROPERTIES_FULL, IF_FAILED, LOCKED,
            CELL_LOCKED.
    """
    await access.require_at(ports, path, PATCH)

    async def save(tx: WriteTx) -> tuple[ETag, list[Outcome]]:
        place = await access.judge(tx, path, PATCH)
        node = existing(place)
        if is_source_collection(place):
            raise Refusal(METHOD_NOT_ALLOWED)
        await Claimant(access).changes(tx, place)
        node, outcomes = await _patch(ports, tx, node, changes)
        await tx.outbox.append(event(access, f"{noun(node.kind)}.proppatch", local_url(path), 207))
        return etag_of(node), outcomes

    return await ports.store.contents(access.here).write(save)


async def _patch(
    ports: Ports, tx: WriteTx, node: Node, changes: Sequence[PropertyChange]
) -> tuple[Node, list[Outcome]]:
    kept = PROTECTED_OF_CELL if node.kind is NodeKind.CELL else PROTECTED
    if any(change.key in kept for change in changes):
        return node, [
            Outcome(change.key, change.element, FORBIDDEN if change.key in kept else FAILED_DEPENDENCY)
            for change in changes
        ]
    missing = NOT_FOUND if semantics_of(ports).tells_missing else OK
    properties = dict(node.properties)
    outcomes: dict[str, Outcome] = {}
    for change in changes:
        was_there = properties.pop(change.key, None) is not None
        if not change.removed:
            properties[change.key] = change.element
        status = missing if change.removed and not was_there else OK
        outcomes[change.key] = Outcome(change.key, change.element, status)
    if not _have_room(ports.config.limits, properties, before=node.properties):
        raise Refusal(PROPERTIES_FULL)
    changed = replace(node, version=node.version + 1, updated_ms=tx.now_ms, properties=properties)
    await tx.nodes.save(changed)
    return changed, list(outcomes.values())


def _have_room(limits: Limits, properties: Mapping[str, str], *, before: Mapping[str, str]) -> bool:
    """Whether *properties* may follow *before*: what is too much already, as limits change, may still shrink."""
    most = max(limits.properties_of_resource, len(before))
    return len(properties) <= most and _bytes_of(properties) <= max(limits.property_bytes, _bytes_of(before))


def are_too_many(limits: Limits, properties: Mapping[str, str]) -> bool:
    """Whether no resource may have all these dead properties."""
    return not _have_room(limits, properties, before={})


def _bytes_of(properties: Mapping[str, str]) -> int:
    return sum(len(element.encode()) for element in properties.values())


async def set_acl(ports: Ports, access: Access, path: BoxPath, written: WrittenAcl) -> ETag:
    """Replace the ACL of what is at *path* whole; its new ETag.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, METHOD_NOT_ALLOWED (inside a
            service's sources), ACL_ROLE_MISSING, ACL_BOX_MISSING, IF_FAILED, LOCKED, CELL_LOCKED.
    """
    await access.require_at(ports, path, SET_ACL)

    async def save(tx: WriteTx) -> ETag:
        place = await access.judge(tx, path, SET_ACL)
        node = existing(place)
        if is_source_collection(place):
            raise Refusal(METHOD_NOT_ALLOWED)
        if in_source(place):
            raise Refusal(RESOURCE_EXISTS)
        await Claimant(access).changes(tx, place)
        changed = replace(node, version=node.version + 1, acl=await _resolve(tx, written))
        await tx.nodes.save(changed)
        await tx.outbox.append(event(access, f"{noun(node.kind)}.acl", local_url(path), 200))
        return etag_of(changed)

    return await ports.store.contents(access.here).write(save)


async def _resolve(tx: WriteTx, written: WrittenAcl) -> Acl:
    aces = [Ace(await _principal_id(tx, ace.principal), ace.privileges) for ace in written.aces]
    return Acl(tuple(aces), written.require_schema_authz)


async def _principal_id(tx: WriteTx, principal: Principal) -> str:
    if isinstance(principal, str):
        return principal
    scope = ""
    if principal.box != MAIN_BOX:
        box: Box | None = await tx.boxes.find(principal.box)
        if box is None:
            raise Refusal(ACL_BOX_MISSING, box=principal.box)
        scope = box.id
    role = await tx.entities.find(EntityKind.ROLE, scope, principal.name)
    if role is None:
        raise Refusal(ACL_ROLE_MISSING)
    return role.id


# The cell itself


async def find_of_cell(ports: Ports, access: Access) -> tuple[Cell, Shown]:
    """The cell's row and its properties, its ACL only for those who may read it.

    Raises:
        Refusal: as Access.require.
    """
    access.require(CellPrivilege.PROPFIND)
    sees = access.may(CellPrivilege.ACL_READ)

    async def read(tx: ReadTx) -> Shown:
        root = await tx.nodes.root()
        return Shown((), root, await _RoleNames(tx).shown(root.acl, None) if sees else None)

    return access.here, await ports.store.contents(access.here).read(read)


async def patch_cell(ports: Ports, access: Access, changes: Sequence[PropertyChange]) -> tuple[ETag, list[Outcome]]:
    """Set and remove dead properties of the cell; its unit users' right alone.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, NOT_OWNER_OF_CELL, PROPERTIES_FULL, CELL_LOCKED.
    """
    access.require_owned()

    async def save(tx: WriteTx) -> tuple[ETag, list[Outcome]]:
        node, outcomes = await _patch(ports, tx, await tx.nodes.root(), changes)
        await tx.outbox.append(event(access, "cell.proppatch", "personium-localcell:/", 207))
        return etag_of(node), outcomes

    return await ports.store.contents(access.here).write(save)


async def set_acl_of_cell(ports: Ports, access: Access, written: WrittenAcl) -> ETag:
    """Replace the cell's ACL whole; its new ETag.

    Raises:
        Refusal: as Access.require; ACL_ROLE_MISSING, ACL_BOX_MISSING, CELL_LOCKED.
    """
    access.require(CellPrivilege.ACL)

    async def save(tx: WriteTx) -> ETag:
        root = await tx.nodes.root()
        changed = replace(root, version=root.version + 1, acl=await _resolve(tx, written))
        await tx.nodes.save(changed)
        await tx.outbox.append(event(access, "cell.acl", "personium-localcell:/", 200))
        return etag_of(changed)

    return await ports.store.contents(access.here).write(save)
