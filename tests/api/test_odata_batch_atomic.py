"""Changesets over HTTP: all of their requests or none, unless the unit is told to do as Personium does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import batches
from tests.api.batches import Part, answers, parts, post, request, statuses
from tests.api.controls import code_of, in_role, results
from tests.running import RunningUnit, Site, running

Home = tuple[Site, str]


@pytest.fixture
def fresh(cell: Site) -> Home:
    """A cell with a collection that holds one person, Ada, with one order and one tag."""
    return cell, stocked(cell)


def stocked(cell: Site) -> str:
    path = batches.collection(cell)
    made = post(
        cell,
        path,
        request("POST", "Person", {"__id": "ada", "age": 36, "name": "Ada"}),
        request("POST", "Person('ada')/_Order", {"__id": "order", "price": 1}),
        request("POST", "Person('ada')/_Tag", {"__id": "tag"}),
    )
    assert statuses(made) == [201, 201, 201]
    return path


def state(cell: Site, path: str) -> dict[str, Any]:
    """All that the collection holds: entities with their ETags, links, and what is declared."""
    found: dict[str, Any] = {}
    for name in ("Person", "Order", "Tag"):
        listed = results(cell.call("GET", f"{path}{name}?$top=1000"))
        found[name] = listed
        for each in listed if name == "Person" else []:
            for way in ("_Order", "_Tag"):
                found[each["__id"], way] = results(cell.call("GET", f"{path}Person('{each['__id']}')/$links/{way}"))
    found["declared"] = results(cell.call("GET", f"{path}$metadata/Property?$top=1000"))
    return found


WRITES = [
    request("POST", "Person", {"__id": "new", "age": 1, "undeclared": "x"}),
    request("PUT", "Person('ada')", {"age": 37}),
    request("MERGE", "Person('ada')", {"name": "A."}),
    request("PATCH", "Person('ada')", {"other": 1.5}),
    request("POST", "Person('new')/_Order", {"__id": "new-order", "price": 9}),
    request("POST", "Person('new')/$links/_Tag", {"uri": "Tag('tag')"}),
    request("POST", "Order", {"__id": "free"}),
    request("DELETE", "Order('free')"),
]
"""Every form of write; some need what those before them made."""

REFUSED = [
    (request("POST", "Person", {"__id": "ada"}), "PR409-OD-0003"),
    (request("POST", "Person", {"__id": "new"}), "PR409-OD-0003"),
    (request("POST", "Person", {"age": "old"}), "PR400-OD-0006"),
    (request("POST", "Person", "no json"), "PR400-OD-0001"),
    (request("POST", "Nothing", {}), "PR404-OD-0001"),
    (request("PUT", "Person('none')", {}), "PR404-OD-0002"),
    (request("MERGE", "Person('none')", {"age": 1}), "PR404-OD-0002"),
    (request("MERGE", "Person('ada')", {"age": 1.5}), "PR400-OD-0006"),
    (request("PATCH", "Person('ada')", {"age": 1}, If_Match='W/"1-1"'), "PR412-OD-0002"),
    (request("DELETE", "Person('ada')"), "PR409-OD-0001"),
    (request("DELETE", "Order('none')"), "PR404-OD-0002"),
    (request("POST", "Person('ada')/_Order", {"__id": "order"}), "PR409-OD-0002"),
    (request("POST", "Person('none')/_Order", {}), "PR404-OD-0000"),
    (request("POST", "Person('ada')/$links/_Tag", {"uri": "Tag('tag')"}), "PR409-OD-0002"),
    (request("POST", "Person('ada')/$links/_Tag", {"uri": "Tag('none')"}), "PR400-OD-0006"),
    (request("DELETE", "Person('ada')/$links/_Tag('tag')"), "PR501-MC-0001"),
]


class TestAllOrNone:
    def test_all_writes_of_a_changeset_are_done(self, fresh: Home) -> None:
        cell, path = fresh
        (told,) = answers(post(cell, path, WRITES))
        assert isinstance(told, list)
        assert [each.status for each in told] == [201, 204, 204, 204, 201, 204, 201, 204]
        shown = {each["__id"]: each for each in results(cell.call("GET", f"{path}Person"))}
        ada, new = shown["ada"], shown["new"]
        assert (ada["age"], ada["name"], ada["other"], new["age"], new["undeclared"]) == (37, "A.", 1.5, 1, "x")
        assert told[3].headers["ETag"] == ada["__metadata"]["etag"]
        assert told[0].headers["ETag"] == new["__metadata"]["etag"]
        assert [each["__id"] for each in results(cell.call("GET", f"{path}Person('new')/_Order"))] == ["new-order"]
        assert [each["__id"] for each in results(cell.call("GET", f"{path}Person('new')/_Tag"))] == ["tag"]
        assert code_of(cell.call("GET", f"{path}Order('free')")) == "PR404-OD-0002"

    @pytest.mark.parametrize(("refused", "code"), REFUSED)
    @pytest.mark.parametrize("place", ["first", "last", "within"])
    def test_one_refusal_is_the_answer_and_nothing_is_done(
        self, standing: Home, refused: str, code: str, place: str
    ) -> None:
        cell, path = standing
        before = state(cell, path)
        at = {"first": 0, "last": len(WRITES), "within": 2}[place]
        (told,) = answers(post(cell, path, [*WRITES[:at], refused, *WRITES[at:]]))
        assert isinstance(told, Part), told
        assert told.code == code
        assert state(cell, path) == before

    @pytest.fixture(scope="class")
    @classmethod
    def standing(cls, unit: RunningUnit) -> Home:
        cell = unit.cell()
        return cell, stocked(cell)

    def test_what_stands_before_and_behind_is_done(self, fresh: Home) -> None:
        cell, path = fresh
        answer = post(
            cell,
            path,
            request("POST", "Person", {"__id": "before"}),
            [request("POST", "Person", {"__id": "within"}), request("POST", "Person", {"__id": "ada"})],
            [request("POST", "Person", {"__id": "other"})],
            request("POST", "Person", {"__id": "behind"}),
        )
        assert statuses(answer) == [201, 409, [201], 201]
        assert sorted(each["__id"] for each in results(cell.call("GET", f"{path}Person"))) == [
            *("ada", "before", "behind", "other")
        ]

    def test_a_refusal_has_the_content_id_of_its_request(self, fresh: Home) -> None:
        cell, path = fresh
        (told,) = parts(
            post(
                cell,
                path,
                [
                    request("POST", "Person", {"__id": "x"}, head={"Content-ID": "1"}),
                    request("POST", "Person", {"__id": "ada"}, head={"Content-ID": "2"}),
                    request("POST", "Person", {"__id": "y"}, head={"Content-ID": "3"}),
                ],
            )
        )
        assert (told.code, told.outer["Content-ID"]) == ("PR409-OD-0003", "2")

    def test_of_several_that_are_wrong_by_themselves_the_first_is_told(self, fresh: Home) -> None:
        cell, path = fresh
        first = request("POST", "Person", {"age": "old"}, head={"Content-ID": "first"})
        second = request("POST", "Person", "no json")
        (told,) = parts(post(cell, path, [*WRITES[:2], first, second]))
        assert (told.code, told.outer["Content-ID"]) == ("PR400-OD-0006", "first")

    def test_an_empty_changeset_is_answered_by_an_empty_one(self, fresh: Home) -> None:
        cell, path = fresh
        empty = f"Content-Type: multipart/mixed; boundary={batches.CHANGESET}\n\n--{batches.CHANGESET}--"
        assert answers(post(cell, path, empty)) == [[]]

    def test_a_get_in_a_changeset_sees_what_it_wrote(self, fresh: Home) -> None:
        cell, path = fresh
        (told,) = answers(
            post(cell, path, [request("GET", "Person('new')"), *WRITES, request("GET", "Person('new')")])
        )
        assert isinstance(told, list)
        assert (told[0].status, told[-1].status) == (200, 200)
        assert told[-1].results["age"] == 1

    def test_a_get_that_is_refused_undoes_nothing(self, fresh: Home) -> None:
        cell, path = fresh
        (told,) = answers(post(cell, path, [WRITES[0], request("GET", "Person('none')")]))
        assert isinstance(told, list) and [each.status for each in told] == [201, 404]
        assert cell.call("GET", f"{path}Person('new')").status_code == 200

    def test_a_thousand_requests_in_changesets_and_one_more(self, fresh: Home) -> None:
        cell, path = fresh
        creates = [request("POST", "Tag", {"__id": f"t{n}"}) for n in range(1001)]
        assert code_of(post(cell, path, creates[:500], creates[500:])) == "PR400-OD-0030"
        assert cell.call("GET", f"{path}Tag/$count").text == "1"
        assert statuses(post(cell, path, creates[:999], creates[999:1000])) == [[201] * 999, [201]]
        assert cell.call("GET", f"{path}Tag/$count").text == "1001"

    def test_equal_ids_in_one_changeset_are_refused_whole(self, fresh: Home) -> None:
        cell, path = fresh
        same = [request("POST", "Tag", {"__id": f"t{n % 5}"}) for n in range(10)]
        (told,) = parts(post(cell, path, same))
        assert told.code == "PR409-OD-0003"
        assert cell.call("GET", f"{path}Tag/$count").text == "1"

    def test_ids_that_nobody_gave_are_made(self, fresh: Home) -> None:
        cell, path = fresh
        (told,) = answers(post(cell, path, [request("POST", "Tag", {"n": n}) for n in range(20)]))
        assert isinstance(told, list)
        made = [each.results["__id"] for each in told]
        assert len(set(made)) == 20
        assert set(made) < {each["__id"] for each in results(cell.call("GET", f"{path}Tag"))}

    @pytest.mark.parametrize("limit", [1, 2])
    def test_links_beyond_the_limit_undo_all(self, tmp_path: Path, limit: int) -> None:
        with running(tmp_path / "data", **{"limits.links_per_entity": limit}) as unit:
            cell = unit.cell()
            path = stocked(cell)
            before = state(cell, path)
            (told,) = parts(
                post(cell, path, [request("POST", "Person('ada')/_Tag", {"__id": f"t{n}"}) for n in range(limit)])
            )
            assert told.code == "PR400-OD-0038"
            assert state(cell, path) == before


class TestPrivileges:
    def test_one_request_that_is_not_allowed_undoes_all(self, fresh: Home) -> None:
        cell, path = fresh
        token = in_role(cell, "reader", "reading")
        assert cell.acl(path, {"reading": "read"}).status_code == 200
        before = state(cell, path)
        (told,) = parts(post(cell, path, [WRITES[0]], token=token))
        assert told.code == "PR403-AU-0002"
        assert state(cell, path) == before

    def test_control_objects_are_changed_together_if_each_may_be(self, cell: Site) -> None:
        token = in_role(cell, "anna", "r")
        assert cell.acl("", {"r": "p:auth"}).status_code == 200
        both = [request("POST", "Role", {"Name": "x"}), request("POST", "Relation", {"Name": "x"})]
        (told,) = parts(post(cell, "__ctl/", both, token=token))
        assert told.code == "PR403-AU-0002"
        assert code_of(cell.call("GET", "__ctl/Role('x')")) == "PR404-OD-0002"
        assert statuses(post(cell, "__ctl/", both)) == [[201, 201]]


class TestControlObjects:
    def test_what_belongs_together_is_made_together(self, cell: Site) -> None:
        items = [
            request("POST", "Box", {"Name": "b", "Schema": "urn:app"}),
            request("POST", "Role", {"Name": "r", "_Box.Name": "b"}),
            request("POST", "Account", {"Name": "a"}, X_Personium_Credential="password-1"),
            request("POST", "Account('a')/$links/_Role", {"uri": "Role(Name='r',_Box.Name='b')"}),
            request("POST", "Box('b')/_Rule", {"Name": "w", "Action": "log"}),
        ]
        (told,) = parts(post(cell, "__ctl/", [*items, request("POST", "Box", {"Name": "c", "Schema": "urn:app"})]))
        assert told.code == "PR409-OD-0003"
        for name in ("Box", "Role", "Account", "Rule"):
            assert cell.call("GET", f"__ctl/{name}/$count").text == "0"
        assert cell.call("PUT", "b/file", content=b"f").status_code == 404
        assert statuses(post(cell, "__ctl/", items)) == [[201, 201, 201, 204, 201]]
        assert cell.grant("a").status_code == 200
        assert cell.call("PUT", "b/file", content=b"f").status_code == 201

    @pytest.mark.parametrize(
        ("refused", "code"),
        [
            (request("POST", "Account", {"Name": "b"}, X_Personium_Credential="short"), "PR400-AU-0001"),
            (request("POST", "Rule", {"Name": "w"}), "PR400-OD-0006"),
            (request("MERGE", "Rule('w')", {}), "PR405-MC-0001"),
            (request("POST", "SentMessage", {}), "PR405-MC-0001"),
            (request("DELETE", "Role('none')"), "PR404-OD-0002"),
        ],
    )
    def test_one_that_is_refused_undoes_all(self, cell: Site, refused: str, code: str) -> None:
        good = request("POST", "Role", {"Name": "x"})
        for items in ([good, refused], [refused, good]):
            (told,) = parts(post(cell, "__ctl/", items))
            assert told.code == code
        assert cell.call("GET", "__ctl/Role/$count").text == "0"

    def test_a_schema_and_its_parts_are_declared_together(self, fresh: Home) -> None:
        cell, path = fresh
        items = [
            request("POST", "EntityType", {"Name": "New"}),
            request("POST", "Property", {"Name": "p", "_EntityType.Name": "New", "Type": "Edm.Int32"}),
        ]
        again = request("POST", "EntityType", {"Name": "Person"})
        (told,) = parts(post(cell, f"{path}$metadata/", [*items, again]))
        assert told.code == "PR409-OD-0003"
        assert code_of(cell.call("GET", f"{path}New")) == "PR404-OD-0001"
        assert statuses(post(cell, f"{path}$metadata/", items)) == [[201, 201]]
        assert cell.call("POST", f"{path}New", json={"p": 1}).status_code == 201


def events_of(unit: RunningUnit) -> list[dict[str, Any]]:
    """The events that the cells of *unit* keep, each with the request that it came of."""
    found: list[dict[str, Any]] = []
    for file in unit.data.rglob("*"):
        if not file.is_file() or file.read_bytes()[:15] != b"SQLite format 3":
            continue
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone():
                rows = connection.execute("SELECT event FROM outbox ORDER BY seq").fetchall()
                found += [json.loads(event) for (event,) in rows]
        connection.close()
    return found


class TestEvents:
    """Each request of a batch that changed something is told of; what was undone is not."""

    def test_what_was_done_is_told_in_its_order_and_nothing_else(self, tmp_path: Path) -> None:
        with running(tmp_path / "data") as unit:
            cell = unit.cell()
            path = stocked(cell)
            before = len(events_of(unit))
            answer = post(
                cell,
                path,
                request("POST", "Person", {"__id": "one"}),
                request("POST", "Person", {"__id": "ada"}),
                [request("POST", "Person", {"__id": "two"}), request("DELETE", "Person('none')")],
                [
                    request("MERGE", "Person('one')", {"age": 1}),
                    request("PUT", "Person('one')", {"age": 2}),
                    request("POST", "Person('one')/_Order", {"__id": "o"}),
                    request("POST", "Person('one')/$links/_Tag", {"uri": "Tag('tag')"}),
                ],
                request("DELETE", "Order('o')"),
                headers={"X-Personium-RequestKey": "of-the-batch"},
            )
            assert statuses(answer) == [201, 409, 404, [204, 204, 201, 204], 204]
            told = events_of(unit)[before:]
        assert [each["Type"] for each in told] == [
            "odata.create",
            "odata.patch",
            "odata.update",
            "odata.navprop.create",
            "odata.links.create",
            "odata.delete",
        ]
        assert {each["RequestKey"] for each in told} == {"of-the-batch"}
        root = "personium-localcell:/data/od/"
        assert [each["Object"].removeprefix(root) for each in told] == [
            "Person('one')",
            "Person('one')",
            "Person('one')",
            "Person('one')/_Order",
            "Person('one')/$links/_Tag('tag')",
            "Order('o')",
        ]


class TestAsPersoniumDoes:
    """With ``odata.changesets=personium`` each request of a changeset stands for itself."""

    @pytest.fixture(scope="class")
    @classmethod
    def loose(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
        with running(tmp_path_factory.mktemp("loose") / "data", **{"odata.changesets": "personium"}) as unit:
            yield unit

    def test_what_can_be_done_is_done(self, loose: RunningUnit) -> None:
        cell = loose.cell()
        path = stocked(cell)
        answer = post(
            cell,
            path,
            [
                request("POST", "Person", {"__id": "one"}),
                request("POST", "Person", {"__id": "ada"}),
                request("MERGE", "Person('none')", {"age": 1}),
                request("PATCH", "Person('one')", {"age": 1}),
                request("GET", "Person('one')"),
                request("POST", "Person('one')/_Order", {"__id": "o", "price": 2}),
                request("DELETE", "Person('one')"),
            ],
            request("GET", "Person('one')"),
        )
        assert statuses(answer) == [[201, 409, 404, 204, 200, 201, 409], 200]
        (told, _) = answers(answer)
        assert isinstance(told, list) and told[4].results["age"] == 1
        assert results(cell.call("GET", f"{path}Order('o')"))["price"] == 2

    def test_it_holds_for_control_objects_too(self, loose: RunningUnit) -> None:
        cell = loose.cell()
        items = [
            request("POST", "Role", {"Name": "x"}),
            request("POST", "Role", {"Name": "x"}),
            request("POST", "Rule", {"Name": "w"}),
        ]
        assert statuses(post(cell, "__ctl/", items)) == [[201, 409, 400]]
        assert cell.call("GET", "__ctl/Role/$count").text == "1"
