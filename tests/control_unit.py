"""A unit with one cell, for tests of control entities on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from alveary.adapters.blobs.files import BlobLimits
from alveary.adapters.keys.scrypt import ScryptCost, ScryptPasswords
from alveary.adapters.machine import SystemClock, SystemIds
from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.adapters.sqlite.store import StoreSettings
from alveary.config import Config, Limits
from alveary.errors import Kind, Refusal
from alveary.model.acl import EMPTY
from alveary.model.cell import Cell, CellStatus
from alveary.model.control_edm import CELL_SETS
from alveary.model.edm import EntityKey, EntitySet, Row
from alveary.model.entities import Entity, EntityKind, JsonValue
from alveary.model.names import CellName
from alveary.model.tree import Node, NodeKind, Place
from alveary.ports import Ports
from alveary.ports.clock import Clock
from alveary.usecases import entities, links, lists
from alveary.usecases.access import Access, ContentsRole, Who
from alveary.usecases.rows import Address
from alveary.usecases.services import CONTROL
from alveary.wire.etags import Precondition
from alveary.wire.odata_keys import render_key
from alveary.wire.odata_options import EntityOptions, ListOptions
from tests.ports import ports_over

ALWAYS = Precondition()
ALL = ListOptions(top=100, count=True)


def given(**members: JsonValue) -> entities.Given:
    async def read() -> dict[str, JsonValue]:
        return members

    return read


def role(name: str, box: str | None = None) -> dict[str, JsonValue]:
    return {"Name": name, "_Box.Name": box}


def key(*values: str | None) -> EntityKey:
    return EntityKey(values)


def address(entity_set: EntitySet, *values: str | None) -> Address:
    """The entity of the set with the key of those *values*, as a URL names it."""
    return Address(entity_set.name, render_key(entity_set, EntityKey(values))[1:-1])


@dataclass(frozen=True)
class Origin:
    """Where links begin: an entity, and the navigation property that they go along."""

    entity_set: EntitySet
    source: Address
    navigation: str

    def key_beyond(self, *values: str | None) -> str:
        """What stands between the parentheses of the entity at the other end."""
        navigation = self.entity_set.navigation(self.navigation)
        assert navigation is not None
        return address(CELL_SETS[navigation.target], *values).key


def way(entity_set: EntitySet, navigation: str, *values: str | None) -> Origin:
    return Origin(entity_set, address(entity_set, *values), navigation)


async def refusal_of(call: Awaitable[object]) -> Kind:
    with pytest.raises(Refusal) as caught:
        await call
    assert caught.value.text
    return caught.value.kind


@dataclass
class Unit:
    """A unit with one cell, asked by its administrator unless another asks."""

    ports: Ports
    admin: Access

    async def create(self, entity_set: EntitySet, *, password: str | None = None, **members: JsonValue) -> Row:
        return await entities.create(
            self.ports, self.admin, CONTROL, entity_set.name, given(**members), password=password
        )

    async def retrieve(self, entity_set: EntitySet, *values: str | None) -> Row:
        where = address(entity_set, *values)
        return await entities.retrieve(self.ports, self.admin, CONTROL, where, EntityOptions())

    async def page(self, entity_set: EntitySet, options: ListOptions) -> lists.Page:
        return await lists.list_page(self.ports, self.admin, CONTROL, entity_set.name, options)

    async def change(
        self,
        row: Row,
        *,
        merge: bool = False,
        expect: Precondition = ALWAYS,
        password: str | None = None,
        **members: JsonValue,
    ) -> Row:
        where = address(row.entity_set, *row.key.values)
        how: Any = {"merge": merge, "expect": expect, "password": password}
        return await entities.change(self.ports, self.admin, CONTROL, where, given(**members), **how)

    async def remove(self, row: Row, expect: Precondition = ALWAYS) -> None:
        where = address(row.entity_set, *row.key.values)
        await entities.remove(self.ports, self.admin, CONTROL, where, expect=expect)

    async def link(self, origin: Origin, *values: str | None) -> None:
        async def read(_: EntitySet) -> tuple[EntityKey]:
            return (EntityKey(values),)

        await links.link(self.ports, self.admin, CONTROL, origin.source, origin.navigation, read)

    async def unlink(self, origin: Origin, *values: str | None) -> None:
        key = origin.key_beyond(*values)
        await links.unlink(self.ports, self.admin, CONTROL, origin.source, origin.navigation, key)

    async def create_linked(self, origin: Origin, **members: JsonValue) -> Row:
        where = origin.source, origin.navigation
        return await links.create_linked(self.ports, self.admin, CONTROL, *where, given(**members))

    async def linked(self, origin: Origin, options: ListOptions = ALL) -> list[tuple[str | None, ...]]:
        where = origin.source, origin.navigation
        page, _ = await lists.list_links(self.ports, self.admin, CONTROL, *where, options)
        return [row.key.values for row in page.rows]

    async def apply(self, body: Callable[[Any], Awaitable[Any]]) -> Any:
        return await self.ports.store.contents(self.admin.here).write(body)

    async def stored(self, kind: EntityKind, name: str) -> Entity:
        async def find(tx: Any) -> Entity | None:
            return await tx.entities.find(kind, "", name)

        found = await self.apply(find)
        assert isinstance(found, Entity)
        return found

    async def events(self) -> list[dict[str, JsonValue]]:
        async def read(tx: Any) -> list[str]:
            return [text for (text,) in tx.connection.execute("SELECT event FROM outbox ORDER BY seq")]

        return [orjson.loads(text) for text in await self.apply(read)]

    async def place_of(self, box: str) -> Place:
        async def locate(tx: Any) -> Place:
            return await tx.nodes.locate(box, ())

        return cast(Place, await self.apply(locate))

    async def put_something_into(self, box: str) -> None:
        place = await self.place_of(box)
        assert place.node is not None
        thing = Node(SystemIds().new(), place.node.id, "thing", NodeKind.COLLECTION, 1, 1, 1)

        async def save(tx: Any) -> None:
            await tx.nodes.save(thing)

        await self.apply(save)


async def unread() -> dict[str, JsonValue]:
    raise AssertionError("the body was read before the privilege was known")


@asynccontextmanager
async def opened(folder: Path, clock: Clock | None = None) -> AsyncIterator[Unit]:
    clock = clock or SystemClock()
    registry = SqliteRegistry(StoreSettings(folder, BlobLimits(disk_reserve_percent=0)), clock=clock, ids=SystemIds())
    passwords = ScryptPasswords(ScryptCost(log2_n=4, p=1))
    config = Config(limits=Limits(links_per_entity=2))
    ports = ports_over(registry, config=config, passwords=passwords, clock=clock)
    fresh = Cell(SystemIds().new(), CellName("cell"), "owner", CellStatus.NORMAL, "", 1, 0, 0)
    cell = await registry.create(fresh)
    yield Unit(ports, Access(cell, Who.UNIT_ADMIN, frozenset(), EMPTY, contents_role=ContentsRole.ADMIN))
    await registry.close()
    passwords.close()
