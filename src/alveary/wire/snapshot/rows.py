"""Entities and nodes of a store as the lines and metadata of a snapshot, and back.

What does not belong here: the spelling of lines and metadata, and the URLs in them, which move with a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from alveary.model.entities import Entity, EntityKind, Link
from alveary.model.names import AccountName, BoxName, RoleName
from alveary.model.tree import Node, NodeKind
from alveary.wire.snapshot import layout
from alveary.wire.snapshot.layout import SnapshotProblem
from alveary.wire.snapshot.lines import EntityLine
from alveary.wire.snapshot.nodes import PMeta
from alveary.wire.snapshot.values import TypeMap

KEY_FIELD: Final[dict[EntityKind, str]] = {
    EntityKind.EXT_CELL: "Url",
    EntityKind.SENT_MESSAGE: "__id",
    EntityKind.RECEIVED_MESSAGE: "__id",
    EntityKind.EXT_ROLE: "ExtRole",
    EntityKind.USER_DATA: "__id",
}
"""The field that is an entity's own key; ``Name`` for all other kinds."""

_SCOPE_LINK: Final[dict[EntityKind, tuple[EntityKind, bool]]] = {
    EntityKind.ROLE: (EntityKind.BOX, False),
    EntityKind.RULE: (EntityKind.BOX, False),
    EntityKind.RELATION: (EntityKind.BOX, False),
    EntityKind.SENT_MESSAGE: (EntityKind.BOX, False),
    EntityKind.RECEIVED_MESSAGE: (EntityKind.BOX, False),
    EntityKind.EXT_ROLE: (EntityKind.RELATION, True),
    EntityKind.PROPERTY: (EntityKind.ENTITY_TYPE, True),
    EntityKind.ASSOCIATION_END: (EntityKind.ENTITY_TYPE, True),
    EntityKind.COMPLEX_TYPE_PROPERTY: (EntityKind.COMPLEX_TYPE, True),
}
"""The kinds whose keys are unique at the other end of a link: that end's kind, and whether the link must be there."""

_IN_NODE: Final = frozenset({EntityKind.ENTITY_TYPE, EntityKind.COMPLEX_TYPE})

_GRAMMAR: Final[dict[EntityKind, Callable[[str], object]]] = {
    EntityKind.BOX: BoxName.PATTERN.fullmatch,
    EntityKind.ROLE: RoleName.PATTERN.fullmatch,
    EntityKind.ACCOUNT: AccountName.PATTERN.fullmatch,
}
"""The names that become parts of URLs or are typed at a login."""

_LATEST_MS: Final = 253_402_300_799_999
"""The last moment of the year 9999, after which no calendar can tell a date."""

_LATEST_VERSION: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class Move:
    """The cell that a snapshot is of, and the one it goes to: the id of the one becomes that of the other."""

    source_id: str
    target_id: str

    def __call__(self, box_id: str | None) -> str | None:
        """The id of a box after the move; the main box has that of its cell."""
        return self.target_id if box_id == self.source_id else box_id


def to_line(entity: Entity, cell_id: str, types: TypeMap) -> EntityLine:
    """*entity* of the cell of that id as a line; *types* spell the values of user data."""
    user_data = entity.kind is EntityKind.USER_DATA
    return EntityLine(
        type=entity.kind.value,
        id=entity.id,
        cell_id=cell_id,
        published_ms=entity.published_ms,
        updated_ms=entity.updated_ms,
        values=types.to_snapshot(entity.scope, entity.values) if user_data else entity.values,
        hidden=entity.hidden,
        links=entity.refs,
        box_id=entity.box,
        node_id=entity.node,
        type_id=entity.scope if user_data else None,
    )


def to_entity(line: EntityLine, number: int, move: Move, types: TypeMap) -> Entity:
    """The entity of line *number*, with its id and links as they are, those that lead nowhere too.

    Raises:
        SnapshotProblem: its key, or what the key is unique in, is missing; its times are beyond all calendars.
    """
    kind = EntityKind(line.type)
    field = KEY_FIELD.get(kind, "Name")
    key = line.values.get(field)
    scope = _scope(kind, line)
    if not isinstance(key, str) or not key or not _GRAMMAR.get(kind, bool)(key):
        raise SnapshotProblem(layout.ENTITIES[kind], number, f"{field} is missing or not of the required form")
    if scope is None:
        raise SnapshotProblem(layout.ENTITIES[kind], number, "it does not say what it belongs to")
    if max(line.published_ms, line.updated_ms) > _LATEST_MS:
        raise SnapshotProblem(layout.ENTITIES[kind], number, "its time is out of range")
    return Entity(
        id=line.id,
        kind=kind,
        scope=scope,
        key=key,
        version=1,
        published_ms=line.published_ms,
        updated_ms=line.updated_ms,
        values=types.to_store(scope, line.values) if kind is EntityKind.USER_DATA else line.values,
        hidden=line.hidden,
        refs=line.links,
        box=move(line.box_id),
        node=line.node_id,
    )


def _scope(kind: EntityKind, line: EntityLine) -> str | None:
    """What the key of *line* is unique in, None when it should be there and is not."""
    if kind is EntityKind.USER_DATA:
        return line.type_id
    if kind in _IN_NODE:
        return line.node_id
    if kind not in _SCOPE_LINK:
        return ""
    other, needed = _SCOPE_LINK[kind]
    return dict(line.links).get(other, None if needed else "")


def move_link(link: Link, move: Move) -> Link:
    """*link* in the cell that it goes to."""
    return replace(link, box=move(link.box))


def to_meta(node: Node, cell_id: str, *, cell_status: str) -> PMeta:
    """The metadata of *node* in the cell of that id and status."""
    shown = node.kind in {NodeKind.CELL, NodeKind.BOX} or layout.segment_of(node, cell_id) == node.name
    return PMeta(
        id=node.id,
        kind=node.kind,
        published_ms=node.published_ms,
        updated_ms=node.updated_ms,
        version=node.version,
        acl=node.acl,
        properties=node.properties,
        media_type=node.media_type,
        size_bytes=node.content.size_bytes if node.content else None,
        cell_status=cell_status if node.kind is NodeKind.CELL else None,
        name=None if shown else node.name,
    )


def to_node(meta: PMeta, entry: str, *, parent: str, name: str) -> Node:
    """The node that *meta*, the contents of *entry*, tells of; a file's bytes come apart from it.

    Raises:
        SnapshotProblem: its times or version are out of range.
    """
    if max(meta.published_ms, meta.updated_ms) > _LATEST_MS or meta.version > _LATEST_VERSION:
        raise SnapshotProblem(entry, 0, "its time or version is out of range")
    return Node(
        id=meta.id,
        parent=parent,
        name=name,
        kind=meta.kind,
        version=meta.version,
        published_ms=meta.published_ms,
        updated_ms=meta.updated_ms,
        acl=meta.acl,
        properties=meta.properties,
        media_type=meta.media_type,
    )
