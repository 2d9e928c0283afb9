"""datajs, a client of OData V2 in JavaScript: what it reads and writes is what is there.

It asks for the shapes of OData V2 by its Accept header, so that any unit will do.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import make_shop
from tests.odata_site import Collection
from tests.running import MASTER, RunningUnit

pytestmark = pytest.mark.timeout(300)  # the first run fetches the client

FOLDER = Path(__file__).parent / "datajs"
BORN = "1985-04-12T23:20:50.520Z"
HOME = {"__metadata": {"type": "UserData.Address"}, "city": "京都", "street": "河原町 1-2 <東> & 'x'"}
TARO = {
    "__id": "taro",
    "name": "山田 太郎",
    "age": 39,
    "height": 1.72,
    "active": True,
    "born": BORN,
    "home": HOME,
    "tags": ["釣り", "tea & cake", ""],
}
BOTH = pytest.mark.parametrize("how", ["atom", "json"])

Step = dict[str, Any]
Run = Callable[[Collection, Sequence[Step]], dict[str, Any]]


@pytest.fixture(scope="module")
def datajs(program: Callable[[str], str], fetched: Callable[[Path, Callable[[Path], object]], Path]) -> Run:
    """What takes steps on a collection, and gives their results by their names."""
    node, npm = program("node"), program("npm")

    def fetch(folder: Path) -> None:
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    modules = fetched(FOLDER / "package-lock.json", fetch) / "node_modules"

    def run(shop: Collection, steps: Sequence[Step]) -> dict[str, Any]:
        asked = json.dumps({"url": shop.url, "token": MASTER, "steps": steps})
        command = [node, str(FOLDER / "driver.js"), str(modules)]
        done = subprocess.run(command, input=asked, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return run


@pytest.fixture(scope="module", params=["personium", "v2"])
def new_shop(request: pytest.FixtureRequest, unit: RunningUnit, v2_unit: RunningUnit) -> Callable[[], Collection]:
    """What makes a collection, in a unit with the shapes of either."""
    return lambda: make_shop((v2_unit if request.param == "v2" else unit).cell())


@pytest.fixture(scope="module")
def shop(new_shop: Callable[[], Collection]) -> Collection:
    """The collection that is read."""
    return new_shop()


def both(name: str, path: str) -> list[Step]:
    """The same read as JSON and as Atom, which needs the schema to tell numbers from texts."""
    return [
        {"name": f"{name} json", "path": path},
        {"name": f"{name} atom", "path": path, "handler": "atomHandler", "typed": "schema"},
    ]


@pytest.fixture(scope="module")
def read(datajs: Run, shop: Collection) -> dict[str, Any]:
    """All that tests look at, read at once."""
    steps = [
        {"name": "schema", "path": "$metadata", "handler": "metadataHandler"},
        *both("service", ""),
        *both("persons", "Person?$inlinecount=allpages&$orderby=__id&$expand=_Order"),
        *both("some persons", "Person?$filter=startswith(name,'鈴木') or age gt 60&$orderby=age desc&$top=1&$skip=1"),
        *both("person", "Person('taro')?$expand=_Order,_Club"),
        *both("order", "Order('o3')?$expand=_Person"),
        *both("order of nobody", "Order('o4')?$expand=_Person"),
        {"name": "orders", "path": "Person('taro')/_Order?$orderby=__id"},
        {"name": "owner", "path": "Order('o3')/_Person"},
        {"name": "no owner", "path": "Order('o4')/_Person"},
        {"name": "links", "path": "Person('taro')/$links/_Order"},
        {"name": "link", "path": "Order('o1')/$links/_Person"},
        {"name": "property", "path": "Person('taro')/home"},
        {"name": "value", "path": "Person('taro')/name/$value"},
        {"name": "count", "path": "Person/$count?$filter=age gt 30"},
    ]
    return datajs(shop, steps)


@pytest.fixture(scope="module")
def wrote(datajs: Run, new_shop: Callable[[], Collection]) -> dict[str, Any]:
    """What each of some changes, one after the other, was answered with, and what was there then."""
    new = {**TARO, "__id": "new", "born": "/Date(482196050520)/"}
    changes = [
        {"requestUri": "Person", "method": "POST", "data": {"__id": "of-batch", "name": "一括", "home": HOME}},
        {"requestUri": "Person('new')", "method": "MERGE", "data": {"age": 101}},
        {"requestUri": "Person('of-batch')", "method": "PUT", "data": {"age": 102}},
        {"requestUri": "Person('hanako')/$links/_Order('o3')", "method": "DELETE"},
    ]
    failing = [
        {"requestUri": "Person", "method": "POST", "data": {"__id": "half-made"}},
        {"requestUri": "Person('never-there')", "method": "MERGE", "data": {"age": 1}},
    ]

    def batch(name: str, *parts: dict[str, Any]) -> Step:
        return {"name": name, "path": "$batch", "method": "POST", "handler": "batchHandler", "parts": parts}

    steps = [
        {"name": "made", "path": "Person", "method": "POST", "data": new},
        {"name": "made again", "path": "Person", "method": "POST", "data": new},
        {"name": "ordered", "path": "Person('new')/_Order", "method": "POST", "data": {"title": "箱"}},
        {"name": "orders", "path": "Person('new')/_Order"},
        {"name": "merged", "path": "Person('new')", "method": "MERGE", "data": {"age": 40}},
        {"name": "patched", "path": "Person('new')", "method": "PATCH", "data": {"home": {**HOME, "city": "奈良"}}},
        {"name": "after merging", "path": "Person('new')"},
        {
            "name": "put",
            "path": "Person('new')",
            "method": "PUT",
            "data": {
                "__metadata": {"type": "UserData.Person"},
                "name": "田中",
                "_Order": {"__deferred": {"uri": "Person('new')/_Order"}},
            },
        },
        {"name": "after putting", "path": "Person('new')"},
        batch(
            "batch",
            {"requestUri": "Person('new')", "method": "GET"},
            {"__changeRequests": changes},
            {"requestUri": "Person?$filter=age gt 100&$orderby=age", "method": "GET"},
        ),
        batch("failing", {"__changeRequests": failing}, {"requestUri": "Person('half-made')", "method": "GET"}),
        {"name": "deleted", "path": "Person('of-batch')", "method": "DELETE"},
        {"name": "after deleting", "path": "Person('of-batch')"},
    ]
    return datajs(new_shop(), steps)


def data(answer: dict[str, Any], status: int = 200) -> Any:
    assert (answer["status"], answer.get("error")) == (status, None)
    return answer.get("data")


def values(entity: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: entity[name] for name in wanted}


# Reading


def test_the_schema_is_read(read: dict[str, Any]) -> None:
    (schema,) = data(read["schema"])["dataServices"]["schema"]
    person = next(each for each in schema["entityType"] if each["name"] == "Person")
    assert person["key"] == {"propertyRef": [{"name": "__id"}]}
    assert {"name": "home", "type": "UserData.Address", "nullable": "true"} in person["property"]
    ways = {each["name"]: each["relationship"].partition(".")[2] for each in person["navigationProperty"]}
    ends = {each["name"]: [end["multiplicity"] for end in each["end"]] for each in schema["association"]}
    assert {name: ends[association] for name, association in ways.items()} == {
        "_Order": ["*", "0..1"],
        "_Club": ["*", "*"],
    }


@BOTH
def test_the_service_document_leads_to_the_sets(read: dict[str, Any], shop: Collection, how: str) -> None:
    (workspace,) = data(read[f"service {how}"])["workspaces"]
    assert [(each["title"], each["href"]) for each in workspace["collections"]] == [
        (name, shop.url + name) for name in ("Club", "Order", "Person")
    ]


@BOTH
def test_an_entity_has_its_values_and_a_tag(read: dict[str, Any], shop: Collection, how: str) -> None:
    taro = data(read[f"person {how}"])
    wanted = {name: value for name, value in TARO.items() if how == "json" or name != "tags"}
    assert values(taro, wanted) == wanted
    assert taro["__metadata"]["uri"] == f"{shop.url}Person('taro')"
    assert taro["__metadata"]["etag"].startswith('W/"1-')
    assert taro["__metadata"]["type"] == "UserData.Person"


@BOTH
def test_what_an_entity_leads_to_is_read_with_it(read: dict[str, Any], how: str) -> None:
    taro = data(read[f"person {how}"])
    assert {each["__id"]: each["title"] for each in taro["_Order"]["results"]} == {"o1": "自転車", "o2": "ベル"}
    assert {each["name"] for each in taro["_Club"]["results"]} == {"将棋", "囲碁"}
    assert data(read[f"order {how}"])["_Person"]["name"] == "鈴木 花子"
    assert data(read[f"order of nobody {how}"])["_Person"] is None


@BOTH
def test_a_list_has_its_entities_in_order(read: dict[str, Any], how: str) -> None:
    persons = data(read[f"persons {how}"])
    assert [each["__id"] for each in persons["results"]] == ["hanako", "nobody", "o-brien", "taro"]
    assert [len(each["_Order"]["results"]) for each in persons["results"]] == [1, 0, 0, 2]
    assert persons["__count"] == ("4" if how == "json" else 4)
    assert [each["name"] for each in data(read[f"some persons {how}"])["results"]] == ["鈴木 花子"]


def test_a_way_leads_to_a_list_or_to_one_entity(read: dict[str, Any]) -> None:
    assert [each["title"] for each in data(read["orders"])["results"]] == ["自転車", "ベル"]
    assert data(read["owner"])["name"] == "鈴木 花子"
    assert read["no owner"]["status"] == 404


def test_links_and_single_values_are_read(read: dict[str, Any], shop: Collection) -> None:
    assert data(read["links"])["results"] == [{"uri": f"{shop.url}Order('{each}')"} for each in ("o1", "o2")]
    assert data(read["link"]) == {"uri": f"{shop.url}Person('taro')"}
    assert data(read["property"]) == {"home": HOME}
    assert data(read["value"]) == "山田 太郎"
    assert data(read["count"]) == "2"


# Writing


def test_a_new_entity_has_what_it_was_given(wrote: dict[str, Any]) -> None:
    wanted = {**TARO, "__id": "new"}
    assert values(data(wrote["made"], 201), wanted) == wanted
    assert wrote["made again"]["status"] == 409


def test_a_new_entity_is_linked_when_it_is_made_along_a_way(wrote: dict[str, Any]) -> None:
    made = data(wrote["ordered"], 201)
    assert [each["__id"] for each in data(wrote["orders"])["results"]] == [made["__id"]]


def test_an_update_changes_what_it_says(wrote: dict[str, Any]) -> None:
    assert [wrote[each]["status"] for each in ("merged", "patched", "put")] == [204] * 3
    merged = {**TARO, "__id": "new", "age": 40, "home": {**HOME, "city": "奈良"}}
    assert values(data(wrote["after merging"]), merged) == merged
    put = {**dict.fromkeys(TARO), "__id": "new", "name": "田中"}
    assert values(data(wrote["after putting"]), put) == put


def test_a_batch_reads_and_its_changeset_writes(wrote: dict[str, Any]) -> None:
    before, changed, after = data(wrote["batch"], 202)["__batchResponses"]
    assert before["data"]["name"] == "田中"
    made, *others = changed["__changeResponses"]
    assert (made["statusCode"], made["data"]["name"], made["data"]["home"]) == ("201", "一括", HOME)
    assert [each["statusCode"] for each in others] == ["204"] * 3
    assert [(each["__id"], each["age"]) for each in after["data"]["results"]] == [("new", 101), ("of-batch", 102)]


def test_a_changeset_that_fails_leaves_nothing_behind(wrote: dict[str, Any]) -> None:
    refused, read = data(wrote["failing"], 202)["__batchResponses"]
    assert refused["response"]["statusCode"] == "404"
    assert read["response"]["statusCode"] == "404"


def test_a_deleted_entity_is_gone(wrote: dict[str, Any]) -> None:
    assert wrote["deleted"]["status"] == 204
    assert wrote["after deleting"]["status"] == 404
