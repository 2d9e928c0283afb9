"""The OData services of a cell: its control objects, and in each OData collection the schema and the user data.

A service says which entity sets there are, where their entities are kept, and who may do what with them. What does
not belong here: what is done with an entity (``entities``, ``links``, ``lists``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from alveary.errors import NO_SUCH_ENTITY_SET, Refusal
from alveary.model.control_edm import CELL_COMPLEX_TYPES, CELL_NAMESPACE, CELL_SETS, GUARDS, LINK_GUARDS
from alveary.model.edm import ComplexType, EntitySet
from alveary.model.privileges import BoxPrivilege
from alveary.model.schema_edm import SCHEMA_NAMESPACE, SCHEMA_SETS
from alveary.model.tree import Place
from alveary.model.user_edm import NAMESPACE, Schema
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import NodeReader, ReadTx, SchemaReader
from alveary.usecases.access import Access, BoxPath, Concern, Doing, Need
from alveary.usecases.events import local_url
from alveary.usecases.files import existing


class HasSchemas(Protocol):
    """A transaction that finds collections and their schemas, be it one that changes them too."""

    @property
    def nodes(self) -> NodeReader: ...
    @property
    def schemas(self) -> SchemaReader: ...


@dataclass(frozen=True, slots=True, eq=False)
class Home:
    """The entity sets of a service as they are in one state, and where their entities are kept.

    ``scope`` is that of entities that no other entity owns. ``box`` and ``node`` are the ids of the box and of the
    collection; ``schema`` is what the collection's schema says.
    """

    sets: Mapping[str, EntitySet]
    namespace: str
    complex_types: Mapping[str, ComplexType] = field(default_factory=dict)
    scope: str = ""
    box: str | None = None
    node: str | None = None
    schema: Schema = field(default_factory=Schema)

    def named(self, name: str) -> EntitySet:
        """The entity set of that name.

        Raises:
            Refusal: NO_SUCH_ENTITY_SET.
        """
        found = self.sets.get(name)
        if found is None:
            raise Refusal(NO_SUCH_ENTITY_SET)
        return found


class Service(Protocol):
    """One OData service."""

    @property
    def root(self) -> str:
        """Its ``personium-localcell:`` URL, which ends in ``/``."""

    async def admit(self, ports: Ports, access: Access, concern: Concern, doing: Doing) -> Home:
        """What it has, once the subject may do that."""

    async def admit_any(self, ports: Ports, access: Access, doings: Sequence[Doing]) -> Home:
        """What it has, once the subject may do one of those with anything of it."""

    async def open(self, tx: HasSchemas, access: Access, concern: Concern, doing: Doing) -> Home:
        """The same within a transaction, where what was found before may have changed."""

    def event(self, what: str, entity_set: str, via: tuple[str, str] | None = None) -> str:
        """The type of an event; *via* is how another set was reached (``links``, ``navprop``), and that set."""


class ControlService:
    """The control objects of a cell."""

    root = "personium-localcell:/__ctl/"

    async def admit(self, ports: Ports, access: Access, concern: Concern, doing: Doing) -> Home:
        """The control sets, once the subject may do that with those that are concerned.

        Raises:
            Refusal: NO_SUCH_ENTITY_SET, or as Access.require.
        """
        return _admit_control(access, concern, doing)

    async def admit_any(self, ports: Ports, access: Access, doings: Sequence[Doing]) -> Home:
        """The control sets, once the subject may do one of those with any of them.

        Raises:
            Refusal: as Access.require.
        """
        privileges = [
            each.read if doing is Doing.READ else each.write for doing in doings for each in GUARDS.values()
        ]
        if not any(map(access.may, privileges)):
            access.require(privileges[0])
        return CONTROL_HOME

    async def open(self, tx: HasSchemas, access: Access, concern: Concern, doing: Doing) -> Home:
        """The same within a transaction.

        Raises:
            Refusal: as :meth:`admit`.
        """
        return _admit_control(access, concern, doing)

    def event(self, what: str, entity_set: str, via: tuple[str, str] | None = None) -> str:
        """``cellctl.Role.create``, ``cellctl.Account.links.Role.create``."""
        if via is None:
            return f"cellctl.{entity_set}.{what}"
        first, second = sorted((entity_set, via[1])) if via[0] == "links" else (entity_set, via[1])
        return f"cellctl.{first}.{via[0]}.{second}.{what}"


def _admit_control(access: Access, concern: Concern, doing: Doing) -> Home:
    entity_set = CONTROL_HOME.named(concern.entity_set)
    guards = [GUARDS[entity_set.name]]
    if concern.navigation is not None and (along := entity_set.navigation(concern.navigation)) is not None:
        links = LINK_GUARDS.get(along.name) if concern.links_alone else None
        guards = [*guards, GUARDS[along.target]] if links is None else [links]
    for guard in guards:
        access.require(guard.read if doing is Doing.READ else guard.write)
    return CONTROL_HOME


CONTROL_HOME: Final = Home(CELL_SETS, CELL_NAMESPACE, {each.name: each for each in CELL_COMPLEX_TYPES})
CONTROL: Final = ControlService()


class _InCollection:
    """What the two services of an OData collection have in common: who may what, its ACLs say."""

    __slots__ = ()

    async def admit(self: Service, ports: Ports, access: Access, concern: Concern, doing: Doing) -> Home:
        """Its sets, once the subject may do that.

        Raises:
            Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE.
        """

        async def find(tx: ReadTx) -> Home:
            return await self.open(tx, access, concern, doing)

        return await ports.store.contents(access.here).read(find)

    async def admit_any(self: Service, ports: Ports, access: Access, doings: Sequence[Doing]) -> Home:
        """Its sets, once the subject may do one of those.

        Raises:
            Refusal: as :meth:`admit`.
        """
        for doing in doings[:-1]:
            with suppress(Refusal):
                return await self.admit(ports, access, OF_SERVICE, doing)
        return await self.admit(ports, access, OF_SERVICE, doings[-1])


@frozen
class SchemaService(_InCollection):
    """The schema of the OData collection at ``path``."""

    path: BoxPath

    @property
    def root(self) -> str:
        """The URL below which its sets are."""
        return f"{local_url(self.path)}/$metadata/"

    async def open(self, tx: HasSchemas, access: Access, concern: Concern, doing: Doing) -> Home:
        """Its sets within a transaction.

        Raises:
            Refusal: as :meth:`admit`.
        """
        place, schema = await _collection(tx, access, self.path, _SCHEMA_NEEDS[doing])
        node = existing(place)
        return Home(SCHEMA_SETS, SCHEMA_NAMESPACE, {}, node.id, _box_id(place), node.id, schema)

    def event(self, what: str, entity_set: str, via: tuple[str, str] | None = None) -> str:
        """``odata.Property.create``, ``odata.AssociationEnd.links.AssociationEnd.create``."""
        return f"odata.{entity_set}.{what}" if via is None else f"odata.{entity_set}.{via[0]}.{via[1]}.{what}"


@frozen
class UserDataService(_InCollection):
    """The user data of the OData collection at ``path``."""

    path: BoxPath

    @property
    def root(self) -> str:
        """The URL below which its sets are."""
        return f"{local_url(self.path)}/"

    async def open(self, tx: HasSchemas, access: Access, concern: Concern, doing: Doing) -> Home:
        """Its sets within a transaction.

        Raises:
            Refusal: as :meth:`admit`.
        """
        place, schema = await _collection(tx, access, self.path, _DATA_NEEDS[doing])
        return user_home(place, schema)

    def event(self, what: str, entity_set: str, via: tuple[str, str] | None = None) -> str:
        """``odata.create``, ``odata.links.create``, whatever the set."""
        return f"odata.{what}" if via is None else f"odata.{via[0]}.{what}"


_SCHEMA_NEEDS: Final = {
    Doing.READ: Need(BoxPrivilege.READ, BoxPrivilege.READ),
    Doing.WRITE: Need(BoxPrivilege.ALTER_SCHEMA, BoxPrivilege.ALTER_SCHEMA),
}
_DATA_NEEDS: Final = {
    Doing.READ: Need(BoxPrivilege.READ, BoxPrivilege.READ),
    Doing.WRITE: Need(BoxPrivilege.WRITE, BoxPrivilege.WRITE),
}

OF_SERVICE: Final = Concern("")
"""Concerned with the service, and with no set of it."""


async def _collection(tx: HasSchemas, access: Access, path: BoxPath, need: Need) -> tuple[Place, Schema]:
    place = await access.judge(tx, path, need)
    return place, await tx.schemas.of(existing(place).id)


def user_home(place: Place, schema: Schema) -> Home:
    """What there is in the OData collection at *place*."""
    node = existing(place)
    return Home(schema.sets, NAMESPACE, schema.complex_types, "", _box_id(place), node.id, schema)


def _box_id(place: Place) -> str | None:
    return place.box.id if place.box is not None else None
