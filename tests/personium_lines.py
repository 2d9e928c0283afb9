"""What the lines of a snapshot say that Personium's own server wrote, read without our own readers.

What does not belong here: what is claimed of it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.snapshot_unit import FIXTURE

Line = dict[str, Any]
USER_DATA, LINKS = "70_userdata", "80_link"
SCHEMA_ENTRIES = {
    "EntityType": "40_entitytype",
    "ComplexType": "41_complextype",
    "Property": "50_property",
    "ComplexTypeProperty": "51_complextypeproperty",
    "AssociationEnd": "60_associationend",
}
COUNTS = {"Person": 40, "Order": 100, "Product": 40, "Tag": 20}
EVERY = 200


def raw_lines(archive: bytes, entry: str) -> list[bytes]:
    """The lines of an entry of a snapshot."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return source.read(f"10_odata/{entry}.pjson").splitlines()


def lines(archive: bytes, entry: str) -> list[Line]:
    return [json.loads(line) for line in raw_lines(archive, entry)]


@dataclass
class Told:
    """What the lines of the snapshot say, through the aliases of its schema."""

    archive: bytes

    def __post_init__(self) -> None:
        self.types = {line["_id"]: line["_source"]["s"]["Name"] for line in lines(self.archive, "40_entitytype")}
        complex_types = {line["_id"]: line["_source"]["s"]["Name"] for line in lines(self.archive, "41_complextype")}
        self.columns: dict[str, dict[str, tuple[str, str]]] = {}
        for entry, owner, owners in (
            ("50_property", "EntityType", self.types),
            ("51_complextypeproperty", "ComplexType", complex_types),
        ):
            for line in lines(self.archive, entry):
                source = line["_source"]
                column = source["s"]["Name"], source["s"]["Type"]
                self.columns.setdefault(owners[source["l"][owner]], {})[source["h"]["Alias"]] = column
        self.entities: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self.types.values()}
        self.key_of: dict[str, tuple[str, str]] = {}
        self.links: set[frozenset[tuple[str, str]]] = set()
        for line in lines(self.archive, USER_DATA):
            source = line["_source"]
            name, key = self.types[source["t"]], source["s"]["__id"]
            self.key_of[line["_id"]] = name, key
            self.entities[name][key] = {
                "__id": key,
                "__published": f"/Date({source['p']})/",
                "__updated": f"/Date({source['u']})/",
                **self._values(name, source["s"]),
            }
        for line in lines(self.archive, USER_DATA):
            for each in line["_source"]["ll"]:
                self.links.add(frozenset({self.key_of[line["_id"]], self.key_of[each.split(":")[1]]}))
        for line in lines(self.archive, LINKS):
            ends = {self.key_of.get(line["_source"]["k1"]), self.key_of.get(line["_source"]["k2"])}
            if None not in ends:
                self.links.add(frozenset(each for each in ends if each))

    def _values(self, owner: str, held: dict[str, Any]) -> dict[str, Any]:
        return {
            name: self._value(kind, held.get(alias)) for alias, (name, kind) in sorted(self.columns[owner].items())
        }

    def _value(self, kind: str, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, list):
            return [self._value(kind, each) for each in value]
        match kind:
            case "Edm.Double":
                assert isinstance(value, str)
                return float(value)
            case "Edm.Boolean":
                return {"true": True, "false": False}[value]
            case "Edm.DateTime":
                return f"/Date({value})/"
            case "Edm.String" | "Edm.Int32" | "Edm.Single":
                return value
        return self._values(kind, value)

    def named(self, name: str, holds: Callable[[dict[str, Any]], object]) -> set[str]:
        """The ids of the entities of a type of which that holds."""
        return {key for key, values in self.entities[name].items() if holds(values)}

    def linked(self, name: str, key: str, target: str) -> set[str]:
        """The ids of the entities of the type *target* that one is linked with."""
        here = (name, key)
        others = [other for link in self.links if here in link for other in link - {here}]
        return {other for kind, other in others if kind == target}


PERSONIUM = FIXTURE.read_bytes()
TOLD = Told(PERSONIUM)


def shown(entity: dict[str, Any]) -> dict[str, Any]:
    """An answer without what leads elsewhere."""
    led = {name for name, value in entity.items() if isinstance(value, dict) and "__deferred" in value}
    return {name: value for name, value in entity.items() if name != "__metadata" and name not in led}
