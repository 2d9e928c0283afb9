"""What tests of other people's OData clients share: units, a collection with data, the programs that they need."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.odata_site import Collection, end_path
from tests.running import RunningUnit, Site, running

_TYPES: Mapping[str, Mapping[str, str]] = {
    "Person": {
        "name": "Edm.String",
        "age": "Edm.Int32",
        "height": "Edm.Double",
        "active": "Edm.Boolean",
        "born": "Edm.DateTime",
        "home": "Address",
        "tags": "Edm.String",
    },
    "Order": {"title": "Edm.String", "price": "Edm.Double", "pieces": "Edm.Int32"},
    "Club": {"name": "Edm.String"},
}
"""The declared properties of each entity type; that of a list is among ``_LISTS``."""
_LISTS = {"tags"}
_RELATIONS = (("Person", "0..1", "Order", "*"), ("Person", "*", "Club", "*"))

BORN_MS = 482_196_050_520
"""The moment 1985-04-12T23:20:50.520."""
PERSONS: tuple[Mapping[str, Any], ...] = (
    {
        "__id": "taro",
        "name": "山田 太郎",
        "age": 39,
        "height": 1.72,
        "active": True,
        "born": f"/Date({BORN_MS})/",
        "home": {"city": "京都", "street": "河原町 1-2 <東> & 'x'"},
        "tags": ["釣り", "tea & cake", ""],
    },
    {"__id": "hanako", "name": "鈴木 花子", "age": 27, "height": 1.6, "active": False, "home": {"city": "Osaka"}},
    {"__id": "o-brien", "name": "O'Brien", "age": 61, "tags": []},
    {"__id": "nobody"},
)
ORDERS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("taro", {"__id": "o1", "title": "自転車", "price": 120.5, "pieces": 1}),
    ("taro", {"__id": "o2", "title": "ベル", "price": 3.25, "pieces": 2}),
    ("hanako", {"__id": "o3", "title": "Tea", "price": 8.0, "pieces": 10}),
)
"""Whose order each is, and what it holds; ``o4`` is nobody's."""
CLUBS: tuple[Mapping[str, Any], ...] = ({"__id": "chess", "name": "将棋"}, {"__id": "go", "name": "囲碁"})


def make_shop(cell: Site) -> Collection:
    """A collection with all that the tables above tell; answers may have the shapes of Personium or of OData V2."""
    shop = Collection.make(cell)

    def make(path: str, body: Mapping[str, Any]) -> None:
        answer = shop.call("POST", path, json=body)
        assert answer.status_code in {201, 204}, answer.text

    make("$metadata/ComplexType", {"Name": "Address"})
    for field in ("city", "street"):
        make("$metadata/ComplexTypeProperty", {"Name": field, "_ComplexType.Name": "Address", "Type": "Edm.String"})
    for entity_type, properties in _TYPES.items():
        make("$metadata/EntityType", {"Name": entity_type})
        for field, kind in properties.items():
            said = {"Name": field, "_EntityType.Name": entity_type, "Type": kind}
            make("$metadata/Property", {**said, "CollectionKind": "List"} if field in _LISTS else said)
    for first, first_count, second, second_count in _RELATIONS:
        near, far = f"{first}-to-{second}", f"{second}-to-{first}"
        end = {"Name": near, "Multiplicity": first_count, "_EntityType.Name": first}
        other = {"Name": far, "Multiplicity": second_count, "_EntityType.Name": second}
        make("$metadata/AssociationEnd", end)
        make(f"{end_path(first, near)}/_AssociationEnd", other)
    for person in PERSONS:
        make("Person", person)
    for owner, order in ORDERS:
        make(f"Person('{owner}')/_Order", order)
    make("Order", {"__id": "o4", "title": "nobody's"})
    for club in CLUBS:
        make("Club", club)
        assert shop.link("Person('taro')", f"Club('{club['__id']}')").status_code == 204
    assert shop.link("Person('hanako')", "Club('go')").status_code == 204
    return shop


@pytest.fixture(scope="session")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit whose answers have the shapes of Personium where nobody asks for others."""
    with running(tmp_path_factory.mktemp("unit") / "data") as unit:
        yield unit


@pytest.fixture(scope="session")
def v2_unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit whose answers have the shapes of OData V2."""
    with running(tmp_path_factory.mktemp("v2") / "data", **{"odata.shape": "v2"}) as unit:
        yield unit


@pytest.fixture(scope="module")
def shop(v2_unit: RunningUnit) -> Collection:
    """A collection of the V2 unit, for tests that only read what is there, or undo nothing that others read."""
    return make_shop(v2_unit.cell())


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """What gives the path of the program of that name; without it a test is skipped, or fails where CI is set."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            assert "CI" not in os.environ, f"{name} is missing"
            pytest.skip(f"{name} is not installed")
        return found

    return find


@pytest.fixture(scope="session")
def fetched(pytestconfig: pytest.Config) -> Callable[[Path, Callable[[Path], object]], Path]:
    """What keeps for further runs what is fetched for a list of packages.

    It takes the file that lists them, and what fetches them into a folder that holds a copy of the files beside it.
    """

    def keep(packages: Path, fetch: Callable[[Path], object]) -> Path:
        digest = hashlib.sha256(packages.read_bytes()).hexdigest()[:16]
        assert pytestconfig.cache is not None
        kept = pytestconfig.cache.mkdir("clients") / f"{packages.parent.name}-{digest}"
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=kept.parent) as raw:
                fresh = Path(raw) / "fresh"
                shutil.copytree(packages.parent, fresh)
                fetch(fresh)
                with suppress(OSError):  # another process was quicker
                    fresh.rename(kept)
        return kept

    return keep
