"""How OData answers look: JSON of both shapes, Atom, ``$metadata``, service documents; and how a client chooses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.odata_site import ATOM, JSON, SCHEMA, VERBOSE, Collection, asking, code, prop_path, results, shop
from tests.running import RunningUnit, running

DATA = "http://schemas.microsoft.com/ado/2007/08/dataservices"
NAMES = {
    "a": "http://www.w3.org/2005/Atom",
    "app": "http://www.w3.org/2007/app",
    "d": DATA,
    "m": f"{DATA}/metadata",
    "p": "urn:x-personium:xmlns",
    "edmx": "http://schemas.microsoft.com/ado/2007/06/edmx",
    "e": "http://schemas.microsoft.com/ado/2006/04/edm",
}
M = f"{{{NAMES['m']}}}"
P = "{urn:x-personium:xmlns}"

WHOLE = {
    "name": "<山>&\"'/\n",
    "active": True,
    "age": -7,
    "height": 10.0,
    "weight": 1e20,
    "born": "/Date(1000)/",
    "address": {"city": "京都", "zip": 600, "geo": {"lat": 35.5, "place": None}},
    "tags": ["x", None, "y"],
    "scores": [],
    "homes": [{"city": "奈良", "zip": None, "geo": None}],
}


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """A person ``a`` with values of every type, one order and a card; ``b`` has nothing."""
    made = shop(unit.cell())
    made.create("Person", __id="a", **WHOLE, dynamic=1.5)
    made.create("Person", __id="b")
    made.create("Order", __id="o", number=1)
    made.create("Card", __id="c")
    made.link("Person('a')", "Order('o')")
    made.link("Person('a')", "Card('c')")
    return made


def xml(answer: httpx.Response) -> Any:
    assert answer.status_code in {200, 201}, answer.text
    return etree.fromstring(answer.content)


def found(tree: Any, path: str) -> Any:
    return tree.xpath(path, namespaces=NAMES)


class TestJson:
    def test_one_entity(self, od: Collection) -> None:
        answer = od.get("Person('a')")
        url = f"{od.url}Person('a')"
        body = answer.json()
        shown = body["d"]["results"]
        assert body.keys() == {"d"} and body["d"].keys() == {"results"}
        assert shown.keys() == {
            *WHOLE,
            "dynamic",
            "__id",
            "__metadata",
            "__published",
            "__updated",
            "_Order",
            "_Card",
        }
        assert shown["__metadata"] == {"uri": url, "etag": answer.headers["etag"], "type": "UserData.Person"}
        assert shown.items() >= {**WHOLE, "dynamic": 1.5}.items()
        assert shown["_Order"] == {"__deferred": {"uri": f"{url}/_Order"}}
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["dataserviceversion"] == "2.0"

    def test_numbers_without_a_fraction_have_none(self, od: Collection) -> None:
        assert '"height":10,' in od.get("Person('a')").text

    def test_a_list(self, od: Collection) -> None:
        answer = od.get("Person", orderby="__id")
        assert answer.json()["d"].keys() == {"results"}
        assert answer.json()["d"]["results"][0] == od.get("Person('a')").json()["d"]["results"]
        assert answer.headers["content-type"].replace(" ", "") == "application/json;charset=utf-8"
        assert answer.headers["dataserviceversion"] == "2.0"

    def test_a_count_is_a_text(self, od: Collection) -> None:
        assert od.get("Person", inlinecount="allpages").json()["d"]["__count"] == "2"

    def test_what_was_made_shows_no_ways(self, od: Collection) -> None:
        made = od.create("Card", number="n")
        assert made.keys() == {"__id", "__metadata", "__published", "__updated", "number"}
        od.call("DELETE", f"Card('{made['__id']}')")

    def test_links(self, od: Collection) -> None:
        for path, uri in [("Person('a')/$links/_Order", "Order('o')"), ("Order('o')/$links/_Person", "Person('a')")]:
            answer = od.get(path)
            assert answer.json() == {"d": {"results": [{"uri": od.url + uri}]}}
            assert answer.headers["dataserviceversion"] == "2.0"

    def test_schema_entities(self, od: Collection) -> None:
        shown = results(od.get(prop_path("Person", "age")))
        assert shown["__metadata"]["type"] == "ODataSvcSchema.Property"
        assert shown["__metadata"]["uri"] == od.url + prop_path("Person", "age")


class TestJsonOfV2:
    def test_one_entity_is_below_d(self, od: Collection) -> None:
        plain = od.get("Person('a')").json()["d"]["results"]
        answer = od.call("GET", "Person('a')", headers=VERBOSE)
        shown = answer.json()["d"]
        assert shown["__metadata"] == plain["__metadata"]
        assert shown["address"]["__metadata"] == {"type": "UserData.Address"}
        assert shown["address"]["geo"]["__metadata"] == {"type": "UserData.Geo"}
        assert {**shown, "address": None, "homes": None} == {**plain, "address": None, "homes": None}

    def test_so_is_what_was_made(self, od: Collection) -> None:
        answer = od.call("POST", "Card", json={"number": "n"}, headers=VERBOSE)
        assert answer.json()["d"]["number"] == "n"
        od.call("DELETE", f"Card('{answer.json()['d']['__id']}')")

    def test_lists_have_results(self, od: Collection) -> None:
        answer = od.call("GET", "Person", params=asking({"inlinecount": "allpages"}), headers=VERBOSE).json()["d"]
        assert answer.keys() == {"results", "__count"}
        assert [each["__id"] for each in answer["results"]] == ["a", "b"]

    def test_a_link_to_one_is_an_object_and_one_to_many_a_list(self, od: Collection) -> None:
        to_one = od.call("GET", "Order('o')/$links/_Person", headers=VERBOSE)
        assert to_one.json() == {"d": {"uri": f"{od.url}Person('a')"}}
        to_many = od.call("GET", "Person('a')/$links/_Order", headers=VERBOSE)
        assert to_many.json() == {"d": {"results": [{"uri": f"{od.url}Order('o')"}]}}

    def test_the_unit_may_answer_so_to_all(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        with running(tmp_path_factory.mktemp("v2") / "data", **{"odata.shape": "v2"}) as unit:
            made = Collection.make(unit.cell())
            assert made.post(f"{SCHEMA}EntityType", {"Name": "Item"}).json()["d"]["Name"] == "Item"
            assert made.post("Item", {"__id": "a"}).json()["d"]["__id"] == "a"
            assert made.get("Item('a')").json()["d"]["__id"] == "a"
            assert [each["__id"] for each in made.get("Item").json()["d"]["results"]] == ["a"]


TIME = "%Y-%m-%dT%H:%M:%S.%f"


class TestAtom:
    def test_an_entry(self, od: Collection) -> None:
        answer = od.call("GET", "Person('a')", headers=ATOM)
        entry = xml(answer)
        url = f"{od.url}Person('a')"
        assert answer.headers["content-type"].replace(" ", "") == "application/atom+xml;type=entry;charset=utf-8"
        assert answer.headers["dataserviceversion"] == "2.0"
        assert entry.tag == f"{{{NAMES['a']}}}entry"
        assert entry.get(f"{M}etag") == answer.headers["etag"] == od.get("Person('a')").headers["etag"]
        assert found(entry, "string(a:id)") == url
        assert found(entry, "string(a:link[@rel='edit']/@href)") in {url, "Person('a')"}
        assert found(entry, "string(a:category/@term)") == "UserData.Person"
        assert found(entry, "string(a:category/@scheme)") == f"{DATA}/scheme"
        assert found(entry, "string(a:content/@type)") == "application/xml"
        for way, kind in (("_Order", "feed"), ("_Card", "entry")):
            (link,) = found(entry, f"a:link[@rel='{DATA}/related/{way}']")
            assert link.get("title") == way
            assert link.get("type").replace(" ", "") == f"application/atom+xml;type={kind}"
            assert link.get("href") in {f"{url}/{way}", f"Person('a')/{way}"}
            assert not len(link)

    @pytest.mark.parametrize(
        ("name", "kind", "text"),
        [
            ("__id", None, "a"),
            ("name", None, WHOLE["name"]),
            ("active", "Edm.Boolean", "true"),
            ("age", "Edm.Int32", "-7"),
            ("height", "Edm.Single", "10"),
            ("weight", "Edm.Double", "1e+20"),
            ("born", "Edm.DateTime", "1970-01-01T00:00:01.000"),
            ("dynamic", "Edm.Double", "1.5"),
        ],
    )
    def test_a_property_of_an_entry(self, od: Collection, name: str, kind: str | None, text: str) -> None:
        entry = xml(od.call("GET", "Person('a')", headers=ATOM))
        (element,) = found(entry, f"a:content/m:properties/d:{name}")
        assert (element.get(f"{M}type"), element.text) == (kind, text)

    @pytest.mark.parametrize("name", ["name", "active", "age", "address", "dynamic"])
    def test_a_null(self, od: Collection, name: str) -> None:
        entry = xml(od.call("GET", "Person('b')", headers=ATOM))
        (element,) = found(entry, f"a:content/m:properties/d:{name}")
        assert (element.get(f"{M}null"), element.text) == ("true", None)

    def test_times(self, od: Collection) -> None:
        entry, shown = xml(od.call("GET", "Person('a')", headers=ATOM)), results(od.get("Person('a')"))
        for name in ("__published", "__updated"):
            (element,) = found(entry, f"a:content/m:properties/d:{name}")
            assert element.get(f"{M}type") == "Edm.DateTime"
            told = datetime.strptime(element.text, TIME).replace(tzinfo=UTC)
            assert int(told.timestamp() * 1000 + 0.5) == int(shown[name][6:-2])

    def test_a_complex_value(self, od: Collection) -> None:
        (address,) = found(xml(od.call("GET", "Person('a')", headers=ATOM)), "a:content/m:properties/d:address")
        assert address.get(f"{M}type") == "UserData.Address"
        assert found(address, "string(d:city)") == "京都"
        assert found(address, "string(d:geo/d:lat)") == "35.5"
        assert found(address, "string(d:geo/d:place/@m:null)") == "true"

    def test_lists(self, od: Collection) -> None:
        properties = found(xml(od.call("GET", "Person('a')", headers=ATOM)), "a:content/m:properties")[0]
        assert [each.text for each in found(properties, "p:tags/d:element")] == ["x", None, "y"]
        assert found(properties, "count(p:scores)") == 1
        assert found(properties, "count(p:scores/d:element)") == 0
        assert found(properties, "string(p:homes/d:element/d:city)") == "奈良"

    def test_a_feed(self, od: Collection) -> None:
        asked = asking({"orderby": "__id", "inlinecount": "allpages"})
        answer = od.call("GET", "Person", params=asked, headers=ATOM)
        feed = xml(answer)
        assert answer.headers["content-type"].replace(" ", "") == "application/atom+xml;type=feed;charset=utf-8"
        assert feed.tag == f"{{{NAMES['a']}}}feed"
        assert found(feed, "string(a:title)") == "Person"
        assert found(feed, "string(a:id)") == f"{od.url}Person"
        assert found(feed, "string(m:count)") == "2"
        assert [each.text for each in found(feed, "a:entry/a:id")] == [f"{od.url}Person('{name}')" for name in "ab"]

    def test_an_empty_feed_is_one(self, od: Collection) -> None:
        feed = xml(od.call("GET", "Product", headers=ATOM))
        assert found(feed, "count(a:entry)") == 0
        assert found(feed, "count(m:count)") == 0
        assert found(feed, "count(a:author)") == 1

    def test_a_feed_leads_to_its_next_page(self, od: Collection) -> None:
        od.entity_type("Paged")
        for _ in range(26):
            od.create("Paged")
        (link,) = found(xml(od.call("GET", "Paged", headers=ATOM)), "a:link[@rel='next']")
        assert link.get("href").startswith(f"{od.url}Paged?")
        rest = od.call("GET", link.get("href").removeprefix(od.url), headers=ATOM)
        assert found(xml(rest), "count(a:entry)") == 1
        assert found(xml(rest), "count(a:link[@rel='next'])") == 0

    def test_what_is_expanded_is_within_its_link(self, od: Collection) -> None:
        asked = asking({"expand": "_Order,_Card"})
        entry = xml(od.call("GET", "Person('a')", params=asked, headers=ATOM))
        (order,) = found(entry, "a:link[@title='_Order']/m:inline/a:feed/a:entry")
        assert found(order, "string(a:id)") == f"{od.url}Order('o')"
        (card,) = found(entry, "a:link[@title='_Card']/m:inline/a:entry")
        assert found(card, "string(a:id)") == f"{od.url}Card('c')"
        lone = xml(od.call("GET", "Person('b')", params=asked, headers=ATOM))
        assert found(lone, "count(a:link[@title='_Card']/m:inline)") == 1
        assert found(lone, "count(a:link/m:inline//a:entry)") == 0

    def test_select_leaves_out(self, od: Collection) -> None:
        entry = xml(od.call("GET", "Person('a')", params=asking({"select": "age"}), headers=ATOM))
        names = [etree.QName(each).localname for each in found(entry, "a:content/m:properties/*")]
        assert names == ["__id", "__published", "__updated", "age"]

    def test_what_was_made_may_be_answered_so(self, od: Collection) -> None:
        answer = od.call("POST", "Card", params=asking({"format": "atom"}), json={"number": "n"})
        assert found(xml(answer), "string(a:content/m:properties/d:number)") == "n"
        assert answer.headers["location"] == found(xml(answer), "string(a:id)")
        od.call("DELETE", answer.headers["location"].removeprefix(od.url))

    def test_names_that_xml_does_not_have_are_spelled_out(self, od: Collection) -> None:
        od.entity_type("Odd")
        od.create("Odd", __id="odd", **{"7": "seven", "a-b": "dash"})
        entry = xml(od.call("GET", "Odd('odd')", headers=ATOM))
        assert found(entry, "string(a:content/m:properties/d:_x0037_)") == "seven"
        assert found(entry, "string(a:content/m:properties/d:a-b)") == "dash"

    @pytest.mark.parametrize(
        "name", ["EntityType", "Property", "ComplexType", "ComplexTypeProperty", "AssociationEnd"]
    )
    def test_schema_entities(self, od: Collection, name: str) -> None:
        feed = xml(od.call("GET", SCHEMA + name, headers=ATOM))
        assert found(feed, "count(a:entry)") > 0
        assert {each.get("term") for each in found(feed, "a:entry/a:category")} == {f"ODataSvcSchema.{name}"}


LISTS = ["Person", "Person('a')", f"{SCHEMA}Property", prop_path("Person", "age"), "Person('a')/_Order"]


class TestChoosing:
    def kind(self, answer: httpx.Response) -> str:
        return str(answer.headers["content-type"].partition(";")[0].removeprefix("application/"))

    @pytest.mark.parametrize("path", LISTS)
    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            (None, "json"),
            ("", "json"),
            ("*/*", "json"),
            ("application/*", "json"),
            ("application/json", "json"),
            ("application/json;odata=verbose", "json"),
            ("application/json; charset=utf-8", "json"),
            ("text/html,*/*;q=0.1", "json"),
            ("application/atom+xml", "atom+xml"),
            ("application/xml", "atom+xml"),
            ("APPLICATION/ATOM+XML;type=feed", "atom+xml"),
            ("application/atom+xml,*/*;q=0.1", "atom+xml"),
        ],
    )
    def test_by_accept(self, od: Collection, path: str, accept: str | None, kind: str) -> None:
        headers = {"Accept": accept} if accept is not None else {"Accept": ""}
        assert self.kind(od.call("GET", path, headers=headers)) == kind

    @pytest.mark.parametrize("path", LISTS)
    @pytest.mark.parametrize("accept", ["text/html", "text/xml", "image/png", "text/plain, text/html", "json"])
    def test_what_cannot_be_served_is_406(self, od: Collection, path: str, accept: str) -> None:
        assert code(od.call("GET", path, headers={"Accept": accept})) == "PR406-OD-0001"

    @pytest.mark.parametrize("path", LISTS)
    @pytest.mark.parametrize("accept", ["application/json", "application/atom+xml", "text/html"])
    @pytest.mark.parametrize(
        ("format", "kind"),
        [("json", "json"), ("JSON", "json"), ("atom", "atom+xml"), ("Atom", "atom+xml"), ("xml", "atom+xml")],
    )
    def test_format_beats_accept(self, od: Collection, path: str, accept: str, format: str, kind: str) -> None:
        answer = od.call("GET", path, params=asking({"format": format}), headers={"Accept": accept})
        assert self.kind(answer) == kind

    @pytest.mark.parametrize("path", [*LISTS, ""])
    @pytest.mark.parametrize("bad", ["", " ", "yaml", "application/json", "jsonp", "json;odata=verbose"])
    def test_any_other_format_is_refused(self, od: Collection, path: str, bad: str) -> None:
        assert code(od.call("GET", path, params=asking({"format": bad}))) == "PR400-OD-0005"

    @pytest.mark.parametrize("accept", ["application/xml", "application/atom+xml", "text/html", "*/*"])
    def test_what_is_made_and_links_are_told_in_json(self, od: Collection, accept: str) -> None:
        made = od.call("POST", "Card", json={"number": "n"}, headers={"Accept": accept})
        assert self.kind(made) == "json"
        od.call("DELETE", f"Card('{results(made)['__id']}')")
        assert self.kind(od.call("GET", "Person('a')/$links/_Order", headers={"Accept": accept})) == "json"

    @pytest.mark.parametrize("path", LISTS)
    def test_an_accept_header_must_be_ascii(self, od: Collection, path: str) -> None:
        answer = od.call("GET", path, headers={"Accept": "application/json;日本".encode()})
        assert code(answer) == "PR400-OD-0041"

    def test_a_refusal_is_json_whatever_is_accepted(self, od: Collection) -> None:
        assert code(od.call("GET", "Person('nobody')", headers=ATOM)) == "PR404-OD-0002"
        assert code(od.call("GET", "Nothing", headers=ATOM)) == "PR404-OD-0001"

    def test_a_callback_calls_nothing(self, od: Collection) -> None:
        answer = od.call("GET", "Person", params={"$callback": "alert"}, headers=JSON)
        assert answer.text.startswith("{")
        assert answer.headers["content-type"].startswith("application/json")


SETS = ["Card", "Order", "Person", "Product"]


class TestServiceDocuments:
    @pytest.mark.parametrize("accept", [None, "*/*", "application/xml", "application/atomsvc+xml", "text/html"])
    def test_atompub_names_the_sets(self, od: Collection, accept: str | None) -> None:
        answer = od.call("GET", headers={} if accept is None else {"Accept": accept})
        service = xml(answer)
        assert answer.headers["content-type"].replace(" ", "") == "application/xml;charset=utf-8"
        assert answer.headers["dataserviceversion"] == "1.0"
        assert service.tag == f"{{{NAMES['app']}}}service"
        assert service.get("{http://www.w3.org/XML/1998/namespace}base") == od.url
        assert found(service, "string(app:workspace/a:title)") == "Default"
        hrefs = [each.get("href") for each in found(service, "app:workspace/app:collection")]
        assert set(SETS) <= set(hrefs)
        assert hrefs == [each.text for each in found(service, "app:workspace/app:collection/a:title")]
        assert hrefs == sorted(hrefs)

    @pytest.mark.parametrize(
        "options", [{"params": {"$format": "json"}}, {"params": {"$format": "JSON"}}, {"headers": JSON}]
    )
    def test_so_does_json(self, od: Collection, options: dict[str, Any]) -> None:
        answer = od.call("GET", **options)
        assert answer.headers["content-type"].replace(" ", "") == "application/json;charset=utf-8"
        assert set(SETS) <= set(answer.json()["d"]["EntitySets"])

    def test_one_without_sets(self, unit: RunningUnit) -> None:
        empty = Collection.make(unit.cell())
        assert found(xml(empty.call("GET")), "count(//app:collection)") == 0
        assert empty.get("").json() == {"d": {"EntitySets": []}}

    @pytest.mark.parametrize(
        "options", [{"params": {"$format": "atomsvc"}}, {"headers": {"Accept": "application/atomsvc+xml"}}]
    )
    def test_that_of_the_schema(self, od: Collection, options: dict[str, Any]) -> None:
        service = xml(od.call("GET", "$metadata", **options))
        names = {each.get("href") for each in found(service, "app:workspace/app:collection")}
        assert names == {"EntityType", "AssociationEnd", "Property", "ComplexType", "ComplexTypeProperty"}


class TestMetadata:
    @pytest.fixture(scope="class")
    @staticmethod
    def edmx(unit: RunningUnit) -> Any:
        made = shop(unit.cell())
        made.prop("Person", "zz", "Edm.Int32", Nullable=False, DefaultValue="7", IsKey=True, UniqueKey="u")
        made.create("Person", aa="dynamic", zz=1)
        answer = made.call("GET", "$metadata", headers={"Accept": "text/html"})
        assert answer.headers["content-type"].replace(" ", "") == "application/xml;charset=utf-8"
        assert answer.headers["dataserviceversion"] == "1.0"
        return xml(answer)

    def test_its_frame(self, edmx: Any) -> None:
        assert (edmx.tag, edmx.get("Version")) == (f"{{{NAMES['edmx']}}}Edmx", "1.0")
        assert found(edmx, "string(edmx:DataServices/@m:DataServiceVersion)") == "1.0"
        (schema,) = found(edmx, "edmx:DataServices/e:Schema")
        assert schema.get("Namespace") == "UserData"
        order = [etree.QName(each).localname for each in schema]
        kinds = ["ComplexType", "EntityType", "Association", "EntityContainer"]
        assert order == sorted(order, key=kinds.index)
        assert set(order) == set(kinds)

    def test_entity_types_are_open_and_have_an_id(self, edmx: Any) -> None:
        types = found(edmx, "//e:EntityType")
        assert [each.get("Name") for each in types] == ["Card", "Order", "Person", "Product"]
        assert {each.get("OpenType") for each in types} == {"true"}
        assert [each.get("Name") for each in found(edmx, "//e:EntityType/e:Key/e:PropertyRef")] == ["__id"] * 4
        (key,) = found(edmx, "//e:EntityType[@Name='Card']/e:Property[@Name='__id']")
        assert dict(key.attrib) == {
            "Name": "__id",
            "Type": "Edm.String",
            "Nullable": "false",
            "DefaultValue": "UUID()",
            f"{P}Format": "regEx('^[a-zA-Z0-9][a-zA-Z0-9-_:]{0,199}$')",
        }
        for name in ("__published", "__updated"):
            (time,) = found(edmx, f"//e:EntityType[@Name='Card']/e:Property[@Name='{name}']")
            assert dict(time.attrib) == {
                "Name": name,
                "Type": "Edm.DateTime",
                "Nullable": "false",
                "DefaultValue": "SYSUTCDATETIME()",
                "Precision": "3",
            }

    def test_properties_are_sorted_and_say_what_they_are(self, edmx: Any) -> None:
        shown = {each.get("Name"): each for each in found(edmx, "//e:EntityType[@Name='Person']/e:Property")}
        names = [*shown]
        assert names[:3] == ["__id", "__published", "__updated"]
        assert names[3:] == sorted([*WHOLE, "aa", "zz"])
        assert dict(shown["age"].attrib) == {"Name": "age", "Type": "Edm.Int32", "Nullable": "true"}
        assert dict(shown["tags"].attrib).items() >= {"Type": "Edm.String", "CollectionKind": "List"}.items()
        assert shown["address"].get("Type") == "UserData.Address"
        assert dict(shown["aa"].attrib).items() >= {"Type": "Edm.String", f"{P}IsDeclared": "false"}.items()
        assert shown["age"].get(f"{P}IsDeclared") is None
        assert dict(shown["zz"].attrib) == {
            "Name": "zz",
            "Type": "Edm.Int32",
            "Nullable": "false",
            "DefaultValue": "7",
        }

    def test_complex_types(self, edmx: Any) -> None:
        assert [each.get("Name") for each in found(edmx, "//e:ComplexType")] == ["Address", "Geo"]
        members = found(edmx, "//e:ComplexType[@Name='Address']/e:Property")
        assert {each.get("Name"): each.get("Type") for each in members} == {
            "city": "Edm.String",
            "zip": "Edm.Int32",
            "geo": "UserData.Geo",
        }

    def test_associations(self, edmx: Any) -> None:
        names = {each.get("Name") for each in found(edmx, "//e:Association")}
        assert names == {"Order-Person-assoc", "Order-Product-assoc", "Card-Person-assoc"}
        ends = {
            each.get("Role"): (each.get("Type"), each.get("Multiplicity"))
            for each in found(edmx, "//e:Association[@Name='Card-Person-assoc']/e:End")
        }
        assert ends == {"Card:to-Person": ("UserData.Card", "1"), "Person:to-Card": ("UserData.Person", "0..1")}
        ways = {
            each.get("Name"): (each.get("Relationship"), each.get("FromRole"), each.get("ToRole"))
            for each in found(edmx, "//e:EntityType[@Name='Person']/e:NavigationProperty")
        }
        assert ways == {
            "_Card": ("UserData.Card-Person-assoc", "Person:to-Card", "Card:to-Person"),
            "_Order": ("UserData.Order-Person-assoc", "Person:to-Order", "Order:to-Person"),
        }

    def test_the_container_names_all_sets(self, edmx: Any) -> None:
        (container,) = found(edmx, "//e:EntityContainer")
        assert container.get("Name") == "UserData"
        assert container.get(f"{M}IsDefaultEntityContainer") == "true"
        sets = {each.get("Name"): each.get("EntityType") for each in found(container, "e:EntitySet")}
        assert sets == {name: f"UserData.{name}" for name in ("Card", "Order", "Person", "Product")}
        named = {each.get("Association") for each in found(container, "e:AssociationSet")}
        assert named == {f"UserData.{each.get('Name')}" for each in found(edmx, "//e:Association")}

    def test_keys_are_not_told(self, edmx: Any) -> None:
        text = etree.tostring(edmx).decode()
        assert "IsKey" not in text
        assert "UniqueKey" not in text

    def test_every_role_and_type_that_is_named_is_there(self, edmx: Any) -> None:
        ends = {(each.getparent().get("Name"), each.get("Role")) for each in found(edmx, "//e:Association/e:End")}
        for way in found(edmx, "//e:NavigationProperty"):
            name = way.get("Relationship").removeprefix("UserData.")
            assert {(name, way.get("FromRole")), (name, way.get("ToRole"))} <= ends
        known = {f"UserData.{each.get('Name')}" for each in found(edmx, "//e:ComplexType | //e:EntityType")}
        types = {each.get("Type") for each in found(edmx, "//e:Property | //e:Association/e:End")}
        assert {each for each in types if not each.startswith("Edm.")} <= known

    def test_a_relation_within_one_type_has_two_roles(self, unit: RunningUnit) -> None:
        made = Collection.make(unit.cell())
        made.entity_type("A")
        made.relate("A", "0..1", "A", "*")
        tree = xml(made.call("GET", "$metadata"))
        assert len({each.get("Role") for each in found(tree, "//e:Association/e:End")}) == 2
        assert [each.get("Name") for each in found(tree, "//e:NavigationProperty")] == ["_A"]

    def test_the_schema_of_schemas(self, od: Collection) -> None:
        answer = od.call("GET", "$metadata/$metadata")
        tree = xml(answer)
        assert answer.headers["content-type"].replace(" ", "") == "application/xml;charset=utf-8"
        assert found(tree, "string(//e:Schema/@Namespace)") == "ODataSvcSchema"
        names = {each.get("Name") for each in found(tree, "//e:EntityType")}
        assert names == {"EntityType", "AssociationEnd", "Property", "ComplexType", "ComplexTypeProperty"}
        keys = found(tree, "//e:EntityType[@Name='Property']/e:Key/e:PropertyRef")
        assert [each.get("Name") for each in keys] == ["Name", "_EntityType.Name"]

    @pytest.mark.parametrize("bad", ["json", "atom", "yaml", ""])
    def test_another_format_is_refused(self, od: Collection, bad: str) -> None:
        assert code(od.call("GET", "$metadata", params=asking({"format": bad}))) == "PR400-OD-0005"
