"""Where the values of an entity set's properties stand: from names, as queries have them, to columns.

What does not belong here: the spelling of paths (``wire``), and what is asked of a column (``queries``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alveary.model.edm import PUBLISHED, UPDATED, ComplexType, EntitySet, Property
from alveary.model.edm_values import EdmType
from alveary.model.queries import Column, Source


@dataclass(frozen=True, slots=True)
class Found:
    """The property that a path of names ends at, and where its value stands: None for a complex value."""

    property: Property
    column: Column | None


_TIMES: Final = {
    PUBLISHED: Found(Property(PUBLISHED, EdmType.DATETIME), Column(EdmType.DATETIME, Source.PUBLISHED)),
    UPDATED: Found(Property(UPDATED, EdmType.DATETIME), Column(EdmType.DATETIME, Source.UPDATED)),
}
_OWNER_SOURCES: Final = (Source.OWNER_KEY, Source.OWNERS_OWNER_KEY)


def find_column(entity_set: EntitySet, path: tuple[str, ...]) -> Found | None:
    """What *path*, a name and then names within complex values, leads to; None when it leads nowhere.

    There is no way through a list of complex values.
    """
    first = entity_set.by_name.get(path[0])
    if first is None:
        return _TIMES.get(path[0]) if len(path) == 1 else None
    if len(path) == 1:
        source = _source(entity_set, first.name)
        if source is not None and isinstance(first.type, EdmType):
            return Found(first, Column(first.type, source))
    return _descend(first, path[1:])


def _source(entity_set: EntitySet, name: str) -> Source | None:
    """Where a part of the key stands, None for what is no part of it."""
    if name == entity_set.key[0]:
        return Source.KEY
    owner = entity_set.owner
    if owner is None or name not in owner.names:
        return None
    return _OWNER_SOURCES[owner.names.index(name)]


def _descend(first: Property, names: tuple[str, ...]) -> Found | None:
    here = first
    steps: tuple[str, ...] = (first.column,)
    for name in names:
        if not isinstance(here.type, ComplexType) or here.is_list or name not in here.type.by_name:
            return None
        here = here.type.by_name[name]
        steps = (*steps, here.column)
    if isinstance(here.type, ComplexType):
        return Found(here, None)
    return Found(here, Column(here.type, path=steps, is_list=here.is_list))
