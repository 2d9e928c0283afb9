"""The control entity sets as literal tables: their fields, keys, links and privileges.

A further set is further rows here. What does not belong here: OData's spellings (``wire.odata_keys``,
``wire.odata_json``), and what a change of an entity sets in motion (``usecases.entities``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alveary.errors import FIELD_FORMAT, FIELD_NOT_ALLOWED, FIELD_REQUIRED, SCHEMA_URI_FORMAT, Refusal
from alveary.model.accounts import AccountStatus, IPRange
from alveary.model.entities import MAX_STRING_BYTES, EntityKind, JsonValue
from alveary.model.names import AccountName, BoxName, CellName, RoleName
from alveary.model.privileges import CellPrivilege


class Ends(StrEnum):
    """How many entities stand at this end of an association, and how many at the other."""

    MANY_TO_MANY = "N:N"
    MANY_TO_ONE = "N:0..1"
    ONE_TO_MANY = "0..1:N"


@dataclass(frozen=True, slots=True)
class Field:
    """A property of type Edm.String that clients may set.

    ``constraint`` refuses what no such field may hold. A null becomes the ``default`` where there is one.
    ``refers`` is the kind of the entity at the other end of an N:1 link, whose key is this field's value. The
    value of a ``unique`` field belongs to one entity of the set; that of a ``url`` is stored in its local form.
    """

    name: str
    constraint: Callable[[str], object]
    nullable: bool = False
    default: str | None = None
    refers: EntityKind | None = None
    unique: bool = False
    url: bool = False

    def parse(self, raw: JsonValue) -> str | None:
        """*raw* as a value of this field.

        Raises:
            Refusal: FIELD_REQUIRED, FIELD_FORMAT, SCHEMA_URI_FORMAT.
        """
        if raw is None:
            if self.default is None and not self.nullable:
                raise Refusal(FIELD_REQUIRED, field=self.name)
            return self.default
        if not isinstance(raw, str) or len(raw.encode()) > MAX_STRING_BYTES:
            raise Refusal(FIELD_FORMAT, field=self.name)
        self.constraint(raw)
        return raw


@dataclass(frozen=True, slots=True)
class Navigation:
    """A navigation property: the way along an association to another set."""

    name: str
    target: EntityKind
    ends: Ends


Values = Mapping[str, str | None]
"""The value of every field of an entity, None where it is null."""


@dataclass(frozen=True, slots=True)
class EntitySet:
    """An entity set, its type included, which has the same name.

    ``key`` names the key fields: the entity's own first, then those of what it is bound to.
    """

    name: str
    namespace: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    navigations: tuple[Navigation, ...] = ()

    @property
    def kind(self) -> EntityKind:
        """The kind of its entities within a cell."""
        return EntityKind(self.name)

    def field(self, name: str) -> Field:
        """The field of that name, which is known to exist."""
        return next(each for each in self.fields if each.name == name)

    def navigation(self, name: str) -> Navigation | None:
        """The navigation property of that name."""
        return next((each for each in self.navigations if each.name == name), None)

    def parse_new(self, given: Mapping[str, JsonValue]) -> Values:
        """The values of an entity of which *given* says all.

        Raises:
            Refusal: FIELD_NOT_ALLOWED, FIELD_REQUIRED, FIELD_FORMAT, SCHEMA_URI_FORMAT.
        """
        self._refuse_unknown(given)
        return {each.name: each.parse(given.get(each.name)) for each in self.fields}

    def parse_merge(self, given: Mapping[str, JsonValue], old: Values) -> Values:
        """The *old* values of an entity with those that *given* mentions in their place.

        Raises:
            Refusal: FIELD_NOT_ALLOWED, FIELD_REQUIRED, FIELD_FORMAT, SCHEMA_URI_FORMAT.
        """
        self._refuse_unknown(given)
        return {
            each.name: each.parse(given[each.name]) if each.name in given else old[each.name] for each in self.fields
        }

    def _refuse_unknown(self, given: Mapping[str, JsonValue]) -> None:
        known = {each.name for each in self.fields}
        for name in given:
            if name not in known:
                raise Refusal(FIELD_NOT_ALLOWED, field=name)


@dataclass(frozen=True, slots=True)
class EntityKey:
    """The key of an entity: a value for each key field of its set, in their order; None for a null."""

    values: tuple[str | None, ...]

    @property
    def name(self) -> str:
        """The entity's own key field, which is never null."""
        return self.values[0] or ""


@dataclass(frozen=True, slots=True)
class Row:
    """An entity as its set shows it."""

    entity_set: EntitySet
    values: Values
    version: int
    published_ms: int
    updated_ms: int

    @property
    def key(self) -> EntityKey:
        """Its key."""
        return EntityKey(tuple(self.values[name] for name in self.entity_set.key))


@dataclass(frozen=True, slots=True)
class Guard:
    """The privileges that reading and changing a set need."""

    read: CellPrivilege
    write: CellPrivilege


# The constraints

ACCOUNT_TYPES: Final = frozenset({"basic"})
"""The ways in which an account may prove who it is."""

_STATUSES: Final = frozenset(AccountStatus)
_MAX_URI_CHARS: Final = 1024
_NOT_IN_URI: Final = r"\s\x00-\x20\x7f\"<>\\^`{|}"
_FOLDERS: Final = rf"/(?:(?!\.{{1,2}}/)[^{_NOT_IN_URI}/?#]+/)*"
_SCHEMA_URI: Final = re.compile(
    rf"urn:[^{_NOT_IN_URI}]+"
    rf"|https?://[^{_NOT_IN_URI}/?#@]+{_FOLDERS}"
    rf"|personium-localunit:{CellName.PATTERN.pattern}:{_FOLDERS}"
)


class _BoundBoxName(BoxName):
    """The name of the box that an entity is bound to."""

    __slots__ = ()
    FIELD = "_Box.Name"


def _schema_uri(raw: str) -> None:
    """Pass a URN, or the URL of a cell in normal form, which ends in ``/``; at most 1024 characters."""
    if len(raw) > _MAX_URI_CHARS or not _SCHEMA_URI.fullmatch(raw):
        raise Refusal(SCHEMA_URI_FORMAT, field="Schema")


def _account_types(raw: str) -> None:
    """Pass different words of ACCOUNT_TYPES with a blank between them."""
    words = raw.split(" ")
    if len(set(words)) < len(words) or not ACCOUNT_TYPES.issuperset(words):
        raise Refusal(FIELD_FORMAT, field="Type")


def _account_status(raw: str) -> None:
    """Pass one of the words of AccountStatus."""
    if raw not in _STATUSES:
        raise Refusal(FIELD_FORMAT, field="Status")


def _any_text(_: str) -> None:
    """Pass whatever fits the length of a field."""


# The sets

_BOX_NAME: Final = Field("_Box.Name", _BoundBoxName.parse, nullable=True, refers=EntityKind.BOX)

CELL: Final = EntitySet("Cell", "UnitCtl", key=("Name",), fields=(Field("Name", CellName.parse),))
"""The one set of the unit."""

BOX: Final = EntitySet(
    "Box",
    "CellCtl",
    key=("Name",),
    fields=(
        Field("Name", BoxName.parse),
        Field("Schema", _schema_uri, nullable=True, unique=True, url=True),
    ),
    navigations=(Navigation("_Role", EntityKind.ROLE, Ends.ONE_TO_MANY),),
)

ACCOUNT: Final = EntitySet(
    "Account",
    "CellCtl",
    key=("Name",),
    fields=(
        Field("Name", AccountName.parse),
        Field("Type", _account_types, default="basic"),
        Field("Cell", _any_text, nullable=True, url=True),
        Field("IPAddressRange", IPRange.parse, nullable=True),
        Field("Status", _account_status, default=AccountStatus.ACTIVE.value),
    ),
    navigations=(Navigation("_Role", EntityKind.ROLE, Ends.MANY_TO_MANY),),
)

ROLE: Final = EntitySet(
    "Role",
    "CellCtl",
    key=("Name", "_Box.Name"),
    fields=(Field("Name", RoleName.parse), _BOX_NAME),
    navigations=(
        Navigation("_Box", EntityKind.BOX, Ends.MANY_TO_ONE),
        Navigation("_Account", EntityKind.ACCOUNT, Ends.MANY_TO_MANY),
    ),
)

CELL_SETS: Final[Mapping[str, EntitySet]] = {each.name: each for each in (BOX, ACCOUNT, ROLE)}
"""The control entity sets of a cell by name."""

GUARDS: Final[Mapping[str, Guard]] = {
    "Box": Guard(CellPrivilege.BOX_READ, CellPrivilege.BOX),
    "Account": Guard(CellPrivilege.AUTH_READ, CellPrivilege.AUTH),
    "Role": Guard(CellPrivilege.AUTH_READ, CellPrivilege.AUTH),
}
"""What the sets of a cell need, by their names."""

BLOCKING: Final[Mapping[EntityKind, tuple[EntityKind, ...]]] = {
    EntityKind.BOX: (
        EntityKind.ROLE,
        EntityKind.RELATION,
        EntityKind.RULE,
        EntityKind.RECEIVED_MESSAGE,
        EntityKind.SENT_MESSAGE,
    ),
}
"""The kinds whose entities keep one of the first kind from being deleted while they are bound to it."""
