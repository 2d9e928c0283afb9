"""The entities of a snapshot that Personium's own server wrote, asked for by OData."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from tests.api.test_personium_fixture import carry
from tests.odata_site import SCHEMA, Collection, end_path, ids, results
from tests.personium_lines import COUNTS, EVERY, PERSONIUM, SCHEMA_ENTRIES, TOLD, lines, shown
from tests.running import RunningUnit, Site

SCHEMA_COUNTS = {"EntityType": 4, "ComplexType": 2, "Property": 20, "ComplexTypeProperty": 6, "AssociationEnd": 8}
PARTNERS = {
    "person2order": "order2person",
    "order2product": "product2order",
    "product2tag": "tag2product",
    "person2tag": None,
    "tag2person": None,
}
LINK_COUNTS = {
    ("Person", "Order"): 100,
    ("Order", "Person"): 100,
    ("Order", "Product"): 60,
    ("Product", "Order"): 60,
    ("Product", "Tag"): 40,
    ("Tag", "Product"): 40,
}


@pytest.fixture(scope="module")
def cell(unit: RunningUnit) -> Site:
    """A cell with the snapshot in it, which is only read."""
    made = unit.cell()
    carry(made, PERSONIUM)
    return made


@pytest.fixture(scope="module")
def od(cell: Site) -> Collection:
    return Collection(cell, "box1/odata")


class TestSchema:
    @pytest.mark.parametrize(("name", "count"), SCHEMA_COUNTS.items())
    def test_every_set_is_listed_and_counted(self, od: Collection, name: str, count: int) -> None:
        answer = od.get(SCHEMA + name, top=100, inlinecount="allpages")
        assert answer.json()["d"]["__count"] == str(count)
        assert len(results(answer)) == count
        assert od.get(f"{SCHEMA}{name}/$count").text == str(count)
        names = {line["_source"]["s"]["Name"] for line in lines(PERSONIUM, SCHEMA_ENTRIES[name])}
        assert {each["Name"] for each in results(answer)} == names

    @pytest.mark.parametrize("name", ["Property", "ComplexTypeProperty"])
    def test_properties_say_what_their_lines_say(self, od: Collection, name: str) -> None:
        owner = "EntityType" if name == "Property" else "ComplexType"
        owners = {line["_id"]: line for line in lines(PERSONIUM, SCHEMA_ENTRIES[owner])}
        told = {}
        for line in lines(PERSONIUM, SCHEMA_ENTRIES[name]):
            source = line["_source"]
            belongs = owners[source["l"][owner]]["_source"]["s"]["Name"]
            said = {"DefaultValue": None, "UniqueKey": None, **source["s"], f"_{owner}.Name": belongs}
            told[belongs, source["s"]["Name"]] = said
        for each in results(od.get(SCHEMA + name, top=100)):
            expected = told.pop((each[f"_{owner}.Name"], each["Name"]))
            said = {key: value for key, value in shown(each).items() if not key.startswith("__")}
            assert said == {key: value for key, value in expected.items() if key in said}
            assert {"Name", "Type", "Nullable", "CollectionKind", "DefaultValue"} <= said.keys()
        assert not told

    def test_what_came_with_data_is_told_from_what_was_declared(self, od: Collection) -> None:
        (found,) = results(od.get(f"{SCHEMA}Property", filter="IsDeclared eq false"))
        assert (found["Name"], found["_EntityType.Name"], found["Type"]) == ("dynamicProp", "Person", "Edm.String")

    @pytest.mark.parametrize(("name", "partner"), PARTNERS.items())
    def test_association_ends_lead_to_each_other(self, od: Collection, name: str, partner: str | None) -> None:
        (end,) = results(od.get(f"{SCHEMA}AssociationEnd", filter=f"Name eq '{name}'"))
        path = end_path(end["_EntityType.Name"], name)
        found = results(od.get(f"{path}/_AssociationEnd"))
        assert [each["Name"] for each in found] == ([partner] if partner else [])
        for each in found:
            back = results(od.get(f"{end_path(each['_EntityType.Name'], each['Name'])}/_AssociationEnd"))
            assert [one["Name"] for one in back] == [name]

    def test_metadata_tells_all_types(self, od: Collection) -> None:
        document = etree.fromstring(od.call("GET", "$metadata").content)
        edm = "{http://schemas.microsoft.com/ado/2006/04/edm}"

        def found(kind: str, child: str, own: set[str] | None = None) -> dict[str, set[str]]:
            return {
                str(each.get("Name")): {str(one.get("Name")) for one in each.iter(f"{edm}{child}")} - (own or set())
                for each in document.iter(f"{edm}{kind}")
            }

        ours = {"__id", "__published", "__updated"}
        told = {owner: {name for name, _ in columns.values()} for owner, columns in TOLD.columns.items()}
        assert found("EntityType", "Property", ours) | found("ComplexType", "Property") == told
        assert found("EntityType", "NavigationProperty") == {
            name: {f"_{other}" for one, other in LINK_COUNTS if one == name} for name in COUNTS
        }
        assert found("Association", "End").keys() == {
            "Order-Person-assoc",
            "Order-Product-assoc",
            "Product-Tag-assoc",
        }
        assert {each.get("Name") for each in document.iter(f"{edm}EntitySet")} == COUNTS.keys()

    def test_the_service_document_tells_all_sets(self, od: Collection) -> None:
        assert set(od.call("GET", params={"$format": "json"}).json()["d"]["EntitySets"]) == COUNTS.keys()


class TestValues:
    @pytest.mark.parametrize(("name", "count"), COUNTS.items())
    def test_every_entity_is_listed_and_counted(self, od: Collection, name: str, count: int) -> None:
        answer = od.get(name, top=EVERY, inlinecount="allpages")
        assert answer.json()["d"]["__count"] == str(count)
        assert od.get(f"{name}/$count").text == str(count)
        assert set(ids(answer)) == TOLD.entities[name].keys()
        assert len(ids(answer)) == count

    @pytest.mark.parametrize("name", COUNTS)
    def test_every_value_is_what_its_line_says(self, od: Collection, name: str) -> None:
        found = {each["__id"]: shown(each) for each in results(od.get(name, top=EVERY))}
        assert found == TOLD.entities[name]

    @pytest.mark.parametrize("key", ["p000", "p015", "p030", "p039"])
    def test_one_alone_is_what_it_is_in_the_list(self, od: Collection, key: str) -> None:
        answer = od.get(f"Person('{key}')")
        assert shown(results(answer)) == TOLD.entities["Person"][key]
        assert answer.headers["etag"] == results(answer)["__metadata"]["etag"]

    def test_truth_values_and_numbers_are_no_texts_any_more(self, od: Collection) -> None:
        person = results(od.get("Person('p003')"))
        assert [type(person[name]) for name in ("active", "score", "age")] == [bool, float, int]
        assert [type(each) for each in person["flags"]] == [bool, bool]
        assert person["doubles"] == [0.25, 1e10]
        assert type(person["address"]["geo"]["lat"]) is float

    def test_pages_hold_every_entity_once(self, od: Collection) -> None:
        found, answer = [], od.get("Order")
        while True:
            found += ids(answer)
            following = answer.json()["d"].get("__next")
            if following is None:
                break
            answer = od.site.call("GET", following.removeprefix(od.site.url))
        assert Counter(found) == Counter(TOLD.entities["Order"].keys())

    @pytest.mark.parametrize("path", ["name", "score", "address/street", "address/geo/lat"])
    def test_single_values_are_there(self, od: Collection, path: str) -> None:
        value: Any = TOLD.entities["Person"]["p025"]
        for name in path.split("/"):
            value = value[name]
        assert od.get(f"Person('p025')/{path}").json() == {"d": {path.rpartition("/")[2]: value}}
        assert od.get(f"Person('p025')/{path}/$value").text == str(value)


FILTERS: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "name eq 'Person 25 山田'": ("Person", lambda it: it["name"] == "Person 25 山田"),
    "substringof('山田',name)": ("Person", lambda it: "山田" in it["name"]),
    "startswith(name,'Person 3')": ("Person", lambda it: it["name"].startswith("Person 3")),
    "age ge 30 and age lt 40": ("Person", lambda it: 30 <= it["age"] < 40),
    "height gt 155.25": ("Person", lambda it: it["height"] > 155.25),
    "score eq 37.5": ("Person", lambda it: it["score"] == 37.5),
    "score ge 10": ("Person", lambda it: it["score"] >= 10),
    "active eq false": ("Person", lambda it: it["active"] is False),
    "dynamicProp eq null": ("Person", lambda it: it["dynamicProp"] is None),
    "dynamicProp ne null": ("Person", lambda it: it["dynamicProp"] is not None),
    "born lt datetime'2000-01-01T00:00:00'": ("Person", lambda it: int(it["born"][6:-2]) < 946_684_800_000),
    "address/geo/lat gt 35.2": ("Person", lambda it: it["address"]["geo"]["lat"] > 35.2),
    "address/zip eq 1007": ("Person", lambda it: it["address"]["zip"] == 1007),
    "nick eq 'n8'": ("Person", lambda it: "n8" in it["nick"]),
    "luckies eq 9": ("Person", lambda it: 9 in it["luckies"]),
    "doubles eq 10000000000": ("Person", lambda it: 1e10 in it["doubles"]),
    "flags eq true": ("Person", lambda it: True in it["flags"]),
    "address/lines eq 'l8a'": ("Person", lambda it: "l8a" in it["address"]["lines"]),
    "amount gt 500 or memo eq 'memo 4'": ("Order", lambda it: it["amount"] > 500 or it["memo"] == "memo 4"),
    "memo eq null": ("Order", lambda it: it["memo"] is None),
    "at ge 1700187200000": ("Order", lambda it: int(it["at"][6:-2]) >= 1_700_187_200_000),
    "price gt 3000.5": ("Product", lambda it: it["price"] > 3000.5),
    "title eq '商品7'": ("Product", lambda it: it["title"] == "商品7"),
    "endswith(title,'9')": ("Product", lambda it: it["title"].endswith("9")),
    "label eq 'tag3'": ("Tag", lambda it: it["label"] == "tag3"),
    "not (label ge 'tag2')": ("Tag", lambda it: not it["label"] >= "tag2"),
}


class TestQueries:
    @pytest.mark.parametrize("text", FILTERS)
    def test_a_filter_finds_what_the_lines_say(self, od: Collection, text: str) -> None:
        name, holds = FILTERS[text]
        expected = TOLD.named(name, holds)
        assert expected
        found = od.get(name, filter=text, top=EVERY, inlinecount="allpages")
        assert set(ids(found)) == expected
        assert found.json()["d"]["__count"] == str(len(expected)) == od.get(f"{name}/$count", filter=text).text

    @pytest.mark.parametrize("word", ["山田", "dyn30", "main", "l8a", "商品"])
    def test_words_are_found_in_all_texts(self, od: Collection, word: str) -> None:
        for name in COUNTS:
            expected = TOLD.named(name, lambda it: word in json.dumps(it, ensure_ascii=False).lower())
            assert set(ids(od.get(name, q=word, top=EVERY))) == expected

    @pytest.mark.parametrize("way", ["asc", "desc"])
    @pytest.mark.parametrize(
        ("name", "by"),
        [
            ("Person", "score"),
            ("Person", "name"),
            ("Person", "address/geo/lat"),
            ("Product", "price"),
            ("Tag", "label"),
        ],
    )
    def test_a_list_is_sorted_by_value(self, od: Collection, name: str, by: str, way: str) -> None:
        def value(key: str) -> Any:
            found: Any = TOLD.entities[name][key]
            for step in by.split("/"):
                found = found[step]
            return found

        found = [value(key) for key in ids(od.get(name, orderby=f"{by} {way}", top=EVERY))]
        assert found == sorted(map(value, TOLD.entities[name]), reverse=way == "desc")

    def test_nulls_come_last_either_way(self, od: Collection) -> None:
        with_value = TOLD.named("Person", lambda it: it["dynamicProp"] is not None)
        for way in ("asc", "desc"):
            found = ids(od.get("Person", orderby=f"dynamicProp {way}", top=EVERY))
            assert set(found[: len(with_value)]) == with_value and len(found) == 40


class TestLinks:
    @pytest.mark.parametrize(("pair", "count"), LINK_COUNTS.items(), ids=str)
    def test_navigation_leads_along_every_link(self, od: Collection, pair: tuple[str, str], count: int) -> None:
        name, target = pair
        found = {
            (key, other)
            for key in TOLD.entities[name]
            for other in ids(od.get(f"{name}('{key}')/_{target}", top=EVERY))
        }
        assert found == {(key, other) for key in TOLD.entities[name] for other in TOLD.linked(name, key, target)}
        assert len(found) == count

    @pytest.mark.parametrize(("pair", "count"), LINK_COUNTS.items(), ids=str)
    def test_expand_shows_what_every_link_leads_to(self, od: Collection, pair: tuple[str, str], count: int) -> None:
        name, target = pair
        found = results(od.get(name, expand=f"_{target}", top=100))
        for each in found:
            inner = each[f"_{target}"]
            assert {one["__id"]: shown(one) for one in inner} == {
                key: TOLD.entities[target][key] for key in TOLD.linked(name, each["__id"], target)
            }
        assert sum(len(each[f"_{target}"]) for each in found) == count

    @pytest.mark.parametrize("pair", LINK_COUNTS, ids=str)
    def test_links_tell_the_urls_at_their_ends(self, od: Collection, pair: tuple[str, str]) -> None:
        name, target = pair
        for key in sorted(TOLD.entities[name])[::7]:
            found = results(od.get(f"{name}('{key}')/$links/_{target}", top=EVERY))
            expected = sorted(TOLD.linked(name, key, target))
            assert [each["uri"] for each in found] == [f"{od.url}{target}('{other}')" for other in expected]

    def test_what_is_expanded_expands_further(self, od: Collection) -> None:
        order = results(od.get("Order('o007')", expand="_Product/_Tag,_Person"))
        (product,) = order["_Product"]
        assert [each["__id"] for each in product["_Tag"]] == ["t07"]
        assert [each["__id"] for each in order["_Person"]] == ["p007"]

    def test_ends_that_were_left_unlinked_lead_nowhere(self, od: Collection) -> None:
        assert od.get("Person('p000')/_Tag").json()["code"] == "PR404-OD-0003"
        assert od.get("Tag('t00')/_Person").json()["code"] == "PR404-OD-0003"

    def test_linked_entities_are_filtered_as_a_list_is(self, od: Collection) -> None:
        found = od.get("Person('p012')/_Order", filter="amount gt 500", orderby="amount desc")
        assert ids(found) == ["o092", "o052"]


CONTROL: dict[str, set[tuple[Any, ...]]] = {
    "Relation": {("friend", None), ("family", None), ("member", "box1")},
    "Role": {("admin", None), ("reader", None), ("writer", None), ("appuser", "box1"), ("appviewer", "box1")},
    "Rule": {(name, None) for name in ("logrule", "logcellctl", "relayrule", "timerrule")} | {("execrule", "box1")},
    "ExtCell": {
        ("http://localhost:9996/fixpeer/",),
        ("https://cell2.unit.example/",),
        ("https://cell3.unit.example/",),
    },
    "ExtRole": {
        ("http://localhost:9996/fixpeer/__role/__/guest", "friend", None),
        ("https://cell2.unit.example/__role/__/doctor", "member", "box1"),
    },
    "Box": {("box1",), ("box2",)},
    "Account": {("alice",), ("bob",), ("carol",), ("dave",), ("erin",), ("frank@example.com",)},
}
KEYS = {
    "Relation": ("Name", "_Box.Name"),
    "Role": ("Name", "_Box.Name"),
    "Rule": ("Name", "_Box.Name"),
    "ExtCell": ("Url",),
    "ExtRole": ("ExtRole", "_Relation.Name", "_Relation._Box.Name"),
    "Box": ("Name",),
    "Account": ("Name",),
}
CONTROL_LINKS = {
    ("Account('alice')", "_Role"): {"admin"},
    ("Account('bob')", "_Role"): {"reader", "appuser"},
    ("Account('dave')", "_Role"): {"writer"},
    ("Account('frank%40example.com')", "_Role"): {"appviewer"},
    ("Relation(Name='friend')", "_ExtCell"): {"http://localhost:9996/fixpeer/"},
    ("Relation(Name='family')", "_ExtCell"): {"https://cell2.unit.example/"},
    ("Relation(Name='member',_Box.Name='box1')", "_ExtCell"): {"https://cell3.unit.example/"},
    ("Relation(Name='friend')", "_Role"): {"reader"},
    ("Relation(Name='member',_Box.Name='box1')", "_Role"): {"appuser"},
    ("Relation(Name='friend')", "_ExtRole"): {"http://localhost:9996/fixpeer/__role/__/guest"},
    ("ExtCell('http%3A%2F%2Flocalhost%3A9996%2Ffixpeer%2F')", "_Role"): {"reader"},
    ("Role(Name='reader')", "_ExtRole"): {"http://localhost:9996/fixpeer/__role/__/guest"},
    ("Box('box1')", "_Role"): {"appuser", "appviewer"},
    ("Box('box1')", "_Rule"): {"execrule"},
    ("Box('box1')", "_Relation"): {"member"},
}


@pytest.fixture(scope="module")
def ctl(cell: Site) -> Callable[..., Any]:
    """Asks for control objects."""

    def ask(path: str, **options: str) -> Any:
        return results(cell.call("GET", f"__ctl/{path}", params=options))

    return ask


class TestControlObjects:
    @pytest.mark.parametrize("name", CONTROL)
    def test_every_one_is_listed_and_found_by_its_key(self, cell: Site, ctl: Callable[..., Any], name: str) -> None:
        found = ctl(name)
        assert {tuple(each[key] for key in KEYS[name]) for each in found} == CONTROL[name]
        assert len(found) == len(CONTROL[name])
        for each in found:
            path = each["__metadata"]["uri"].removeprefix(f"{cell.url}__ctl/")
            assert ctl(path) == each

    @pytest.mark.parametrize(("source", "way"), CONTROL_LINKS)
    def test_their_links_lead_where_they_led(self, ctl: Callable[..., Any], source: str, way: str) -> None:
        found = ctl(f"{source}/{way}")
        own = KEYS[way[1:]][0]
        assert {each[own] for each in found} == CONTROL_LINKS[source, way]
        assert len(ctl(f"{source}/$links/{way}")) == len(found)

    def test_rules_say_what_they_said(self, ctl: Callable[..., Any]) -> None:
        rules = {each["Name"]: each for each in ctl("Rule")}
        assert (
            rules["execrule"].items()
            >= {
                "Action": "exec",
                "EventType": "odata.create",
                "EventObject": "personium-localbox:/odata/Person",
                "TargetUrl": "personium-localbox:/svc/hello",
                "EventExternal": False,
            }.items()
        )
        assert rules["relayrule"]["TargetUrl"] == "http://localhost:9996/fixpeer/"
        assert [each["Name"] for each in ctl("Rule", **{"$filter": "EventExternal eq true and Action eq 'log'"})] == [
            "logrule"
        ]

    def test_messages_say_what_they_said(self, ctl: Callable[..., Any]) -> None:
        received, sent = ctl("ReceivedMessage"), ctl("SentMessage")
        assert Counter((each["Type"], each["Status"]) for each in received) == {
            ("message", "read"): 1,
            ("request", "none"): 2,
        }
        assert {each["From"] for each in received} == {"http://localhost:9996/fixpeer/"}
        assert {each["Body"] for each in (*received, *sent)} == {"Body text 本文"}
        assert {each["Title"]: (each["ToRelation"], each["Priority"]) for each in sent} == {
            "Hello": (None, 3),
            "urgent": (None, 1),
            "to relation": ("friend", 3),
        }
        told = [result for each in sent for result in each["Result"]]
        assert told == [{"To": "http://localhost:9996/fixpeer/", "Code": "201", "Reason": "Created."}] * 3
        asked = [one for each in received for one in each["RequestObjects"] or ()]
        assert {(one["RequestType"], one["Name"]) for one in asked} == {
            ("relation.add", "friend"),
            ("role.add", "reader"),
        }
        assert len(ctl("ReceivedMessage", **{"$filter": "Status eq 'none'"})) == 2
