"""What is asked of the entities of a store: which, in which order, which part of them.

An expression is two-valued: a comparison with a null is false, but ``eq`` and ``ne`` tell nulls from values, and what
an operation makes of a null is null. What does not belong here: names of properties (a column is where a value is
stored), grammar (``wire.odata_filter``), and how a store answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind, JsonValue
from alveary.model.values import frozen


class Source(Enum):
    """Where in an entity a value stands."""

    DOCUMENT = auto()
    KEY = auto()
    OWNER_KEY = auto()
    """The key of the entity that its own key is unique in."""
    OWNERS_OWNER_KEY = auto()
    PUBLISHED = auto()
    UPDATED = auto()
    ID = auto()
    """The id that no client sees."""


@dataclass(frozen=True, slots=True)
class Column:
    """A value of an entity; ``path`` leads to it within the stored document."""

    type: EdmType
    source: Source = Source.DOCUMENT
    path: tuple[str, ...] = ()
    is_list: bool = False

    def in_document(self, document: Mapping[str, JsonValue]) -> JsonValue:
        """What stands at ``path`` in a stored document, None when nothing does."""
        value: JsonValue = dict(document)
        for step in self.path:
            value = value.get(step) if isinstance(value, dict) else None
        return value


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: a stored value, None for a null."""

    value: str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class Call:
    """What a function of ``model.functions`` makes of its arguments; null when one of them is."""

    function: str
    arguments: tuple[Term, ...]


Term = Column | Literal | Call
"""What has a value."""


class Comparison(StrEnum):
    """How two values are compared, in OData's words."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"


@dataclass(frozen=True, slots=True)
class Compare:
    """Two terms compared: texts by code points, numbers and moments by size."""

    comparison: Comparison
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Contains:
    """Whether a list (never a null one) holds an element that equals a constant."""

    column: Column
    value: Literal


@dataclass(frozen=True, slots=True)
class Holds:
    """Whether a term of type Edm.Boolean is true."""

    term: Term


@dataclass(frozen=True, slots=True)
class All:
    """Whether every part holds; with none, it does."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Whether a part holds; with none, none does."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Whether the part does not hold."""

    part: Expression


Expression = Compare | Contains | Holds | All | Some | Not
"""What is true of an entity or not."""


@dataclass(frozen=True, slots=True)
class Order:
    """A column that a list is sorted by; nulls come last either way."""

    column: Column
    descending: bool = False


class Direction(Enum):
    """On which side of a link the entity stands that a list begins at."""

    BOTH = auto()
    """An N:N link."""
    FROM = auto()
    """It holds the N:1 link."""
    TO = auto()
    """It is what N:1 links lead to."""


@dataclass(frozen=True, slots=True)
class Along:
    """The entities that are linked with the one of that id, by links to (or from) the type ``link_type``."""

    entity_id: str
    link_type: str
    direction: Direction


@frozen
class Query:
    """Entities of a kind: those of a ``scope`` or a ``node`` when given, linked, filtered, sorted, a part of them.

    ``words`` must all be in the texts of an entity. After ``order``, and without one, entities are sorted by the time
    of their making, then by their key, then by their id. ``top`` None: all.
    """

    kind: EntityKind
    scope: str | None = None
    node: str | None = None
    along: Along | None = None
    where: Expression | None = None
    words: tuple[str, ...] = ()
    order: tuple[Order, ...] = ()
    skip: int = 0
    top: int | None = None
