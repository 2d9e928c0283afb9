"""The JSON of entities and links, and the options of their lists."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.config import Limits
from alveary.errors import (
    BODY_NOT_JSON,
    FIELD_FORMAT,
    FORMAT_UNKNOWN,
    INLINECOUNT_UNKNOWN,
    NOT_ACCEPTABLE_ODATA,
    QUERY_NOT_A_NUMBER,
    QUERY_UNREADABLE,
    QUERY_VALUE,
    Kind,
    Refusal,
)
from alveary.model.edm import ACCOUNT, BOX, ROLE, EntityKey, Row
from alveary.wire.odata_json import (
    parse_entity,
    parse_link,
    render_entities,
    render_entity,
    render_links,
)
from alveary.wire.odata_options import Paging, check_format, parse_query

SERVICE = "https://c.example/__ctl/"
BOX_ROW = Row(BOX, {"Name": "b", "Schema": None}, 2, 1000, 3000)
ROLE_ROW = Row(ROLE, {"Name": "r", "_Box.Name": "b"}, 1, 5, 5)


def test_one_entity_is_an_object_below_results() -> None:
    uri = SERVICE + "Box('b')"
    assert orjson.loads(render_entity(BOX_ROW, SERVICE)) == {
        "d": {
            "results": {
                "__metadata": {"uri": uri, "etag": 'W/"2-3000"', "type": "CellCtl.Box"},
                "Name": "b",
                "Schema": None,
                "__published": "/Date(1000)/",
                "__updated": "/Date(3000)/",
                "_Role": {"__deferred": {"uri": uri + "/_Role"}},
            }
        }
    }


def test_dates_have_escaped_slashes() -> None:
    assert rb'"__published":"\/Date(1000)\/"' in render_entity(BOX_ROW, SERVICE)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_escaped_slashes_change_no_text(text: str) -> None:
    for schema in (text, f"/Date({text})/"):
        row = Row(BOX, {"Name": "b", "Schema": schema}, 1, 2, 3)
        assert orjson.loads(render_entity(row, SERVICE))["d"]["results"]["Schema"] == schema


def test_a_list_counts_only_when_asked_and_as_text() -> None:
    assert "__count" not in orjson.loads(render_entities([BOX_ROW], SERVICE, None))["d"]
    listed = orjson.loads(render_entities([BOX_ROW], SERVICE, 41))["d"]
    assert (listed["__count"], [each["Name"] for each in listed["results"]]) == ("41", ["b"])


def test_links_are_a_list_of_uris() -> None:
    uri = SERVICE + "Role(Name='r',_Box.Name='b')"
    assert orjson.loads(render_links([ROLE_ROW], SERVICE, None)) == {"d": {"results": [{"uri": uri}]}}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"null", b'{"a":NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_entity(body)
    assert caught.value.kind is BODY_NOT_JSON


@pytest.mark.parametrize(
    "uri",
    [
        SERVICE + "Account('f@example.com')",
        SERVICE + "Account('f%40example.com')",
        SERVICE + "Account(Name='f%40example.com')",
        "HTTPS://C.example/__ctl/Account('f@example.com')",
        "Account('f@example.com')",
    ],
)
def test_a_link_names_its_entity_by_url(uri: str) -> None:
    assert parse_link(orjson.dumps({"uri": uri}), SERVICE, ACCOUNT, str) == EntityKey(("f@example.com",))


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
    ],
)
def test_a_link_to_anything_else_is_a_format_error(uri: str | int | None) -> None:
    with pytest.raises(Refusal) as caught:
        parse_link(orjson.dumps({"uri": uri}), SERVICE, ACCOUNT, str)
    assert caught.value.kind is FIELD_FORMAT
    assert "uri" in caught.value.text


# Options


def paging(query_string: str) -> Paging:
    return Paging.parse(parse_query(query_string), Limits())


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", Paging(top=25)),
        ("$top=0", Paging(top=0)),
        ("%24top=10000&$skip=100000", Paging(top=10_000, skip=100_000)),
        ("$top=5&p_cookie_peer=x&$unknown=1", Paging(top=5)),
        ("$top=1&$top=2", Paging(top=1)),
        ("$inlinecount=allpages", Paging(top=25, count=True)),
        ("$inlinecount=none", Paging(top=25)),
    ],
)
def test_the_options_of_a_list(query_string: str, expected: Paging) -> None:
    assert paging(query_string) == expected


@pytest.mark.parametrize(
    ("query_string", "kind"),
    [
        ("$top=", QUERY_NOT_A_NUMBER),
        ("$top=1.0", QUERY_NOT_A_NUMBER),
        ("$skip=a", QUERY_NOT_A_NUMBER),
        ("$skip=%D9%A1", QUERY_NOT_A_NUMBER),
        ("$top=-1", QUERY_VALUE),
        ("$top=10001", QUERY_VALUE),
        ("$skip=100001", QUERY_VALUE),
        ("$inlinecount=AllPages", INLINECOUNT_UNKNOWN),
        ("$filter=Name+eq+'a'", QUERY_UNREADABLE),
        ("$select=Name", QUERY_UNREADABLE),
        ("$orderby=Name", QUERY_UNREADABLE),
        ("$expand=_Role", QUERY_UNREADABLE),
        ("q=a", QUERY_UNREADABLE),
    ],
)
def test_an_option_that_cannot_be_heeded_is_refused(query_string: str, kind: Kind) -> None:
    with pytest.raises(Refusal) as caught:
        paging(query_string)
    assert caught.value.kind is kind
    assert caught.value.text


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json", "application/json;odata=verbose", "text/html, application/*;q=0.1"],
)
def test_json_is_served_to_whoever_takes_it(accept: str) -> None:
    check_format({}, accept)


@pytest.mark.parametrize("accept", ["application/atom+xml", "application/xml", "text/html", "text/*"])
def test_nothing_but_json_is_not_acceptable(accept: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_format({}, accept)
    assert caught.value.kind is NOT_ACCEPTABLE_ODATA
    check_format({"$format": "json"}, accept)


@pytest.mark.parametrize(
    ("wanted", "kind"), [("atom", NOT_ACCEPTABLE_ODATA), ("JSON", FORMAT_UNKNOWN), ("", FORMAT_UNKNOWN)]
)
def test_another_format_is_refused(wanted: str, kind: Kind) -> None:
    with pytest.raises(Refusal) as caught:
        check_format({"$format": wanted}, "application/json")
    assert caught.value.kind is kind
