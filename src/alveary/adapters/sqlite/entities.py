"""Entities and their links in SQLite: one table for all kinds, documents as JSONB.

What does not belong here: the rules of any entity set.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from typing import Any, Final

import apsw
import orjson

from alveary.adapters.sqlite.indexes import LARGE_SET
from alveary.adapters.sqlite.marks import Marks
from alveary.adapters.sqlite.queries import Compiler
from alveary.adapters.sqlite.reader import NearConnection, ReadConnection
from alveary.adapters.sqlite.writer import Collision, WriterConnection
from alveary.errors import ENTITY_EXISTS, Refusal
from alveary.model.entities import Entity, EntityKind, Link
from alveary.model.queries import Query
from alveary.model.user_edm import SCHEMA_KINDS, Schema

_COLUMNS: Final = "id, kind, scope, key, version, published_ms, updated_ms, json(document), hidden, refs, box, node"
_DOCUMENT: Final = 7
"""Which of these columns it is."""

_BY_KEY: Final = f"SELECT {_COLUMNS} FROM entity WHERE kind = ? AND scope = ? AND key = ?"  # nosec B608
_BY_ID: Final = f"SELECT {_COLUMNS} FROM entity WHERE id = ?"  # nosec B608
_INSERT: Final = (
    "INSERT INTO entity (id, kind, scope, key, version, published_ms, updated_ms, document, hidden, refs, box, node)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)
_TAKE_IN: Final = """
CREATE TEMP VIEW intake AS SELECT NULL AS entities, NULL AS events;
CREATE TEMP TRIGGER take_in INSTEAD OF INSERT ON intake BEGIN
  INSERT INTO entity (id, kind, scope, key, version, published_ms, updated_ms, document, hidden, refs, box, node)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
      jsonb_extract(value, '$[7]'), value ->> 8, value ->> 9, value ->> 10, value ->> 11
    FROM jsonb_each(new.entities) ORDER BY jsonb_each.rowid;
  INSERT INTO outbox (created_ms, event)
    SELECT value ->> 0, value ->> 1 FROM jsonb_each(new.events) ORDER BY jsonb_each.rowid;
END;
"""
"""What makes one statement of all that creates add: nothing is in that view, its trigger shares out what comes."""

_REFER_ALL: Final = (
    "INSERT OR IGNORE INTO ref (source, kind, target) SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?)"
)
_CONTROL: Final = frozenset(
    {
        EntityKind.ACCOUNT,
        EntityKind.ROLE,
        EntityKind.BOX,
        EntityKind.RELATION,
        EntityKind.EXT_CELL,
        EntityKind.EXT_ROLE,
    }
)
"""The kinds whose change may change who may do what."""


class _Answers:
    """What was found within the read transaction under way, which cannot be otherwise until it ends."""

    def __init__(self, connection: NearConnection) -> None:
        self._connection = connection
        self._serial = connection.serial
        self._found: dict[Hashable, tuple[list[Entity], int]] = {}
        self._held_bytes = 0

    def get(self, question: Hashable) -> list[Entity] | None:
        """What was found, None when that was not asked yet."""
        self._connection.check()
        if self._serial != self._connection.serial:
            self._serial = self._connection.serial
            self._forget()
        known = self._found.get(question)
        if known is None:
            return None
        self._connection.find(known[1])
        return known[0]

    def put(self, question: Hashable, found: list[Entity], size_bytes: int) -> None:
        """Remember what was found, if it is little; all go when they are too much."""
        if len(found) > _ANSWER_ROWS:
            return
        if self._held_bytes > _ANSWERED_BYTES:
            self._forget()
        self._found[question] = found, size_bytes
        self._held_bytes += size_bytes + (len(found) + 1) * _ENTITY_BYTES

    def _forget(self) -> None:
        self._found.clear()
        self._held_bytes = 0


_OF_A_TYPE: Final = (
    EntityKind.PROPERTY,
    EntityKind.COMPLEX_TYPE_PROPERTY,
    EntityKind.ASSOCIATION_END,
    EntityKind.USER_DATA,
)


class SqliteEntities:
    """The entities of a cell."""

    def __init__(self, connection: apsw.Connection, marks: Marks, touch_tree: Callable[[], None]) -> None:
        """*touch_tree* is called when a box changes: paths begin with its name."""
        self._connection = connection
        self._marks = marks
        self._touch_tree = touch_tree
        self._answers = _Answers(connection) if isinstance(connection, NearConnection) else None
        self._reader = connection if isinstance(connection, ReadConnection) else None
        self._writer = connection if isinstance(connection, WriterConnection) else None
        if self._writer is not None:
            self._writer.execute(_TAKE_IN)
            self._writer.intake = self._add_all

    async def find(self, kind: EntityKind, scope: str, key: str) -> Entity | None:
        """The entity of that key."""
        question = kind, scope, key
        if self._answers is not None and (known := self._answers.get(question)) is not None:
            return known[0]
        found, size_bytes = self._read(_BY_KEY, (kind.value, scope, key))
        if self._answers is not None and found:
            self._answers.put(question, found, size_bytes)
        return found[0] if found else None

    async def get(self, entity_id: str) -> Entity | None:
        """The entity of that id."""
        found, _ = self._read(_BY_ID, (entity_id,))
        return found[0] if found else None

    async def query(self, query: Query) -> list[Entity]:
        """The entities that *query* asks for, in its order."""
        if self._answers is not None and (known := self._answers.get(query)) is not None:
            return known
        statement = self._compiler(query).rows(_COLUMNS)
        found, size_bytes = self._read(statement.sql, statement.bindings)
        if self._answers is not None:
            self._answers.put(query, found, size_bytes)
        return found

    def _read(self, sql: str, bindings: tuple[Any, ...]) -> tuple[list[Entity], int]:
        """Entities, and how long their documents are in all."""
        found: list[Entity] = []
        size_bytes = 0
        for row in self._connection.execute(sql, bindings):
            document_bytes = len(row[_DOCUMENT])
            if self._reader is not None:
                self._reader.find(document_bytes)
            size_bytes += document_bytes
            found.append(_entity(*row))
        return found, size_bytes

    async def matching(self, query: Query) -> int:
        """How many entities *query* is about, whatever part of them it asks for."""
        narrowed = query.where is not None or query.along is not None or query.words
        if query.kind is EntityKind.USER_DATA and query.scope is not None and not narrowed:
            return self._tally(query.scope)
        statement = self._compiler(query).count()
        return int(self._connection.execute(statement.sql, statement.bindings).get)

    def _tally(self, scope: str) -> int:
        return int(self._connection.execute("SELECT count FROM tally WHERE scope = ?", (scope,)).get or 0)

    def _compiler(self, query: Query) -> Compiler:
        indexes = self._marks.indexes
        served = query.scope is not None and indexes.serves(query)
        if not served and query.kind is EntityKind.USER_DATA:
            indexes.want(query, self._tally)
        worded = bool(query.words) and query.scope is not None and self._is_worded(query.scope)
        return Compiler(query, indexed=served, worded=worded)

    def _is_worded(self, scope: str) -> bool:
        """Whether the words of that scope are all in the index; one that would serve is wanted."""
        words = self._marks.words
        if words.serves(scope):
            # Who sees an older state does not see all of it.
            return bool(self._connection.execute("SELECT whole FROM worded WHERE scope = ?", (scope,)).get)
        if self._tally(scope) >= LARGE_SET:
            words.want(scope)
        return False

    async def count(self, kind: EntityKind) -> int:
        """How many entities of a kind there are."""
        return int(self._connection.execute("SELECT count(*) FROM entity WHERE kind = ?", (kind.value,)).get)

    async def each(self, kind: EntityKind) -> AsyncIterator[Entity]:
        """All entities of a kind, in bounded memory."""
        query = f"SELECT {_COLUMNS} FROM entity WHERE kind = ? ORDER BY scope, key"  # nosec B608
        for row in self._connection.execute(query, (kind.value,)):
            yield _entity(*row)

    async def scoped(self, scope: str, kinds: Sequence[EntityKind]) -> bool:
        """Whether there are entities of *kinds* in *scope*."""
        query = "SELECT 1 FROM entity WHERE kind = ? AND scope = ? LIMIT 1"
        return any(self._connection.execute(query, (kind.value, scope)).get is not None for kind in kinds)

    async def referring(self, target: str, kinds: Sequence[EntityKind] = ()) -> list[str]:
        """The ids of the entities (of *kinds*, or any) with an N:1 link to the entity of id *target*."""
        rows = self._connection.execute(
            "SELECT entity.id, entity.kind FROM ref JOIN entity ON entity.id = ref.source WHERE ref.target = ?",
            (target,),
        )
        return [entity_id for entity_id, kind in rows if not kinds or kind in kinds]

    async def of_collection(self, node_id: str) -> AsyncIterator[Entity]:
        """The schema and user data of the OData collection at the node of that id, types before what is theirs."""
        for row in self._connection.execute(_in_collection(_COLUMNS), (node_id,)):
            yield _entity(*row)

    async def save(self, entity: Entity) -> None:
        """Make or replace the entity of that id with its N:1 links.

        Raises:
            Refusal: ENTITY_EXISTS when another entity has its key.
        """
        self._touch(entity.kind)
        execute = self._connection.execute
        try:
            execute(
                f"{_INSERT} ON CONFLICT (id) DO UPDATE SET scope=excluded.scope, key=excluded.key,"  # nosec B608
                " version=excluded.version, published_ms=excluded.published_ms, updated_ms=excluded.updated_ms,"
                " document=excluded.document, hidden=excluded.hidden, refs=excluded.refs, box=excluded.box,"
                " node=excluded.node",
                _values(entity),
            )
        except apsw.ConstraintError:
            raise Refusal(ENTITY_EXISTS) from None
        execute("DELETE FROM ref WHERE source = ?", (entity.id,))
        self._refer(entity)
        self._marks.words.put(self._connection, entity)

    async def add(self, entity: Entity) -> bool:
        """Make a new entity with its N:1 links; False, and nothing done, when its id or its key is taken."""
        if entity.kind is EntityKind.USER_DATA and self._writer is not None and self._writer.holding:
            self._writer.hold(entity)
            return True
        self._touch(entity.kind)
        self._connection.execute(f"{_INSERT} ON CONFLICT DO NOTHING", _values(entity))
        added = self._connection.changes() == 1
        if added:
            self._refer(entity)
            self._marks.words.put(self._connection, entity)
        return added

    def _add_all(self, entities: list[Entity], events: list[tuple[int, str]]) -> None:
        """Make new entities with their N:1 links, and tell of *events*, by one statement if there are no links.

        Raises:
            Collision: an id or a key is taken.
        """
        assert self._writer is not None
        refs = [(each.id, kind, target) for each in entities for kind, target in each.refs]
        worded = [each for each in entities if self._marks.words.has(each.scope)]
        if refs or worded:
            self._writer.enter()
        rows = apsw.jsonb_encode(list(map(_columns, entities)))
        try:
            self._writer.execute_alone("INSERT INTO intake VALUES (?, ?)", (rows, apsw.jsonb_encode(events)))
        except apsw.ConstraintError:
            raise Collision from None
        if refs:
            self._writer.execute(_REFER_ALL, (apsw.jsonb_encode(refs),))
        for each in worded:
            self._marks.words.put(self._writer, each)

    def _refer(self, entity: Entity) -> None:
        for kind, target in entity.refs:
            self._connection.execute(
                "INSERT OR IGNORE INTO ref (source, kind, target) VALUES (?,?,?)", (entity.id, kind, target)
            )

    async def remove(self, entity_id: str) -> None:
        """Remove an entity and every link, N:1 or N:N, that it has an end of."""
        execute = self._connection.execute
        kind = execute("SELECT kind FROM entity WHERE id = ?", (entity_id,)).get
        if kind is None:
            return
        self._touch(EntityKind(kind))
        self._marks.path_freed = True
        execute(
            "UPDATE entity SET refs = (SELECT json_group_array(json(ref.value)) FROM json_each(entity.refs) AS ref"
            " WHERE ref.value ->> 1 <> ?1) WHERE id IN (SELECT source FROM ref WHERE target = ?1)",
            (entity_id,),
        )
        execute("DELETE FROM ref WHERE source = ? OR target = ?", (entity_id, entity_id))
        execute("DELETE FROM link WHERE id1 = ?", (entity_id,))
        execute("DELETE FROM link WHERE id2 = ?", (entity_id,))
        execute("DELETE FROM entity WHERE id = ?", (entity_id,))

    def _touch(self, kind: EntityKind) -> None:
        if kind in _CONTROL:
            self._marks.control_touched = True
        if kind in SCHEMA_KINDS:
            self._marks.schema_touched = True
        if kind is EntityKind.BOX:
            self._touch_tree()


def _in_collection(columns: str) -> str:
    """A query for those columns of what belongs to the OData collection at the node of the id that is bound."""
    types = f"FROM entity WHERE kind IN ('{EntityKind.ENTITY_TYPE}', '{EntityKind.COMPLEX_TYPE}') AND scope = ?1"
    kinds = ", ".join(f"'{kind.value}'" for kind in _OF_A_TYPE)
    return (
        f"SELECT {columns} {types} UNION ALL SELECT {columns}"  # nosec B608 - literals of this file
        f" FROM (SELECT id AS type {types}) CROSS JOIN entity ON kind IN ({kinds}) AND scope = type"
    )


class SqliteSchemas:
    """The schemas of a cell's OData collections, remembered until an entity of one changes."""

    def __init__(self, connection: apsw.Connection, marks: Marks, *, sole: bool) -> None:
        """*sole*: this is the one connection that changes anything."""
        self._connection = connection
        self._marks = marks
        self._sole = sole
        self._epoch = marks.schema_epoch

    def refresh(self) -> None:
        """Note which schemas belong to the state that a body is going to see."""
        self._epoch = self._marks.schema_epoch

    async def of(self, node_id: str) -> Schema:
        """The schema of the collection at the node of that id."""
        schema = self._marks.schemas.get((self._epoch, node_id))
        if schema is None or self._changing:
            kinds = ", ".join(f"'{kind.value}'" for kind in SCHEMA_KINDS)
            query = f"SELECT {_COLUMNS} FROM entity WHERE kind IN ({kinds}) AND node = ?"  # nosec B608
            schema = Schema.build([_entity(*row) for row in self._connection.execute(query, (node_id,))])
            if not self._changing:
                self._marks.schemas[self._epoch, node_id] = schema
        return schema

    @property
    def _changing(self) -> bool:
        """Whether the transaction under way has changed a schema: then what is remembered is what was before."""
        return self._sole and self._marks.schema_touched


class SqliteLinks:
    """The N:N links of a cell."""

    def __init__(self, connection: apsw.Connection, marks: Marks) -> None:
        self._connection = connection
        self._marks = marks

    async def exists(self, link: Link) -> bool:
        """Whether the two ends are linked."""
        query = "SELECT 1 FROM link WHERE id1 = ? AND id2 = ? AND type1 = ? AND type2 = ?"
        return self._connection.execute(query, (link.id1, link.id2, link.type1, link.type2)).get is not None

    async def others(self, entity_id: str, kind: str) -> list[str]:
        """The ids linked with *entity_id* whose type is *kind*, in the order of linking."""
        rows = self._connection.execute(
            "SELECT id2, published_ms FROM link WHERE id1 = ? AND type2 = ?"
            " UNION ALL SELECT id1, published_ms FROM link WHERE id2 = ? AND type1 = ? AND id1 <> id2"
            " ORDER BY 2, 1",
            (entity_id, kind, entity_id, kind),
        )
        return [other for other, _ in rows]

    async def each(self) -> AsyncIterator[Link]:
        """All links, in bounded memory."""
        query = "SELECT type1, id1, type2, id2, published_ms, updated_ms, box, node FROM link"
        for row in self._connection.execute(query):
            yield Link(*row)

    async def of_collection(self, node_id: str) -> AsyncIterator[Link]:
        """The links between entities of the OData collection at the node of that id."""
        query = (
            "SELECT type1, id1, type2, id2, link.published_ms, link.updated_ms, link.box, link.node"
            f" FROM ({_in_collection('entity.id')}) AS one CROSS JOIN link ON link.id1 = one.id"  # nosec B608
        )
        for row in self._connection.execute(query, (node_id,)):
            yield Link(*row)

    async def count(self) -> int:
        """How many links there are."""
        return int(self._connection.execute("SELECT count(*) FROM link").get)

    async def save(self, link: Link) -> None:
        """Link the two ends; a link that is there is replaced."""
        self._marks.control_touched |= link.node is None
        self._connection.execute(
            "INSERT OR REPLACE INTO link (id1, id2, type1, type2, published_ms, updated_ms, box, node)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (
                link.id1,
                link.id2,
                link.type1,
                link.type2,
                link.published_ms,
                link.updated_ms,
                link.box,
                link.node,
            ),
        )

    async def remove(self, link: Link) -> None:
        """Unlink the two ends."""
        self._marks.control_touched |= link.node is None
        self._connection.execute(
            "DELETE FROM link WHERE id1 = ? AND id2 = ? AND type1 = ? AND type2 = ?",
            (link.id1, link.id2, link.type1, link.type2),
        )

    async def forget(self, one: str, other: str) -> None:
        """Remove every link, N:1 or N:N, between user data of the entity types of those ids."""
        execute = self._connection.execute
        execute("DELETE FROM link WHERE type1 = ? AND type2 = ?", tuple(sorted((one, other))))
        for scope, kind in {(one, other), (other, one)}:
            holders = "SELECT source FROM ref JOIN entity ON entity.id = source WHERE ref.kind = ?2 AND scope = ?1"
            execute(
                "UPDATE entity SET refs ="
                " (SELECT json_group_array(json(r.value)) FROM json_each(entity.refs) AS r WHERE r.value ->> 0 <> ?2)"
                f" WHERE id IN ({holders})",  # nosec B608
                (scope, kind),
            )
            execute(f"DELETE FROM ref WHERE kind = ?2 AND source IN ({holders})", (scope, kind))  # nosec B608


class SqlitePrincipals:
    """Accounts and their roles, remembered until a control object or a link of one changes."""

    def __init__(self, connection: apsw.Connection, entities: SqliteEntities, marks: Marks) -> None:
        self._connection = connection
        self._entities = entities
        self._marks = marks
        self._epoch = -1
        self._accounts: dict[str, Entity | None] = {}
        self._roles: dict[str, frozenset[str]] = {}

    def refresh(self) -> None:
        """Forget all when one has changed."""
        if self._epoch != self._marks.control_epoch:
            self._epoch = self._marks.control_epoch
            self._forget()

    def _forget(self) -> None:
        self._accounts.clear()
        self._roles.clear()

    async def account(self, account_id: str) -> Entity | None:
        """The account of that id."""
        if account_id not in self._accounts:
            found = await self._entities.get(account_id)
            if len(self._accounts) >= _REMEMBERED:
                self._forget()
            self._accounts[account_id] = found if found and found.kind is EntityKind.ACCOUNT else None
        return self._accounts[account_id]

    async def account_named(self, name: str) -> Entity | None:
        """The account of that name."""
        return await self._entities.find(EntityKind.ACCOUNT, "", name)

    async def roles_of(self, account_id: str) -> frozenset[str]:
        """The ids of the roles that an account is linked with."""
        roles = self._roles.get(account_id)
        if roles is None:
            query = "SELECT id2 FROM link WHERE id1 = ? AND type1 = 'Account' AND type2 = 'Role'"
            rows = self._connection.execute(query, (account_id,))
            roles = self._roles[account_id] = frozenset(role for (role,) in rows)
        return roles


_KINDS: Final[dict[str, EntityKind]] = {each.value: each for each in EntityKind}
_REMEMBERED: Final = 10_000
_ANSWER_ROWS: Final = 100
_ANSWERED_BYTES: Final = 8 * 1024 * 1024
_ENTITY_BYTES: Final = 500
"""What an entity takes beside its document."""


def _values(entity: Entity) -> tuple[str | int | bytes | None, ...]:
    """The columns of *entity* as they are bound."""
    *before, document, hidden, refs, box, node = _columns(entity)
    return (*before, apsw.jsonb_encode(document), hidden, refs, box, node)


def _columns(entity: Entity) -> tuple[Any, ...]:
    """The columns of *entity*, its document as it is."""
    return (
        entity.id,
        entity.kind.value,
        entity.scope,
        entity.key,
        entity.version,
        entity.published_ms,
        entity.updated_ms,
        entity.values,
        orjson.dumps(entity.hidden).decode() if entity.hidden else None,
        orjson.dumps(entity.refs).decode() if entity.refs else None,
        entity.box,
        entity.node,
    )


def _entity(  # noqa: PLR0913, PLR0917 - the columns of a row, in their order
    entity_id: str,
    kind: str,
    scope: str,
    key: str,
    version: int,
    published_ms: int,
    updated_ms: int,
    document: str,
    hidden: str | None,
    refs: str | None,
    box: str | None,
    node: str | None,
) -> Entity:
    return Entity(
        entity_id,
        _KINDS[kind],
        scope,
        key,
        version,
        published_ms,
        updated_ms,
        orjson.loads(document),
        orjson.loads(hidden) if hidden else {},
        tuple((ref_kind, target) for ref_kind, target in orjson.loads(refs)) if refs else (),
        box,
        node,
    )
