"""Entities as Atom, read back with another reader of XML."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from alveary.model.edm import ComplexType, Ends, EntityKey, EntitySet, Navigation, Property, Row
from alveary.model.edm_values import EARLIEST_MS, LATEST_MS, EdmType
from alveary.model.entities import EntityKind
from alveary.wire.odata_atom import element_name, render_entry, render_feed
from alveary.wire.odata_json import View
from alveary.wire.odata_service import atom_service, json_service

DATA_NS = "http://schemas.microsoft.com/ado/2007/08/dataservices"
NS = {
    "a": "http://www.w3.org/2005/Atom",
    "app": "http://www.w3.org/2007/app",
    "d": DATA_NS,
    "m": f"{DATA_NS}/metadata",
    "p": "urn:x-personium:xmlns",
}
TYPE = f"{{{NS['m']}}}type"
NULL = f"{{{NS['m']}}}null"

SERVICE = "https://c.example/box/col/"
VIEW = View(SERVICE, "personium", None, str)

CITY = ComplexType("City", (Property("Name", column="P001"), Property("Size", EdmType.INT32, column="P002")))
TAGGED = ComplexType("Tagged", (Property("Tags", is_list=True, column="P001"),))
PERSON = EntitySet(
    "Person",
    "UserData",
    EntityKind.USER_DATA,
    key=("__id",),
    properties=(
        Property("__id", generated=True),
        Property("Name", nullable=True, column="P001"),
        Property("Age", EdmType.INT32, nullable=True, column="P002"),
        Property("Born", EdmType.DATETIME, nullable=True, column="P003"),
        Property("Height", EdmType.DOUBLE, nullable=True, column="P004", is_declared=False),
        Property("Alive", EdmType.BOOLEAN, nullable=True, column="P005"),
        Property("Tags", nullable=True, is_list=True, column="P006"),
        Property("City", CITY, nullable=True, column="C001"),
        Property("Cities", CITY, nullable=True, is_list=True, column="C002"),
        Property("Tagged", TAGGED, nullable=True, column="C003"),
    ),
    navigations=(
        Navigation("_Dog", "Dog", Ends.ONE_TO_MANY, "t1", "t2"),
        Navigation("_Home", "Home", Ends.MANY_TO_ONE, "t1", "t3"),
    ),
    type_id="t1",
)
DOG = EntitySet("Dog", "UserData", EntityKind.USER_DATA, ("__id",), (Property("__id"),), type_id="t2")
REX = Row(DOG, "d1", EntityKey(("rex",)), {}, 1, 1, 2)


def person(**values: Any) -> Row:
    return Row(PERSON, "p1", EntityKey(("a",)), values, 2, 1000, 1487123554635)


def entry(row: Row, view: View = VIEW) -> etree._Element:
    return etree.fromstring(render_entry(row, view))


def feed(rows: list[Row], count: int | None = None, next_url: str | None = None) -> etree._Element:
    return etree.fromstring(render_feed(rows, VIEW, "Person", count=count, next_url=next_url))


def found(root: etree._Element, path: str) -> Any:
    return root.xpath(path, namespaces=NS)


def properties(row: Row, view: View = VIEW) -> dict[str, etree._Element]:
    return {etree.QName(each).localname: each for each in found(entry(row, view), "a:content/m:properties/*")}


# Entries


def test_an_entry_tells_where_and_what_it_is() -> None:
    root = entry(person())
    uri = SERVICE + "Person('a')"
    assert found(root, "string(a:id)") == uri
    assert found(root, "string(@m:etag)") == 'W/"2-1487123554635"'
    assert found(root, "string(a:updated)") == "2017-02-15T01:52:34.635Z"
    assert found(root, "string(a:link[@rel='edit']/@href)") == uri
    assert found(root, "string(a:category/@term)") == "UserData.Person"
    assert found(root, "string(a:category/@scheme)") == f"{DATA_NS}/scheme"
    assert found(root, "string(a:content/@type)") == "application/xml"
    assert len(found(root, "a:title | a:author/a:name")) == 2


def test_an_entry_links_along_each_navigation_property() -> None:
    links = found(entry(person()), f"a:link[starts-with(@rel, '{DATA_NS}/related/')]")
    assert [(each.get("title"), each.get("type"), each.get("href"), len(each)) for each in links] == [
        ("_Dog", "application/atom+xml;type=feed", SERVICE + "Person('a')/_Dog", 0),
        ("_Home", "application/atom+xml;type=entry", SERVICE + "Person('a')/_Home", 0),
    ]


def test_expanded_entities_stand_within_their_link() -> None:
    root = entry(replace(person(), related={"_Dog": (REX, REX), "_Home": (REX,)}))
    assert found(root, "count(a:link[@title='_Dog']/m:inline/a:feed/a:entry)") == 2
    assert found(root, "string(a:link[@title='_Home']/m:inline/a:entry/a:id)") == SERVICE + "Dog('rex')"


def test_expanded_to_nobody_is_an_empty_feed_and_an_empty_element() -> None:
    root = entry(replace(person(), related={"_Dog": (), "_Home": ()}))
    assert found(root, "count(a:link[@title='_Dog']/m:inline/a:feed)") == 1
    assert found(root, "count(a:link[@title='_Home']/m:inline/*)") == 0
    assert found(root, "count(a:link[@title='_Home']/m:inline)") == 1


def test_a_view_decides_what_an_entry_shows() -> None:
    view = replace(VIEW, select=frozenset({"Age", "Height"}), with_navigations=False, hide_absent_dynamic=True)
    assert list(properties(person(), view)) == ["__id", "__published", "__updated", "Age"]
    assert len(found(entry(person(), view), "a:link")) == 1


# Properties


def test_properties_have_their_types_and_texts() -> None:
    values = properties(person(P001="n", P002=3, P003=-1, P004=-0.0, P005=False))
    assert {name: (each.get(TYPE), each.text) for name, each in values.items() if each.get(NULL) is None} == {
        "__id": (None, "a"),
        "__published": ("Edm.DateTime", "1970-01-01T00:00:01.000"),
        "__updated": ("Edm.DateTime", "2017-02-15T01:52:34.635"),
        "Name": (None, "n"),
        "Age": ("Edm.Int32", "3"),
        "Born": ("Edm.DateTime", "1969-12-31T23:59:59.999"),
        "Height": ("Edm.Double", "0"),
        "Alive": ("Edm.Boolean", "false"),
    }


def test_a_null_is_an_empty_element_that_says_so() -> None:
    each = properties(person())["Age"]
    assert (each.get(NULL), each.get(TYPE), each.text, len(each)) == ("true", "Edm.Int32", None, 0)


def test_a_complex_value_is_nested() -> None:
    city = properties(person(C001={"P001": "x"}))["City"]
    assert city.get(TYPE) == "UserData.City"
    assert found(city, "string(d:Name)") == "x"
    assert found(city, "string(d:Size/@m:null)") == "true"


def test_what_holds_a_list_stands_in_another_namespace() -> None:
    values = properties(person(P006=["x", None], C002=[{"P002": 1}], C003={"P001": []}))
    assert {name for name, each in values.items() if etree.QName(each).namespace == NS["p"]} == {
        "Tags",
        "Cities",
        "Tagged",
    }
    assert values["Tags"].get(TYPE) == "Bag(Edm.String)"
    assert [(each.tag, each.text, each.get(NULL)) for each in values["Tags"]] == [
        (f"{{{DATA_NS}}}element", "x", None),
        (f"{{{DATA_NS}}}element", None, "true"),
    ]
    assert found(values["Cities"], "string(d:element[@m:type='UserData.City']/d:Size)") == "1"


@pytest.mark.parametrize(
    ("name", "element"),
    [("_Box.Name", "_Box.Name"), ("0a", "_x0030_a"), ("-", "_x002D_"), ("é b", "_x00E9__x0020_b")],
)
def test_a_name_that_xml_does_not_allow_is_spelled_out(name: str, element: str) -> None:
    assert element_name(name) == element
    entity_set = replace(PERSON, properties=(Property("__id"), Property(name, column="P001")))
    row = Row(entity_set, "p1", EntityKey(("a",)), {"P001": "v"}, 1, 2, 3)
    assert properties(row)[element].text == "v"


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r<&>\"']"))


@given(texts, st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_values_are_read_back_as_they_were(text: str, whole: int, number: float, truth: bool) -> None:
    text = text.replace("\ufffe", "").replace("\uffff", "")
    values = properties(person(P001=text, P002=whole, P004=number, P005=truth, P006=[text], C001={"P001": text}))
    assert (values["Name"].text or "") == text
    assert int(values["Age"].text or "") == whole
    assert float(values["Height"].text or "") == number
    assert values["Alive"].text == ("true" if truth else "false")
    assert (values["Tags"][0].text or "") == text
    assert (values["City"][0].text or "") == text


@given(st.integers(EARLIEST_MS, LATEST_MS))
def test_moments_are_spelled_to_the_millisecond(time_ms: int) -> None:
    text = properties(person(P003=time_ms))["Born"].text or ""
    assert (datetime.fromisoformat(text) - datetime(1970, 1, 1)) / timedelta(milliseconds=1) == time_ms
    assert len(text) == len("2017-02-15T01:52:34.635")


def test_what_xml_cannot_hold_is_replaced() -> None:
    assert properties(person(P001="a\x00b\x1fc\ud800d\uffff"))["Name"].text == "a\ufffdb\ufffdc\ufffdd\ufffd"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["P001", "P002"]), inner, max_size=2),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional={each.column: anything for each in PERSON.properties}))
def test_a_document_from_elsewhere_is_well_formed_whatever_it_holds(values: dict[str, Any]) -> None:
    assert len(properties(person(**values))) == len(PERSON.properties) + 2


# Feeds


def test_a_feed_holds_its_entries() -> None:
    root = feed([person(), person()], 41, SERVICE + "Person?$skiptoken='a'&$top=1")
    assert root.get("{http://www.w3.org/XML/1998/namespace}base") == SERVICE
    assert found(root, "string(a:id)") == SERVICE + "Person"
    assert found(root, "string(a:title)") == "Person"
    assert found(root, "string(a:updated)") == "2017-02-15T01:52:34.635Z"
    assert found(root, "string(m:count)") == "41"
    assert found(root, "string(a:link[@rel='next']/@href)") == SERVICE + "Person?$skiptoken='a'&$top=1"
    assert found(root, "count(a:entry)") == 2


def test_a_feed_is_known_by_the_url_that_it_is_read_from() -> None:
    raw = render_feed([], VIEW, "_Dog", count=None, next_url=None, path="Person('a')/_Dog")
    root = etree.fromstring(raw)
    assert found(root, "string(a:id)") == found(root, "string(a:link[@rel='self']/@href)")
    assert found(root, "string(a:id)") == SERVICE + "Person('a')/_Dog"
    assert found(root, "string(a:title)") == "_Dog"


def test_an_empty_feed_has_what_atom_asks_for() -> None:
    root = feed([])
    assert len(found(root, "a:id | a:title | a:updated | a:author/a:name")) == 4
    assert not found(root, "m:count | a:link[@rel='next'] | a:entry")


# Service documents


def test_a_service_document_lists_the_sets() -> None:
    root = etree.fromstring(atom_service(SERVICE, ["A", "B-1"]))
    assert root.get("{http://www.w3.org/XML/1998/namespace}base") == SERVICE
    assert found(root, "string(app:workspace/a:title)") == "Default"
    assert found(root, "app:workspace/app:collection/@href") == ["A", "B-1"]
    assert found(root, "app:workspace/app:collection/a:title/text()") == ["A", "B-1"]
    assert json_service(["A", "B-1"]) == b'{"d":{"EntitySets":["A","B-1"]}}'
