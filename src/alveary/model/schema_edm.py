"""The entity sets of an OData collection's schema as literal tables.

What does not belong here: the sets of user data, which are made from what these hold (``user_edm``), whether the type
of a property exists, and what a schema that has data may not change any more (``usecases``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alveary.model.control_edm import Association, matching, navigations_of, one_of
from alveary.model.edm import EntitySet, Owner, Property
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind
from alveary.model.names import SchemaName

SCHEMA_NAMESPACE: Final = "ODataSvcSchema"

MULTIPLICITIES: Final = ("0..1", "1", "*")
COLLECTION_KINDS: Final = ("None", "List")

SERVER_SET: Final[Mapping[str, frozenset[str]]] = {"Property": frozenset({"IsDeclared"})}
"""The properties that entities of a set show and no client may send, beside those of every entity."""

SCHEMA_ASSOCIATIONS: Final = (
    Association("EntityType", "AssociationEnd", ("1", "*"), linkable=False),
    Association("AssociationEnd", "AssociationEnd", ("0..1", "0..1")),
    Association("EntityType", "Property", ("1", "*"), linkable=False),
    Association("ComplexType", "ComplexTypeProperty", ("1", "*"), linkable=False),
)
"""What may be linked in a schema; two association ends that are linked are a relation of their entity types."""

_NAME: Final = Property("Name", constraint=SchemaName.parse)


def _owner_name(name: str) -> Property:
    return Property(name, constraint=matching(name, SchemaName.PATTERN))


ENTITY_TYPE: Final = EntitySet(
    "EntityType",
    SCHEMA_NAMESPACE,
    EntityKind.ENTITY_TYPE,
    key=("Name",),
    properties=(_NAME,),
    navigations=navigations_of("EntityType", SCHEMA_ASSOCIATIONS),
)

ASSOCIATION_END: Final = EntitySet(
    "AssociationEnd",
    SCHEMA_NAMESPACE,
    EntityKind.ASSOCIATION_END,
    key=("Name", "_EntityType.Name"),
    properties=(
        _NAME,
        Property("Multiplicity", constraint=one_of("Multiplicity", MULTIPLICITIES)),
        _owner_name("_EntityType.Name"),
    ),
    owner=Owner(EntityKind.ENTITY_TYPE, ("_EntityType.Name",), required=True),
    navigations=navigations_of("AssociationEnd", SCHEMA_ASSOCIATIONS),
)

# What a property and a property of a complex type say of its values alike.
_TYPE: Final = (
    Property("Type"),
    Property("Nullable", EdmType.BOOLEAN, default=True),
    Property("DefaultValue", nullable=True),
    Property("CollectionKind", nullable=True, default="None", constraint=one_of("CollectionKind", COLLECTION_KINDS)),
)

PROPERTY: Final = EntitySet(
    "Property",
    SCHEMA_NAMESPACE,
    EntityKind.PROPERTY,
    key=("Name", "_EntityType.Name"),
    properties=(
        _NAME,
        _owner_name("_EntityType.Name"),
        *_TYPE,
        Property("IsKey", EdmType.BOOLEAN, default=False),
        Property("UniqueKey", nullable=True, constraint=matching("UniqueKey", SchemaName.PATTERN)),
        Property("IsDeclared", EdmType.BOOLEAN, default=True),
    ),
    owner=Owner(EntityKind.ENTITY_TYPE, ("_EntityType.Name",), required=True),
    navigations=navigations_of("Property", SCHEMA_ASSOCIATIONS),
)

COMPLEX_TYPE: Final = EntitySet(
    "ComplexType",
    SCHEMA_NAMESPACE,
    EntityKind.COMPLEX_TYPE,
    key=("Name",),
    properties=(_NAME,),
    navigations=navigations_of("ComplexType", SCHEMA_ASSOCIATIONS),
)

COMPLEX_TYPE_PROPERTY: Final = EntitySet(
    "ComplexTypeProperty",
    SCHEMA_NAMESPACE,
    EntityKind.COMPLEX_TYPE_PROPERTY,
    key=("Name", "_ComplexType.Name"),
    properties=(_NAME, _owner_name("_ComplexType.Name"), *_TYPE),
    owner=Owner(EntityKind.COMPLEX_TYPE, ("_ComplexType.Name",), required=True),
    navigations=navigations_of("ComplexTypeProperty", SCHEMA_ASSOCIATIONS),
)

SCHEMA_SETS: Final[Mapping[str, EntitySet]] = {
    each.name: each for each in (ENTITY_TYPE, ASSOCIATION_END, PROPERTY, COMPLEX_TYPE, COMPLEX_TYPE_PROPERTY)
}
"""The entity sets of a schema by name."""
