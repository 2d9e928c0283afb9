"""The EDMX of control sets, schemas and user data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from lxml import etree

from alveary.model.control_edm import CELL, CELL_COMPLEX_TYPES, CELL_SETS
from alveary.model.edm import ComplexType, Ends, EntitySet, Navigation, Property
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind
from alveary.model.schema_edm import SCHEMA_SETS
from alveary.wire.odata_edmx import render_edmx

NS = {
    "edmx": "http://schemas.microsoft.com/ado/2007/06/edmx",
    "e": "http://schemas.microsoft.com/ado/2006/04/edm",
    "m": "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata",
    "p": "urn:x-personium:xmlns",
}
P = f"{{{NS['p']}}}"

CITY = ComplexType("City", (Property("Name", nullable=True, column="P001"),))
ID = Property("__id", generated=True)
PERSON = EntitySet(
    "Person",
    "UserData",
    EntityKind.USER_DATA,
    key=("__id",),
    properties=(
        ID,
        Property("Cities", CITY, nullable=True, is_list=True, column="C001"),
        Property("Dynamic", EdmType.DOUBLE, nullable=True, column="P001", is_declared=False),
        Property("Named", column="P002", default_text='<"\n&'),
    ),
    navigations=(
        Navigation(
            "_Dog",
            "Dog",
            Ends.ONE_TO_MANY,
            "t1",
            "t2",
            association="Dog-Person-assoc",
            role="Person:owner",
            target_role="Dog:pet",
            multiplicities=("1", "*"),
        ),
        Navigation("_Gone", "Gone", Ends.ONE_TO_MANY, "t1", "t9"),
    ),
    type_id="t1",
)
DOG = EntitySet(
    "Dog",
    "UserData",
    EntityKind.USER_DATA,
    key=("__id",),
    properties=(ID,),
    navigations=(
        Navigation(
            "_Person",
            "Person",
            Ends.MANY_TO_ONE,
            "t2",
            "t1",
            association="Dog-Person-assoc",
            role="Dog:pet",
            target_role="Person:owner",
            multiplicities=("*", "1"),
        ),
        Navigation("_Dog", "Dog", Ends.ONE_TO_ONE, "t2", "t2"),
    ),
    type_id="t2",
)


def edmx(
    namespace: str,
    sets: Sequence[EntitySet],
    types: Sequence[ComplexType] = (),
    *,
    open_types: bool = False,
    plain_names: bool = False,
) -> etree._Element:
    raw = render_edmx(namespace, namespace, sets, types, open_types=open_types, plain_names=plain_names)
    return etree.fromstring(raw)


USER = edmx("UserData", [PERSON, DOG], [CITY], open_types=True)
PLAIN = edmx("UserData", [PERSON, DOG], [CITY], open_types=True, plain_names=True)
PLAIN_CELL = edmx("CellCtl", list(CELL_SETS.values()), CELL_COMPLEX_TYPES, plain_names=True)
CELL_EDMX = edmx("CellCtl", list(CELL_SETS.values()), CELL_COMPLEX_TYPES)
SCHEMA = edmx("ODataSvcSchema", list(SCHEMA_SETS.values()))
UNIT = edmx("UnitCtl", [CELL])


def found(root: etree._Element, path: str) -> Any:
    return root.xpath(path, namespaces=NS)


def attributes(root: etree._Element, path: str) -> list[dict[str, str]]:
    return [{str(name): str(value) for name, value in each.attrib.items()} for each in found(root, path)]


def test_the_frame_is_one_schema_in_data_services() -> None:
    assert found(USER, "string(/edmx:Edmx/@Version)") == "1.0"
    assert found(USER, "string(/edmx:Edmx/edmx:DataServices/@m:DataServiceVersion)") == "1.0"
    assert found(USER, "string(//e:Schema/@Namespace)") == "UserData"
    assert found(USER, "string(//e:EntityContainer/@Name)") == "UserData"
    assert found(USER, "string(//e:EntityContainer/@m:IsDefaultEntityContainer)") == "true"


def test_the_parts_of_a_schema_come_in_their_order() -> None:
    order = ["ComplexType", "EntityType", "Association", "EntityContainer"]
    for root in (USER, CELL_EDMX, SCHEMA):
        parts = [etree.QName(each).localname for each in found(root, "//e:Schema/*")]
        assert parts == sorted(parts, key=order.index)


def test_only_user_data_takes_what_nobody_declared() -> None:
    assert found(USER, "//e:EntityType/@OpenType") == ["true", "true"]
    assert not found(CELL_EDMX, "//@OpenType")


def test_a_property_tells_all_of_itself() -> None:
    assert attributes(USER, "//e:EntityType[@Name='Person']/e:Property") == [
        {
            "Name": "__id",
            "Type": "Edm.String",
            "Nullable": "false",
            "DefaultValue": "UUID()",
            f"{P}Format": "regEx('^[a-zA-Z0-9][a-zA-Z0-9-_:]{0,199}$')",
        },
        *(
            {
                "Name": name,
                "Type": "Edm.DateTime",
                "Nullable": "false",
                "DefaultValue": "SYSUTCDATETIME()",
                "Precision": "3",
            }
            for name in ("__published", "__updated")
        ),
        {"Name": "Cities", "Type": "UserData.City", "Nullable": "true", "CollectionKind": "List"},
        {"Name": "Dynamic", "Type": "Edm.Double", "Nullable": "true", f"{P}IsDeclared": "false"},
        {"Name": "Named", "Type": "Edm.String", "Nullable": "false", "DefaultValue": '<"\n&'},
    ]
    assert attributes(USER, "//e:ComplexType[@Name='City']/e:Property") == [
        {"Name": "Name", "Type": "Edm.String", "Nullable": "true"}
    ]


def test_defaults_are_spelled_as_their_type_spells_them() -> None:
    path = "string(//e:EntityType[@Name='{}']/e:Property[@Name='{}']/@DefaultValue)"
    assert found(CELL_EDMX, path.format("Rule", "EventExternal")) == "false"
    assert found(CELL_EDMX, path.format("SentMessage", "Priority")) == "3"
    assert found(CELL_EDMX, path.format("Account", "Status")) == "active"
    assert not found(CELL_EDMX, "//@p:Format")


def test_the_parts_of_a_key_are_nullable_only_where_they_may_be_null() -> None:
    assert found(CELL_EDMX, "//e:EntityType[@Name='Role']/e:Key/e:PropertyRef/@Name") == ["Name", "_Box.Name"]
    assert found(CELL_EDMX, "//e:EntityType[@Name='Role']/e:Property[@Name='Name']/@Nullable") == ["false"]
    assert found(CELL_EDMX, "//e:EntityType[@Name='Role']/e:Property[@Name='_Box.Name']/@Nullable") == ["true"]


@pytest.mark.parametrize("root", [USER, CELL_EDMX, SCHEMA, UNIT, PLAIN, PLAIN_CELL])
def test_what_refers_to_something_finds_it(root: etree._Element) -> None:
    namespace = found(root, "string(//e:Schema/@Namespace)")
    types = {f"{namespace}.{name}" for name in found(root, "//e:EntityType/@Name")}
    complex_types = {f"{namespace}.{name}" for name in found(root, "//e:ComplexType/@Name")}
    associations = {
        f"{namespace}.{each.get('Name')}": [end.get("Role") for end in each]
        for each in found(root, "//e:Association")
    }
    assert all(len(roles) == len(set(roles)) == 2 for roles in associations.values())
    assert len(associations) == len(found(root, "//e:Association"))
    assert set(found(root, "//e:Association/e:End/@Type")) <= types
    assert set(found(root, "//e:EntitySet/@EntityType")) == types
    assert {each for each in found(root, "//e:Property/@Type") if not each.startswith("Edm.")} <= complex_types
    for each in found(root, "//e:NavigationProperty"):
        assert sorted(associations[each.get("Relationship")]) == sorted([each.get("FromRole"), each.get("ToRole")])
    for each in found(root, "//e:AssociationSet"):
        assert associations[each.get("Association")] == [end.get("Role") for end in each]
        assert {end.get("EntitySet") for end in each} <= set(found(root, "//e:EntitySet/@Name"))
    for each in found(root, "//e:EntityType"):
        assert set(found(each, "e:Key/e:PropertyRef/@Name")) <= set(found(each, "e:Property/@Name"))


def test_an_association_is_there_once_for_its_two_ways() -> None:
    assert found(USER, "//e:Association/@Name") == ["Dog-Person-assoc", "Dog-Dog-assoc"]
    assert attributes(USER, "//e:Association[@Name='Dog-Person-assoc']/e:End") == [
        {"Role": "Person:owner", "Type": "UserData.Person", "Multiplicity": "1"},
        {"Role": "Dog:pet", "Type": "UserData.Dog", "Multiplicity": "*"},
    ]
    assert attributes(USER, "//e:EntityType[@Name='Dog']/e:NavigationProperty[@Name='_Person']") == [
        {
            "Name": "_Person",
            "Relationship": "UserData.Dog-Person-assoc",
            "FromRole": "Dog:pet",
            "ToRole": "Person:owner",
        }
    ]


def test_an_association_without_a_name_is_called_after_its_sets() -> None:
    ways = [("A", "_B", "B", Ends.MANY_TO_ONE), ("B", "_A", "A", Ends.ONE_TO_MANY)]
    sets = [
        EntitySet(
            name,
            "N",
            EntityKind.ROLE,
            ("Name",),
            (Property("Name"),),
            navigations=(Navigation(way, target, ends, name, target),),
        )
        for name, way, target, ends in ways
    ]
    for each in (edmx("N", sets), edmx("N", sets[::-1])):
        assert found(each, "//e:Association/@Name") == ["A-B-assoc"]
        assert set(found(each, "//e:NavigationProperty/@Relationship")) == {"N.A-B-assoc"}
        assert found(each, "string(//e:End[@Role='A']/@Multiplicity)") == "*"
        assert found(each, "string(//e:End[@Role='B']/@Multiplicity)") == "0..1"


def test_a_way_to_a_set_that_is_not_there_is_left_out() -> None:
    assert found(USER, "//e:EntityType[@Name='Person']/e:NavigationProperty/@Name") == ["_Dog"]


def test_plain_names_of_associations_and_roles_have_letters_digits_and_underscores() -> None:
    names = "//e:Association/@Name | //e:AssociationSet/@Name | //@Role | //@FromRole | //@ToRole"
    for root in (PLAIN, PLAIN_CELL):
        assert all(re.fullmatch(r"\w+", each, re.ASCII) for each in found(root, names))
    assert found(PLAIN, "//e:Association/@Name") == ["Dog_Person_assoc", "Dog_Dog_assoc"]
    assert found(PLAIN, "//e:Association[@Name='Dog_Person_assoc']/e:End/@Role") == ["Person_owner", "Dog_pet"]


def test_all_but_associations_and_roles_is_called_the_same_by_plain_names() -> None:
    names = "//e:EntityType/@Name | //e:Property/@Name | //e:NavigationProperty/@Name | //@EntityType | //e:End/@Type"
    assert found(PLAIN_CELL, names) == found(CELL_EDMX, names)


def test_plain_names_are_never_the_same_for_two() -> None:
    def leading(name: str, target: str) -> EntitySet:
        way = Navigation(f"_{target}", target, Ends.MANY_TO_MANY, name, target)
        return EntitySet(name, "N", EntityKind.ROLE, ("Name",), (Property("Name"),), navigations=(way,))

    sets = [leading(*each) for each in (("A", "B-C"), ("A_B", "C"), ("B-C", "A"), ("C", "A_B"))]
    assert found(edmx("N", sets), "//e:Association/@Name") == ["A-B-C-assoc", "A_B-C-assoc"]
    root = edmx("N", sets, plain_names=True)
    assert found(root, "//e:Association/@Name") == ["A_B_C_assoc", "A_B_C_assoc_"]
    assert found(root, "//e:EntityType[@Name='C']/e:NavigationProperty/@Relationship") == ["N.A_B_C_assoc_"]
