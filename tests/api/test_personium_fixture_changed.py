"""A snapshot that Personium's own server wrote, changed by OData and exported again: still in Personium's form."""

from __future__ import annotations

import json
from dataclasses import dataclass

import httpx
import pytest

from tests.api.test_personium_fixture import carry, settled
from tests.odata_site import SCHEMA, Collection, ids, prop_path, results
from tests.personium_lines import (
    COUNTS,
    EVERY,
    LINKS,
    PERSONIUM,
    SCHEMA_ENTRIES,
    TOLD,
    USER_DATA,
    Line,
    lines,
    raw_lines,
    shown,
)
from tests.running import RunningUnit, Site


@dataclass
class Changed:
    """Two snapshots of one cell, and what was done between them."""

    before: bytes
    after: bytes
    cell: Site

    def new(self, entry: str) -> list[Line]:
        """The lines of an entry that were not there before, changed ones too."""
        known = set(raw_lines(self.before, entry))
        return [json.loads(line) for line in raw_lines(self.after, entry) if line not in known]

    def gone(self, entry: str) -> list[Line]:
        known = set(raw_lines(self.after, entry))
        return [json.loads(line) for line in raw_lines(self.before, entry) if line not in known]


def export(cell: Site, name: str) -> bytes:
    assert cell.call("POST", "__export", json={"Name": name}).status_code == 202
    assert settled(cell, "__export") == {"status": "ready"}
    return cell.call("GET", f"__snapshot/{name}.zip").content


NEW_PERSON = {
    "__id": "新".encode().hex(),
    "name": "花子",
    "age": 31,
    "height": 160.5,
    "score": 1e10,
    "active": False,
    "born": "/Date(946684800000)/",
    "nick": ["はな", None],
    "luckies": [7],
    "flags": [True],
    "singles": [2],
    "doubles": [0.0001, 3],
    "address": {"street": "1 Main St", "geo": {"lat": -0.5, "lon": 139}},
    "weight": 50,
    "hobby": "囲碁",
    "married": True,
}


def done(answer: httpx.Response) -> None:
    assert answer.status_code in {201, 204}, answer.text


@pytest.fixture(scope="module")
def changed(unit: RunningUnit) -> Changed:
    site = unit.cell()
    carry(site, PERSONIUM)
    before = export(site, "before")
    od = Collection(site, "box1/odata")
    renamed = {"Name": "points", "_EntityType.Name": "Person", "Type": "Edm.Double"}
    done(od.call("PUT", prop_path("Person", "score"), json=renamed))
    done(od.post(f"{SCHEMA}Property", {"Name": "colour", "_EntityType.Name": "Tag", "Type": "Edm.String"}))
    values = {("points" if name == "score" else name): value for name, value in NEW_PERSON.items()}
    done(od.post("Person", values))
    done(od.link("Order('o099')", "Product('pr05')"))
    done(od.post("Person('p001')/_Order", {"__id": "o100", "amount": 1, "memo": "新しい"}))
    done(od.call("MERGE", "Product('pr01')", json={"price": 100}))
    done(od.call("PUT", "Tag('t00')", json={"label": "札"}))
    return Changed(before, export(site, "after"), site)


class TestExportedAgain:
    @pytest.mark.parametrize("entry", [*SCHEMA_ENTRIES.values(), USER_DATA, LINKS])
    def test_untouched_lines_say_what_personium_wrote(self, changed: Changed, entry: str) -> None:
        def said(archive: bytes) -> dict[str, Line]:
            found = {}
            for line in lines(archive, entry):
                source = {name: value for name, value in line["_source"].items() if name != "c"}
                found[line["_id"]] = {"_type": line["_type"], **source}
            return found

        assert said(changed.before) == said(PERSONIUM)

    @pytest.mark.parametrize(
        ("entry", "gone", "new"),
        [
            ("40_entitytype", 0, 0),
            ("41_complextype", 0, 0),
            ("50_property", 1, 5),
            ("51_complextypeproperty", 0, 0),
            ("60_associationend", 0, 0),
            (USER_DATA, 2, 4),
            (LINKS, 0, 1),
        ],
    )
    def test_what_was_not_changed_is_the_same_to_the_last_byte(
        self, changed: Changed, entry: str, gone: int, new: int
    ) -> None:
        assert (len(changed.gone(entry)), len(changed.new(entry))) == (gone, new)

    def test_a_renamed_property_keeps_its_alias_and_its_data(self, changed: Changed) -> None:
        (old,) = changed.gone("50_property")
        (new,) = [line for line in changed.new("50_property") if line["_id"] == old["_id"]]
        assert (old["_source"]["s"].pop("Name"), new["_source"]["s"].pop("Name")) == ("score", "points")
        assert new["_source"].pop("u") > old["_source"].pop("u")
        assert new == old

    @pytest.mark.parametrize(
        ("name", "kind", "owner", "alias", "is_declared"),
        [
            ("colour", "Edm.String", "Tag", "P002", True),
            ("weight", "Edm.Double", "Person", "P014", False),
            ("hobby", "Edm.String", "Person", "P015", False),
            ("married", "Edm.Boolean", "Person", "P016", False),
        ],
    )
    def test_a_new_property_is_written_as_personium_writes_one(
        self, changed: Changed, name: str, kind: str, owner: str, alias: str, is_declared: bool
    ) -> None:
        (model,) = [line for line in lines(PERSONIUM, "50_property") if line["_source"]["s"]["Name"] == "dynamicProp"]
        (new,) = [line for line in changed.new("50_property") if line["_source"]["s"]["Name"] == name]
        assert new.keys() == model.keys()
        assert new["_source"].keys() == model["_source"].keys()
        assert new["_source"]["s"] == {
            **model["_source"]["s"],
            "Name": name,
            "Type": kind,
            "IsDeclared": is_declared,
        }
        assert new["_source"]["h"] == {"Alias": alias}
        assert new["_source"]["l"] == {"EntityType": next(key for key, told in TOLD.types.items() if told == owner)}
        assert [new["_source"][each] for each in "bn"] == [model["_source"][each] for each in "bn"]

    def test_a_new_entity_is_written_as_personium_writes_one(self, changed: Changed) -> None:
        (model,) = [line for line in lines(PERSONIUM, USER_DATA) if line["_source"]["s"]["__id"] == "p030"]
        (new,) = [line for line in changed.new(USER_DATA) if line["_source"]["s"]["__id"] == NEW_PERSON["__id"]]
        source = new["_source"]
        assert (new.keys(), source.keys()) == (model.keys(), model["_source"].keys())
        assert [source[each] for each in ("b", "n", "t", "h", "ll")] == [
            model["_source"][each] for each in ("b", "n", "t", "h", "ll")
        ]
        assert source["s"] == {
            "__id": NEW_PERSON["__id"],
            "P001": "花子",
            "P002": 31,
            "P003": 160.5,
            "P004": "1.0E10",
            "P005": "false",
            "P006": 946_684_800_000,
            "P007": source["p"],  # its default: the time of its making
            "P008": ["はな", None],
            "P009": [7],
            "P010": ["true"],
            "P011": [2.0],
            "P012": ["1.0E-4", "3.0"],
            "P014": "50.0",
            "P015": "囲碁",
            "P016": "true",
            "C001": {"P001": "1 Main St", "P002": 100, "C001": {"P001": "-0.5", "P002": "139.0"}},
        }

    def test_a_link_to_one_stands_in_the_entity(self, changed: Changed) -> None:
        (model,) = [line for line in lines(PERSONIUM, USER_DATA) if line["_source"]["s"]["__id"] == "o001"]
        (new,) = [line for line in changed.new(USER_DATA) if line["_source"]["s"]["__id"] == "o100"]
        assert new["_source"].keys() == model["_source"].keys()
        assert new["_source"]["ll"] == model["_source"]["ll"] != []
        assert new["_source"]["t"] == model["_source"]["t"]

    def test_a_merged_entity_differs_in_what_was_merged(self, changed: Changed) -> None:
        (old,) = [line for line in changed.gone(USER_DATA) if line["_source"]["s"]["__id"] == "pr01"]
        (new,) = [line for line in changed.new(USER_DATA) if line["_id"] == old["_id"]]
        assert (old["_source"]["s"].pop("P002"), new["_source"]["s"].pop("P002")) == ("99.5", "100.0")
        assert new["_source"].pop("u") > old["_source"].pop("u")
        assert new == old

    def test_a_replaced_entity_keeps_its_id(self, changed: Changed) -> None:
        (old,) = [line for line in changed.gone(USER_DATA) if line["_source"]["s"]["__id"] == "t00"]
        (new,) = [line for line in changed.new(USER_DATA) if line["_id"] == old["_id"]]
        assert new["_source"].pop("s") == {"__id": "t00", "P001": "札"}
        assert old["_source"].pop("s") == {"__id": "t00", "P001": "tag0"}
        assert new["_source"].pop("u") > old["_source"].pop("u")
        assert new == old

    def test_a_new_link_is_written_as_personium_writes_one(self, changed: Changed) -> None:
        names = {line["_source"]["s"]["__id"]: line["_id"] for line in lines(PERSONIUM, USER_DATA)}
        ends = {names["o099"], names["pr05"]}
        (new,) = changed.new(LINKS)
        (model,) = [
            line
            for line in lines(PERSONIUM, LINKS)
            if {line["_source"]["k1"], line["_source"]["k2"]} == {names["o005"], names["pr05"]}
        ]
        source, told = new["_source"], model["_source"]
        assert (new.keys(), source.keys()) == (model.keys(), told.keys())
        assert {source["k1"], source["k2"]} == ends
        assert [source[each] for each in ("t1", "t2", "b", "n", "type")] == [
            told[each] for each in ("t1", "t2", "b", "n", "type")
        ]
        assert new["_id"] == f"{source['k1']}-{source['k2']}"

    def test_imported_anew_it_answers_the_same(self, changed: Changed, unit: RunningUnit) -> None:
        other = unit.cell()
        carry(other, changed.after)
        first, second = Collection(changed.cell, "box1/odata"), Collection(other, "box1/odata")
        for name in COUNTS:
            found = [results(each.get(name, top=EVERY)) for each in (first, second)]
            assert list(map(shown, found[0])) == list(map(shown, found[1]))
        assert second.related("Order('o100')", "_Person") == ["p001"]
        assert sorted(second.related("Order('o099')", "_Product")) == ["pr05"]
        assert ids(second.get("Person", filter="points eq 10000000000 and married eq true")) == [NEW_PERSON["__id"]]
