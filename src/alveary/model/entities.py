"""Entities as every store keeps them: control objects, schema and user data in one shape.

What does not belong here: the sets' fields and their rules (``model.edm``) and OData's spellings (``wire``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from alveary.model.values import frozen

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class EntityKind(StrEnum):
    """The kinds of entities, in the words of a snapshot; all but cells are kept within a cell."""

    CELL = "Cell"
    BOX = "Box"
    ACCOUNT = "Account"
    EXT_CELL = "ExtCell"
    ROLE = "Role"
    RULE = "Rule"
    RELATION = "Relation"
    SENT_MESSAGE = "SentMessage"
    RECEIVED_MESSAGE = "ReceivedMessage"
    EXT_ROLE = "ExtRole"
    ENTITY_TYPE = "EntityType"
    COMPLEX_TYPE = "ComplexType"
    PROPERTY = "Property"
    COMPLEX_TYPE_PROPERTY = "ComplexTypeProperty"
    ASSOCIATION_END = "AssociationEnd"
    USER_DATA = "UserData"


@frozen
class Entity:
    """One entity.

    ``key`` is unique among the entities of the same kind and ``scope``. The scope of a control object is the id of
    the box it is bound to (of its relation for an ExtRole), else empty; that of an EntityType or ComplexType the node
    of its OData collection; that of a property or association end its type; that of user data its entity type.
    ``refs`` are the N:1 links: pairs of the other end's kind (an entity type's id for user data) and its id.
    """

    id: str
    kind: EntityKind
    scope: str
    key: str
    version: int
    published_ms: int
    updated_ms: int
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    hidden: Mapping[str, JsonValue] = field(default_factory=dict)
    refs: tuple[tuple[str, str], ...] = ()
    box: str | None = None
    node: str | None = None

    def ref(self, kind: str) -> str | None:
        """The id at the other end of the N:1 link to *kind*, None when there is none."""
        return next((target for other, target in self.refs if other == kind), None)


@frozen
class Link:
    """An N:N link between two entities, its ends ordered by type: ``type1 < type2``, or equal with ``id1 <= id2``.

    A type is an entity set's name, or the id of an entity type for user data.
    """

    type1: str
    id1: str
    type2: str
    id2: str
    published_ms: int
    updated_ms: int
    box: str | None = None
    node: str | None = None

    @classmethod
    def between(cls, one: tuple[str, str], other: tuple[str, str], now_ms: int) -> Link:
        """A link between two ends, each a pair of type and id, in any order."""
        first, second = sorted((one, other))
        return cls(*first, *second, published_ms=now_ms, updated_ms=now_ms)


MAX_STRING_BYTES: Final = 51_200
"""The longest string value of an entity, in bytes of UTF-8."""
