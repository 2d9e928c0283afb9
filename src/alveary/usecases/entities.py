"""The entities of a service, whichever it is: created, retrieved, changed and deleted.

What does not belong here: the unit's cells (``cells``), lists (``lists``), links (``links``), what goes with the
change of an entity of a kind (``lifecycles``), JSON.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from alveary.errors import (
    ENTITY_ETAG_MISMATCH,
    ENTITY_EXISTS,
    FIELD_NOT_ALLOWED,
    METHOD_NOT_ALLOWED,
    NOT_IMPLEMENTED,
    Kind,
    Refusal,
)
from alveary.model.control_edm import ACCOUNT, UNSERVED
from alveary.model.edm import EntityKey, EntitySet, Fresh, Parsed, Row
from alveary.model.entities import EntityKind, JsonValue
from alveary.model.schema_edm import SERVER_SET
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import ReadTx, WriteTx
from alveary.usecases import rows
from alveary.usecases.access import Access, Concern, Doing
from alveary.usecases.events import event
from alveary.usecases.lifecycles import LIFECYCLES
from alveary.usecases.lists import concerns_of, expanded
from alveary.usecases.passwords import check_password
from alveary.usecases.rows import Address
from alveary.usecases.services import Home, Service
from alveary.usecases.user_data import declare, undeclared
from alveary.wire.etags import Precondition
from alveary.wire.odata_json import etag_of
from alveary.wire.odata_keys import render_key
from alveary.wire.odata_options import EntityOptions

Given = Callable[[], Awaitable[dict[str, JsonValue]]]
"""Reads what the client sends of an entity; asked only once the client may send it."""

_NOT_MERGED = frozenset({EntityKind.COMPLEX_TYPE, EntityKind.PROPERTY, EntityKind.COMPLEX_TYPE_PROPERTY})
"""The kinds whose entities take no MERGE."""


async def create(
    ports: Ports, access: Access, service: Service, name: str, given: Given, *, password: str | None = None
) -> Row:
    """A new entity of the set of that name; *password* is an account's, other sets have none.

    Raises:
        Refusal: as Access.require_set; NO_SUCH_ENTITY_SET, METHOD_NOT_ALLOWED, FIELD_NOT_ALLOWED, FIELD_REQUIRED,
            FIELD_FORMAT and what else a value may be refused with, REFERENCED_ENTITY_MISSING, ENTITY_EXISTS,
            PASSWORD_FORMAT, TOO_MANY_PROPERTIES, TOO_MANY_ENTITY_TYPES, CELL_LOCKED.
    """
    home = await access.require_set(ports, service, Concern(name), Doing.WRITE)
    entity_set = home.named(name)
    check_served(entity_set, "POST")
    draft = await Draft.of(ports, entity_set, await given(), password)

    async def save(tx: WriteTx) -> Row:
        home = await service.open(tx, access, Concern(name), Doing.WRITE)
        made = await add(ports, tx, home, draft)
        await _tell(tx, access, service, made, "create", 201)
        return made

    return await ports.store.contents(access.here).write(save)


async def retrieve(ports: Ports, access: Access, service: Service, address: Address, options: EntityOptions) -> Row:
    """The entity at *address*.

    Raises:
        Refusal: as Access.require_set; NO_SUCH_ENTITY_SET, ENTITY_KEY_UNREADABLE, NO_SUCH_ENTITY, EXPAND_UNKNOWN,
            EXPAND_TOO_MANY, QUERY_TOO_LONG, QUERY_TOO_LARGE.
    """

    async def find(tx: ReadTx) -> Row:
        home = await access.require_in(tx, service, Concern(address.entity_set), Doing.READ)
        entity_set = home.named(address.entity_set)
        for concern in concerns_of(home, entity_set, options.expand):
            await access.require_in(tx, service, concern, Doing.READ)
        entity = await rows.get(tx, home, entity_set, rows.key_of(ports, entity_set, address.key))
        shown = await rows.show(tx, home, entity_set, [entity])
        (found,) = await expanded(ports, tx, home, shown, options.expand, listed=False)
        return found

    return await (
        ports.store.contents(access.here).look(find)
        if options.expand
        else ports.store.contents(access.here).read(find)
    )


async def change(
    ports: Ports,
    access: Access,
    service: Service,
    address: Address,
    given: Given,
    *,
    merge: bool,
    expect: Precondition,
    password: str | None = None,
) -> Row:
    """The entity at *address* with new values, its own key among them unless it is an id.

    What *given* leaves out goes back to its default, or stays as it is when *merge*. An account keeps its
    password unless another comes.

    Raises:
        Refusal: as :func:`create`; NO_SUCH_ENTITY, ENTITY_KEY_UNREADABLE, ENTITY_ETAG_MISMATCH, NOT_IMPLEMENTED,
            SCHEMA_CHANGE, HAS_RELATED.
    """
    home = await access.require_set(ports, service, Concern(address.entity_set), Doing.WRITE)
    concern = Concern(address.entity_set)
    entity_set = home.named(address.entity_set)
    check_served(entity_set, "MERGE" if merge else "PUT")
    if merge and entity_set.kind in _NOT_MERGED:
        raise Refusal(NOT_IMPLEMENTED)
    key = rows.key_of(ports, entity_set, address.key)
    draft = await Draft.of(ports, entity_set, _of_key(entity_set, key, await given()), password, whole=not merge)

    async def save(tx: WriteTx) -> Row:
        home = await service.open(tx, access, concern, Doing.WRITE)
        entity_set = await _knowing(ports, tx, home, draft)
        old = await rows.get(tx, home, entity_set, key)
        (before,) = await rows.show(tx, home, entity_set, [old])
        expect.check(etag_of(before), ENTITY_ETAG_MISMATCH)
        parsed = draft.merged(entity_set, before, tx.now_ms) if merge else draft.parsed(entity_set, tx.now_ms)
        if entity_set.is_open:
            parsed = replace(parsed, name=old.key, values={**parsed.values, entity_set.key[0]: old.key})
        entity = await rows.fill(tx, home, entity_set, parsed, old=old, hidden=draft.hidden)
        entity = await LIFECYCLES[entity.kind].changing(ports, tx, home, old, entity)
        await tx.entities.save(entity)
        await _tell(tx, access, service, before, "patch" if merge else "update", 204)
        return rows.row(entity_set, entity, parsed.owner_key)

    return await ports.store.contents(access.here).write(save)


async def remove(ports: Ports, access: Access, service: Service, address: Address, *, expect: Precondition) -> None:
    """Delete the entity at *address* and its links, unless something keeps it.

    Raises:
        Refusal: as Access.require_set; NO_SUCH_ENTITY_SET, ENTITY_KEY_UNREADABLE, NO_SUCH_ENTITY, HAS_RELATED,
            ENTITY_ETAG_MISMATCH, CELL_LOCKED.
    """
    await access.require_set(ports, service, Concern(address.entity_set), Doing.WRITE)
    concern = Concern(address.entity_set)

    async def drop(tx: WriteTx) -> None:
        home = await service.open(tx, access, concern, Doing.WRITE)
        entity_set = home.named(address.entity_set)
        entity = await rows.get(tx, home, entity_set, rows.key_of(ports, entity_set, address.key))
        (before,) = await rows.show(tx, home, entity_set, [entity])
        expect.check(etag_of(before), ENTITY_ETAG_MISMATCH)
        await LIFECYCLES[entity.kind].removing(ports, tx, home, entity_set, entity)
        await tx.entities.remove(entity.id)
        await _tell(tx, access, service, before, "delete", 204)

    await ports.store.contents(access.here).write(drop)


# What a client says, before and within the transaction


@frozen
class Draft:
    """What a client says of an entity of a set, checked as far as can be without a transaction.

    ``early`` is what it comes to, if the set is still the same when the transaction runs; None where that depends on
    the time.
    """

    entity_set: EntitySet
    members: Mapping[str, JsonValue]
    fresh: Fresh
    hidden: Mapping[str, JsonValue]
    early: Parsed | None

    @classmethod
    async def of(
        cls,
        ports: Ports,
        entity_set: EntitySet,
        members: dict[str, JsonValue],
        password: str | None = None,
        *,
        whole: bool = True,
    ) -> Draft:
        """What *members* say of an entity; *whole*: what they leave out has its default.

        Raises:
            Refusal: FIELD_NOT_ALLOWED, FIELD_REQUIRED, FIELD_FORMAT, PASSWORD_FORMAT and the like.
        """
        for name in SERVER_SET.get(entity_set.name, ()) if not entity_set.is_open else ():
            if name in members:
                raise Refusal(FIELD_NOT_ALLOWED, field=name)
        _localize(ports, entity_set, members)
        fresh = Fresh(ports.clock.now_ms(), ports.ids.timed_hex)
        unknown = entity_set.is_open and undeclared(entity_set, members)
        early = entity_set.parse_new(members, fresh) if whole and not unknown else None
        if early is not None and entity_set.has_moments and _holds(early.values, fresh.now_ms):
            early = None  # a moment that may be that of the request is to be that of the transaction
        return cls(entity_set, members, fresh, await _hidden(ports, entity_set, password), early)

    def parsed(self, entity_set: EntitySet, now_ms: int) -> Parsed:
        """The entity as *entity_set*, which is the draft's as it is now, has it at the time of the transaction."""
        if self.early is not None and entity_set is self.entity_set:
            return self.early
        return entity_set.parse_new(self.members, replace(self.fresh, now_ms=now_ms))

    def merged(self, entity_set: EntitySet, old: Row, now_ms: int) -> Parsed:
        """The same with what is left out as it was."""
        return entity_set.parse_merge(self.members, old, replace(self.fresh, now_ms=now_ms))


def _holds(value: JsonValue, moment_ms: int) -> bool:
    """Whether *value* is that moment, or holds it at whatever depth."""
    if isinstance(value, dict):
        return any(_holds(each, moment_ms) for each in value.values())
    if isinstance(value, list):
        return any(_holds(each, moment_ms) for each in value)
    return type(value) is int and value == moment_ms


def _localize(ports: Ports, entity_set: EntitySet, members: dict[str, JsonValue]) -> None:
    """Put URLs of the unit into the form that is stored."""
    for name in entity_set.urls:
        value = members.get(name)
        if isinstance(value, str):
            members[name] = ports.urls.to_local(value)


def _of_key(entity_set: EntitySet, key: EntityKey, members: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """*members* of the entity with that key: an id is what the URL says, and a name that nobody gives stays."""
    own = entity_set.by_name[entity_set.key[0]]
    if entity_set.is_open:
        return {name: value for name, value in members.items() if name != own.name}
    return {**members, own.name: key.name} if own.generated and members.get(own.name) is None else members


async def _hidden(ports: Ports, entity_set: EntitySet, password: str | None) -> Mapping[str, JsonValue]:
    """The hidden fields that come with a new password."""
    if entity_set is not ACCOUNT or password is None:
        return {}
    check_password(ports, password)
    return (await ports.passwords.hash(password)).as_hidden()


async def _knowing(ports: Ports, tx: WriteTx, home: Home, draft: Draft) -> EntitySet:
    """The set of *draft* as it is now, with all the properties that the draft has values for."""
    entity_set = home.named(draft.entity_set.name)
    if not entity_set.is_open or draft.early is not None:
        return entity_set
    found = undeclared(entity_set, draft.members)
    if not found:
        return entity_set
    assert home.node is not None
    await declare(ports, tx, home, entity_set, found)
    return (await tx.schemas.of(home.node)).sets[entity_set.name]


async def add(ports: Ports, tx: WriteTx, home: Home, draft: Draft, taken: Kind = ENTITY_EXISTS) -> Row:
    """A new entity as *draft* has it.

    Raises:
        Refusal: REFERENCED_ENTITY_MISSING, ENTITY_EXISTS when a unique value belongs to another, *taken* when its key
            does, or what the kind's rules refuse.
    """
    entity_set = await _knowing(ports, tx, home, draft)
    parsed = draft.parsed(entity_set, tx.now_ms)
    entity = await rows.fill(tx, home, entity_set, parsed, new_id=ports.ids.timed(), hidden=draft.hidden)
    entity = await LIFECYCLES[entity.kind].adding(ports, tx, home, entity)
    if not await tx.entities.add(entity):
        raise Refusal(taken)
    return rows.row(entity_set, entity, parsed.owner_key)


def check_served(entity_set: EntitySet, method: str) -> None:
    """Pass when the set takes *method*.

    Raises:
        Refusal: METHOD_NOT_ALLOWED.
    """
    if not entity_set.is_open and method in UNSERVED.get(entity_set.name, ()):
        raise Refusal(METHOD_NOT_ALLOWED)


async def _tell(tx: WriteTx, access: Access, service: Service, row: Row, what: str, status: int) -> None:
    url = f"{service.root}{row.entity_set.name}{render_key(row.entity_set, row.key)}"
    await tx.outbox.append(event(access, service.event(what, row.entity_set.name), url, status))
