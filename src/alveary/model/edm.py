"""The entity data model as values: entity sets, what their properties may hold, where they lead.

One description serves every entity set: the control sets are literal tables (``control_edm``, ``schema_edm``), those
of user data are made from what a collection's schema says (``user_edm``). What does not belong here: OData's
spellings (``wire``), and what a change of an entity sets in motion (``usecases``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from alveary.errors import FIELD_FORMAT, FIELD_NOT_ALLOWED, FIELD_REQUIRED, Refusal
from alveary.model.edm_values import EdmType, parse_scalar
from alveary.model.entities import EntityKind, JsonValue
from alveary.model.values import frozen

PUBLISHED: Final = "__published"
UPDATED: Final = "__updated"
METADATA: Final = "__metadata"

SERVER_SET: Final = frozenset({PUBLISHED, UPDATED, METADATA})
"""What every entity shows and no client may send."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """What values come from that nobody gave: the time, and a new name of 32 hex digits."""

    now_ms: int
    new_hex: Callable[[], str]


@dataclass(frozen=True, slots=True)
class ComplexType:
    """A type whose values have properties of their own."""

    name: str
    properties: tuple[Property, ...]
    by_name: Mapping[str, Property] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {each.name: each for each in self.properties})


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an entity type or complex type.

    ``column`` is its name in a stored document, ``name`` unless given. A missing or null value becomes the
    ``default`` (a stored value), a new name where it is ``generated``, or stays null where it is ``nullable``.
    ``constraint`` refuses, by raising, what a value of the right type may still not be. A ``unique`` value belongs
    to one entity of its set; that of a ``url`` is stored in its local form. Properties of an equal ``unique_key``
    are together unique, and so are all of which ``is_key`` is said. ``is_declared`` is False for what came with
    data. ``default_text`` is a default as a schema spells it, ``max_bytes`` the bound of a text that has its own.
    """

    name: str
    type: EdmType | ComplexType = EdmType.STRING
    nullable: bool = False
    default: JsonValue = None
    is_list: bool = False
    column: str = ""
    constraint: Callable[[Any], object] | None = None
    generated: bool = False
    unique: bool = False
    url: bool = False
    unique_key: str | None = None
    is_key: bool = False
    is_declared: bool = True
    default_text: str | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)

    def parse(self, raw: JsonValue, fresh: Fresh) -> JsonValue:
        """*raw*, as JSON has it, as it is stored.

        Raises:
            Refusal: FIELD_REQUIRED, FIELD_FORMAT, or what the constraint raises.
        """
        if raw is None:
            return self._absent(fresh)
        if self.is_list:
            if not isinstance(raw, list):
                raise Refusal(FIELD_FORMAT, field=self.name)
            return [None if each is None else self._parse_one(each, fresh) for each in raw]
        return self._parse_one(raw, fresh)

    def _parse_one(self, raw: JsonValue, fresh: Fresh) -> JsonValue:
        kind = self.type
        if isinstance(kind, ComplexType):
            if not isinstance(raw, dict) or not raw:
                raise Refusal(FIELD_FORMAT, field=self.name)
            return parse_members(kind, raw, fresh)
        value = parse_scalar(kind, raw, self.name, fresh.now_ms, self.max_bytes)
        if self.constraint is not None:
            self.constraint(value)
        return value

    def _absent(self, fresh: Fresh) -> JsonValue:
        if self.generated:
            return fresh.new_hex()
        if self.default_text is not None and isinstance(self.type, EdmType) and not self.is_list:
            return parse_scalar(self.type, self.default_text, self.name, fresh.now_ms)
        if self.default is not None:
            return self.default
        if not self.nullable:
            raise Refusal(FIELD_REQUIRED, field=self.name)
        return None

    def merge(self, raw: JsonValue, old: JsonValue, fresh: Fresh) -> JsonValue:
        """The stored value when *raw* is merged into the stored value *old*.

        Complex values are merged member by member, and a null among them changes nothing; all else is replaced, and
        an empty one is refused, as it is without *old*.

        Raises:
            Refusal: as :meth:`parse`.
        """
        kind = self.type
        if not isinstance(kind, ComplexType) or self.is_list:
            return self.parse(raw, fresh)
        if raw is None:
            return old
        if not isinstance(old, dict) or not isinstance(raw, dict) or not raw:
            return self.parse(raw, fresh)
        merged = dict(old)
        for name, value in raw.items():
            member = kind.by_name.get(name)
            if member is None:
                raise Refusal(FIELD_FORMAT, field=name)
            _put(merged, member.column, member.merge(value, old.get(member.column), fresh))
        return merged


def parse_members(kind: ComplexType, given: Mapping[str, JsonValue], fresh: Fresh) -> dict[str, JsonValue]:
    """The value of a complex type of which *given* says all, as it is stored.

    Raises:
        Refusal: FIELD_REQUIRED, FIELD_FORMAT.
    """
    for name in given:
        if name not in kind.by_name:
            raise Refusal(FIELD_FORMAT, field=name)
    stored: dict[str, JsonValue] = {}
    for each in kind.properties:
        _put(stored, each.column, each.parse(given.get(each.name), fresh))
    return stored


def _put(document: dict[str, JsonValue], column: str, value: JsonValue) -> None:
    """*value* into *document*; what is null is left out, as Personium's own documents do."""
    if value is None:
        document.pop(column, None)
    else:
        document[column] = value


def _tells_time(kind: EdmType | ComplexType) -> bool:
    if isinstance(kind, ComplexType):
        return any(_tells_time(each.type) for each in kind.properties)
    return kind is EdmType.DATETIME


class Ends(StrEnum):
    """How many entities stand at this end of an association, and how many at the other."""

    MANY_TO_MANY = "N:N"
    MANY_TO_ONE = "N:0..1"
    ONE_TO_MANY = "0..1:N"
    ONE_TO_ONE = "0..1:0..1"


_ENDS: Final[Mapping[tuple[bool, bool], Ends]] = {
    (True, True): Ends.MANY_TO_MANY,
    (True, False): Ends.MANY_TO_ONE,
    (False, True): Ends.ONE_TO_MANY,
    (False, False): Ends.ONE_TO_ONE,
}
"""By whether many stand at this end, and at the other."""


def ends_of(here: str, there: str) -> Ends:
    """What stands at the two ends whose multiplicities are *here* and *there*: ``*``, ``1`` or ``0..1``."""
    return _ENDS[here == "*", there == "*"]


@dataclass(frozen=True, slots=True)
class Navigation:
    """A navigation property: the way along an association to another set.

    ``target`` is that set's name; ``back`` and ``target_type`` are what links call the types of this end and that:
    a set's name, or an entity type's id. ``linkable``: its links are made and taken away by ``$links`` too.
    ``association``, ``role`` and ``target_role`` are the names that an EDMX gives to it and its ends.
    """

    name: str
    target: str
    ends: Ends
    back: str
    target_type: str
    linkable: bool = True
    association: str = ""
    role: str = ""
    target_role: str = ""
    multiplicities: tuple[str, str] = ("*", "*")

    @property
    def to_one(self) -> bool:
        """Whether at most one entity stands at the other end."""
        return self.ends in {Ends.MANY_TO_ONE, Ends.ONE_TO_ONE}


@dataclass(frozen=True, slots=True)
class Owner:
    """The entity that another's key is unique in, by an N:1 link.

    ``names`` are the key properties of the owner's set as they are called here.
    """

    kind: EntityKind
    names: tuple[str, ...]
    required: bool


Values = dict[str, JsonValue]
"""A stored document: the values of properties by their columns, nulls left out."""


@frozen
class Parsed:
    """What a client says of an entity: its own key, its owner's (as ``Owner.names``), and its document."""

    name: str
    owner_key: tuple[str | None, ...]
    values: Values


@dataclass(frozen=True, slots=True)
class EntitySet:
    """An entity set, its type included, which has the same name.

    ``key`` names the key properties: the entity's own first, then those of its owner if they are part of the key.
    ``link_type`` is what links call the type. ``type_id`` is the id of the entity type of user data, whose sets also
    take undeclared properties.
    """

    name: str
    namespace: str
    kind: EntityKind
    key: tuple[str, ...]
    properties: tuple[Property, ...]
    owner: Owner | None = None
    navigations: tuple[Navigation, ...] = ()
    type_id: str = ""
    by_name: Mapping[str, Property] = field(init=False, repr=False, compare=False)
    stored: tuple[Property, ...] = field(init=False, repr=False, compare=False)
    has_unique: bool = field(init=False, repr=False, compare=False)
    has_url_key: bool = field(init=False, repr=False, compare=False)
    urls: tuple[str, ...] = field(init=False, repr=False, compare=False)
    has_moments: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        owned = self.owner.names if self.owner else ()
        object.__setattr__(self, "by_name", {each.name: each for each in self.properties})
        object.__setattr__(self, "stored", tuple(each for each in self.properties if each.name not in owned))
        unique = any(each.unique or each.is_key or each.unique_key is not None for each in self.properties)
        object.__setattr__(self, "has_unique", unique)
        urls = tuple(each.name for each in self.properties if each.url)
        object.__setattr__(self, "urls", urls)
        object.__setattr__(self, "has_url_key", not set(urls).isdisjoint(self.key))
        object.__setattr__(self, "has_moments", any(_tells_time(each.type) for each in self.properties))

    @property
    def is_open(self) -> bool:
        """Whether its entities take properties that nobody declared."""
        return bool(self.type_id)

    @property
    def link_type(self) -> str:
        """What links call its type."""
        return self.type_id or self.name

    def navigation(self, name: str) -> Navigation | None:
        """The navigation property of that name."""
        return next((each for each in self.navigations if each.name == name), None)

    def parse_new(self, given: Mapping[str, JsonValue], fresh: Fresh) -> Parsed:
        """An entity of which *given* says all.

        Raises:
            Refusal: FIELD_NOT_ALLOWED, FIELD_REQUIRED, FIELD_FORMAT, or what constraints raise.
        """
        self._refuse_unknown(given)
        return self._parsed({each.name: each.parse(given.get(each.name), fresh) for each in self.properties})

    def parse_merge(self, given: Mapping[str, JsonValue], old: Row, fresh: Fresh) -> Parsed:
        """The entity *old* with what *given* mentions in place of its own.

        Raises:
            Refusal: FIELD_NOT_ALLOWED, FIELD_REQUIRED, FIELD_FORMAT, or what constraints raise.
        """
        self._refuse_unknown(given)
        values: dict[str, JsonValue] = {}
        for each in self.properties:
            before = old.value(each.name)
            values[each.name] = each.merge(given[each.name], before, fresh) if each.name in given else before
        return self._parsed(values)

    def _parsed(self, values: Mapping[str, JsonValue]) -> Parsed:
        document: Values = {}
        for each in self.stored:
            _put(document, each.column, values[each.name])
        owned = self.owner.names if self.owner else ()
        return Parsed(_text(values[self.key[0]]) or "", tuple(_text(values[name]) for name in owned), document)

    def _refuse_unknown(self, given: Mapping[str, JsonValue]) -> None:
        for name in given:
            if name not in self.by_name:
                raise Refusal(FIELD_NOT_ALLOWED, field=name)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


@frozen
class EntityKey:
    """The key of an entity: a value for each key property of its set, in their order; None for a null."""

    values: tuple[str | None, ...]

    @property
    def name(self) -> str:
        """The entity's own key property, which is never null."""
        return self.values[0] or ""


@frozen
class Row:
    """An entity as its set shows it.

    ``values`` is its stored document, ``owner_key`` the key of its owner. ``related`` holds what navigation
    properties lead to, for those that were expanded.
    """

    entity_set: EntitySet
    id: str
    key: EntityKey
    values: Mapping[str, JsonValue]
    version: int
    published_ms: int
    updated_ms: int
    owner_key: tuple[str | None, ...] = ()
    related: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)

    def value(self, name: str) -> JsonValue:
        """The stored value of the property of that name."""
        entity_set = self.entity_set
        if name == entity_set.key[0]:
            return self.key.name
        if entity_set.owner is not None and name in entity_set.owner.names:
            return self.owner_key[entity_set.owner.names.index(name)]
        return self.values.get(entity_set.by_name[name].column)
