"""What the control entity sets accept, field by field, on both sides of each limit."""

from __future__ import annotations

import pytest

from alveary.errors import FIELD_FORMAT, FIELD_NOT_ALLOWED, FIELD_REQUIRED, SCHEMA_URI_FORMAT, Kind, Refusal
from alveary.model.edm import ACCOUNT, BLOCKING, BOX, CELL, CELL_SETS, GUARDS, ROLE, EntityKey, EntitySet, Row
from alveary.model.entities import EntityKind, JsonValue


def refused(entity_set: EntitySet, given: dict[str, JsonValue]) -> Kind:
    with pytest.raises(Refusal) as caught:
        entity_set.parse_new(given)
    assert caught.value.text
    return caught.value.kind


@pytest.mark.parametrize(
    ("entity_set", "field", "value"),
    [
        (CELL, "Name", "a"),
        (CELL, "Name", "0" * 128),
        (BOX, "Name", "A_b-9"),
        (BOX, "Name", "a" * 128),
        (ACCOUNT, "Name", "frank@example.com"),
        (ACCOUNT, "Name", "a!$*=^`{|}~.@_-"),
        (ROLE, "Name", "r" * 128),
    ],
)
def test_a_name_within_its_grammar_is_kept(entity_set: EntitySet, field: str, value: str) -> None:
    assert entity_set.parse_new({field: value})[field] == value


@pytest.mark.parametrize(
    ("entity_set", "value"),
    [
        (CELL, "-a"),
        (CELL, "A"),
        (CELL, "0" * 129),
        (CELL, "healthz"),
        (CELL, "a\n"),
        (CELL, 7),
        (BOX, "_a"),
        (BOX, "__"),
        (BOX, ""),
        (BOX, "a" * 129),
        (BOX, "a.b"),
        (ACCOUNT, "@a"),
        (ACCOUNT, "a" * 129),
        (ACCOUNT, "a b"),
        (ROLE, "-r"),
        (ROLE, ["r"]),
    ],
)
def test_a_name_outside_its_grammar_is_a_format_error(entity_set: EntitySet, value: JsonValue) -> None:
    assert refused(entity_set, {"Name": value}) is FIELD_FORMAT


@pytest.mark.parametrize("entity_set", [CELL, BOX, ACCOUNT, ROLE])
@pytest.mark.parametrize("given", [{}, {"Name": None}])
def test_a_name_is_required(entity_set: EntitySet, given: dict[str, JsonValue]) -> None:
    assert refused(entity_set, given) is FIELD_REQUIRED


@pytest.mark.parametrize("name", ["__published", "__updated", "__metadata", "Owner", "_Box.Nam", "_Role"])
@pytest.mark.parametrize("entity_set", [CELL, BOX, ACCOUNT])
def test_what_is_no_field_or_the_units_own_is_not_allowed(entity_set: EntitySet, name: str) -> None:
    assert refused(entity_set, {"Name": "a", name: None}) is FIELD_NOT_ALLOWED


@pytest.mark.parametrize(
    "schema",
    [
        "urn:x-app:one",
        "http://app.example/",
        "https://unit.example:8443/app/",
        "personium-localunit:app:/",
        "http://a.example/" + "p" * (1024 - 18) + "/",
        None,
    ],
)
def test_a_box_schema_is_a_urn_or_the_url_of_a_cell(schema: str | None) -> None:
    assert BOX.parse_new({"Name": "b", "Schema": schema})["Schema"] == schema


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "app",
        "urn:",
        "ftp://a.example/",
        "http://a.example",
        "http://a.example/app",
        "http://a.example/x/../",
        "http://a.example/./",
        "http://a.example//",
        "http://a.example/?q/",
        "http://user@a.example/",
        "http://a.example/a b/",
        "personium-localunit:/app/",
        "personium-localunit:App:/",
        "http://a.example/" + "p" * (1024 - 17) + "/",
    ],
)
def test_any_other_box_schema_is_refused(schema: str) -> None:
    assert refused(BOX, {"Name": "b", "Schema": schema}) is SCHEMA_URI_FORMAT


def test_what_an_account_leaves_out_is_its_default() -> None:
    assert ACCOUNT.parse_new({"Name": "a", "Type": None}) == {
        "Name": "a",
        "Type": "basic",
        "Cell": None,
        "IPAddressRange": None,
        "Status": "active",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Type", "basic basic"),
        ("Type", "oidc:google"),
        ("Type", "basic "),
        ("Type", ""),
        ("Status", "Active"),
        ("IPAddressRange", "10.0.0.0/0"),
        ("IPAddressRange", "10.0.0.1, 10.0.0.2"),
        ("IPAddressRange", "10.0.0"),
        ("Cell", "c" * 51_201),
    ],
)
def test_an_account_field_out_of_form_is_a_format_error(field: str, value: str) -> None:
    assert refused(ACCOUNT, {"Name": "a", field: value}) is FIELD_FORMAT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Status", "deactivated"),
        ("Status", "passwordChangeRequired"),
        ("IPAddressRange", "192.0.2.0/24,198.51.100.7"),
        ("IPAddressRange", "10.0.0.0/1"),
        ("IPAddressRange", "10.0.0.1/32"),
        ("IPAddressRange", "2001:db8::/32"),
        ("Cell", "c" * 51_200),
    ],
)
def test_an_account_field_in_form_is_kept(field: str, value: str) -> None:
    assert ACCOUNT.parse_new({"Name": "a", field: value})[field] == value


def test_a_role_names_its_box_by_the_grammar_of_boxes() -> None:
    assert ROLE.parse_new({"Name": "r", "_Box.Name": "b"})["_Box.Name"] == "b"
    with pytest.raises(Refusal, match=r"_Box\.Name"):
        ROLE.parse_new({"Name": "r", "_Box.Name": "__"})


def test_a_merge_keeps_what_it_does_not_mention() -> None:
    old = ACCOUNT.parse_new({"Name": "a", "IPAddressRange": "10.0.0.1", "Status": "deactivated"})
    merged = ACCOUNT.parse_merge({"Status": "active"}, old)
    assert merged == {**old, "Status": "active"}


def test_a_null_in_a_merge_is_the_default() -> None:
    old = ACCOUNT.parse_new({"Name": "a", "IPAddressRange": "10.0.0.1", "Status": "deactivated"})
    merged = ACCOUNT.parse_merge({"Status": None, "IPAddressRange": None}, old)
    assert (merged["Status"], merged["IPAddressRange"]) == ("active", None)


def test_a_row_knows_its_key() -> None:
    assert Row(ROLE, {"Name": "r", "_Box.Name": None}, 1, 2, 3).key == EntityKey(("r", None))


def test_every_navigation_has_a_way_back() -> None:
    for entity_set in CELL_SETS.values():
        for navigation in entity_set.navigations:
            target = CELL_SETS[navigation.target]
            back = [each for each in target.navigations if each.target == entity_set.kind]
            assert [each.ends.value.split(":")[::-1] for each in back] == [navigation.ends.value.split(":")]


def test_every_set_of_a_cell_has_its_privileges_and_its_kind() -> None:
    assert GUARDS.keys() == CELL_SETS.keys()
    assert {each.kind for each in CELL_SETS.values()} == {EntityKind.BOX, EntityKind.ACCOUNT, EntityKind.ROLE}
    assert BLOCKING.keys() <= {each.kind for each in CELL_SETS.values()}
