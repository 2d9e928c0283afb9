"""What is particular to user data: properties that nobody declared come to be with their first value.

What does not belong here: what user data has in common with all entities (``entities``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alveary.errors import FIELD_FORMAT, FIELD_NOT_ALLOWED, Refusal
from alveary.model.edm import SERVER_SET, EntitySet
from alveary.model.edm_values import EdmType
from alveary.model.entities import Entity, EntityKind, JsonValue
from alveary.model.names import SchemaName
from alveary.ports import Ports
from alveary.ports.store import WriteTx
from alveary.usecases.schemas import check_limits
from alveary.usecases.services import Home

_TYPES: Final[tuple[tuple[type, EdmType], ...]] = (
    (bool, EdmType.BOOLEAN),
    (int, EdmType.DOUBLE),
    (float, EdmType.DOUBLE),
    (str, EdmType.STRING),
    (type(None), EdmType.STRING),
)
"""The type that a property gets from its first value; a truth value is a number to Python, so it comes first."""


def undeclared(entity_set: EntitySet, members: Mapping[str, JsonValue]) -> dict[str, EdmType]:
    """The *members* that *entity_set* does not know yet, with the types that they are going to have.

    Raises:
        Refusal: FIELD_NOT_ALLOWED, FIELD_FORMAT.
    """
    found: dict[str, EdmType] = {}
    for name, value in members.items():
        if name in entity_set.by_name:
            continue
        if name in SERVER_SET:
            raise Refusal(FIELD_NOT_ALLOWED, field=name)
        kind = next((kind for python, kind in _TYPES if isinstance(value, python)), None)
        if kind is None or not SchemaName.PATTERN.fullmatch(name):
            raise Refusal(FIELD_FORMAT, field=name)
        found[name] = kind
    return found


async def declare(ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, found: Mapping[str, EdmType]) -> None:
    """Let *entity_set* know the properties that were *found*.

    Raises:
        Refusal: TOO_MANY_PROPERTIES.
    """
    assert home.node is not None
    schema = await tx.schemas.of(home.node)
    aliases = schema.next_aliases(entity_set.type_id, is_complex=False)
    added = [
        Entity(
            ports.ids.timed(),
            EntityKind.PROPERTY,
            entity_set.type_id,
            name,
            1,
            tx.now_ms,
            tx.now_ms,
            values={
                "Name": name,
                "Type": kind.value,
                "Nullable": True,
                "CollectionKind": "None",
                "IsKey": False,
                "IsDeclared": False,
            },
            hidden={"Alias": alias},
            refs=((EntityKind.ENTITY_TYPE.value, entity_set.type_id),),
            box=home.box,
            node=home.node,
        )
        for (name, kind), alias in zip(found.items(), aliases, strict=False)
    ]
    check_limits(ports, schema, added)
    for each in added:
        await tx.entities.save(each)
