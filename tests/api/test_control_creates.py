"""Control objects that are made at the end of a link: linked at once, and checked as if they were made alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.controls import (
    BINDABLE,
    BOUND,
    KEYS,
    PEER,
    RECEIVED,
    WAYS,
    WORLD,
    Members,
    address,
    code_of,
    count_of,
    made,
    populate,
    results,
    told,
    uris,
    with_messages,
)
from tests.running import RunningUnit, Site

NEW: dict[str, Members] = {
    "Box": {"Name": "x", "Schema": "urn:x"},
    "Account": {"Name": "x", "Status": "deactivated"},
    "Role": {"Name": "x"},
    "Relation": {"Name": "x"},
    "ExtCell": {"Url": f"{PEER}x/"},
    "ExtRole": {"ExtRole": "urn:x", "_Relation.Name": "l"},
    "Rule": {"Name": "x", "Action": "log.warn", "EventInfo": "i"},
}
"""A further entity of each set."""

PASSWORD = {"X-Personium-Credential": "password-1"}


def create(cell: Site, source: str, target: str, members: Any, **options: Any) -> Any:
    return cell.call("POST", f"__ctl/{address(source)}/_{target}", json=members, **options)


@pytest.fixture
def world(cell: Site) -> Site:
    """A cell with one entity of each set."""
    populate(cell)
    return cell


@pytest.fixture(scope="module")
def standing(unit: RunningUnit) -> Site:
    """The same for tests that leave it as it is."""
    cell = unit.cell()
    populate(cell)
    return cell


class TestCreates:
    @pytest.mark.parametrize(("source", "target"), WAYS)
    def test_a_new_entity_is_linked(self, standing: Site, source: str, target: str) -> None:
        answer = create(standing, source, target, NEW[target])
        assert answer.status_code == 201, answer.text
        shown = answer.json()["d"]["results"]
        assert told(shown, NEW[target]) == NEW[target]
        url = answer.headers["location"]
        assert shown["__metadata"]["uri"] == url
        again = standing.call("GET", url.removeprefix(standing.url))
        assert (results(again), again.headers["etag"]) == (shown, answer.headers["etag"])
        assert uris(standing, f"{address(source)}/$links/_{target}") == [url.removeprefix(f"{standing.url}__ctl/")]
        here = url.removeprefix(f"{standing.url}__ctl/")
        assert uris(standing, f"{here}/$links/_{source}") == [address(source)]
        assert standing.call("DELETE", f"__ctl/{here}").status_code == 204

    @pytest.mark.parametrize("target", BINDABLE)
    @pytest.mark.parametrize("box", [None, "c", "none"])
    def test_what_a_box_makes_is_bound_to_it_whatever_the_body_says(
        self, world: Site, target: str, box: str | None
    ) -> None:
        made(world, "Box", {"Name": "c"})
        answer = create(world, "Box", target, {**NEW[target], "_Box.Name": box})
        assert answer.status_code == 201, answer.text
        shown = answer.json()["d"]["results"]
        assert told(shown, NEW[target]) == NEW[target]
        assert shown["_Box.Name"] == "b"
        assert uris(world, f"Box('b')/$links/_{target}") == [f"{target}(Name='x',_Box.Name='b')"]

    @pytest.mark.parametrize("source", BINDABLE)
    def test_a_box_may_be_made_for_what_is_bound_to_none(self, world: Site, source: str) -> None:
        answer = create(world, source, "Box", NEW["Box"])
        assert answer.status_code == 201, answer.text
        assert told(answer.json()["d"]["results"], NEW["Box"]) == NEW["Box"]
        assert uris(world, f"Box('x')/$links/_{source}") == [KEYS[source].replace("null", "'x'").join((source, ""))]
        assert world.call("PUT", "x/file", content=b"f").status_code == 201

    @pytest.mark.parametrize("source", BINDABLE)
    def test_no_box_is_made_for_what_is_bound_already(self, world: Site, source: str) -> None:
        made(world, source, {**NEW[source], **BOUND})
        answer = world.call("POST", f"__ctl/{source}(Name='x',_Box.Name='b')/_Box", json=NEW["Box"])
        assert code_of(answer) == "PR409-OD-0002"
        assert count_of(world, "Box") == 1
        assert world.call("PROPFIND", "x", headers={"Depth": "0"}).status_code == 404

    @pytest.mark.parametrize(
        "members", [{"ExtRole": "urn:x"}, NEW["ExtRole"], {"ExtRole": "urn:x", "_Relation.Name": "z"}]
    )
    def test_a_relation_makes_external_roles_of_its_own(self, world: Site, members: Members) -> None:
        answer = create(world, "Relation", "ExtRole", members)
        assert answer.status_code == 201, answer.text
        expected = {"ExtRole": "urn:x", "_Relation.Name": "l", "_Relation._Box.Name": None}
        assert told(answer.json()["d"]["results"], expected) == expected

    def test_no_second_relation_is_made_for_an_external_role(self, world: Site) -> None:
        assert create(world, "ExtRole", "Relation", NEW["Relation"]).status_code in {400, 409}
        assert count_of(world, "Relation") == 1

    def test_a_rule_without_a_name_is_given_one(self, world: Site) -> None:
        shown = create(world, "Box", "Rule", {"Action": "log"}).json()["d"]["results"]
        assert len(shown["Name"]) == 32 and shown["_Box.Name"] == "b"


class TestRefusals:
    @pytest.mark.parametrize(("source", "target"), WAYS)
    def test_what_is_there_already_is_neither_made_nor_linked(self, standing: Site, source: str, target: str) -> None:
        answer = create(standing, source, target, dict(WORLD)[target])
        assert code_of(answer) == "PR409-OD-0002"
        assert uris(standing, f"{address(source)}/$links/_{target}") == []

    @pytest.mark.parametrize(
        ("source", "target", "members", "code"),
        [
            ("Role", "Account", {"Name": "@"}, "PR400-OD-0006"),
            ("Role", "Account", {"Name": "x", "Type": "oidc:google"}, "PR400-OD-0006"),
            ("Role", "Account", {"Name": "x", "Type": "basic basic"}, "PR400-OD-0006"),
            ("Role", "Account", {"Name": "x", "IPAddressRange": "0.0.0.0/0"}, "PR400-OD-0006"),
            ("Role", "Account", {"Name": "x", "Status": "gone"}, "PR400-OD-0006"),
            ("Role", "Account", {}, "PR400-OD-0009"),
            ("Role", "Account", {"Name": "x", "More": 1}, "PR400-OD-0007"),
            ("Role", "Account", {"Name": "x", "__published": "/Date(0)/"}, "PR400-OD-0007"),
            ("Account", "Role", {"Name": "x", "_Box.Name": "none"}, "PR400-OD-0024"),
            ("Role", "Box", {"Name": "x", "Schema": "app"}, "PR400-OD-0050"),
            ("Role", "ExtCell", {"Url": "https://x.example"}, "PR400-OD-0049"),
            ("Role", "ExtRole", {"ExtRole": "urn:x"}, "PR400-OD-0009"),
            ("Role", "ExtRole", {"ExtRole": "urn:x", "_Relation.Name": "none"}, "PR400-OD-0024"),
            ("Relation", "ExtRole", {"ExtRole": "role"}, "PR400-OD-0006"),
            ("Box", "Rule", {"Name": "x"}, "PR400-OD-0006"),
            ("Box", "Rule", {"Name": "x", "Action": "run"}, "PR400-OD-0006"),
            ("Box", "Rule", {"Action": "exec", "TargetUrl": "personium-localcell:/b/x"}, "PR400-OD-0006"),
            ("Box", "Rule", {"Action": "log", "EventObject": "personium-localcell:/b/x"}, "PR400-OD-0006"),
            ("Box", "Rule", {"Action": "log", "EventType": "timer.periodic"}, "PR400-OD-0006"),
        ],
    )
    def test_what_could_not_be_made_alone_is_not_made_here(
        self, standing: Site, source: str, target: str, members: Members, code: str
    ) -> None:
        before = count_of(standing, target)
        assert code_of(create(standing, source, target, members)) == code
        assert count_of(standing, target) == before
        assert uris(standing, f"{address(source)}/$links/_{target}") == (
            [address("ExtRole")] if (source, target) == ("Relation", "ExtRole") else []
        )

    @pytest.mark.parametrize("body", [b"", b"[]", b"no json"])
    def test_a_body_that_is_no_json_object_makes_nothing(self, standing: Site, body: bytes) -> None:
        answer = standing.call("POST", "__ctl/Account('a')/_Role", content=body)
        assert code_of(answer) == "PR400-OD-0001"

    @pytest.mark.parametrize("target", ["ReceivedMessage", "SentMessage"])
    def test_messages_are_not_made_through_a_box(self, standing: Site, target: str) -> None:
        body = {"__id": "a" * 32, "From": PEER, "To": PEER, "Status": "unread"}
        assert code_of(create(standing, "Box", target, body)) == "PR405-MC-0001"
        assert count_of(standing, target) == 0

    def test_messages_are_not_made_through_an_account(self, standing: Site) -> None:
        body = {"__id": "a" * 32, "From": PEER, "Status": "unread"}
        assert code_of(create(standing, "Account", "ReceivedMessageRead", body)) == "PR405-MC-0001"

    def test_a_schema_is_of_one_box_here_too(self, world: Site) -> None:
        made(world, "Box", {"Name": "c", "Schema": "urn:x"})
        assert code_of(create(world, "Role", "Box", NEW["Box"])) == "PR409-OD-0003"
        assert code_of(create(world, "Role", "Box", {"Name": "c", "Schema": "urn:x"})) == "PR409-OD-0002"
        assert count_of(world, "Box") == 2


class TestPasswords:
    def test_an_account_that_is_made_with_a_role_logs_in(self, world: Site) -> None:
        answer = create(world, "Role", "Account", {"Name": "x"}, headers=PASSWORD)
        assert answer.status_code == 201
        assert "Hash" not in answer.text
        assert world.acl("", {"r": "p:auth-read"}).status_code == 200
        assert world.call("GET", "__ctl/Account", token=world.token("x")).status_code == 200

    @pytest.mark.parametrize("password", ["", "short", "p" * 33])
    def test_a_password_out_of_form_makes_no_account(self, standing: Site, password: str) -> None:
        headers = {"X-Personium-Credential": password}
        assert code_of(create(standing, "Role", "Account", {"Name": "x"}, headers=headers)) == "PR400-AU-0001"
        assert count_of(standing, "Account") == 1

    def test_an_account_that_is_made_with_a_read_mark_logs_in(self, unit: RunningUnit) -> None:
        cell = with_messages(unit)
        path = f"__ctl/ReceivedMessage('{RECEIVED}')/_AccountRead"
        answer = cell.call("POST", path, json={"Name": "x"}, headers=PASSWORD)
        assert answer.status_code == 201, answer.text
        assert cell.grant("x").status_code == 200
        assert uris(cell, "Account('x')/$links/_ReceivedMessageRead") == [f"ReceivedMessage('{RECEIVED}')"]


class TestLists:
    def test_what_a_link_leads_to_is_queried_as_a_set_is(self, world: Site) -> None:
        for name in ("x1", "x2", "y1"):
            create(world, "Account", "Role", {"Name": name})
        made(world, "Role", {"Name": "x3"})
        path = "__ctl/Account('a')/_Role"
        answer = world.call(
            "GET", f"{path}?$filter=startswith(Name,'x')&$orderby=Name desc&$inlinecount=allpages&$top=1"
        )
        assert [each["Name"] for each in results(answer)] == ["x2"]
        assert answer.json()["d"]["__count"] == "2"
        assert world.call("GET", f"{path}/$count").text == "3"
        shown = results(world.call("GET", f"{path}?$select=Name&$orderby=Name&$expand=_Account&$skip=2"))
        assert [(each["Name"], [linked["Name"] for linked in each["_Account"]]) for each in shown] == [("y1", ["a"])]
        assert all("_Box.Name" not in each for each in shown)

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("$filter=Colour eq 'red'", "PR400-OD-0045"),
            ("$top=x", "PR400-OD-0036"),
            ("$expand=_Nothing", "PR400-OD-0025"),
            ("$orderby=", "PR400-OD-0015"),
        ],
    )
    def test_what_is_wrong_with_a_query_is_told_here_too(self, standing: Site, query: str, code: str) -> None:
        assert code_of(standing.call("GET", f"__ctl/Account('a')/_Role?{query}")) == code
