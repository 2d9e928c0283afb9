"""The snapshot format: everything that Personium wrote is understood, and what we write says the same."""

from __future__ import annotations

import io
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.model.acl import ALL, Ace, Acl
from alveary.model.entities import EntityKind, JsonValue, Link
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import Node, NodeKind
from alveary.wire.snapshot import layout
from alveary.wire.snapshot.layout import SnapshotProblem, TreePath, segment_of
from alveary.wire.snapshot.lines import CELL_TYPE, EntityLine, lines, parse_link, render_link
from alveary.wire.snapshot.manifest import EXPORT_VERSION, Manifest
from alveary.wire.snapshot.nodes import PMeta
from alveary.wire.snapshot.urls import UnitUrls, UrlMapping, map_urls
from alveary.wire.snapshot.values import TypeMap, parse_double, render_double
from alveary.wire.zip import ZipLimits, ZipReader

FIXTURE = Path(__file__).parent.parent / "fixtures" / "personium-snapshot.zip"
MAX_LINE_BYTES = 1 << 20
CELL_ID = "-LCdpq2SSFCrhDgD1dTgZg"
BOX_ID = "6Jt_oHTsS0CHAi1bDCrnhw"


@pytest.fixture(scope="module")
def snapshot() -> dict[str, bytes]:
    reader = ZipReader(io.BytesIO(FIXTURE.read_bytes()), ZipLimits(1000, 1 << 20, 1 << 24))
    return {entry.name: reader.read(entry, 1 << 20) for entry in list(reader.entries())}


def entities(snapshot: dict[str, bytes], kind: EntityKind) -> list[EntityLine]:
    entry = layout.ENTITIES[kind]
    found = lines(io.BytesIO(snapshot[entry]), entry, MAX_LINE_BYTES)
    return [EntityLine.parse(raw, kind, entry, number) for number, raw in found]


def links(snapshot: dict[str, bytes]) -> list[Link]:
    found = lines(io.BytesIO(snapshot[layout.LINKS]), layout.LINKS, MAX_LINE_BYTES)
    return [parse_link(raw, layout.LINKS, number) for number, raw in found]


# The snapshot that Personium wrote


def test_every_required_entry_is_there(snapshot: dict[str, bytes]) -> None:
    assert len(layout.REQUIRED) == 18
    assert set(layout.REQUIRED) | set(layout.DIRECTORIES) <= snapshot.keys()


def test_every_kind_of_entity_is_there_as_often_as_it_was_made(snapshot: dict[str, bytes]) -> None:
    assert {kind.value: len(entities(snapshot, kind)) for kind in layout.ENTITIES} == {
        "Account": 6,
        "AssociationEnd": 8,
        "Box": 2,
        "ComplexType": 2,
        "ComplexTypeProperty": 6,
        "EntityType": 4,
        "ExtCell": 3,
        "ExtRole": 2,
        "Property": 20,
        "ReceivedMessage": 3,
        "Relation": 3,
        "Role": 5,
        "Rule": 5,
        "SentMessage": 3,
        "UserData": 200,
    }


def test_every_link_is_there(snapshot: dict[str, bytes]) -> None:
    assert sum(len(line.links) for line in entities(snapshot, EntityKind.USER_DATA)) == 100
    control = Counter((link.type1, link.type2) for link in links(snapshot) if link.node is None)
    assert control == {
        ("Account", "Role"): 5,
        ("ExtCell", "Relation"): 3,
        ("Relation", "Role"): 2,
        ("ExtCell", "Role"): 1,
        ("ExtRole", "Role"): 1,
    }
    assert len(links(snapshot)) == 100 + control.total()


def test_the_cell_and_the_manifest_are_read(snapshot: dict[str, bytes]) -> None:
    cell = EntityLine.parse(snapshot[layout.CELL], CELL_TYPE, layout.CELL)
    assert (cell.id, cell.cell_id, cell.values) == (CELL_ID, None, {"Name": "fixcell"})
    manifest = Manifest.parse(snapshot[layout.MANIFEST])
    assert manifest == Manifest("http://localhost:9996/", 1795246208999)
    assert Manifest.parse(manifest.render()) == manifest


def test_the_tree_is_read(snapshot: dict[str, bytes]) -> None:
    nodes: dict[tuple[str, ...], PMeta] = {}
    sizes: dict[tuple[str, ...], int] = {}
    for entry, data in snapshot.items():
        match TreePath.parse(entry):
            case TreePath(segments, is_content=False) as path:
                nodes[segments] = PMeta.parse(data, entry)
                assert path.render() == entry
            case TreePath(segments):
                sizes[segments] = len(data)
    assert Counter(meta.kind for meta in nodes.values()) == {
        NodeKind.CELL: 1,
        NodeKind.BOX: 3,
        NodeKind.COLLECTION: 6,
        NodeKind.ODATA: 1,
        NodeKind.SERVICE: 1,
        NodeKind.STREAM: 1,
        NodeKind.FILE: 12,
    }
    assert {path: meta.size_bytes for path, meta in nodes.items() if meta.kind is NodeKind.FILE} == sizes
    assert nodes[()].cell_status == "normal"
    box = nodes[(BOX_ID,)]
    assert box.acl.require_schema_authz == "public"
    assert Ace(ALL, (BoxPrivilege.READ,)) in nodes[BOX_ID, "docs"].acl.aces
    assert set(box.properties) == {"Owner@http://www.w3.com/standards/z39.50/"}
    assert nodes[BOX_ID, "docs", "日本語フォルダ", "日本語ファイル.txt"].media_type == "text/plain; charset=utf-8"
    assert all(PMeta.parse(meta.render(), "again") == meta for meta in nodes.values())


def test_what_is_written_differs_from_what_personium_wrote_in_the_index_name_alone(
    snapshot: dict[str, bytes],
) -> None:
    for kind in layout.ENTITIES:
        originals = [orjson.loads(raw) for raw in snapshot[layout.ENTITIES[kind]].splitlines()]
        ours = [orjson.loads(line.render()) for line in entities(snapshot, kind)]
        assert [{**each, "_index": ""} for each in ours] == [{**each, "_index": ""} for each in originals]
        assert {each["_index"] for each in ours} == {f"u0_anon.{kind.lower()}"}
    originals = [orjson.loads(raw) for raw in snapshot[layout.LINKS].splitlines()]
    ours = [orjson.loads(render_link(link, CELL_ID)) for link in links(snapshot)]
    assert [{**each, "_index": ""} for each in ours] == [{**each, "_index": ""} for each in originals]
    for entry, data in snapshot.items():
        if entry.endswith(layout.META):
            assert orjson.loads(PMeta.parse(data, entry).render()) == orjson.loads(data)


def test_user_data_becomes_plain_json_values_and_goes_back_unchanged(snapshot: dict[str, bytes]) -> None:
    schema = (EntityKind.COMPLEX_TYPE, EntityKind.PROPERTY, EntityKind.COMPLEX_TYPE_PROPERTY)
    types = TypeMap.build(line for kind in schema for line in entities(snapshot, kind))
    for line in entities(snapshot, EntityKind.USER_DATA):
        assert line.type_id is not None
        stored = types.to_store(line.type_id, line.values)
        assert types.to_snapshot(line.type_id, stored) == line.values
        if line.values["__id"] == "p008":
            assert stored == {
                "__id": "p008",
                "P001": "Person 8",
                "P002": 26,
                "P003": 152.5,
                "P004": 10.0,
                "P005": True,
                "P006": 700272000000,
                "P007": 1795246061429,
                "P008": ["n8", 'x"y\\z'],
                "P009": [8, 9],
                "P010": [True, False],
                "P011": [0.5, 1.5],
                "P012": [0.25, 1e10],
                "C001": {
                    "P001": "8 Main St",
                    "P002": 1008,
                    "P003": ["l8a", "l8b"],
                    "C001": {"P001": 35.08, "P002": 139.08},
                },
            }


# Round trips

IDS = st.from_regex(r"[A-Za-z0-9_-]{1,22}", fullmatch=True)
MOMENTS = st.integers(0, (1 << 63) - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=4)
ENTITY_LINES = st.builds(
    EntityLine,
    type=st.sampled_from([kind for kind in layout.ENTITIES if kind is not EntityKind.USER_DATA]),
    id=IDS,
    cell_id=IDS,
    published_ms=MOMENTS,
    updated_ms=MOMENTS,
    values=OBJECTS,
    hidden=OBJECTS,
    links=st.dictionaries(TEXTS, IDS, max_size=3).map(lambda found: tuple(found.items())),
    box_id=st.none() | IDS,
    node_id=st.none() | IDS,
)
USER_LINES = st.builds(
    replace,
    ENTITY_LINES,
    type=st.just(EntityKind.USER_DATA),
    links=st.lists(st.tuples(IDS, IDS), max_size=3).map(tuple),
    type_id=IDS,
)


@given(ENTITY_LINES | USER_LINES)
def test_an_entity_that_is_rendered_parses_to_the_same(line: EntityLine) -> None:
    raw = line.render()
    assert raw.count(b"\n") == 1
    assert EntityLine.parse(raw, line.type, "entry") == line


@given(IDS, IDS, IDS, IDS, MOMENTS)
def test_a_link_that_is_rendered_parses_to_the_same(type1: str, id1: str, type2: str, id2: str, now_ms: int) -> None:
    link = replace(Link.between((type1, id1), (type2, id2), now_ms), box="b", node="n")
    assert parse_link(render_link(link, CELL_ID), "entry") == link


@given(st.lists(st.binary(max_size=30).filter(lambda line: line.strip() and b"\n" not in line)), st.booleans())
def test_lines_come_one_by_one_whether_the_last_is_ended_or_not(held: list[bytes], ended: bool) -> None:
    raw = b"\n".join(held) + (b"\n" if ended else b"")
    assert list(lines(io.BytesIO(raw), "entry", 30)) == list(enumerate(held, 1))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives_java_s_spelling(number: float) -> None:
    again = parse_double(render_double(number))
    assert isinstance(again, float)
    assert (again, math.copysign(1, again)) == (number, math.copysign(1, number))


@given(JSON)
def test_a_value_that_does_not_fit_its_type_stays_as_it_is(value: JsonValue) -> None:
    schema = [
        EntityLine(EntityKind.PROPERTY, f"id{alias}", CELL_ID, 0, 0, {"Type": declared}, {"Alias": alias}, owner)
        for alias, declared in {
            "P1": "Edm.Double",
            "P2": "Edm.Boolean",
            "P3": "Edm.Int32",
            "C1": "Gone",
        }.items()
        for owner in [((EntityKind.ENTITY_TYPE, "type"),)]
    ]
    types = TypeMap.build(schema)
    stored = types.to_store("type", dict.fromkeys(("P1", "P2", "P3", "C1", "other"), value))
    assert types.to_store("type", types.to_snapshot("type", stored)) == stored
    assert (stored["P3"], stored["C1"], stored["other"]) == (value, value, value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (12.5, "12.5"),
        (10.0, "10.0"),
        (-0.0, "-0.0"),
        (0.001, "0.001"),
        (9.999e-4, "9.999E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (-1.25e10, "-1.25E10"),
        (1e23, "1.0E23"),
        (5e-324, "4.9E-324"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
    ],
)
def test_doubles_are_spelled_as_java_does(number: float, text: str) -> None:
    assert render_double(number) == text
    assert parse_double(text) == number


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "0x1p3", "12.5d", "", " 1.0", "1_0"])
def test_a_text_that_is_no_double_is_kept(text: str) -> None:
    assert parse_double(text) == text
    assert render_double(text) == text


# The tree's paths


def node(name: str, kind: NodeKind = NodeKind.FILE) -> Node:
    return Node("nodeid", "parent", name, kind, 1, 0, 0)


def test_the_main_box_and_names_that_would_be_misread_stand_under_other_names() -> None:
    assert segment_of(node(CELL_ID, NodeKind.BOX), CELL_ID) == "__"
    assert segment_of(node(BOX_ID, NodeKind.BOX), CELL_ID) == BOX_ID
    assert segment_of(node(CELL_ID), CELL_ID) == CELL_ID
    assert segment_of(node("a\\b"), CELL_ID) == "nodeid"
    assert segment_of(node(".pmeta"), CELL_ID) == "nodeid"
    assert segment_of(node("content"), CELL_ID) == "content"


def test_a_file_named_content_is_told_from_the_bytes_of_a_file() -> None:
    assert TreePath.parse("20_webdav/__/content/content") == TreePath(("__", "content"), is_content=True)
    assert TreePath.parse("20_webdav/__/content/.pmeta") == TreePath(("__", "content"))


@pytest.mark.parametrize(
    "entry", ["20_webdav/", "20_webdav/__/", "20_webdav/content", "20_webdav/import.error", "other/.pmeta"]
)
def test_what_is_no_part_of_the_tree_is_left_out(entry: str) -> None:
    assert TreePath.parse(entry) is None


# Refusals

GOOD_LINE: dict[str, JsonValue] = {
    "_type": "Role",
    "_id": "id",
    "_source": {"s": {"Name": "r"}, "h": {}, "l": {}, "c": CELL_ID, "p": 1, "u": 2},
}


def broken(**source: JsonValue) -> bytes:
    held = GOOD_LINE["_source"]
    assert isinstance(held, dict)
    return orjson.dumps({**GOOD_LINE, "_source": {**held, **source}})


DEEP: JsonValue = []
for _ in range(100):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"_type":"Role"}',
        b"[" * 100_000,
        orjson.dumps({**GOOD_LINE, "_type": "Box"}),
        orjson.dumps({**GOOD_LINE, "_type": ["Role"]}),
        orjson.dumps({**GOOD_LINE, "_id": "../../etc"}),
        orjson.dumps({**GOOD_LINE, "_id": ""}),
        orjson.dumps({**GOOD_LINE, "_source": []}),
        broken(s=[]),
        broken(h="text"),
        broken(p="1"),
        broken(p=True),
        broken(u=-1),
        broken(u=1.5),
        broken(c=None),
        broken(b=7),
        broken(n="a b"),
        broken(l={"Box": 1}),
        broken(l={"Box": "no id!"}),
        broken(s={"Name": DEEP}),
    ],
    ids=lambda raw: raw[:60].decode(errors="replace"),
)
def test_a_broken_line_is_blamed_by_entry_and_number(raw: bytes) -> None:
    assert EntityLine.parse(orjson.dumps(GOOD_LINE), "Role", "entry").id == "id"
    with pytest.raises(SnapshotProblem) as caught:
        EntityLine.parse(raw, "Role", "20_role.pjson", 7)
    assert (caught.value.entry, caught.value.line_number) == ("20_role.pjson", 7)


@pytest.mark.parametrize("held", [{}, [1], ["no colon"], ["a:b:c"], [":"]], ids=str)
def test_a_broken_link_of_user_data_is_refused(held: JsonValue) -> None:
    line = {**GOOD_LINE, "_type": "UserData"}
    source = {"c": "c", "t": "t", "p": 1, "u": 1, "ll": held}
    with pytest.raises(SnapshotProblem):
        EntityLine.parse(orjson.dumps({**line, "_source": source}), "UserData", "entry")


@pytest.mark.parametrize(
    "raw", [b"x" * 31, b"x\n" + b"y" * 31 + b"\n", b"x" * 600_000], ids=["last", "second", "huge"]
)
def test_a_line_that_is_too_long_is_refused(raw: bytes) -> None:
    with pytest.raises(SnapshotProblem, match="longer than 30"):
        list(lines(io.BytesIO(raw), "entry", 30))


def test_slashes_are_read_escaped_and_plain_and_unknown_members_are_no_harm() -> None:
    raw = rb'{"_type":"Box","_id":"i","x":1,"_source":{"s":{"Schema":"http:\/\/a/"},"c":"c","p":1,"u":1}}'
    assert EntityLine.parse(raw, "Box", "entry").values == {"Schema": "http://a/"}


@pytest.mark.parametrize("version", [None, 1, 3, "2", 2.0, True], ids=repr)
def test_a_manifest_of_another_version_tells_it(version: JsonValue) -> None:
    manifest = Manifest.parse(orjson.dumps({"export_version": version}))
    assert manifest.version == version
    assert type(manifest.version) is not type(EXPORT_VERSION) or manifest.version != EXPORT_VERSION


META: dict[str, JsonValue] = {
    "i": "id",
    "t": "dav.file",
    "p": 1,
    "u": 1,
    "v": 1,
    "cl": 0,
    "et": "NONE",
    "a": {},
    "d": {},
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"t": "null"},
        {"t": None},
        {"i": "a/b"},
        {"cl": None},
        {"cl": -1},
        {"v": "1"},
        {"et": "AES"},
        {"ct": "text/plain\r\nSet-Cookie: a=b"},
        {"ct": 1},
        {"a": {"D.ace": [{"D.principal": {"D.all": ""}, "D.deny": {}}]}},
        {"a": []},
        {"d": {"x@urn:y": 1}},
        {"d": {"x@urn:y": "no xml"}},
        {"d": {"x@urn:y": "<x/>"}},
        {"d": {"x@": "<x/><y/>"}},
        {"d": {"x@": "<?xml version='1.0'?><x/>"}},
        {"d": {"x@": "<!DOCTYPE x [<!ENTITY e 'boom'>]><x>&e;</x>"}},
        {"d": {"x@": "<x>&e;</x>"}},
    ],
    ids=str,
)
def test_broken_metadata_is_refused(wrong: dict[str, JsonValue]) -> None:
    assert PMeta.parse(orjson.dumps(META), "entry").size_bytes == 0
    with pytest.raises(SnapshotProblem):
        PMeta.parse(orjson.dumps({**META, **wrong}), "entry")


def test_metadata_keeps_a_name_that_the_path_cannot_show() -> None:
    meta = PMeta("id", NodeKind.COLLECTION, 1, 2, 3, Acl(), {"x@": "<x/>"}, name="a\\b")
    assert PMeta.parse(meta.render(), "entry") == meta


# URLs


def unit(url: str, path_style: bool | None = None) -> UnitUrls:
    found = UnitUrls.parse(url, path_style)
    assert found is not None
    return found


OLD = unit("http://localhost:9996/")
ELSEWHERE = UrlMapping(OLD, "fixcell", unit("https://new.example/", True), "moved")
SAME_UNIT = UrlMapping(OLD, "fixcell", OLD, "copy")
SAME_CELL = UrlMapping(OLD, "fixcell", OLD, "fixcell")
HOST_STYLE = UrlMapping(unit("https://old.example/"), "fixcell", unit("https://new.example/", False), "moved")


@pytest.mark.parametrize(
    ("mapping", "url", "mapped"),
    [
        (ELSEWHERE, "http://localhost:9996/fixcell/box/a?b#c", "personium-localunit:moved:/box/a?b#c"),
        (ELSEWHERE, "http://localhost:9996/fixcell", "personium-localunit:moved:/"),
        (ELSEWHERE, "http://localhost:9996/fixcell#alice", "personium-localunit:moved:/#alice"),
        (ELSEWHERE, "HTTP://LocalHost:9996/fixcell/", "personium-localunit:moved:/"),
        (ELSEWHERE, "http://fixcell.localhost:9996/x", "personium-localunit:moved:/x"),
        (ELSEWHERE, "personium-localunit:fixcell:/x", "personium-localunit:moved:/x"),
        (ELSEWHERE, "personium-localunit:/fixcell/x", "personium-localunit:moved:/x"),
        (ELSEWHERE, "personium-localunit:fixpeer:/x", "http://localhost:9996/fixpeer/x"),
        (ELSEWHERE, "personium-localunit:/fixpeer", "http://localhost:9996/fixpeer/"),
        (ELSEWHERE, "http://localhost:9996/fixpeer/", "http://localhost:9996/fixpeer/"),
        (ELSEWHERE, "http://localhost:9996/fixcell2/", "http://localhost:9996/fixcell2/"),
        (ELSEWHERE, "http://localhost:99961/fixcell/", "http://localhost:99961/fixcell/"),
        (ELSEWHERE, "https://localhost:9996/fixcell/", "https://localhost:9996/fixcell/"),
        (ELSEWHERE, "http://a@localhost:9996/fixcell/", "http://a@localhost:9996/fixcell/"),
        (ELSEWHERE, "https://new.example/peer/x", "personium-localunit:peer:/x"),
        (ELSEWHERE, "https://new.example:443/peer/", "personium-localunit:peer:/"),
        (ELSEWHERE, "https://peer.new.example/", "https://peer.new.example/"),
        (ELSEWHERE, "personium-localbox:/svc/hello", "personium-localbox:/svc/hello"),
        (ELSEWHERE, "personium-localcell:/", "personium-localcell:/"),
        (ELSEWHERE, "urn:x-app", "urn:x-app"),
        (ELSEWHERE, "600", "600"),
        (SAME_UNIT, "http://localhost:9996/fixcell/", "personium-localunit:copy:/"),
        (SAME_UNIT, "http://localhost:9996/fixpeer/", "personium-localunit:fixpeer:/"),
        (SAME_UNIT, "personium-localunit:/fixpeer/a", "personium-localunit:fixpeer:/a"),
        (SAME_CELL, "personium-localunit:fixcell:/a", "personium-localunit:fixcell:/a"),
        (SAME_CELL, "personium-localunit:fixpeer:/a", "personium-localunit:fixpeer:/a"),
        (HOST_STYLE, "https://fixcell.old.example/a", "personium-localunit:moved:/a"),
        (HOST_STYLE, "https://old.example/fixcell/a", "personium-localunit:moved:/a"),
        (HOST_STYLE, "personium-localunit:fixpeer:/a", "https://fixpeer.old.example/a"),
        (HOST_STYLE, "https://peer.new.example/", "personium-localunit:peer:/"),
        (HOST_STYLE, "https://new.example/peer/", "https://new.example/peer/"),
    ],
)
def test_urls_follow_the_cell(mapping: UrlMapping, url: str, mapped: str) -> None:
    assert mapping.url(url) == mapped


@given(st.sampled_from([ELSEWHERE, SAME_UNIT, SAME_CELL, HOST_STYLE]), TEXTS)
def test_text_that_is_no_url_stays(mapping: UrlMapping, text: str) -> None:
    assert mapping.url(text) == text


@pytest.mark.parametrize(
    ("url", "path_style"),
    [
        ("http://localhost:9996/", True),
        ("https://192.0.2.1/", True),
        ("https://[::1]:8443/", True),
        ("https://unit.example:8443/", False),
    ],
)
def test_the_style_of_a_unit_that_does_not_tell_is_guessed_from_its_host(url: str, path_style: bool) -> None:
    assert unit(url).path_style is path_style
    assert UnitUrls.parse("no url") is None


def test_urls_are_mapped_in_the_fields_that_hold_them_and_nowhere_else() -> None:
    own, peer = "http://localhost:9996/fixcell/", "personium-localunit:fixpeer:/"
    message = EntityLine(
        EntityKind.SENT_MESSAGE,
        "id",
        CELL_ID,
        0,
        0,
        {
            "To": f"{own},{peer}",
            "Title": own,
            "Body": own,
            "Result": [{"To": own, "Reason": own}, "odd"],
            "RequestObjects": [{"TargetUrl": own, "Name": own}],
        },
    )
    new, absolute = "personium-localunit:moved:/", "http://localhost:9996/fixpeer/"
    assert map_urls(message, ELSEWHERE) == replace(
        message,
        values={
            "To": f"{new},{absolute}",
            "Title": own,
            "Body": own,
            "Result": [{"To": new, "Reason": own}, "odd"],
            "RequestObjects": [{"TargetUrl": new, "Name": own}],
        },
    )
    user_data = replace(message, type=EntityKind.USER_DATA)
    assert map_urls(user_data, ELSEWHERE) == user_data
