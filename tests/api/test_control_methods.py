"""What the control sets serve and what they do not: methods, formats, documents; and the messages of a cell."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.api.controls import (
    KEYS,
    RECEIVED,
    REQUEST,
    SENT,
    WORLD,
    Members,
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

ATOM = "{http://www.w3.org/2005/Atom}"
EDM = "{http://schemas.microsoft.com/ado/2006/04/edm}"
DATA = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
APP = "{http://www.w3.org/2007/app}"

ALL = [*(entity_set for entity_set, _ in WORLD), "ReceivedMessage", "SentMessage"]
MESSAGES = {"ReceivedMessage": RECEIVED, "SentMessage": SENT}
UNKNOWN = ["PROPFIND", "PROPPATCH", "MKCOL", "MOVE", "COPY", "ACL", "REPORT", "LOCK", "TRACE"]


@pytest.fixture(scope="module")
def world(unit: RunningUnit) -> Site:
    """A cell with entities of every set; tests leave it as it is."""
    cell = with_messages(unit)
    populate(cell)
    return cell


class TestMethods:
    @pytest.mark.parametrize("entity_set", ALL)
    def test_a_set_takes_get_and_post(self, world: Site, entity_set: str) -> None:
        path = f"__ctl/{entity_set}"
        for method in ("PUT", "MERGE", "PATCH", "DELETE", *UNKNOWN):
            answer = world.call(method, path, json={})
            assert (method, code_of(answer)) == (method, "PR405-MC-0001")
        told = world.call("OPTIONS", path)
        assert (told.status_code, told.headers["allow"]) == (200, "GET, HEAD, POST, OPTIONS")
        head = world.call("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")

    @pytest.mark.parametrize("entity_set", ALL)
    def test_an_entity_takes_what_reads_changes_and_deletes_it(self, world: Site, entity_set: str) -> None:
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        for method in ("POST", *UNKNOWN):
            answer = world.call(method, path, json={})
            assert (method, code_of(answer)) == (method, "PR405-MC-0001")
        told = world.call("OPTIONS", path)
        assert told.status_code == 200
        assert set(told.headers["allow"].split(", ")) == {
            *("GET", "HEAD", "PUT", "MERGE", "PATCH", "DELETE", "OPTIONS")
        }
        head, got = world.call("HEAD", path), world.call("GET", path)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", got.headers["etag"])

    @pytest.mark.parametrize("entity_set", ["Rule", "ReceivedMessage", "SentMessage"])
    @pytest.mark.parametrize("method", ["MERGE", "PATCH"])
    def test_rules_and_messages_take_no_merge(self, world: Site, entity_set: str, method: str) -> None:
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        etag = world.call("GET", path).headers["etag"]
        assert code_of(world.call(method, path, json={})) == "PR405-MC-0001"
        assert world.call("GET", path).headers["etag"] == etag

    @pytest.mark.parametrize("entity_set", MESSAGES)
    def test_messages_are_neither_made_nor_changed_here(self, world: Site, entity_set: str) -> None:
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        etag, before = world.call("GET", path).headers["etag"], count_of(world, entity_set)
        body = {"__id": "a" * 32, "To": "https://x.example/", "From": "https://x.example/", "Status": "read"}
        assert code_of(world.call("POST", f"__ctl/{entity_set}", json=body)) == "PR405-MC-0001"
        assert code_of(world.call("PUT", path, json=body)) == "PR405-MC-0001"
        tunnelled = world.call("POST", path, json=body, headers={"X-HTTP-Method-Override": "PUT"})
        assert code_of(tunnelled) == "PR405-MC-0001"
        assert (world.call("GET", path).headers["etag"], count_of(world, entity_set)) == (etag, before)

    @pytest.mark.parametrize(
        ("method", "path", "code"),
        [
            ("GET", "Nothing", "PR404-OD-0001"),
            ("GET", "role", "PR404-OD-0001"),
            ("GET", "Cell", "PR404-OD-0001"),
            ("POST", "Nothing", "PR404-OD-0001"),
            ("GET", "Nothing('x')", "PR404-OD-0001"),
            ("DELETE", "Nothing('x')", "PR404-OD-0001"),
            ("GET", "Nothing('x')/$links/_Role", "PR404-OD-0001"),
            ("POST", "Nothing('x')/_Role", "PR404-OD-0001"),
            ("GET", "Role/x", "PR404-MC-0001"),
            ("GET", "Role('r')/$links", "PR404-MC-0001"),
            ("GET", "Role('r')/$links/_Account/x", "PR404-MC-0001"),
            ("GET", "Role('r')/Colour", "PR404-MC-0001"),
            ("GET", "Role('r')/Name/x", "PR404-MC-0001"),
            ("GET", "$nothing", "PR404-MC-0001"),
            ("GET", "$metadata/x", "PR404-MC-0001"),
            ("PUT", "$metadata", "PR405-MC-0001"),
            ("POST", "", "PR405-MC-0001"),
            ("GET", "$batch", "PR405-MC-0001"),
            ("POST", "Role/$count", "PR405-MC-0001"),
            ("PUT", "Role('r')/Name", "PR405-MC-0001"),
        ],
    )
    def test_what_is_not_there_is_told_so(self, world: Site, method: str, path: str, code: str) -> None:
        assert code_of(world.call(method, f"__ctl/{path}", json={})) == code

    def test_a_method_may_be_tunnelled(self, cell: Site) -> None:
        populate(cell, "Account")
        tunnel = {"X-HTTP-Method-Override": "MERGE"}
        assert cell.call("POST", "__ctl/Account('a')", json={"Name": "b"}, headers=tunnel).status_code == 204
        assert cell.call("GET", "__ctl/Account('b')").status_code == 200


class TestFormats:
    @pytest.mark.parametrize("entity_set", ALL)
    def test_json_is_what_is_answered_unless_atom_is_asked_for(self, world: Site, entity_set: str) -> None:
        for path in (f"__ctl/{entity_set}", f"__ctl/{entity_set}{KEYS[entity_set]}"):
            for accept in ("*/*", "application/json", "application/json;odata=verbose", "text/html,*/*;q=0.8"):
                answer = world.call("GET", path, headers={"Accept": accept})
                assert answer.headers["content-type"].startswith("application/json")
                assert answer.headers["dataserviceversion"] == "2.0"
            for answer in (
                world.call("GET", path, headers={"Accept": "application/atom+xml"}),
                world.call("GET", path, headers={"Accept": "application/xml"}),
                world.call("GET", f"{path}?$format=atom"),
            ):
                assert answer.headers["content-type"].startswith("application/atom+xml")
                assert etree.fromstring(answer.content).tag in {f"{ATOM}feed", f"{ATOM}entry"}

    def test_atom_tells_what_json_tells(self, world: Site) -> None:
        path = f"__ctl/Account{KEYS['Account']}"
        shown = results(world.call("GET", path))
        entry = etree.fromstring(world.call("GET", f"{path}?$format=atom").content)
        assert entry.findtext(f"{ATOM}id") == shown["__metadata"]["uri"]
        for name in ("Name", "Type", "Status"):
            assert entry.findtext(f".//{DATA}{name}") == shown[name]
        related = {each.get("title") for each in entry.findall(f"{ATOM}link") if "related" in each.get("rel", "")}
        assert related == {"_Role", "_ReceivedMessageRead"}

    @pytest.mark.parametrize("wanted", ["text", "", "application/json"])
    def test_another_format_is_refused(self, world: Site, wanted: str) -> None:
        assert code_of(world.call("GET", "__ctl/Role", params={"$format": wanted})) == "PR400-OD-0005"

    def test_what_cannot_be_accepted_is_refused(self, world: Site) -> None:
        answer = world.call("GET", "__ctl/Role", headers={"Accept": "text/html"})
        assert code_of(answer) == "PR406-OD-0001"

    @pytest.mark.parametrize("accept", ["application/atom+xml", "text/html", "*/*"])
    def test_what_is_made_is_told_in_json(self, cell: Site, accept: str) -> None:
        headers = {"Accept": accept, "Content-Type": "text/plain"}
        answer = cell.call("POST", "__ctl/Role", content=b'{"Name":"r"}', headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")

    @pytest.mark.parametrize("entity_set", ALL)
    def test_a_list_of_one_is_a_list_and_one_alone_is_none(self, world: Site, entity_set: str) -> None:
        one = world.call("GET", f"__ctl/{entity_set}{KEYS[entity_set]}").json()
        many = world.call("GET", f"__ctl/{entity_set}", params={"$top": "1"}).json()
        assert list(one) == list(many) == ["d"]
        assert isinstance(one["d"]["results"], dict)
        assert isinstance(many["d"]["results"], list) and len(many["d"]["results"]) == 1
        shown = one["d"]["results"]
        ways = {name for name, value in shown.items() if isinstance(value, dict) and "__deferred" in value}
        assert ways and all(
            shown[way] == {"__deferred": {"uri": f"{shown['__metadata']['uri']}/{way}"}} for way in ways
        )

    def test_a_property_is_told_alone(self, world: Site) -> None:
        path = f"__ctl/Account{KEYS['Account']}"
        assert world.call("GET", f"{path}/Type/$value").text == "basic"
        assert world.call("GET", f"{path}/Type").json() == {"d": {"Type": "basic"}}
        assert code_of(world.call("GET", f"{path}/Cell/$value")) == "PR404-MC-0001"
        assert world.call("GET", "__ctl/Role('r')/_Box.Name").json() == {"d": {"_Box.Name": None}}


class TestDocuments:
    def test_anyone_is_told_what_there_is(self, world: Site) -> None:
        answer = world.call("GET", "__ctl/$metadata", token=None)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml;charset=utf-8")
        edmx = etree.fromstring(answer.content)
        schema = edmx.find(f".//{EDM}Schema")
        assert schema is not None and schema.get("Namespace") == "CellCtl"
        assert sorted(each.get("Name", "") for each in schema.findall(f"{EDM}EntityType")) == sorted(ALL)
        assert {each.get("Name") for each in schema.findall(f"{EDM}ComplexType")} == {
            "Message_Request_Object",
            "Sent_Message_Result",
        }
        assert len(schema.findall(f"{EDM}Association")) == 12

    def test_the_sets_are_told_to_who_may_read_any(self, world: Site) -> None:
        answer = world.call("GET", "__ctl/")
        assert answer.headers["content-type"] == "application/xml;charset=utf-8"
        service = etree.fromstring(answer.content)
        assert sorted(each.get("href", "") for each in service.iter(f"{APP}collection")) == sorted(ALL)
        named = world.call("GET", "__ctl/?$format=json").json()["d"]["EntitySets"]
        assert sorted(named) == sorted(ALL)
        assert code_of(world.call("GET", "__ctl/", token=None)) == "PR401-AU-0001"

    def test_the_unit_has_cells(self, unit: RunningUnit) -> None:
        edmx = etree.fromstring(unit.http.get(f"{unit.url}__ctl/$metadata").content)
        assert [each.get("Name") for each in edmx.iter(f"{EDM}EntityType")] == ["Cell"]
        assert code_of(unit.http.get(f"{unit.url}__ctl/")) == "PR401-AU-0001"


class TestMessages:
    @pytest.mark.parametrize(
        ("entity_set", "key", "members"),
        [
            (
                "ReceivedMessage",
                RECEIVED,
                {
                    "__id": RECEIVED,
                    "_Box.Name": None,
                    "InReplyTo": None,
                    "From": "http://localhost:9996/fixpeer/",
                    "MulticastTo": None,
                    "Type": "message",
                    "Title": "from peer",
                    "Body": "Body text 本文",
                    "Priority": 3,
                    "Status": "read",
                },
            ),
            (
                "SentMessage",
                SENT,
                {
                    "__id": SENT,
                    "_Box.Name": None,
                    "InReplyTo": None,
                    "To": "http://localhost:9996/fixpeer/",
                    "ToRelation": None,
                    "Type": "message",
                    "Title": "Hello",
                    "Body": "Body text 本文",
                    "Priority": 3,
                },
            ),
        ],
    )
    def test_a_message_is_shown_with_all_its_fields(
        self, world: Site, entity_set: str, key: str, members: Members
    ) -> None:
        for form in (f"('{key}')", f"(__id='{key}')"):
            answer = world.call("GET", f"__ctl/{entity_set}{form}")
            shown = results(answer)
            assert told(shown, members) == members
            assert shown["__metadata"] == {
                "uri": f"{world.url}__ctl/{entity_set}('{key}')",
                "etag": answer.headers["etag"],
                "type": f"CellCtl.{entity_set}",
            }

    def test_what_a_request_asks_for_is_shown_whole(self, world: Site) -> None:
        shown = results(world.call("GET", f"__ctl/ReceivedMessage('{REQUEST}')"))
        (asked,) = shown["RequestObjects"]
        assert {name: value for name, value in asked.items() if value is not None and name != "__metadata"} == {
            "RequestType": "relation.add",
            "Name": "friend",
            "TargetUrl": "http://localhost:9996/fixpeer/",
        }
        assert (shown["Type"], shown["Status"]) == ("request", "none")

    def test_what_became_of_a_message_is_shown(self, world: Site) -> None:
        (result,) = results(world.call("GET", f"__ctl/SentMessage('{SENT}')"))["Result"]
        assert told(result, ("To", "Code", "Reason")) == {
            "To": "http://localhost:9996/fixpeer/",
            "Code": "201",
            "Reason": "Created.",
        }

    @pytest.mark.parametrize("entity_set", MESSAGES)
    def test_messages_are_listed(self, world: Site, entity_set: str) -> None:
        answer = world.call("GET", f"__ctl/{entity_set}?$inlinecount=allpages")
        assert len(results(answer)) == 3
        assert answer.json()["d"]["__count"] == "3"
        titles = world.call("GET", f"__ctl/{entity_set}?$orderby=Title desc&$select=Title")
        shown = [each["Title"] for each in results(titles)]
        assert shown == sorted(shown, reverse=True) and len(set(shown)) == 3

    @pytest.mark.parametrize("entity_set", MESSAGES)
    def test_a_message_is_deleted_once(self, unit: RunningUnit, entity_set: str) -> None:
        cell = with_messages(unit)
        path = f"__ctl/{entity_set}{KEYS[entity_set]}"
        etag = cell.call("GET", path).headers["etag"]
        assert code_of(cell.call("DELETE", path, headers={"If-Match": 'W/"1-1"'})) == "PR412-OD-0002"
        assert cell.call("DELETE", path, headers={"If-Match": etag}).status_code == 204
        assert code_of(cell.call("GET", path)) == "PR404-OD-0002"
        assert code_of(cell.call("DELETE", path)) == "PR404-OD-0002"
        assert count_of(cell, entity_set) == 2

    @pytest.mark.parametrize(("entity_set", "key"), MESSAGES.items())
    def test_a_message_is_bound_to_a_box_and_keeps_its_key(
        self, unit: RunningUnit, entity_set: str, key: str
    ) -> None:
        cell = with_messages(unit)
        made(cell, "Box", {"Name": "b"})
        path = f"__ctl/{entity_set}('{key}')"
        answer = cell.call("POST", f"{path}/$links/_Box", json={"uri": f"{cell.url}__ctl/Box('b')"})
        assert answer.status_code == 204
        assert results(cell.call("GET", path))["_Box.Name"] == "b"
        assert uris(cell, f"Box('b')/$links/_{entity_set}") == [f"{entity_set}('{key}')"]
        assert code_of(cell.call("DELETE", "__ctl/Box('b')")) == "PR409-OD-0001"
        assert cell.call("DELETE", f"{path}/$links/_Box('b')").status_code == 204
        assert results(cell.call("GET", path))["_Box.Name"] is None
        assert cell.call("DELETE", "__ctl/Box('b')").status_code == 204
