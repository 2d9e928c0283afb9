"""What the entity sets of cell and schema accept, property by property, on both sides of each limit."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from alveary.errors import (
    EXT_CELL_URL_FORMAT,
    FIELD_FORMAT,
    FIELD_NOT_ALLOWED,
    FIELD_REQUIRED,
    SCHEMA_URI_FORMAT,
    Kind,
    Refusal,
)
from alveary.model.accounts import IPRange
from alveary.model.control_edm import (
    ACCOUNT,
    BLOCKING,
    BOX,
    CELL,
    CELL_SETS,
    EXT_CELL,
    EXT_ROLE,
    GUARDS,
    LINK_GUARDS,
    RECEIVED_MESSAGE,
    RELATION,
    ROLE,
    RULE,
    SENT_MESSAGE,
    UNSERVED,
)
from alveary.model.edm import Ends, EntitySet, Fresh, Navigation
from alveary.model.entities import EntityKind, JsonValue
from alveary.model.schema_edm import (
    ASSOCIATION_END,
    COMPLEX_TYPE,
    COMPLEX_TYPE_PROPERTY,
    ENTITY_TYPE,
    PROPERTY,
    SCHEMA_SETS,
    SERVER_SET,
)

NEW_HEX = "0123456789abcdef" * 2
FRESH = Fresh(now_ms=1_700_000_000_000, new_hex=lambda: NEW_HEX)
PEER = "https://peer.example/"
LEAST: dict[str, dict[str, JsonValue]] = {
    "ExtCell": {"Url": PEER},
    "ExtRole": {"ExtRole": f"{PEER}__role/__/doctor", "_Relation.Name": "friend"},
    "Rule": {"Action": "log"},
    "ReceivedMessage": {"From": PEER, "Status": "unread"},
    "SentMessage": {"To": PEER},
    "AssociationEnd": {"Name": "a", "Multiplicity": "*", "_EntityType.Name": "E"},
    "Property": {"Name": "p", "Type": "Edm.String", "_EntityType.Name": "E"},
    "ComplexTypeProperty": {"Name": "p", "Type": "Edm.String", "_ComplexType.Name": "C"},
}
"""The least that an entity must say, of the sets where that is more than its Name."""


def kept(entity_set: EntitySet, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """What becomes of an entity that says *given* beside the least: its document and its owner's key."""
    parsed = entity_set.parse_new({**LEAST.get(entity_set.name, {"Name": "a"}), **given}, FRESH)
    owned = entity_set.owner.names if entity_set.owner else ()
    return {**parsed.values, **dict(zip(owned, parsed.owner_key, strict=True))}


def refused(entity_set: EntitySet, given: dict[str, JsonValue]) -> Kind:
    with pytest.raises(Refusal) as caught:
        kept(entity_set, given)
    assert caught.value.text
    return caught.value.kind


# Names


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
        (ROLE, "_Box.Name", "b" * 128),
        (RELATION, "Name", "+1:a_-"),
        (RELATION, "Name", "-" * 128),
        (EXT_ROLE, "_Relation.Name", "+" * 128),
        (EXT_ROLE, "_Relation._Box.Name", "b"),
        (RULE, "Name", "r" + ":" * 199),
        (RULE, "_Box.Name", None),
        (ENTITY_TYPE, "Name", "E" * 128),
        (COMPLEX_TYPE, "Name", "C-_"),
        (PROPERTY, "_EntityType.Name", "E" * 128),
        (ASSOCIATION_END, "Name", "9"),
        (COMPLEX_TYPE_PROPERTY, "_ComplexType.Name", "C" * 128),
        (PROPERTY, "UniqueKey", "u" * 128),
    ],
)
def test_a_name_within_its_grammar_is_kept(entity_set: EntitySet, field: str, value: str) -> None:
    assert kept(entity_set, {field: value})[field] == value


@pytest.mark.parametrize(
    ("entity_set", "field", "value"),
    [
        (CELL, "Name", "-a"),
        (CELL, "Name", "A"),
        (CELL, "Name", "0" * 129),
        (CELL, "Name", "healthz"),
        (CELL, "Name", "a\n"),
        (BOX, "Name", "_a"),
        (BOX, "Name", "__"),
        (BOX, "Name", ""),
        (BOX, "Name", "a" * 129),
        (BOX, "Name", "a.b"),
        (ACCOUNT, "Name", "@a"),
        (ACCOUNT, "Name", "a" * 129),
        (ACCOUNT, "Name", "a b"),
        (ROLE, "Name", "-r"),
        (ROLE, "Name", ["r"]),
        (ROLE, "_Box.Name", "__"),
        (ROLE, "_Box.Name", "b" * 129),
        (RELATION, "Name", ":a"),
        (RELATION, "Name", "a" * 129),
        (EXT_ROLE, "_Relation.Name", "_a"),
        (EXT_ROLE, "_Relation._Box.Name", "-b"),
        (RULE, "Name", "r" * 201),
        (RULE, "Name", ":"),
        (ENTITY_TYPE, "Name", "_E"),
        (ENTITY_TYPE, "Name", "E" * 129),
        (PROPERTY, "_EntityType.Name", "E.F"),
        (COMPLEX_TYPE_PROPERTY, "_ComplexType.Name", ""),
        (PROPERTY, "UniqueKey", ""),
    ],
)
def test_a_name_outside_its_grammar_is_a_format_error(entity_set: EntitySet, field: str, value: JsonValue) -> None:
    with pytest.raises(Refusal, match=rf"\[{field}\]") as caught:
        kept(entity_set, {field: value})
    assert caught.value.kind is FIELD_FORMAT


@pytest.mark.parametrize(
    ("entity_set", "field"),
    [
        (CELL, "Name"),
        (BOX, "Name"),
        (ACCOUNT, "Name"),
        (ROLE, "Name"),
        (RELATION, "Name"),
        (EXT_CELL, "Url"),
        (EXT_ROLE, "ExtRole"),
        (EXT_ROLE, "_Relation.Name"),
        (RECEIVED_MESSAGE, "From"),
        (RECEIVED_MESSAGE, "Status"),
        (ENTITY_TYPE, "Name"),
        (PROPERTY, "Type"),
        (PROPERTY, "_EntityType.Name"),
        (ASSOCIATION_END, "Multiplicity"),
        (COMPLEX_TYPE_PROPERTY, "_ComplexType.Name"),
    ],
)
def test_what_is_required_may_not_be_null(entity_set: EntitySet, field: str) -> None:
    assert refused(entity_set, {field: None}) is FIELD_REQUIRED


@pytest.mark.parametrize("name", ["__published", "__updated", "__metadata", "Owner", "_Box.Nam", "_Role"])
@pytest.mark.parametrize("entity_set", [CELL, *CELL_SETS.values(), *SCHEMA_SETS.values()], ids=lambda each: each.name)
def test_what_is_no_property_or_the_units_own_is_not_allowed(entity_set: EntitySet, name: str) -> None:
    assert refused(entity_set, {name: None}) is FIELD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("entity_set", "field"), [(RULE, "Name"), (RECEIVED_MESSAGE, "__id"), (SENT_MESSAGE, "__id")]
)
@pytest.mark.parametrize("given", [{}, {"null": True}])
def test_a_key_that_nobody_gave_is_made(entity_set: EntitySet, field: str, given: dict[str, bool]) -> None:
    assert kept(entity_set, {field: None} if given else {})[field] == NEW_HEX


# URLs


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
    assert kept(BOX, {"Schema": schema}).get("Schema") == schema


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
    assert refused(BOX, {"Schema": schema}) is SCHEMA_URI_FORMAT


@pytest.mark.parametrize("entity_set", [EXT_CELL, RECEIVED_MESSAGE])
@pytest.mark.parametrize(
    ("url", "fits"),
    [
        (PEER, True),
        ("http://unit.example:9998/cell/", True),
        ("personium-localunit:cell:/", True),
        ("personium-localunit:/cell/", True),
        ("http://a.example/" + "p" * (1024 - 18) + "/", True),
        ("http://a.example/" + "p" * (1024 - 17) + "/", False),
        ("https://peer.example", False),
        ("https://peer.example/./", False),
        ("https://peer.example//", False),
        ("https:///", False),
        ("urn:x:one", False),
        ("personium-localunit:cell:/box/", False),
        ("personium-localunit:/", False),
        ("personium-localcell:/", False),
        ("", False),
    ],
)
def test_an_external_cell_is_a_url_in_normal_form(entity_set: EntitySet, url: str, *, fits: bool) -> None:
    field = "Url" if entity_set is EXT_CELL else "From"
    if fits:
        assert kept(entity_set, {field: url})[field] == url
    else:
        assert refused(entity_set, {field: url}) is EXT_CELL_URL_FORMAT


@pytest.mark.parametrize(("entity_set", "field"), [(EXT_ROLE, "ExtRole"), (RULE, "EventSubject")])
@pytest.mark.parametrize(
    ("uri", "fits"),
    [
        (f"{PEER}__role/__/doctor", True),
        ("http://a.example/x/../y?q#f", True),
        ("urn:x:one", True),
        ("personium-localunit:cell:/#account", True),
        ("urn:" + "a" * 1020, True),
        ("urn:" + "a" * 1021, False),
        ("ftp://a.example/", False),
        ("http://", False),
        ("personium-localcell:/", False),
        ("urn:a b", False),
        ("doctor", False),
        ("", False),
    ],
)
def test_a_uri_has_one_of_four_schemes(entity_set: EntitySet, field: str, uri: str, *, fits: bool) -> None:
    if fits:
        assert kept(entity_set, {field: uri})[field] == uri
    else:
        assert refused(entity_set, {field: uri}) is FIELD_FORMAT


# Accounts


def test_what_an_account_leaves_out_is_its_default() -> None:
    assert kept(ACCOUNT, {"Type": None}) == {"Name": "a", "Type": "basic", "Status": "active"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Type", "basic basic"),
        ("Type", "basic  oidc:google"),
        ("Type", "basic "),
        ("Type", ""),
        ("Status", "Active"),
        ("IPAddressRange", "10.0.0.0/0"),
        ("IPAddressRange", "10.0.0.1, 10.0.0.2"),
        ("IPAddressRange", "10.0.0"),
        ("IPAddressRange", "10.0.0.1/255.255.255.255"),
        ("IPAddressRange", "fe80::1%1"),
        ("Cell", "c" * 51_201),
    ],
)
def test_an_account_property_out_of_form_is_a_format_error(field: str, value: str) -> None:
    assert refused(ACCOUNT, {field: value}) is FIELD_FORMAT


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
def test_an_account_property_in_form_is_kept(field: str, value: str) -> None:
    assert kept(ACCOUNT, {field: value})[field] == value


def test_a_netmask_that_an_account_has_from_before_still_bounds_it() -> None:
    stored = IPRange.parse("192.0.2.0/255.255.255.0")
    assert stored.admits(ip_address("192.0.2.7"))
    assert not stored.admits(ip_address("198.51.100.7"))


# Rules and messages


def test_what_a_rule_leaves_out_is_its_default() -> None:
    assert kept(RULE, {"Name": "r"}) == {"Name": "r", "_Box.Name": None, "EventExternal": False, "Action": "log"}


def test_what_a_message_leaves_out_is_its_default() -> None:
    assert kept(SENT_MESSAGE, {}) == {
        "__id": NEW_HEX,
        "_Box.Name": None,
        "To": PEER,
        "Type": "message",
        "Title": "",
        "Body": "",
        "Priority": 3,
    }


def test_the_box_of_a_message_is_neither_in_its_key_nor_in_its_document() -> None:
    parsed = RECEIVED_MESSAGE.parse_new({**LEAST["ReceivedMessage"], "_Box.Name": "b"}, FRESH)
    assert RECEIVED_MESSAGE.key == ("__id",)
    assert (parsed.name, parsed.owner_key) == (NEW_HEX, ("b",))
    assert "_Box.Name" not in parsed.values


@pytest.mark.parametrize(
    ("entity_set", "field", "fits", "misfit"),
    [
        (RULE, "Action", "relay.data", "exec.data"),
        (RULE, "Action", "log.error", "log."),
        (RULE, "EventType", "a" * 127, "a" * 128),
        (RULE, "EventType", "cellctl.Role-1_x+y:z", "a b"),
        (RULE, "EventExternal", True, "yes"),
        (RECEIVED_MESSAGE, "__id", "x" * 32, "x" * 31),
        (SENT_MESSAGE, "InReplyTo", "x" * 32, "x" * 33),
        (SENT_MESSAGE, "Type", "request", "reply"),
        (SENT_MESSAGE, "Title", "é" * 256, "t" * 257),
        (SENT_MESSAGE, "Body", "b" * 65_536, "b" * 65_537),
        (SENT_MESSAGE, "Body", "é" * 32_768, "é" * 32_769),
        (SENT_MESSAGE, "Priority", 1, 0),
        (SENT_MESSAGE, "Priority", 5, 6),
        (SENT_MESSAGE, "To", f"{PEER},http://b.example/", f"{PEER}, http://b.example/"),
        (SENT_MESSAGE, "To", "personium-localunit:cell:/", ""),
        (SENT_MESSAGE, "ToRelation", "+friend", "_friend"),
        (RECEIVED_MESSAGE, "MulticastTo", f"{PEER},{PEER}", f"{PEER},"),
        (RECEIVED_MESSAGE, "Status", "approved", "Unread"),
        (RECEIVED_MESSAGE, "RequestObjects", [{"RequestType": "role.add"}], [{"RequestType": "role"}]),
        (RECEIVED_MESSAGE, "RequestObjects", [{"RequestType": "rule.add", "Action": "log"}], [{"Name": "r"}]),
        (RECEIVED_MESSAGE, "RequestObjects", [], {"RequestType": "role.add"}),
        (SENT_MESSAGE, "Result", [{"To": PEER, "Code": "201", "Reason": "Created."}], [{"to": PEER}]),
        (ASSOCIATION_END, "Multiplicity", "0..1", "0..*"),
        (ASSOCIATION_END, "Multiplicity", "1", "N"),
        (PROPERTY, "CollectionKind", "List", "Bag"),
        (PROPERTY, "Nullable", False, "no"),
        (PROPERTY, "IsKey", True, 1),
        (COMPLEX_TYPE_PROPERTY, "CollectionKind", "None", "none"),
    ],
)
def test_a_property_takes_its_words_and_limits_and_no_more(
    entity_set: EntitySet, field: str, fits: JsonValue, misfit: JsonValue
) -> None:
    assert kept(entity_set, {field: fits})[field] == fits
    with pytest.raises(Refusal) as caught:
        kept(entity_set, {field: misfit})
    assert caught.value.kind in {FIELD_FORMAT, FIELD_REQUIRED}


def test_what_a_property_of_a_schema_leaves_out_is_its_default() -> None:
    assert kept(PROPERTY, {}) == {
        "Name": "p",
        "_EntityType.Name": "E",
        "Type": "Edm.String",
        "Nullable": True,
        "CollectionKind": "None",
        "IsKey": False,
        "IsDeclared": True,
    }


# The tables together

SETS = {**CELL_SETS, **SCHEMA_SETS}
TURNED = {
    Ends.MANY_TO_MANY: Ends.MANY_TO_MANY,
    Ends.ONE_TO_ONE: Ends.ONE_TO_ONE,
    Ends.MANY_TO_ONE: Ends.ONE_TO_MANY,
    Ends.ONE_TO_MANY: Ends.MANY_TO_ONE,
}


def way_back(source: EntitySet, there: Navigation) -> Navigation:
    target = SETS[there.target]
    back = [
        each for each in target.navigations if (each.target, each.association) == (source.name, there.association)
    ]
    assert len(back) == 1
    return back[0]


@pytest.mark.parametrize(
    ("source", "there"),
    [(source, there) for source in SETS.values() for there in source.navigations],
    ids=lambda each: each.name,
)
def test_every_navigation_has_a_way_back(source: EntitySet, there: Navigation) -> None:
    back = way_back(source, there)
    assert (back.ends, back.linkable) == (TURNED[there.ends], there.linkable)
    assert (back.back, back.target_type) == (there.target_type, there.back) == (there.target, source.name)
    assert (back.role, back.target_role) == (there.target_role, there.role)
    assert back.multiplicities == there.multiplicities[::-1]


@pytest.mark.parametrize(
    ("entity_set", "linkable", "others"),
    [
        (BOX, {"_Role", "_Relation", "_Rule", "_ReceivedMessage", "_SentMessage"}, set()),
        (ACCOUNT, {"_Role", "_ReceivedMessageRead"}, set()),
        (ROLE, {"_Box", "_Account", "_ExtCell", "_ExtRole", "_Relation"}, set()),
        (RELATION, {"_Box", "_Role", "_ExtCell"}, {"_ExtRole"}),
        (EXT_CELL, {"_Role", "_Relation"}, set()),
        (EXT_ROLE, {"_Role"}, {"_Relation"}),
        (RULE, {"_Box"}, set()),
        (RECEIVED_MESSAGE, {"_Box", "_AccountRead"}, set()),
        (SENT_MESSAGE, {"_Box"}, set()),
        (ENTITY_TYPE, set(), {"_Property", "_AssociationEnd"}),
        (PROPERTY, set(), {"_EntityType"}),
        (ASSOCIATION_END, {"_AssociationEnd"}, {"_EntityType"}),
        (COMPLEX_TYPE, set(), {"_ComplexTypeProperty"}),
        (COMPLEX_TYPE_PROPERTY, set(), {"_ComplexType"}),
    ],
    ids=lambda each: each.name if isinstance(each, EntitySet) else "",
)
def test_a_set_leads_where_it_should(entity_set: EntitySet, linkable: set[str], others: set[str]) -> None:
    assert {each.name for each in entity_set.navigations if each.linkable} == linkable
    assert {each.name for each in entity_set.navigations if not each.linkable} == others


@pytest.mark.parametrize("entity_set", SETS.values(), ids=lambda each: each.name)
def test_an_owner_is_linked_and_lends_its_key(entity_set: EntitySet) -> None:
    owner = entity_set.owner
    if owner is None:
        assert all(name in {each.name for each in entity_set.stored} for name in entity_set.key)
        return
    target = SETS[owner.kind.value]
    navigation = next(each for each in entity_set.navigations if each.target == target.name)
    assert navigation.ends is Ends.MANY_TO_ONE
    assert (navigation.multiplicities[1] == "1") == owner.required
    assert owner.names == tuple(f"_{target.name}.{name}" for name in target.key)
    assert owner.required == (not entity_set.by_name[owner.names[0]].nullable)


def test_every_set_has_its_own_kind_and_its_key_among_its_properties() -> None:
    for name, entity_set in {**SETS, "Cell": CELL}.items():
        assert name == entity_set.name == entity_set.kind.value
        assert set(entity_set.key) <= entity_set.by_name.keys()


def test_every_set_of_a_cell_has_its_privileges() -> None:
    assert GUARDS.keys() == CELL_SETS.keys()
    assert LINK_GUARDS.keys() <= {each.name for one in CELL_SETS.values() for each in one.navigations}
    assert UNSERVED.keys() <= CELL_SETS.keys()


def test_what_keeps_an_entity_from_being_deleted_refers_to_it() -> None:
    for kind, others in BLOCKING.items():
        owners = {each.owner.kind for each in CELL_SETS.values() if each.owner and each.kind in others}
        assert owners == {kind}
    assert set(BLOCKING) == {EntityKind.BOX, EntityKind.RELATION}


def test_what_only_the_server_sets_is_there_to_be_shown() -> None:
    for name, properties in SERVER_SET.items():
        assert properties <= SCHEMA_SETS[name].by_name.keys()
