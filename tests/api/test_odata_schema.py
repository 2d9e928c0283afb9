"""The schema of an OData collection: what may be declared, how it is refused, relations, how much there may be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.odata_site import SCHEMA, Collection, code, end_path, member_path, names_field, prop_path, results
from tests.running import RunningUnit, Site, running

LONGEST_NAME = "n" * 128
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def od(unit: RunningUnit) -> Collection:
    """A collection in which names are taken but once."""
    made = Collection.make(unit.cell())
    made.entity_type("Person")
    made.complex_type("Address")
    made.end("Person", "taken", "*")
    made.prop("Person", "taken")
    made.member("Address", "taken")
    return made


@pytest.fixture
def fresh(cell: Site) -> Collection:
    """A collection without anything."""
    return Collection.make(cell)


PERSON = {"_EntityType.Name": "Person"}
ADDRESS = {"_ComplexType.Name": "Address"}
LEAST: dict[str, dict[str, Any]] = {
    "EntityType": {},
    "ComplexType": {},
    "AssociationEnd": {**PERSON, "Multiplicity": "*"},
    "Property": {**PERSON, "Type": "Edm.String"},
    "ComplexTypeProperty": {**ADDRESS, "Type": "Edm.String"},
}
"""What each set wants besides a name."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "EntityType": {},
    "ComplexType": {},
    "AssociationEnd": {},
    "Property": {
        "Nullable": True,
        "DefaultValue": None,
        "CollectionKind": "None",
        "IsKey": False,
        "UniqueKey": None,
        "IsDeclared": True,
    },
    "ComplexTypeProperty": {"Nullable": True, "DefaultValue": None, "CollectionKind": "None"},
}
KEYS = {
    "EntityType": ["('{}')", "(Name='{}')"],
    "ComplexType": ["('{}')", "(Name='{}')"],
    "AssociationEnd": ["(Name='{}',_EntityType.Name='Person')", "(_EntityType.Name='Person',Name='{}')"],
    "Property": ["(Name='{}',_EntityType.Name='Person')", "(_EntityType.Name='Person',Name='{}')"],
    "ComplexTypeProperty": ["(Name='{}',_ComplexType.Name='Address')", "(_ComplexType.Name='Address',Name='{}')"],
}
SETS = sorted(LEAST)


class TestDeclaring:
    @pytest.mark.parametrize("name", SETS)
    def test_what_is_left_out_has_its_default(self, od: Collection, name: str) -> None:
        answer = od.post(SCHEMA + name, {"Name": "defaults", **LEAST[name]})
        made = results(answer)
        assert answer.status_code == 201
        assert made.items() >= {"Name": "defaults", **LEAST[name], **DEFAULTS[name]}.items()
        assert made["__metadata"]["type"] == f"ODataSvcSchema.{name}"
        assert made["__metadata"]["uri"] == answer.headers["location"]
        assert made["__metadata"]["etag"] == answer.headers["etag"]
        assert made["__published"] == made["__updated"]
        known = {"Name", *LEAST[name], *DEFAULTS[name], "__metadata", "__published", "__updated"}
        assert {each for each in made if not each.startswith("_") or "." in each or each in known} == known

    @pytest.mark.parametrize(("name", "key"), [(name, key) for name in SETS for key in KEYS[name]])
    def test_it_is_found_by_every_form_of_its_key(self, od: Collection, name: str, key: str) -> None:
        od.post(SCHEMA + name, {"Name": "found", **LEAST[name]})
        answer = od.get(SCHEMA + name + key.format("found"))
        assert results(answer)["Name"] == "found"
        assert answer.headers["etag"] == results(answer)["__metadata"]["etag"]

    @pytest.mark.parametrize("name", ["AssociationEnd", "Property", "ComplexTypeProperty"])
    def test_a_name_alone_is_no_key_of_what_belongs_to_a_type(self, od: Collection, name: str) -> None:
        assert od.get(f"{SCHEMA}{name}('taken')").status_code == 400

    @pytest.mark.parametrize("name", SETS)
    def test_it_is_listed_filtered_and_counted(self, od: Collection, name: str) -> None:
        od.post(SCHEMA + name, {"Name": "listed", **LEAST[name]})
        found = od.get(SCHEMA + name, filter="Name eq 'listed'", inlinecount="allpages")
        assert [each["Name"] for each in results(found)] == ["listed"]
        assert found.json()["d"]["__count"] == "1"
        assert od.get(f"{SCHEMA}{name}/$count", filter="Name eq 'listed'").text == "1"

    @pytest.mark.parametrize("name", SETS)
    @pytest.mark.parametrize("good", ["a", "7", "A-b_9", LONGEST_NAME])
    def test_a_name_has_letters_digits_hyphens_and_underscores(self, od: Collection, name: str, good: str) -> None:
        assert od.post(SCHEMA + name, {"Name": good, **LEAST[name]}).status_code == 201

    @pytest.mark.parametrize("name", SETS)
    @pytest.mark.parametrize("bad", ["", "_a", "-a", "a b", "a.b", "a/b", "名前", f"{LONGEST_NAME}n", "a\n"])
    def test_any_other_name_is_refused(self, od: Collection, name: str, bad: str) -> None:
        answer = od.post(SCHEMA + name, {"Name": bad, **LEAST[name]})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, "Name")

    @pytest.mark.parametrize("name", SETS)
    def test_a_name_is_taken_once(self, od: Collection, name: str) -> None:
        body = {"Name": "once", **LEAST[name]}
        assert od.post(SCHEMA + name, body).status_code == 201
        assert code(od.post(SCHEMA + name, body)) == "PR409-OD-0003"

    @pytest.mark.parametrize(("name", "field"), [(name, field) for name in SETS for field in ("Name", *LEAST[name])])
    @pytest.mark.parametrize("is_null", [True, False])
    def test_what_is_required_must_be_there(self, od: Collection, name: str, field: str, is_null: bool) -> None:
        body = {"Name": "lacking", **LEAST[name]}
        del body[field]
        answer = od.post(SCHEMA + name, {**body, **({field: None} if is_null else {})})
        assert code(answer) == "PR400-OD-0009"
        assert names_field(answer, field)

    @pytest.mark.parametrize("name", SETS)
    @pytest.mark.parametrize("unknown", ["Unknown", "__published", "__updated", "__metadata", "__id", "name"])
    def test_what_is_unknown_or_the_servers_is_refused(self, od: Collection, name: str, unknown: str) -> None:
        answer = od.post(SCHEMA + name, {"Name": "unknown", **LEAST[name], unknown: "x"})
        assert code(answer) == "PR400-OD-0007"
        assert names_field(answer, unknown)
        assert od.get(f"{SCHEMA}{name}/$count", filter="Name eq 'unknown'").text == "0"

    def test_is_declared_is_the_servers(self, od: Collection) -> None:
        answer = od.post(f"{SCHEMA}Property", {"Name": "mine", **LEAST["Property"], "IsDeclared": False})
        assert code(answer) == "PR400-OD-0007"

    @pytest.mark.parametrize("name", ["AssociationEnd", "Property", "ComplexTypeProperty"])
    def test_the_type_that_it_belongs_to_must_exist(self, od: Collection, name: str) -> None:
        owner = next(each for each in LEAST[name] if each.startswith("_"))
        answer = od.post(SCHEMA + name, {"Name": "lost", **LEAST[name], owner: "Nobody"})
        assert code(answer) == "PR400-OD-0024"

    @pytest.mark.parametrize("name", SETS)
    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"<a/>", b"\xff"])
    def test_a_body_that_is_no_json_object_is_refused(self, od: Collection, name: str, body: bytes) -> None:
        assert code(od.call("POST", SCHEMA + name, content=body)) == "PR400-OD-0001"

    def test_a_set_that_there_is_not_is_404(self, od: Collection) -> None:
        assert code(od.get(f"{SCHEMA}Nothing")) == "PR404-OD-0001"
        assert code(od.post(f"{SCHEMA}Nothing", {})) == "PR404-OD-0001"

    @pytest.mark.parametrize("name", SETS)
    def test_what_there_is_not_is_404(self, od: Collection, name: str) -> None:
        path = SCHEMA + name + KEYS[name][-1].format("nobody")
        body = {"Name": "nobody", **LEAST[name]}
        assert code(od.get(path)) == "PR404-OD-0002"
        assert code(od.call("PUT", path, json=body)) == "PR404-OD-0002"
        assert code(od.call("DELETE", path)) == "PR404-OD-0002"


TYPES = ["Edm.String", "Edm.Boolean", "Edm.Int32", "Edm.Single", "Edm.Double", "Edm.DateTime", "Address"]
BAD_FIELDS = {
    "Type": ["", "String", "edm.string", "Edm.Int64", "Edm.Byte", "Nothing", "Person", "UserData.Address"],
    "Nullable": ["yes", 1, "TRUE", []],
    "CollectionKind": ["", "Bag", "list", "Collection"],
    "DefaultValue": [[], {}],
}
BAD_PROPERTY_FIELDS = {**BAD_FIELDS, "IsKey": ["no", 0], "UniqueKey": ["", "_k", "a b", "鍵", "k" * 129]}


class TestProperties:
    @pytest.mark.parametrize("kind", TYPES)
    @pytest.mark.parametrize("name", ["Property", "ComplexTypeProperty"])
    def test_a_type_is_primitive_or_a_complex_type(self, fresh: Collection, name: str, kind: str) -> None:
        fresh.entity_type("Person")
        fresh.complex_type("Address")
        assert results(fresh.post(SCHEMA + name, {"Name": "p", **LEAST[name], "Type": kind}))["Type"] == kind

    @pytest.mark.parametrize(
        ("field", "value"), [(field, value) for field, values in BAD_PROPERTY_FIELDS.items() for value in values]
    )
    def test_a_bad_field_declares_no_property(self, od: Collection, field: str, value: Any) -> None:
        answer = od.post(f"{SCHEMA}Property", {"Name": "bad", **LEAST["Property"], field: value})
        assert code(answer) == "PR400-OD-0006", answer.text
        assert names_field(answer, field)
        assert code(od.get(prop_path("Person", "bad"))) == "PR404-OD-0002"

    @pytest.mark.parametrize(
        ("field", "value"), [(field, value) for field, values in BAD_FIELDS.items() for value in values]
    )
    def test_nor_one_of_a_complex_type(self, od: Collection, field: str, value: Any) -> None:
        body = {"Name": "bad", **LEAST["ComplexTypeProperty"], field: value}
        answer = od.post(f"{SCHEMA}ComplexTypeProperty", body)
        assert code(answer) == "PR400-OD-0006", answer.text
        assert names_field(answer, field)
        assert code(od.get(member_path("Address", "bad"))) == "PR404-OD-0002"

    @pytest.mark.parametrize("field", ["IsKey", "UniqueKey"])
    def test_a_property_of_a_complex_type_is_no_key(self, od: Collection, field: str) -> None:
        body = {"Name": "key", **LEAST["ComplexTypeProperty"], field: True}
        assert code(od.post(f"{SCHEMA}ComplexTypeProperty", body)) == "PR400-OD-0007"

    @pytest.mark.parametrize(
        ("kind", "default"),
        [
            ("Edm.String", ""),
            ("Edm.String", "既定"),
            ("Edm.String", "x" * 51_200),
            ("Edm.Boolean", "true"),
            ("Edm.Boolean", "false"),
            ("Edm.Int32", "2147483647"),
            ("Edm.Int32", "-2147483648"),
            ("Edm.Single", "12345.12345"),
            ("Edm.Double", "1.79e308"),
            ("Edm.DateTime", "/Date(0)/"),
            ("Edm.DateTime", "SYSUTCDATETIME()"),
        ],
    )
    @pytest.mark.parametrize("name", ["Property", "ComplexTypeProperty"])
    def test_a_default_is_a_value_of_the_type(self, od: Collection, name: str, kind: str, default: str) -> None:
        body = {"Name": f"d{next(NUMBERS)}", **LEAST[name], "Type": kind, "DefaultValue": default}
        assert results(od.post(SCHEMA + name, body))["DefaultValue"] == default

    @pytest.mark.parametrize(
        ("kind", "default"),
        [
            ("Edm.String", "x" * 51_201),
            ("Edm.Boolean", "1"),
            ("Edm.Boolean", "True"),
            ("Edm.Int32", "2147483648"),
            ("Edm.Int32", "1.0"),
            ("Edm.Int32", "x"),
            ("Edm.Single", "123456.1"),
            ("Edm.Single", "NaN"),
            ("Edm.Double", "1.8e308"),
            ("Edm.Double", "Infinity"),
            ("Edm.DateTime", "2020-01-01"),
            ("Edm.DateTime", "/Date(253402300800000)/"),
            ("Edm.DateTime", "sysutcdatetime()"),
            ("Address", "x"),
            ("Address", "{}"),
        ],
    )
    @pytest.mark.parametrize("name", ["Property", "ComplexTypeProperty"])
    def test_any_other_default_is_refused(self, od: Collection, name: str, kind: str, default: str) -> None:
        answer = od.post(SCHEMA + name, {"Name": "odd", **LEAST[name], "Type": kind, "DefaultValue": default})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, "DefaultValue")


class TestRelations:
    @pytest.fixture
    def types(self, fresh: Collection) -> Collection:
        for each in ("A", "B", "C"):
            fresh.entity_type(each)
        return fresh

    @pytest.mark.parametrize("first", ["0..1", "1", "*"])
    @pytest.mark.parametrize("second", ["0..1", "1", "*"])
    def test_two_ends_are_linked_unless_both_are_one(self, types: Collection, first: str, second: str) -> None:
        one, other = types.end("A", "a", first), types.end("B", "b", second)
        answer = types.join(one, other)
        if first == second == "1":
            assert code(answer) == "PR400-OD-0031"
            assert results(types.get(f"{one}/$links/_AssociationEnd")) == []
        else:
            assert answer.status_code == 204
            assert not answer.content
            assert results(types.get(f"{one}/$links/_AssociationEnd")) == [{"uri": types.url + other}]
            assert results(types.get(f"{other}/$links/_AssociationEnd")) == [{"uri": types.url + one}]
            assert [each["Name"] for each in results(types.get(f"{one}/_AssociationEnd"))] == ["b"]

    @pytest.mark.parametrize("multiplicity", ["", "0", "2", "0..*", "1..*", "many", " *", 1])
    def test_any_other_multiplicity_is_refused(self, types: Collection, multiplicity: Any) -> None:
        body = {"Name": "a", "_EntityType.Name": "A", "Multiplicity": multiplicity}
        answer = types.post(f"{SCHEMA}AssociationEnd", body)
        if multiplicity == 1:
            assert results(answer)["Multiplicity"] == "1"
        else:
            assert code(answer) == "PR400-OD-0006"
            assert names_field(answer, "Multiplicity")

    def test_the_other_end_may_be_made_along_the_way(self, types: Collection) -> None:
        one = types.end("A", "a", "0..1")
        body = {"Name": "b", "Multiplicity": "*", "_EntityType.Name": "B"}
        answer = types.post(f"{one}/_AssociationEnd", body)
        assert answer.status_code == 201
        assert results(types.get(f"{one}/$links/_AssociationEnd")) == [{"uri": answer.headers["location"]}]
        assert answer.headers["location"] == types.url + end_path("B", "b")

    def test_an_end_that_cannot_be_linked_is_not_made(self, types: Collection) -> None:
        one = types.end("A", "a", "1")
        body = {"Name": "b", "Multiplicity": "1", "_EntityType.Name": "B"}
        assert code(types.post(f"{one}/_AssociationEnd", body)) == "PR400-OD-0031"
        assert code(types.get(end_path("B", "b"))) == "PR404-OD-0002"

    def test_an_end_is_linked_once(self, types: Collection) -> None:
        one, other, third = types.end("A", "a", "*"), types.end("B", "b", "*"), types.end("C", "c", "*")
        assert types.join(one, other).status_code == 204
        for pair in [(one, third), (third, one), (other, third), (third, other)]:
            assert code(types.join(*pair)) == "PR409-OD-0002", pair
        body = {"Name": "c2", "Multiplicity": "*", "_EntityType.Name": "C"}
        assert code(types.post(f"{one}/_AssociationEnd", body)) == "PR409-OD-0002"
        assert code(types.get(end_path("C", "c2"))) == "PR404-OD-0002"

    def test_an_end_is_not_linked_with_itself(self, types: Collection) -> None:
        one = types.end("A", "a", "*")
        assert code(types.join(one, one)) == "PR409-OD-0002"

    def test_two_types_are_related_once(self, types: Collection) -> None:
        types.relate("A", "*", "B", "*")
        first, second = end_path("A", "to-B"), end_path("B", "to-A")
        again, other = types.end("A", "a2", "0..1"), types.end("B", "b2", "*")
        for pair in [(again, other), (other, again), (first, second), (second, first), (first, other)]:
            assert code(types.join(*pair)) == "PR409-OD-0006", pair
        types.relate("A", "*", "C", "*")
        types.relate("B", "0..1", "C", "*")

    def test_a_type_may_be_related_with_itself(self, types: Collection) -> None:
        types.relate("A", "0..1", "A", "*")
        assert types.get("A").status_code == 200
        types.create("A", __id="x")
        assert [each for each in results(types.get("A('x')")) if each.startswith("_A")] == ["_A"]

    def test_a_link_is_taken_away_from_either_end(self, types: Collection) -> None:
        one, other = types.end("A", "a", "*"), types.end("B", "b", "*")
        for first, second in [(one, other), (other, one)]:
            assert types.join(one, other).status_code == 204
            key = second.removeprefix(f"{SCHEMA}AssociationEnd")
            assert types.call("DELETE", f"{first}/$links/_AssociationEnd{key}").status_code == 204
            assert results(types.get(f"{one}/$links/_AssociationEnd")) == []
            assert code(types.call("DELETE", f"{first}/$links/_AssociationEnd{key}")) == "PR404-OD-0000"

    @pytest.mark.parametrize("uri", ["", "x", "AssociationEnd", "AssociationEnd()", "EntityType('A')"])
    def test_a_link_to_no_association_end_is_refused(self, types: Collection, uri: str) -> None:
        one = types.end("A", "a", "*")
        answer = types.post(f"{one}/$links/_AssociationEnd", {"uri": uri})
        assert code(answer) == "PR400-OD-0006"
        assert names_field(answer, "uri")

    @pytest.mark.parametrize(
        ("source", "navigation", "target"),
        [
            ("EntityType('A')", "_AssociationEnd", "AssociationEnd(Name='a',_EntityType.Name='A')"),
            ("AssociationEnd(Name='a',_EntityType.Name='A')", "_EntityType", "EntityType('A')"),
            ("EntityType('A')", "_Property", "Property(Name='p',_EntityType.Name='A')"),
            ("Property(Name='p',_EntityType.Name='A')", "_EntityType", "EntityType('A')"),
            ("ComplexType('X')", "_ComplexTypeProperty", "ComplexTypeProperty(Name='p',_ComplexType.Name='X')"),
            ("ComplexTypeProperty(Name='p',_ComplexType.Name='X')", "_ComplexType", "ComplexType('X')"),
        ],
    )
    def test_the_type_of_a_property_or_end_is_shown_but_stays(
        self, types: Collection, source: str, navigation: str, target: str
    ) -> None:
        types.end("A", "a", "*")
        types.prop("A", "p")
        types.complex_type("X", p="Edm.String")
        links = f"{SCHEMA}{source}/$links/{navigation}"
        uri = f"{types.url}{SCHEMA}{target}"
        assert results(types.get(links)) == [{"uri": uri}]
        shown = results(types.get(f"{SCHEMA}{source}/{navigation}"))
        assert [each["__metadata"]["uri"] for each in shown] == [uri]
        assert code(types.post(links, {"uri": uri})) == "PR400-OD-0008"
        key = target[target.index("(") :]
        assert code(types.call("DELETE", links + key)) == "PR400-OD-0008"

    @pytest.mark.parametrize(
        ("source", "navigation", "body"),
        [
            ("EntityType('A')", "_AssociationEnd", {"Name": "n", "Multiplicity": "*", "_EntityType.Name": "A"}),
            ("EntityType('A')", "_Property", {"Name": "n", "Type": "Edm.String", "_EntityType.Name": "A"}),
            (
                "ComplexType('X')",
                "_ComplexTypeProperty",
                {"Name": "n", "Type": "Edm.String", "_ComplexType.Name": "X"},
            ),
        ],
    )
    def test_it_is_made_below_its_type(
        self, types: Collection, source: str, navigation: str, body: dict[str, str]
    ) -> None:
        types.complex_type("X")
        answer = types.post(f"{SCHEMA}{source}/{navigation}", body)
        assert answer.status_code == 201
        assert [each["Name"] for each in results(types.get(f"{SCHEMA}{source}/{navigation}"))] == ["n"]
        assert code(types.post(f"{SCHEMA}{source}/{navigation}", body)) == "PR409-OD-0002"

    def test_related_schema_entities_are_expanded(self, types: Collection) -> None:
        types.prop("A", "p")
        one, other = types.end("A", "a", "*"), types.end("B", "b", "*")
        types.join(one, other)
        shown = results(types.get(f"{SCHEMA}EntityType('A')", expand="_Property,_AssociationEnd/_AssociationEnd"))
        assert [each["Name"] for each in shown["_Property"]] == ["p"]
        (end,) = shown["_AssociationEnd"]
        assert [each["Name"] for each in end["_AssociationEnd"]] == ["b"]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit in which little may be declared."""
    options = {
        "limits.entity_types": 2,
        "limits.properties": 9,
        "limits.simple_properties": "*,3,2",
        "limits.complex_properties": "2,1,0",
    }
    with running(tmp_path_factory.mktemp("schema") / "data", **options) as unit:
        yield unit


class TestLimits:
    @pytest.fixture
    def tight(self, narrow: RunningUnit) -> Collection:
        return Collection.make(narrow.cell())

    def refused(self, tight: Collection, **fields: Any) -> str:
        name = "ComplexTypeProperty" if "_ComplexType.Name" in fields else "Property"
        return code(tight.post(SCHEMA + name, {"Type": "Edm.String", **fields}))

    def test_entity_types_of_a_collection(self, tight: Collection) -> None:
        tight.entity_type("A")
        tight.entity_type("B")
        assert code(tight.post(f"{SCHEMA}EntityType", {"Name": "C"})) == "PR400-OD-0033"
        assert tight.call("DELETE", f"{SCHEMA}EntityType('A')").status_code == 204
        tight.entity_type("C")

    def test_properties_of_an_entity_type_declared_or_not(self, tight: Collection) -> None:
        tight.entity_type("A", **{f"p{number}": "Edm.String" for number in range(7)})
        tight.create("A", dynamic=1)
        tight.prop("A", "last")
        assert self.refused(tight, **{"Name": "more", "_EntityType.Name": "A"}) == "PR400-OD-0032"
        assert code(tight.post("A", {"more": 1})) == "PR400-OD-0032"
        assert tight.get("A/$count").text == "1"
        tight.create("A", dynamic=2)

    def test_properties_are_counted_through_complex_types(self, tight: Collection) -> None:
        tight.complex_type("X", a="Edm.String", b="Edm.String")
        tight.entity_type("A", x="X", y="X", p="Edm.String", q="Edm.String", r="Edm.String")
        assert self.refused(tight, **{"Name": "more", "_EntityType.Name": "A"}) == "PR400-OD-0032"
        assert self.refused(tight, **{"Name": "c", "_ComplexType.Name": "X"}) == "PR400-OD-0032"

    def test_simple_properties_of_a_layer(self, tight: Collection) -> None:
        tight.complex_type("X", a="Edm.String", b="Edm.String", c="Edm.String")
        tight.entity_type("A", x="X")
        assert self.refused(tight, **{"Name": "d", "_ComplexType.Name": "X"}) == "PR400-OD-0032"

    def test_a_complex_type_that_nothing_uses_holds_what_the_widest_layer_does(self, tight: Collection) -> None:
        tight.complex_type("X", a="Edm.String", b="Edm.String", c="Edm.String")
        assert self.refused(tight, **{"Name": "d", "_ComplexType.Name": "X"}) == "PR400-OD-0032"

    def test_complex_properties_of_a_layer(self, tight: Collection) -> None:
        tight.complex_type("X", a="Edm.String")
        tight.entity_type("A", x="X", y="X")
        assert self.refused(tight, **{"Name": "z", "_EntityType.Name": "A", "Type": "X"}) == "PR400-OD-0032"
        tight.prop("A", "simple")

    def test_layers(self, tight: Collection) -> None:
        tight.complex_type("Z", a="Edm.String")
        tight.complex_type("Y", a="Edm.String")
        tight.complex_type("X", y="Y")
        tight.entity_type("A", x="X")
        assert self.refused(tight, **{"Name": "z", "_ComplexType.Name": "Y", "Type": "Z"}) == "PR400-OD-0032"
        tight.member("Y", "b")

    def test_a_circle_of_complex_types_fits_nowhere(self, tight: Collection) -> None:
        tight.complex_type("X")
        tight.complex_type("Y", x="X")
        tight.entity_type("A")
        tight.member("X", "y", "Y")
        assert self.refused(tight, **{"Name": "x", "_EntityType.Name": "A", "Type": "X"}) == "PR400-OD-0032"
        tight.create("A", plain=1)
        assert tight.get("$metadata").status_code == 200
