"""The JSON of entities, links and single values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import BODY_NOT_JSON, FIELD_FORMAT, Refusal
from alveary.model.control_edm import ACCOUNT, BOX, EXT_CELL, ROLE, SENT_MESSAGE
from alveary.model.edm import ComplexType, Ends, EntityKey, EntitySet, Navigation, Property, Row
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind
from alveary.wire.odata_json import (
    View,
    entity_url,
    parse_entity,
    parse_link,
    render_count,
    render_entities,
    render_entity,
    render_links,
    render_property,
    render_value,
    without_annotations,
)

SERVICE = "https://c.example/__ctl/"
DATA = "https://c.example/box/col/"
CONTROL_VIEW = View(SERVICE, "personium", None, str)
VIEW = View(DATA, "personium", None, str)
V2_VIEW = replace(VIEW, shape="v2")

BOX_ROW = Row(BOX, "b1", EntityKey(("b",)), {}, 2, 1000, 3000)
ROLE_ROW = Row(ROLE, "r1", EntityKey(("r", "b")), {}, 1, 5, 5, owner_key=("b",))

CITY = ComplexType("City", (Property("Name", column="P001"), Property("Founded", EdmType.DATETIME, column="P002")))
PERSON = EntitySet(
    "Person",
    "UserData",
    EntityKind.USER_DATA,
    key=("__id",),
    properties=(
        Property("__id", generated=True),
        Property("Age", EdmType.INT32, nullable=True, column="P001"),
        Property("Born", EdmType.DATETIME, nullable=True, column="P002"),
        Property("City", CITY, nullable=True, column="C001"),
        Property("Cities", CITY, nullable=True, is_list=True, column="C002"),
        Property("Days", EdmType.DATETIME, nullable=True, is_list=True, column="P003"),
        Property("Dynamic", EdmType.DOUBLE, nullable=True, column="P004", is_declared=False),
        Property("Tags", nullable=True, is_list=True, column="P005"),
    ),
    navigations=(
        Navigation("_Dog", "Dog", Ends.ONE_TO_MANY, "t1", "t2"),
        Navigation("_Home", "Home", Ends.MANY_TO_ONE, "t1", "t3"),
    ),
    type_id="t1",
)
DOG = EntitySet(
    "Dog",
    "UserData",
    EntityKind.USER_DATA,
    ("__id",),
    (Property("__id"), Property("Age", column="P001")),
    type_id="t2",
)
REX = Row(DOG, "d1", EntityKey(("rex",)), {"P001": "old"}, 1, 1, 2)


def person(**values: Any) -> Row:
    return Row(PERSON, "p1", EntityKey(("a",)), values, 1, 10, 20)


def shown(row: Row, view: View = VIEW) -> dict[str, Any]:
    d = orjson.loads(render_entity(row, view))["d"]
    found: dict[str, Any] = d if view.shape == "v2" else d["results"]
    return found


# Shapes


def test_one_entity_is_an_object_below_results() -> None:
    uri = SERVICE + "Box('b')"
    found = orjson.loads(render_entity(BOX_ROW, CONTROL_VIEW))
    assert list(found["d"]["results"])[:5] == ["__metadata", "Name", "Schema", "__published", "__updated"]
    assert {name: value for name, value in found["d"]["results"].items() if name not in NAVIGATIONS} == {
        "__metadata": {"uri": uri, "etag": 'W/"2-3000"', "type": "CellCtl.Box"},
        "Name": "b",
        "Schema": None,
        "__published": "/Date(1000)/",
        "__updated": "/Date(3000)/",
    }
    assert found["d"]["results"]["_Role"] == {"__deferred": {"uri": uri + "/_Role"}}


NAVIGATIONS = {each.name for each in BOX.navigations}


def test_user_data_shows_id_and_times_before_its_properties() -> None:
    assert list(shown(person()))[:5] == ["__metadata", "__id", "__published", "__updated", "Age"]


def test_a_property_of_a_key_shows_its_part_of_it() -> None:
    found = shown(ROLE_ROW, CONTROL_VIEW)
    assert (found["Name"], found["_Box.Name"]) == ("r", "b")


def test_what_names_an_owner_outside_the_key_is_shown_too() -> None:
    sent = Row(SENT_MESSAGE, "m1", EntityKey(("m",)), {"Title": "t"}, 1, 2, 3, owner_key=("b",))
    found = shown(sent, CONTROL_VIEW)
    assert (found["__id"], found["_Box.Name"], found["Title"], found["Priority"]) == ("m", "b", "t", None)


def test_one_entity_in_the_shape_of_v2_stands_below_d() -> None:
    assert orjson.loads(render_entity(person(), V2_VIEW))["d"]["__id"] == "a"


def test_dates_have_escaped_slashes() -> None:
    assert rb'"__published":"\/Date(1000)\/"' in render_entity(BOX_ROW, CONTROL_VIEW)


def test_a_list_counts_and_goes_on_only_when_asked() -> None:
    bare = orjson.loads(render_entities([BOX_ROW], CONTROL_VIEW, count=None, next_url=None))["d"]
    assert list(bare) == ["results"]
    full = orjson.loads(render_entities([BOX_ROW], CONTROL_VIEW, count=41, next_url="n"))["d"]
    assert (full["__count"], full["__next"], [each["Name"] for each in full["results"]]) == ("41", "n", ["b"])


def test_links_are_a_list_of_uris() -> None:
    uri = SERVICE + "Role(Name='r',_Box.Name='b')"
    found = orjson.loads(render_links([ROLE_ROW], CONTROL_VIEW, None, to_one=True))
    assert found == {"d": {"results": [{"uri": uri}]}}


@pytest.mark.parametrize(("rows", "d"), [([REX], {"uri": DATA + "Dog('rex')"}), ([], None)])
def test_the_link_to_one_in_the_shape_of_v2_is_an_object(rows: list[Row], d: object) -> None:
    assert orjson.loads(render_links(rows, V2_VIEW, None, to_one=True)) == {"d": d}


def test_a_url_is_shown_in_the_form_that_clients_know() -> None:
    row = Row(EXT_CELL, "e1", EntityKey(("local:x/",)), {}, 1, 2, 3)
    found = shown(row, replace(CONTROL_VIEW, to_http=lambda url: url.replace("local:", "https://")))
    assert found["Url"] == "https://x/"
    assert found["__metadata"]["uri"] == SERVICE + "ExtCell('https%3A%2F%2Fx%2F')"
    assert entity_url(SERVICE, row) == SERVICE + "ExtCell('local%3Ax%2F')"


# What is left out


def test_select_leaves_key_times_metadata_and_navigation_properties() -> None:
    assert list(shown(person(P001=3), replace(VIEW, select=frozenset({"Age"})))) == [
        "__metadata",
        "__id",
        "__published",
        "__updated",
        "Age",
        "_Dog",
        "_Home",
    ]


def test_a_view_without_navigation_properties_shows_none() -> None:
    assert "_Dog" not in shown(replace(person(), related={"_Dog": (REX,)}), replace(VIEW, with_navigations=False))


def test_undeclared_properties_without_a_value_can_be_hidden() -> None:
    view = replace(VIEW, hide_absent_dynamic=True)
    assert shown(person())["Dynamic"] is None
    assert "Dynamic" not in shown(person(), view)
    assert shown(person(P004=0.0), view)["Dynamic"] == 0
    assert shown(person(), view)["Age"] is None


# Expanded navigation properties


def test_expanded_entities_are_whole_and_in_a_list() -> None:
    row = replace(person(), related={"_Dog": (REX,), "_Home": ()})
    found = shown(row, replace(VIEW, select=frozenset({"nothing"})))
    assert found["_Home"] == []
    assert found["_Dog"] == [shown(REX)]
    assert found["_Dog"][0]["Age"] == "old"


def test_expanded_entities_in_the_shape_of_v2() -> None:
    found = shown(replace(person(), related={"_Dog": (REX,), "_Home": ()}), V2_VIEW)
    assert found["_Dog"] == {"results": [shown(REX, V2_VIEW)]}
    assert found["_Home"] is None
    assert shown(replace(person(), related={"_Home": (REX,)}), V2_VIEW)["_Home"] == shown(REX, V2_VIEW)


# Values


@pytest.mark.parametrize(
    ("stored", "spelled"),
    [
        (-0.0, b"0"),
        (10.0, b"10"),
        (7, b"7"),
        (-2.5, b"-2.5"),
        (1e14, b"100000000000000"),
        (1e15, b"1000000000000000.0"),
        (5e-7, b"5e-7"),
    ],
)
def test_whole_numbers_lose_their_fraction(stored: float, spelled: bytes) -> None:
    assert b'"Dynamic":' + spelled + b"," in render_entity(person(P004=stored), VIEW)


def test_complex_values_have_all_their_members_by_name() -> None:
    found = shown(person(C001={"P002": -1}, C002=[{"P001": "x"}, None], P003=[0, None]))
    assert found["City"] == {"Name": None, "Founded": "/Date(-1)/"}
    assert found["Cities"] == [{"Name": "x", "Founded": None}, None]
    assert found["Days"] == ["/Date(0)/", None]


def test_complex_values_in_the_shape_of_v2_name_their_type() -> None:
    assert shown(person(C001={"P001": "x"}), V2_VIEW)["City"] == {
        "__metadata": {"type": "UserData.City"},
        "Name": "x",
        "Founded": None,
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_escaped_slashes_change_no_text(text: str) -> None:
    for schema in (text, f"/Date({text})/"):
        assert shown(replace(BOX_ROW, values={"Schema": schema}), CONTROL_VIEW)["Schema"] == schema


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["P001", "P002"]), inner, max_size=2),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional={each.column: anything for each in PERSON.properties}))
def test_a_document_from_elsewhere_is_shown_whatever_it_holds(values: dict[str, Any]) -> None:
    for view in (VIEW, V2_VIEW):
        assert b'"__id":"a"' in render_entity(person(**values), view)


# Single values


def test_a_count_is_its_digits() -> None:
    assert render_count(120) == b"120"


@pytest.mark.parametrize(
    ("path", "shown_value", "text"),
    [
        (("__id",), "a", b"a"),
        (("__updated",), "/Date(20)/", b"1970-01-01T00:00:00.020"),
        (("Age",), 3, b"3"),
        (("Born",), None, None),
        (("Dynamic",), 10, b"10"),
        (("City",), {"Name": "x", "Founded": "/Date(1487123554635)/"}, None),
        (("City", "Name"), "x", b"x"),
        (("City", "Founded"), "/Date(1487123554635)/", b"2017-02-15T01:52:34.635"),
        (("Tags",), ["t"], None),
    ],
)
def test_a_property_alone_and_its_text(path: tuple[str, ...], shown_value: object, text: bytes | None) -> None:
    row = person(P001=3, P004=10.0, P005=["t"], C001={"P001": "x", "P002": 1487123554635})
    assert orjson.loads(render_property(row, path, VIEW)) == {"d": {path[-1]: shown_value}}
    assert render_value(row, path, VIEW) == text


@pytest.mark.parametrize(
    ("stored", "text"), [(True, b"true"), ("x", b"x"), ([1], b"[1]"), (10**30, b"1" + b"0" * 30)]
)
def test_a_value_that_does_not_fit_its_type_has_a_text_too(stored: object, text: bytes) -> None:
    assert render_value(person(P002=stored), ("Born",), VIEW) == text


# What is asked


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"null", b'{"a":NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_entity(body)
    assert caught.value.kind is BODY_NOT_JSON


def test_what_the_shape_of_v2_adds_to_values_is_taken_off_them() -> None:
    home = {"__metadata": {"type": "UserData.Address"}, "city": "Osaka", "geo": {"__metadata": {}, "lat": 1}}
    sent = {
        "__metadata": {"uri": "x"},
        "__updated": "/Date(1)/",
        "age": 1,
        "home": home,
        "_Dog": {"__deferred": {"uri": "x"}},
        "homes": [home],
    }
    plain = {"city": "Osaka", "geo": {"lat": 1}}
    assert without_annotations(sent) == {"age": 1, "home": plain, "homes": [plain]}


@pytest.mark.parametrize(
    "uri",
    [
        SERVICE + "Account('f@example.com')",
        SERVICE + "Account('f%40example.com')",
        SERVICE + "Account(Name='f%40example.com')",
        SERVICE + "Account%28%27f%40example.com%27%29",
        "HTTPS://C.example/__ctl/Account('f@example.com')",
        "Account('f@example.com')",
    ],
)
def test_a_link_names_its_entity_by_url(uri: str) -> None:
    assert parse_link(orjson.dumps({"uri": uri}), SERVICE, ACCOUNT, str)[0] == EntityKey(("f@example.com",))


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("a", ["a"]),
        ("100%", ["100%"]),
        ("%41", ["A", "%41"]),
        ("%2541", ["%41", "%2541"]),
        ("it''s%20", ["it's ", "it's%20"]),
        ("it%27%27s", ["it's", "it%27%27s"]),
        ("it%27s", ["it%27s"]),
    ],
)
def test_a_key_in_a_link_is_decoded_first_and_then_as_it_stands(key: str, read: list[str]) -> None:
    found = parse_link(orjson.dumps({"uri": f"Account('{key}')"}), SERVICE, ACCOUNT, str)
    assert [each.values for each in found] == [(name,) for name in read]


@pytest.mark.parametrize(
    "uri",
    [
        None,
        7,
        "",
        SERVICE,
        SERVICE + "Account",
        SERVICE + "Account('a'",
        SERVICE + "Account(null)",
        SERVICE + "Role('a')",
        "https://other.example/__ctl/Account('a')",
        "https://c.example/__CTL/Account('a')",
    ],
)
def test_a_link_to_anything_else_is_a_format_error(uri: str | int | None) -> None:
    with pytest.raises(Refusal) as caught:
        parse_link(orjson.dumps({"uri": uri}), SERVICE, ACCOUNT, str)
    assert caught.value.kind is FIELD_FORMAT
    assert "uri" in caught.value.text
