"""What may still be changed and taken away of a schema, with and without data, and what becomes of the data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.odata_site import (
    SCHEMA,
    Collection,
    code,
    end_path,
    member_path,
    names_field,
    prop_path,
    results,
)
from tests.running import Site


@pytest.fixture
def od(cell: Site) -> Collection:
    """Persons with an address and an age, and an order; without data."""
    made = Collection.make(cell)
    made.complex_type("Address", city="Edm.String", zip="Edm.Int32")
    made.entity_type("Person", name="Edm.String", age="Edm.Int32", address="Address")
    made.entity_type("Order")
    return made


PERSON = f"{SCHEMA}EntityType('Person')"
ADDRESS = f"{SCHEMA}ComplexType('Address')"
AGE = {"Name": "age", "_EntityType.Name": "Person", "Type": "Edm.Int32"}
ZIP = {"Name": "zip", "_ComplexType.Name": "Address", "Type": "Edm.Int32"}


def put(od: Collection, path: str, **body: Any) -> Any:
    return od.call("PUT", path, json=body)


def someone(od: Collection) -> None:
    od.create("Person", __id="a", name="花子", age=20, address={"city": "京都", "zip": 600}, extra="x")


class TestEntityTypes:
    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH"])
    @pytest.mark.parametrize("with_data", [True, False])
    def test_a_renamed_type_keeps_its_data(self, od: Collection, method: str, with_data: bool) -> None:
        if with_data:
            someone(od)
        answer = od.call(method, PERSON, json={"Name": "Human"})
        assert answer.status_code == 204
        renamed = od.get(f"{SCHEMA}EntityType('Human')")
        assert renamed.headers["etag"] == answer.headers["etag"]
        assert code(od.get(PERSON)) == "PR404-OD-0002"
        assert code(od.get("Person")) == "PR404-OD-0001"
        if with_data:
            shown = results(od.get("Human('a')"))
            assert shown.items() >= {"name": "花子", "age": 20, "extra": "x"}.items()
            assert shown["__metadata"]["type"] == "UserData.Human"
        else:
            assert results(od.get("Human")) == []
        assert results(od.get(prop_path("Human", "age")))["_EntityType.Name"] == "Human"

    def test_a_rename_renames_the_ways_to_the_type(self, od: Collection) -> None:
        od.relate("Person", "0..1", "Order", "*")
        od.create("Person", __id="a")
        od.create("Order", __id="o")
        od.link("Person('a')", "Order('o')")
        assert put(od, PERSON, Name="Human").status_code == 204
        assert od.related("Order('o')", "_Human") == ["a"]
        assert od.related("Human('a')", "_Order") == ["o"]
        assert code(od.get("Order('o')/_Person")) == "PR404-OD-0003"

    def test_a_name_that_is_taken_is_refused(self, od: Collection) -> None:
        assert code(put(od, PERSON, Name="Order")) == "PR409-OD-0003"
        assert code(put(od, PERSON, Name="_x")) == "PR400-OD-0006"
        assert od.get("Person").status_code == 200

    def test_an_etag_guards_the_change(self, od: Collection) -> None:
        etag = od.get(PERSON).headers["etag"]
        stale = {"If-Match": 'W/"9-9"'}
        for method in ("PUT", "MERGE", "DELETE"):
            assert code(od.call(method, PERSON, json={"Name": "Human"}, headers=stale)) == "PR412-OD-0002"
        assert od.call("PUT", PERSON, json={"Name": "Human"}, headers={"If-Match": etag}).status_code == 204

    def test_a_type_goes_when_nothing_is_in_it(self, od: Collection) -> None:
        assert od.call("DELETE", f"{SCHEMA}EntityType('Order')").status_code == 204
        assert code(od.get("Order")) == "PR404-OD-0001"

    def test_data_keeps_it_and_what_came_with_data_does_not(self, od: Collection) -> None:
        order = f"{SCHEMA}EntityType('Order')"
        od.create("Order", __id="o", dynamic=1)
        assert code(od.call("DELETE", order)) == "PR409-OD-0001"
        od.call("DELETE", "Order('o')")
        assert od.call("DELETE", order).status_code == 204
        assert od.get(f"{SCHEMA}Property/$count", filter="Name eq 'dynamic'").text == "0"
        od.entity_type("Order")
        assert "dynamic" not in od.create("Order", __id="o")
        assert "dynamic" not in results(od.get("Order('o')"))

    def test_a_declared_property_keeps_it(self, od: Collection) -> None:
        od.prop("Order", "number")
        assert code(od.call("DELETE", f"{SCHEMA}EntityType('Order')")) == "PR409-OD-0001"
        assert od.call("DELETE", prop_path("Order", "number")).status_code == 204
        assert od.call("DELETE", f"{SCHEMA}EntityType('Order')").status_code == 204

    def test_an_association_end_keeps_it(self, od: Collection) -> None:
        end = od.end("Order", "loose", "*")
        assert code(od.call("DELETE", f"{SCHEMA}EntityType('Order')")) == "PR409-OD-0001"
        assert od.call("DELETE", end).status_code == 204
        assert od.call("DELETE", f"{SCHEMA}EntityType('Order')").status_code == 204


class TestComplexTypes:
    def test_one_that_nothing_uses_is_renamed_and_goes(self, od: Collection) -> None:
        od.complex_type("Geo")
        assert put(od, f"{SCHEMA}ComplexType('Geo')", Name="Place").status_code == 204
        assert code(od.get(f"{SCHEMA}ComplexType('Geo')")) == "PR404-OD-0002"
        assert od.call("DELETE", f"{SCHEMA}ComplexType('Place')").status_code == 204
        assert code(od.get(f"{SCHEMA}ComplexType('Place')")) == "PR404-OD-0002"

    def test_its_own_properties_follow_a_rename_and_keep_it(self, od: Collection) -> None:
        od.complex_type("Geo", lat="Edm.Double")
        assert put(od, f"{SCHEMA}ComplexType('Geo')", Name="Place").status_code == 204
        assert results(od.get(member_path("Place", "lat")))["_ComplexType.Name"] == "Place"
        assert code(od.call("DELETE", f"{SCHEMA}ComplexType('Place')")) == "PR409-OD-0001"
        od.call("DELETE", member_path("Place", "lat"))
        assert od.call("DELETE", f"{SCHEMA}ComplexType('Place')").status_code == 204

    def test_one_that_a_property_uses_stays_as_it_is(self, od: Collection) -> None:
        assert code(put(od, ADDRESS, Name="Anschrift")) == "PR409-OD-0001"
        assert code(od.call("DELETE", ADDRESS)) == "PR409-OD-0001"

    def test_so_does_one_that_another_complex_type_uses(self, od: Collection) -> None:
        od.complex_type("Geo")
        od.member("Address", "geo", "Geo")
        assert code(put(od, f"{SCHEMA}ComplexType('Geo')", Name="Place")) == "PR409-OD-0001"
        assert code(od.call("DELETE", f"{SCHEMA}ComplexType('Geo')")) == "PR409-OD-0001"

    @pytest.mark.parametrize("method", ["MERGE", "PATCH"])
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (ADDRESS, {"Name": "Address"}),
            (prop_path("Person", "age"), AGE),
            (member_path("Address", "zip"), ZIP),
        ],
    )
    def test_no_merge_of_complex_types_and_properties(
        self, od: Collection, path: str, body: dict[str, str], method: str
    ) -> None:
        assert code(od.call(method, path, json=body)) == "PR501-MC-0001"


class TestPropertiesWithData:
    def test_a_renamed_property_keeps_its_values(self, od: Collection) -> None:
        someone(od)
        assert put(od, prop_path("Person", "age"), **{**AGE, "Name": "years"}).status_code == 204
        assert put(od, member_path("Address", "zip"), **{**ZIP, "Name": "code"}).status_code == 204
        shown = results(od.get("Person('a')"))
        assert shown["years"] == 20
        assert shown["address"] == {"city": "京都", "code": 600}
        assert "age" not in shown
        assert [each["__id"] for each in results(od.get("Person", filter="years eq 20"))] == ["a"]
        assert [each["__id"] for each in results(od.get("Person", filter="address/code eq 600"))] == ["a"]

    def test_a_name_that_is_free_again_is_another_property(self, od: Collection) -> None:
        someone(od)
        put(od, prop_path("Person", "age"), **{**AGE, "Name": "years"})
        od.prop("Person", "age", "Edm.String")
        assert results(od.get("Person('a')")).items() >= {"years": 20, "age": None}.items()

    def test_a_name_that_is_taken_is_refused(self, od: Collection) -> None:
        someone(od)
        assert code(put(od, prop_path("Person", "age"), **{**AGE, "Name": "name"})) == "PR409-OD-0003"
        assert code(put(od, prop_path("Person", "age"), **{**AGE, "Name": "extra"})) == "PR409-OD-0003"
        assert results(od.get("Person('a')")).items() >= {"age": 20, "name": "花子", "extra": "x"}.items()

    def test_an_int32_becomes_a_double_and_keeps_its_values(self, od: Collection) -> None:
        someone(od)
        assert put(od, prop_path("Person", "age"), **{**AGE, "Type": "Edm.Double"}).status_code == 204
        assert put(od, member_path("Address", "zip"), **{**ZIP, "Type": "Edm.Double"}).status_code == 204
        od.create("Person", __id="b", age=20.5, address={"zip": 0.5})
        assert [each["age"] for each in results(od.get("Person", orderby="age"))] == [20, 20.5]
        assert [each["__id"] for each in results(od.get("Person", filter="age eq 20"))] == ["a"]
        assert [each["__id"] for each in results(od.get("Person", filter="age gt 20.25"))] == ["b"]

    @pytest.mark.parametrize("kind", ["Edm.String", "Edm.Boolean", "Edm.Single", "Edm.DateTime", "Address"])
    @pytest.mark.parametrize("with_data", [True, False])
    def test_no_other_type_may_follow(self, od: Collection, kind: str, with_data: bool) -> None:
        if with_data:
            someone(od)
        answer = put(od, prop_path("Person", "age"), **{**AGE, "Type": kind})
        assert code(answer) == "PR400-OD-0042"
        assert names_field(answer, "Type")
        assert code(put(od, member_path("Address", "zip"), **{**ZIP, "Type": kind})) == "PR400-OD-0042"

    def test_a_double_is_an_int32_no_more(self, od: Collection) -> None:
        od.prop("Person", "weight", "Edm.Double")
        body = {"Name": "weight", "_EntityType.Name": "Person", "Type": "Edm.Int32"}
        assert code(put(od, prop_path("Person", "weight"), **body)) == "PR400-OD-0042"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("Nullable", False),
            ("DefaultValue", "1"),
            ("CollectionKind", "List"),
            ("IsKey", True),
            ("UniqueKey", "k"),
            ("_EntityType.Name", "Order"),
        ],
    )
    def test_nothing_else_of_a_property_changes(self, od: Collection, field: str, value: Any) -> None:
        answer = put(od, prop_path("Person", "age"), **{**AGE, field: value})
        assert code(answer) == "PR400-OD-0042"
        assert names_field(answer, field)
        assert results(od.get(prop_path("Person", "age")))["Nullable"] is True

    @pytest.mark.parametrize(
        ("field", "value"),
        [("Nullable", False), ("DefaultValue", "1"), ("CollectionKind", "List"), ("_ComplexType.Name", "Other")],
    )
    def test_nor_of_a_property_of_a_complex_type(self, od: Collection, field: str, value: Any) -> None:
        od.complex_type("Other")
        answer = put(od, member_path("Address", "zip"), **{**ZIP, field: value})
        assert code(answer) == "PR400-OD-0042"
        assert names_field(answer, field)

    def test_what_is_unknown_or_missing_is_refused_as_at_its_making(self, od: Collection) -> None:
        path = prop_path("Person", "age")
        assert code(put(od, path, **{**AGE, "Unknown": 1})) == "PR400-OD-0007"
        assert code(put(od, path, **{**AGE, "IsDeclared": True})) == "PR400-OD-0007"
        assert code(put(od, path, Name="age", Type="Edm.Int32")) == "PR400-OD-0009"
        assert code(put(od, path, **{**AGE, "_EntityType.Name": "Nobody"})) == "PR400-OD-0024"

    def test_a_property_goes_only_while_there_is_no_data(self, od: Collection) -> None:
        someone(od)
        for path in (prop_path("Person", "age"), member_path("Address", "zip"), prop_path("Person", "extra")):
            assert code(od.call("DELETE", path)) == "PR409-OD-0001"
        od.create("Order")
        od.call("DELETE", "Person('a')")
        for path in (prop_path("Person", "age"), member_path("Address", "zip"), prop_path("Person", "extra")):
            assert od.call("DELETE", path).status_code == 204
            assert code(od.get(path)) == "PR404-OD-0002"

    def test_data_below_nested_complex_types_keeps_their_properties(self, od: Collection) -> None:
        od.complex_type("Geo", lat="Edm.Double")
        od.member("Address", "geo", "Geo")
        od.create("Person", __id="a")
        assert code(od.call("DELETE", member_path("Geo", "lat"))) == "PR409-OD-0001"
        od.complex_type("Unused", x="Edm.Double")
        assert od.call("DELETE", member_path("Unused", "x")).status_code == 204

    def test_what_comes_to_a_type_with_data_may_be_null(self, od: Collection) -> None:
        someone(od)
        od.complex_type("Geo")
        od.member("Address", "geo", "Geo")
        for name, owner in (
            ("Property", "Person"),
            ("ComplexTypeProperty", "Address"),
            ("ComplexTypeProperty", "Geo"),
        ):
            field = "_EntityType.Name" if name == "Property" else "_ComplexType.Name"
            body = {"Name": "must", field: owner, "Type": "Edm.String", "Nullable": False}
            answer = od.post(SCHEMA + name, body)
            assert code(answer) == "PR400-OD-0006", (name, owner)
            assert names_field(answer, "Nullable")
            assert od.post(SCHEMA + name, {**body, "Nullable": True}).status_code == 201
        assert results(od.get("Person('a')")).items() >= {"must": None, "name": "花子"}.items()
        assert results(od.get("Person('a')"))["address"] == {"city": "京都", "zip": 600, "must": None, "geo": None}

    def test_what_comes_to_a_type_without_data_must_not(self, od: Collection) -> None:
        od.prop("Person", "must", Nullable=False)
        assert code(od.post("Person", {})) == "PR400-OD-0009"

    def test_a_property_is_there_for_the_very_next_request(self, od: Collection) -> None:
        someone(od)
        for number in range(5):
            od.prop("Person", f"p{number}", "Edm.Int32")
            assert results(od.get("Person('a')"))[f"p{number}"] is None
            od.create("Person", **{f"p{number}": number})
            assert od.get("Person/$count", filter=f"p{number} eq {number}").text == "1"


class TestAssociationEnds:
    @pytest.fixture
    def related(self, od: Collection) -> Collection:
        od.relate("Person", "0..1", "Order", "*")
        od.create("Person", __id="a")
        od.create("Order", __id="o")
        od.link("Person('a')", "Order('o')")
        return od

    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH"])
    def test_an_end_is_renamed(self, related: Collection, method: str) -> None:
        body = {"Name": "renamed", "Multiplicity": "0..1", "_EntityType.Name": "Person"}
        assert related.call(method, end_path("Person", "to-Order"), json=body).status_code == 204
        partner = f"{end_path('Order', 'to-Person')}/$links/_AssociationEnd"
        uri = related.url + end_path("Person", "renamed")
        assert results(related.get(partner)) == [{"uri": uri}]
        assert related.related("Person('a')", "_Order") == ["o"]
        assert 'Role="Person:renamed"' in related.get("$metadata").text

    @pytest.mark.parametrize("method", ["PUT", "MERGE"])
    @pytest.mark.parametrize(("field", "value"), [("Multiplicity", "*"), ("_EntityType.Name", "Order")])
    def test_nothing_else_of_it_changes(self, related: Collection, method: str, field: str, value: str) -> None:
        body = {"Name": "to-Order", "Multiplicity": "0..1", "_EntityType.Name": "Person", field: value}
        answer = related.call(method, end_path("Person", "to-Order"), json=body)
        assert code(answer) == "PR400-OD-0042"
        assert names_field(answer, field)

    @pytest.mark.parametrize("gone", [("Person", "to-Order"), ("Order", "to-Person")])
    def test_data_keeps_no_end_and_its_partner_is_free(self, related: Collection, gone: tuple[str, str]) -> None:
        assert related.call("DELETE", end_path(*gone)).status_code == 204
        (left,) = {("Person", "to-Order"), ("Order", "to-Person")} - {gone}
        assert results(related.get(f"{end_path(*left)}/$links/_AssociationEnd")) == []
        assert code(related.get("Person('a')/_Order")) == "PR404-OD-0003"
        assert code(related.get("Order('o')/_Person")) == "PR404-OD-0003"
        assert "_Order" not in results(related.get("Person('a')"))
        assert related.call("DELETE", "Person('a')").status_code == 204

    @pytest.mark.parametrize("ends", [("0..1", "*"), ("*", "*"), ("0..1", "0..1"), ("*", "0..1")])
    @pytest.mark.parametrize("how", ["end", "link"])
    def test_links_go_with_their_relation_and_do_not_come_back(
        self, od: Collection, ends: tuple[str, str], how: str
    ) -> None:
        od.relate("Person", ends[0], "Order", ends[1])
        od.create("Person", __id="a")
        od.create("Order", __id="o")
        assert od.link("Person('a')", "Order('o')").status_code == 204
        first, second = end_path("Person", "to-Order"), end_path("Order", "to-Person")
        if how == "end":
            od.call("DELETE", first)
            od.end("Person", "to-Order", ends[0])
        else:
            key = second.removeprefix(f"{SCHEMA}AssociationEnd")
            assert od.call("DELETE", f"{first}/$links/_AssociationEnd{key}").status_code == 204
        assert od.join(first, second).status_code == 204
        assert od.related("Person('a')", "_Order") == []
        assert od.related("Order('o')", "_Person") == []
        assert od.link("Person('a')", "Order('o')").status_code == 204

    @pytest.mark.parametrize("new_name", ["a", "zz"])
    @pytest.mark.parametrize("end", ["to-Person", "of-Person"])
    @pytest.mark.parametrize("ends", [("0..1", "*"), ("*", "0..1"), ("0..1", "0..1")])
    def test_a_renamed_end_of_a_relation_within_one_type_turns_no_link_around(
        self, od: Collection, ends: tuple[str, str], end: str, new_name: str
    ) -> None:
        od.relate("Person", ends[0], "Person", ends[1])
        for name in ("parent", "child"):
            od.create("Person", __id=name)
        assert od.link("Person('parent')", "Person('child')").status_code == 204
        ways = [od.related(f"Person('{name}')", "_Person") for name in ("parent", "child")]
        multiplicity = ends[0] if end == "to-Person" else ends[1]
        body = {"Name": new_name, "Multiplicity": multiplicity, "_EntityType.Name": "Person"}
        assert put(od, end_path("Person", end), **body).status_code == 204
        assert [od.related(f"Person('{name}')", "_Person") for name in ("parent", "child")] == ways

    def test_a_relation_within_one_type_is_taken_away(self, od: Collection) -> None:
        od.relate("Person", "0..1", "Person", "*")
        assert od.call("DELETE", end_path("Person", "to-Person")).status_code == 204
        assert results(od.get(f"{end_path('Person', 'of-Person')}/$links/_AssociationEnd")) == []


class TestTheCollection:
    @pytest.mark.parametrize("kind", ["EntityType", "ComplexType"])
    def test_a_type_keeps_its_collection(self, cell: Site, kind: str) -> None:
        od = Collection.make(cell)
        od.declare(kind, Name="T")
        assert code(od.call("DELETE")) == "PR403-DV-0003"
        assert od.call("DELETE", f"{SCHEMA}{kind}('T')").status_code == 204
        assert od.call("DELETE").status_code == 204

    def test_all_goes_with_a_collection_that_is_deleted_with_all(self, od: Collection) -> None:
        someone(od)
        od.relate("Person", "0..1", "Order", "*")
        assert od.call("DELETE", headers={"X-Personium-Recursive": "true"}).status_code == 204
        assert od.get("Person").status_code == 404
        again = Collection.make(od.site, od.path)
        assert results(again.get(f"{SCHEMA}EntityType")) == []
        assert results(again.get(f"{SCHEMA}Property")) == []
        again.entity_type("Person")
        assert results(again.get("Person")) == []

    def test_collections_of_one_cell_know_nothing_of_each_other(self, od: Collection) -> None:
        other = Collection.make(od.site)
        other.entity_type("Person", age="Edm.String")
        od.create("Person", __id="a", age=1)
        other.create("Person", __id="a", age="one")
        assert results(od.get("Person('a')"))["age"] == 1
        assert results(other.get("Person('a')")).items() >= {"age": "one"}.items()
        assert "name" not in results(other.get("Person('a')"))
