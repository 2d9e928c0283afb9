"""Apache Olingo 2, a library of OData V2 in Java: it reads what a unit answers, and a unit what it writes.

Its readers are strict: they stop at what the schema or OData V2 do not have.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import BORN_MS, make_shop
from tests.odata_site import VERBOSE, Collection
from tests.running import RunningUnit, Site

pytestmark = pytest.mark.timeout(300)  # the first run fetches the library

FOLDER = Path(__file__).parent / "olingo"
ATOM = "application/atom+xml"
JSON = "application/json"
BOTH = pytest.mark.parametrize("how", ["atom", "json"])
NO_LISTS = "$select=active,age,born,height,home,name"
BATCH_BOUNDARY = "batch_of_olingo"

TARO = {
    "__id": "taro",
    "name": "山田 太郎",
    "age": 39,
    "height": 1.72,
    "active": True,
    "born": BORN_MS,
    "home": {"city": "京都", "street": "河原町 1-2 <東> & 'x'"},
}
O1 = {"__id": "o1", "title": "自転車", "price": 120.5, "pieces": 1}


@dataclass(slots=True)
class Olingo:
    """The library's readers, and the documents that are collected for them."""

    java: str
    classpath: str
    folder: Path
    jobs: list[str] = field(default_factory=list)

    def collect(self, kind: str, name: str, entity_set: str, content_type: str, body: bytes) -> None:
        """A document to be read, of that kind, under a name of its own."""
        (self.folder / name).write_bytes(body)
        self.jobs.append("|".join((kind, name, entity_set, content_type)))

    def read(self) -> dict[str, Any]:
        """What the documents hold by their names; ``error`` where they cannot be read."""
        done = run(self.java, "-cp", self.classpath, "Reader", self.folder, *self.jobs)
        self.jobs = self.jobs[:1]  # the schema
        return dict(json.loads(done))


def run(*command: object) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def olingo(
    program: Callable[[str], str],
    fetched: Callable[[Path, Callable[[Path], object]], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], Olingo]:
    """What makes a reader without documents."""
    java, javac, maven = program("java"), program("javac"), program("mvn")

    def fetch(folder: Path) -> None:
        to = f"-DoutputDirectory={folder / 'lib'}"
        run(maven, "-q", "-B", "-f", folder / "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime", to)

    lib = fetched(FOLDER / "pom.xml", fetch) / "lib"
    classes = tmp_path_factory.mktemp("classes")
    run(javac, "-encoding", "UTF-8", "-cp", lib / "*", "-d", classes, FOLDER / "Reader.java")
    return lambda: Olingo(java, f"{classes}{os.pathsep}{lib / '*'}", tmp_path_factory.mktemp("documents"))


def ask(shop: Collection, path: str, accept: str) -> bytes:
    answer = shop.call("GET", path, headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["dataserviceversion"] in {"1.0", "2.0"}
    assert answer.headers["content-type"].startswith(("application/xml", ATOM) if accept == ATOM else JSON)
    return answer.content


READ: Sequence[tuple[str, str, str, str]] = (
    ("feed", "persons", "Person", f"Person?$inlinecount=allpages&$expand=_Order&$orderby=__id&{NO_LISTS}"),
    ("feed", "no persons", "Person", "Person?$inlinecount=allpages&$filter=age eq 1000"),
    ("entry", "person", "Person", f"Person('taro')?$expand=_Order,_Club&{NO_LISTS}"),
    ("entry", "order", "Order", "Order('o3')?$expand=_Person"),
    ("entry", "order of nobody", "Order", "Order('o4')?$expand=_Person"),
    ("entry", "owner", "Person", f"Order('o1')/_Person?{NO_LISTS}"),
    ("feed", "clubs", "Club", "Person('taro')/_Club?$orderby=__id"),
)
"""Kind, name, set and path of what is read in both formats."""


@pytest.fixture(scope="module")
def read(olingo: Callable[[], Olingo], shop: Collection) -> dict[str, Any]:
    """All that tests look at, read at once."""
    reader = olingo()
    reader.collect("metadata", "schema", "", "", ask(shop, "$metadata", ATOM))
    reader.collect("service", "service atom", "", "application/atomsvc+xml", ask(shop, "", ATOM))
    reader.collect("service", "service json", "", JSON, ask(shop, "", JSON))
    for kind, name, entity_set, path in READ:
        for how, accept in (("atom", ATOM), ("json", JSON)):
            reader.collect(kind, f"{name} {how}", entity_set, accept, ask(shop, path, accept))
    reader.collect("entry", "listed atom", "Person", ATOM, ask(shop, "Person('taro')", ATOM))
    reader.collect("entry", "listed json", "Person", JSON, ask(shop, "Person('taro')", JSON))
    reader.collect("links", "links", "Order", JSON, ask(shop, "Person('taro')/$links/_Order", JSON))
    reader.collect("link", "link", "Person", JSON, ask(shop, "Order('o1')/$links/_Person", JSON))
    reader.collect("name", "name", "Person", JSON, ask(shop, "Person('taro')/name", JSON))
    reader.collect("home", "home", "Person", JSON, ask(shop, "Person('taro')/home", JSON))
    return reader.read()


def values(entity: dict[str, Any], *names: str) -> dict[str, Any]:
    assert "error" not in entity, entity["error"]
    return {name: entity[name] for name in names}


# $metadata


def test_the_schema_is_read_with_its_types_and_ways(read: dict[str, Any]) -> None:
    times = {"__published": "Edm.DateTime", "__updated": "Edm.DateTime"}
    assert read["schema"] == {
        "Club": {"key": ["__id"], "__id": "Edm.String", "name": "Edm.String", **times, "_Person": "Person *"},
        "Order": {
            "key": ["__id"],
            "__id": "Edm.String",
            **times,
            "title": "Edm.String",
            "price": "Edm.Double",
            "pieces": "Edm.Int32",
            "_Person": "Person 0..1",
        },
        "Person": {
            "key": ["__id"],
            "__id": "Edm.String",
            **times,
            "name": "Edm.String",
            "age": "Edm.Int32",
            "height": "Edm.Double",
            "active": "Edm.Boolean",
            "born": "Edm.DateTime",
            "home": "UserData.Address",
            "tags": "Edm.String",
            "_Order": "Order *",
            "_Club": "Club *",
        },
    }


def test_the_schema_is_read_where_a_header_asks_for_v2(olingo: Callable[[], Olingo], unit: RunningUnit) -> None:
    shop = make_shop(unit.cell())
    reader = olingo()
    for name, headers in (("as asked", VERBOSE), ("as it is", {})):
        reader.collect("metadata", name, "", "", shop.call("GET", "$metadata", headers=headers).content)
    found = reader.read()
    assert found["as asked"].keys() == {"Club", "Order", "Person"}
    assert found["as it is"].keys() == {"error"}


def test_the_schema_of_a_unit_is_read(olingo: Callable[[], Olingo], v2_unit: RunningUnit) -> None:
    reader = olingo()
    schema = Site(v2_unit.http, "", v2_unit.url).call("GET", "__ctl/$metadata").content
    reader.collect("metadata", "schema", "", "", schema)
    assert reader.read()["schema"]["Cell"]["key"] == ["Name"]


@BOTH
def test_a_service_document_names_the_sets(read: dict[str, Any], how: str) -> None:
    assert read[f"service {how}"] == ["Club", "Order", "Person"]


# Entities


@BOTH
def test_an_entity_has_its_values_and_a_tag(read: dict[str, Any], shop: Collection, how: str) -> None:
    taro = read[f"person {how}"]
    assert values(taro, *TARO) == TARO
    assert taro["(uri)"] == f"{shop.url}Person('taro')"
    assert taro["(etag)"].startswith('W/"1-')
    assert taro["__published"] <= taro["__updated"]


@BOTH
def test_what_an_entity_leads_to_is_read_with_it(read: dict[str, Any], how: str) -> None:
    taro = read[f"person {how}"]
    assert {each["__id"]: each["title"] for each in taro["_Order"]["entries"]} == {"o1": "自転車", "o2": "ベル"}
    assert {each["name"] for each in taro["_Club"]["entries"]} == {"将棋", "囲碁"}


@BOTH
def test_one_entity_is_no_list(read: dict[str, Any], how: str) -> None:
    assert values(read[f"owner {how}"], *TARO) == TARO


@BOTH
def test_an_entity_of_nobody_leads_to_none(read: dict[str, Any], how: str) -> None:
    order = read[f"order of nobody {how}"]
    assert order["title"] == "nobody's"
    assert order.get("_Person") is None


def test_an_entity_along_a_way_to_one_is_read_with_it(read: dict[str, Any]) -> None:
    owner = read["order atom"]["_Person"]
    assert values(owner, "__id", "name", "home") == {
        "__id": "hanako",
        "name": "鈴木 花子",
        "home": {"city": "Osaka", "street": None},
    }


@BOTH
def test_a_list_has_its_entities_in_order_and_their_number(read: dict[str, Any], how: str) -> None:
    persons = read[f"persons {how}"]
    assert [each["__id"] for each in persons["entries"]] == ["hanako", "nobody", "o-brien", "taro"]
    assert persons["count"] == 4
    assert persons["next"] is None
    assert values(persons["entries"][3], *TARO) == TARO
    assert values(persons["entries"][1], "name", "home", "born") == {"name": None, "home": None, "born": None}
    assert [len(each["_Order"]["entries"]) for each in persons["entries"]] == [1, 0, 0, 2]


@BOTH
def test_a_list_may_have_no_entities(read: dict[str, Any], how: str) -> None:
    assert read[f"no persons {how}"] == {"count": 0, "entries": [], "next": None}


@BOTH
def test_a_list_along_a_way_is_read(read: dict[str, Any], how: str) -> None:
    assert [each["name"] for each in read[f"clubs {how}"]["entries"]] == ["将棋", "囲碁"]


def test_lists_of_values_are_passed_over_in_atom_and_must_be_left_out_in_json(read: dict[str, Any]) -> None:
    assert values(read["listed atom"], *TARO) == TARO
    assert "tags" not in read["listed atom"]
    assert "'tags' is not compatible" in read["listed json"]["error"]


# What is no entity


def test_links_are_read(read: dict[str, Any], shop: Collection) -> None:
    assert read["links"] == [f"{shop.url}Order('o1')", f"{shop.url}Order('o2')"]
    assert read["link"] == f"{shop.url}Person('taro')"


def test_single_properties_are_read(read: dict[str, Any]) -> None:
    assert read["name"] == {"name": TARO["name"]}
    assert read["home"] == {"home": TARO["home"]}


# $batch


def test_a_batch_that_the_library_wrote_is_carried_out_and_its_answer_read(
    olingo: Callable[[], Olingo], v2_unit: RunningUnit
) -> None:
    shop = make_shop(v2_unit.cell())
    reader = olingo()
    reader.collect("metadata", "schema", "", "", ask(shop, "$metadata", ATOM))
    reader.collect("batch request", "request", "Person", "", shop.url.encode())
    request = reader.read()["request"]
    headers = {"Content-Type": f"multipart/mixed; boundary={BATCH_BOUNDARY}"}
    answer = shop.call("POST", "$batch", content=request, headers=headers)
    assert answer.status_code == 202, answer.text
    reader.collect("batch", "answer", "", answer.headers["content-type"], answer.content)
    made, changed, listed = reader.read()["answer"]
    assert (made[0], changed[0], listed[0]) == ("201", "204", "200")
    (found,) = json.loads(listed[1])["d"]["results"]
    assert (found["name"], found["age"], found["born"]) == ("泉", 13, f"/Date({BORN_MS})/")
    assert found["home"] == {"__metadata": {"type": "UserData.Address"}, "city": "札幌", "street": "北1条"}
