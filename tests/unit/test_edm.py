"""What an entity set makes of what a client gives: new entities, merged ones, complex values and lists."""

from __future__ import annotations

import pytest

from alveary.errors import FIELD_FORMAT, FIELD_NOT_ALLOWED, FIELD_REQUIRED, Kind, Refusal
from alveary.model.edm import ComplexType, EntityKey, EntitySet, Fresh, Owner, Property, Row, Values
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind, JsonValue

NOW_MS = 1_700_000_000_000
FRESH = Fresh(now_ms=NOW_MS, new_hex=lambda: "0" * 32)
GEO = ComplexType(
    "Geo",
    (
        Property("lat", EdmType.DOUBLE),
        Property("label", nullable=True, column="P1"),
        Property("zoom", default="1"),
    ),
)
PLACE = EntitySet(
    "Place",
    "Test",
    EntityKind.ROLE,
    key=("Name", "_Box.Name"),
    properties=(
        Property("Name", generated=True),
        Property("_Box.Name", nullable=True),
        Property("Note", nullable=True, column="P7"),
        Property("Rank", EdmType.INT32, nullable=True, default_text="3"),
        Property("Since", EdmType.DATETIME, nullable=True, default_text="SYSUTCDATETIME()"),
        Property("Open", EdmType.BOOLEAN, default=False),
        Property("Geo", GEO, nullable=True),
        Property("Marks", EdmType.INT32, nullable=True, is_list=True),
    ),
    owner=Owner(EntityKind.BOX, ("_Box.Name",), required=False),
)


def refused(given: dict[str, JsonValue]) -> Kind:
    with pytest.raises(Refusal) as caught:
        PLACE.parse_new(given, FRESH)
    assert caught.value.text
    return caught.value.kind


def row(values: Values) -> Row:
    return Row(PLACE, "i", EntityKey(("a", None)), {"Name": "a", **values}, 1, 2, 3, owner_key=(None,))


def merged(given: dict[str, JsonValue], old: Values) -> Values:
    return PLACE.parse_merge(given, row(old), FRESH).values


def test_what_is_left_out_is_made_or_defaulted_or_null() -> None:
    parsed = PLACE.parse_new({}, FRESH)
    assert (parsed.name, parsed.owner_key) == ("0" * 32, (None,))
    assert parsed.values == {"Name": "0" * 32, "Rank": 3, "Since": NOW_MS, "Open": False}


def test_what_is_given_is_stored_under_its_column() -> None:
    geo: JsonValue = {"lat": 1, "label": "l"}
    parsed = PLACE.parse_new({"Name": "a", "_Box.Name": "b", "Note": "n", "Geo": geo}, FRESH)
    assert (parsed.name, parsed.owner_key) == ("a", ("b",))
    assert parsed.values["P7"] == "n"
    assert parsed.values["Geo"] == {"lat": 1.0, "P1": "l", "zoom": "1"}
    assert "_Box.Name" not in parsed.values


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"Other": None}, FIELD_NOT_ALLOWED),
        ({"__published": None}, FIELD_NOT_ALLOWED),
        ({"Geo": {"label": "l"}}, FIELD_REQUIRED),
        ({"Geo": {}}, FIELD_FORMAT),
        ({"Geo": {"lat": 1, "lon": 2}}, FIELD_FORMAT),
        ({"Geo": "here"}, FIELD_FORMAT),
        ({"Marks": 1}, FIELD_FORMAT),
        ({"Marks": [1, "x"]}, FIELD_FORMAT),
        ({"Note": ["n"]}, FIELD_FORMAT),
        ({"Rank": 2**31}, FIELD_FORMAT),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, JsonValue], kind: Kind) -> None:
    assert refused(given) is kind


def test_a_list_keeps_its_nulls() -> None:
    assert PLACE.parse_new({"Marks": [1, None]}, FRESH).values["Marks"] == [1, None]


def test_a_merge_keeps_what_it_does_not_mention() -> None:
    old: Values = {"Name": "a", "P7": "n", "Rank": 9, "Open": True}
    assert merged({"Rank": 1}, old) == {"Name": "a", "P7": "n", "Rank": 1, "Open": True}


def test_a_null_in_a_merge_is_the_default_or_null() -> None:
    assert merged({"Rank": None, "Note": None}, {"P7": "n", "Rank": 9, "Open": True})["Rank"] == 3
    assert "P7" not in merged({"Note": None}, {"P7": "n", "Open": True})


def test_complex_values_are_merged_member_by_member() -> None:
    old: Values = {"Geo": {"lat": 1.0, "P1": "l", "zoom": "2"}, "Open": True}
    assert merged({"Geo": {"lat": 2}}, old)["Geo"] == {"lat": 2.0, "P1": "l", "zoom": "2"}
    assert merged({"Geo": None}, old)["Geo"] == old["Geo"]


@pytest.mark.parametrize("old", [{"Geo": {"lat": 1.0, "P1": "l", "zoom": "2"}, "Open": True}, {"Open": True}])
def test_an_empty_complex_value_is_refused_whatever_it_is_merged_into(old: Values) -> None:
    with pytest.raises(Refusal) as caught:
        merged({"Geo": {}}, old)
    assert caught.value.kind is FIELD_FORMAT


def test_a_merge_may_name_the_entity_anew() -> None:
    parsed = PLACE.parse_merge({"Name": "c", "_Box.Name": "b"}, row({"Open": True}), FRESH)
    assert (parsed.name, parsed.owner_key) == ("c", ("b",))
    assert parsed.values["Name"] == "c"


def test_a_row_shows_its_key_and_its_columns() -> None:
    shown = row({"P7": "n"})
    names = ("Name", "_Box.Name", "Note", "Rank")
    assert tuple(shown.value(name) for name in names) == ("a", None, "n", None)
