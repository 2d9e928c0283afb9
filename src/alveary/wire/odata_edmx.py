"""The EDMX of a service: what its entity sets, their types and associations are, for programs to read.

What belongs here: the spelling of ``$metadata``. What does not: which properties there are (``model``), and the
order in which they are shown (``odata_json``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alveary.model.edm import PUBLISHED, UPDATED, ComplexType, Ends, EntitySet, Navigation, Property
from alveary.model.edm_values import NOW, EdmType
from alveary.model.user_edm import ID
from alveary.wire import xml
from alveary.wire.odata_json import in_order

_OPEN: Final = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"'
    ' xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"'
    ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
    ' xmlns:p="urn:x-personium:xmlns">'
    '<edmx:DataServices m:DataServiceVersion="1.0">'
)
_CLOSE: Final = "</edmx:DataServices></edmx:Edmx>"
_SCHEMA: Final = "http://schemas.microsoft.com/ado/2006/04/edm"

_MULTIPLICITIES: Final[Mapping[Ends, tuple[str, str]]] = {
    Ends.MANY_TO_MANY: ("*", "*"),
    Ends.MANY_TO_ONE: ("*", "0..1"),
    Ends.ONE_TO_MANY: ("0..1", "*"),
    Ends.ONE_TO_ONE: ("0..1", "0..1"),
}
"""How many stand at this end of an association without a name of its own, and at the other."""

_NEW_ID: Final = "UUID()"
_ID_FORMAT: Final = "regEx('^[a-zA-Z0-9][a-zA-Z0-9-_:]{0,199}$')"


def render_edmx(
    namespace: str,
    container: str,
    entity_sets: Sequence[EntitySet],
    complex_types: Sequence[ComplexType],
    *,
    open_types: bool,
    plain_names: bool = False,
) -> bytes:
    """One schema with these sets and types, and the associations between them.

    *open_types*: entities take properties that nobody declared. *plain_names*: associations and roles have names of
    letters, digits and ``_``, which some readers insist on. A navigation property to a set that is not among
    *entity_sets* is left out.
    """
    names = {each.name for each in entity_sets}
    spell: _Spell = _PlainNames() if plain_names else str
    associations = _associations(entity_sets, names, spell)
    parts = (
        f'{_OPEN}<Schema Namespace="{_attribute(namespace)}" xmlns="{_SCHEMA}">',
        *(_complex_type(each, namespace) for each in complex_types),
        *(_entity_type(each, namespace, names, open_types, spell) for each in entity_sets),
        *(_association(each, namespace) for each in associations),
        _container(namespace, container, entity_sets, associations),
        f"</Schema>{_CLOSE}",
    )
    return "".join(parts).encode()


# Types


def _complex_type(kind: ComplexType, namespace: str) -> str:
    properties = "".join(_property(each, namespace) for each in kind.properties)
    return f'<ComplexType Name="{_attribute(kind.name)}">{properties}</ComplexType>'


def _entity_type(entity_set: EntitySet, namespace: str, names: Iterable[str], is_open: bool, spell: _Spell) -> str:
    before, after = in_order(entity_set)
    key = "".join(f'<PropertyRef Name="{_attribute(name)}"/>' for name in entity_set.key)
    properties = "".join(
        _property(each, namespace, _ID_FORMAT if is_open and each.name == ID else "")
        for each in (*before, *_TIMES, *after)
    )
    navigations = "".join(
        _navigation(_ends(entity_set, each, spell), namespace)
        for each in entity_set.navigations
        if each.target in names
    )
    opened = ' OpenType="true"' if is_open else ""
    return (
        f'<EntityType Name="{_attribute(entity_set.name)}"{opened}><Key>{key}</Key>'
        f"{properties}{navigations}</EntityType>"
    )


def _property(prop: Property, namespace: str, pattern: str = "") -> str:
    facets = (*_facets(prop, namespace), *((("p:Format", pattern),) if pattern else ()))
    return "<Property" + "".join(f' {name}="{_attribute(value)}"' for name, value in facets) + "/>"


def _facets(prop: Property, namespace: str) -> Iterator[tuple[str, str]]:
    kind = prop.type
    yield "Name", prop.name
    yield "Type", f"{namespace}.{kind.name}" if isinstance(kind, ComplexType) else kind.value
    yield "Nullable", "true" if prop.nullable else "false"
    default = _NEW_ID if prop.generated else _default(prop)
    if default is not None:
        yield "DefaultValue", default
    if prop.name in {PUBLISHED, UPDATED}:
        yield "Precision", "3"
    if prop.is_list:
        yield "CollectionKind", "List"
    if not prop.is_declared:
        yield "p:IsDeclared", "false"


def _default(prop: Property) -> str | None:
    if prop.default_text is not None:
        return prop.default_text
    default = prop.default
    if isinstance(default, bool):
        return "true" if default else "false"
    return str(default) if isinstance(default, str | int | float) else None


_TIMES: Final = tuple(
    Property(name, EdmType.DATETIME, nullable=False, default_text=NOW) for name in (PUBLISHED, UPDATED)
)


# Associations

_Spell = Callable[[str], str]
"""How the name of an association or of a role is written."""


class _PlainNames:
    """Gives names of letters, digits and ``_``: the same to the same name, never the same to two."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        if name not in self._given:
            plain = _NOT_PLAIN.sub("_", name)
            while plain in self._given.values():
                plain += "_"
            self._given[name] = plain
        return self._given[name]


_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class _End:
    """An end of an association: the set there, and how many of it."""

    role: str
    set_name: str
    multiplicity: str


@dataclass(frozen=True, slots=True)
class _Association:
    """A navigation property as a way from one end of a named association to the other."""

    name: str
    navigation: str
    near: _End
    far: _End


def _ends(entity_set: EntitySet, navigation: Navigation, spell: _Spell) -> _Association:
    here, there = entity_set.name, navigation.target
    if navigation.association:
        name, near, far = navigation.association, navigation.role, navigation.target_role
        near_count, far_count = navigation.multiplicities
    else:
        name = "-".join((*sorted((here, there)), "assoc"))
        near, far = here, there
        near_count, far_count = _MULTIPLICITIES[navigation.ends]
    if near == far:
        # Readers tell the ends of an association within one set by their roles.
        far = navigation.name
    return _Association(
        spell(name),
        navigation.name,
        _End(spell(near), here, near_count),
        _End(spell(far), there, far_count),
    )


def _associations(entity_sets: Iterable[EntitySet], names: Iterable[str], spell: _Spell) -> list[_Association]:
    """Each association once, from the end that comes first."""
    found: dict[str, _Association] = {}
    for entity_set in entity_sets:
        for each in entity_set.navigations:
            if each.target in names:
                association = _ends(entity_set, each, spell)
                found.setdefault(association.name, association)
    return list(found.values())


def _navigation(association: _Association, namespace: str) -> str:
    return (
        f'<NavigationProperty Name="{_attribute(association.navigation)}"'
        f' Relationship="{_attribute(f"{namespace}.{association.name}")}"'
        f' FromRole="{_attribute(association.near.role)}" ToRole="{_attribute(association.far.role)}"/>'
    )


def _association(association: _Association, namespace: str) -> str:
    ends = "".join(
        f'<End Role="{_attribute(each.role)}" Type="{_attribute(f"{namespace}.{each.set_name}")}"'
        f' Multiplicity="{_attribute(each.multiplicity)}"/>'
        for each in (association.near, association.far)
    )
    return f'<Association Name="{_attribute(association.name)}">{ends}</Association>'


def _container(
    namespace: str, container: str, entity_sets: Iterable[EntitySet], associations: Iterable[_Association]
) -> str:
    sets = "".join(
        f'<EntitySet Name="{_attribute(each.name)}" EntityType="{_attribute(f"{namespace}.{each.name}")}"/>'
        for each in entity_sets
    )
    association_sets = "".join(_association_set(each, namespace) for each in associations)
    return (
        f'<EntityContainer Name="{_attribute(container)}" m:IsDefaultEntityContainer="true">'
        f"{sets}{association_sets}</EntityContainer>"
    )


def _association_set(association: _Association, namespace: str) -> str:
    ends = "".join(
        f'<End Role="{_attribute(each.role)}" EntitySet="{_attribute(each.set_name)}"/>'
        for each in (association.near, association.far)
    )
    return (
        f'<AssociationSet Name="{_attribute(association.name)}"'
        f' Association="{_attribute(f"{namespace}.{association.name}")}">{ends}</AssociationSet>'
    )


def _attribute(text: str) -> str:
    """*text* for an attribute: white space other than blanks as references, lest it be read as blanks."""
    return xml.escape(text).translate(_WHITE)


_WHITE: Final = {ord(each): f"&#{ord(each)};" for each in "\t\n\r"}
