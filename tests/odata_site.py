"""An OData collection of a running unit, and what tests do with it: its schema made, its entities asked for.

What does not belong here: what is claimed of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.running import MASTER, Site

Json = Any

SCHEMA = "$metadata/"
JSON = {"Accept": "application/json"}
ATOM = {"Accept": "application/atom+xml"}
VERBOSE = {"Accept": "application/json;odata=verbose"}

_MKCOL = (
    '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype>'
    "<D:collection/><p:odata/></D:resourcetype></D:prop></D:set></D:mkcol>"
)
_NAMES: Iterator[int] = itertools.count()


def code(answer: httpx.Response) -> str:
    """The code of a refusal, whose status it holds and whose body is the one of every error."""
    body = answer.json()
    assert body.keys() == {"code", "message"}, answer.text
    assert body["message"].keys() == {"lang", "value"}
    found = str(body["code"])
    assert found[2:5] == str(answer.status_code), answer.text
    assert answer.headers["content-type"].startswith("application/json")
    return found


def names_field(answer: httpx.Response, field: str) -> bool:
    """Whether a refusal says *field* between brackets."""
    return f"[{field}]" in str(answer.json()["message"]["value"])


def results(answer: httpx.Response) -> Json:
    """What is below ``d.results`` of a success."""
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()["d"]["results"]


def ids(answer: httpx.Response) -> list[str]:
    """The ids of a list of user data, in its order."""
    return [str(each["__id"]) for each in results(answer)]


def follow(od: Collection, answer: httpx.Response) -> Iterator[httpx.Response]:
    """*answer* and all pages behind it."""
    while True:
        yield answer
        next_url = answer.json()["d"].get("__next")
        if next_url is None:
            return
        answer = od.site.http.get(next_url, headers={**JSON, "Authorization": f"Bearer {MASTER}"})


def asking(options: Mapping[str, object]) -> dict[str, str]:
    """Query options by their names without the ``$``; ``q`` has none."""
    return {name if name == "q" else f"${name}": str(value) for name, value in options.items()}


@dataclass(slots=True)
class Collection:
    """An OData collection. Paths are below its URL; *token* is who asks, the unit itself unless said otherwise."""

    site: Site
    path: str

    @classmethod
    def make(cls, site: Site, path: str | None = None) -> Collection:
        """A new one, in the main box unless *path* says otherwise."""
        path = path or f"__/od{next(_NAMES)}"
        made = site.call("MKCOL", path, content=_MKCOL)
        assert made.status_code == 201, made.text
        return cls(site, path)

    @property
    def url(self) -> str:
        """Its URL, which ends in a slash."""
        return f"{self.site.url}{self.path}/"

    def call(self, method: str, path: str = "", *, token: str | None = MASTER, **options: Any) -> httpx.Response:
        """One request on what *path* leads to below it, empty: on itself."""
        return self.site.call(method, f"{self.path}/{path}" if path else self.path, token=token, **options)

    def get(self, path: str, **options: object) -> httpx.Response:
        """A GET with query options, named without ``$``."""
        return self.call("GET", path, params=asking(options) or None, headers=JSON)

    def post(self, path: str, body: Json) -> httpx.Response:
        """A POST of JSON."""
        return self.call("POST", path, json=body, headers=JSON)

    # Its schema

    def declare(self, entity_set: str, /, **fields: Json) -> Json:
        """A new entity of the schema; dots in names of fields as two underscores."""
        body = {name.replace("__", "."): value for name, value in fields.items()}
        return results(self.post(SCHEMA + entity_set, body))

    def entity_type(self, name: str, /, **properties: str) -> None:
        """A new entity type with those properties, said by their types; ``List`` before the type: a list."""
        self.declare("EntityType", Name=name)
        for each, kind in properties.items():
            self.prop(name, each, kind)

    def complex_type(self, name: str, /, **properties: str) -> None:
        """The same of a complex type."""
        self.declare("ComplexType", Name=name)
        for each, kind in properties.items():
            self.member(name, each, kind)

    def prop(self, owner: str, name: str, kind: str = "Edm.String", **fields: Json) -> Json:
        """A new property of an entity type."""
        body = {"Name": name, "_EntityType.Name": owner, **_typed(kind), **fields}
        return results(self.post(f"{SCHEMA}Property", body))

    def member(self, owner: str, name: str, kind: str = "Edm.String", **fields: Json) -> Json:
        """A new property of a complex type."""
        body = {"Name": name, "_ComplexType.Name": owner, **_typed(kind), **fields}
        return results(self.post(f"{SCHEMA}ComplexTypeProperty", body))

    def end(self, entity_type: str, name: str, multiplicity: str) -> str:
        """A new association end; its path."""
        body = {"Name": name, "Multiplicity": multiplicity, "_EntityType.Name": entity_type}
        results(self.post(f"{SCHEMA}AssociationEnd", body))
        return end_path(entity_type, name)

    def join(self, one: str, other: str) -> httpx.Response:
        """Link the two association ends at those paths."""
        return self.post(f"{one}/$links/_AssociationEnd", {"uri": self.url + other})

    def relate(self, one: str, multiplicity: str, other: str, other_multiplicity: str) -> None:
        """A new relation between two entity types."""
        first = self.end(one, f"to-{other}", multiplicity)
        second = self.end(other, f"of-{one}" if one == other else f"to-{one}", other_multiplicity)
        joined = self.join(first, second)
        assert joined.status_code == 204, joined.text

    # Its data

    def create(self, entity_set: str, /, **values: Json) -> Json:
        """A new entity as the answer shows it."""
        return results(self.post(entity_set, values))

    def link(self, one: str, other: str) -> httpx.Response:
        """Link the entities at those paths along the navigation property to the other's set."""
        return self.post(f"{one}/$links/_{other.partition('(')[0]}", {"uri": self.url + other})

    def related(self, one: str, navigation: str) -> list[str]:
        """The ids of what *navigation* leads to from the entity at *one*."""
        return ids(self.get(f"{one}/{navigation}"))


def end_path(entity_type: str, name: str) -> str:
    """The path of an association end."""
    return f"{SCHEMA}AssociationEnd(Name='{name}',_EntityType.Name='{entity_type}')"


def prop_path(owner: str, name: str) -> str:
    """The path of a property of an entity type."""
    return f"{SCHEMA}Property(Name='{name}',_EntityType.Name='{owner}')"


def member_path(owner: str, name: str) -> str:
    """The path of a property of a complex type."""
    return f"{SCHEMA}ComplexTypeProperty(Name='{name}',_ComplexType.Name='{owner}')"


def _typed(kind: str) -> dict[str, str]:
    *is_list, name = kind.split()
    return {"Type": name, **({"CollectionKind": "List"} if is_list else {})}


# A schema to try things on

EVERY_TYPE = {
    "name": "Edm.String",
    "active": "Edm.Boolean",
    "age": "Edm.Int32",
    "height": "Edm.Single",
    "weight": "Edm.Double",
    "born": "Edm.DateTime",
    "address": "Address",
    "tags": "List Edm.String",
    "scores": "List Edm.Int32",
    "homes": "List Address",
}


def shop(site: Site, path: str | None = None) -> Collection:
    """Persons with values of every type, and orders, products and cards that they are related with.

    A person has many orders, an order many products, as a product many orders, and a person one card at most.
    """
    collection = Collection.make(site, path)
    collection.complex_type("Geo", lat="Edm.Double", place="Edm.String")
    collection.complex_type("Address", city="Edm.String", zip="Edm.Int32", geo="Geo")
    collection.entity_type("Person", **EVERY_TYPE)
    collection.entity_type("Order", number="Edm.Int32", note="Edm.String")
    collection.entity_type("Product", title="Edm.String", price="Edm.Double")
    collection.entity_type("Card", number="Edm.String")
    collection.relate("Person", "0..1", "Order", "*")
    collection.relate("Order", "*", "Product", "*")
    collection.relate("Person", "0..1", "Card", "1")
    return collection
