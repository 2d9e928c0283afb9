"""Who may do what with the data and the schema of an OData collection, and that nobody else is told of it."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.odata_site import JSON, SCHEMA, Collection, code, end_path, prop_path, results
from tests.running import RunningUnit, Site

BATCH = {"Content-Type": "multipart/mixed; boundary=B"}
LISTING = "--B\nContent-Type: application/http\n\nGET Item HTTP/1.1\n\n--B--\n"
MAKING = "--B\nContent-Type: application/http\n\nPOST Item HTTP/1.1\n\n{}\n--B--\n"

READ, WRITE, ALTER = "read", "write", "alter-schema"

Request = tuple[str, str, dict[str, Any] | None]

CALLS: dict[str, list[Request]] = {
    READ: [
        ("GET", "", None),
        ("OPTIONS", "", None),
        ("GET", "$metadata", None),
        ("OPTIONS", "$metadata", None),
        ("GET", "$metadata/$metadata", None),
        ("GET", f"{SCHEMA}EntityType", None),
        ("GET", f"{SCHEMA}EntityType('Item')", None),
        ("GET", f"{SCHEMA}Property/$count", None),
        ("GET", f"{SCHEMA}EntityType('Item')/_Property", None),
        ("GET", f"{SCHEMA}EntityType('Item')/$links/_Property", None),
        ("OPTIONS", f"{SCHEMA}EntityType", None),
        ("OPTIONS", f"{SCHEMA}EntityType('Item')", None),
        ("GET", "Item", None),
        ("HEAD", "Item", None),
        ("GET", "Item/$count", None),
        ("GET", "Item('kept')", None),
        ("HEAD", "Item('kept')", None),
        ("GET", "Item('kept')/name", None),
        ("GET", "Item('kept')/name/$value", None),
        ("GET", "Item('kept')/_Part", None),
        ("GET", "Item('kept')/_Part/$count", None),
        ("GET", "Item('kept')/$links/_Part", None),
        ("OPTIONS", "Item", None),
        ("OPTIONS", "Item('kept')", None),
        ("OPTIONS", "Item('kept')/_Part", None),
        ("OPTIONS", "Item('kept')/$links/_Part", None),
    ],
    WRITE: [
        ("POST", "Item", {"name": "new"}),
        ("POST", "Item", {"dynamic": 1}),
        ("PUT", "Item('kept')", {"name": "put"}),
        ("MERGE", "Item('kept')", {"name": "merged"}),
        ("PATCH", "Item('kept')", {"name": "patched"}),
        ("DELETE", "Item('gone')", None),
        ("POST", "Item('kept')/$links/_Part", {"uri": "Part('loose')"}),
        ("DELETE", "Item('kept')/$links/_Part('tied')", None),
        ("POST", "Item('kept')/_Part", {"__id": "made"}),
    ],
    ALTER: [
        ("POST", f"{SCHEMA}EntityType", {"Name": "New"}),
        ("POST", f"{SCHEMA}ComplexType", {"Name": "New"}),
        ("POST", f"{SCHEMA}Property", {"Name": "new", "_EntityType.Name": "Item", "Type": "Edm.String"}),
        ("POST", f"{SCHEMA}ComplexTypeProperty", {"Name": "n", "_ComplexType.Name": "C", "Type": "Edm.String"}),
        ("POST", f"{SCHEMA}AssociationEnd", {"Name": "n", "_EntityType.Name": "Item", "Multiplicity": "*"}),
        ("PUT", f"{SCHEMA}EntityType('Old')", {"Name": "Older"}),
        ("MERGE", f"{SCHEMA}EntityType('Item')", {"Name": "Item"}),
        ("PUT", prop_path("Item", "name"), {"Name": "name", "_EntityType.Name": "Item", "Type": "Edm.String"}),
        ("DELETE", f"{SCHEMA}ComplexType('Gone')", None),
        ("DELETE", end_path("Item", "gone"), None),
        (
            "POST",
            f"{end_path('Item', 'a')}/$links/_AssociationEnd",
            {"uri": "AssociationEnd(Name='b',_EntityType.Name='Third')"},
        ),
        (
            "DELETE",
            f"{end_path('Item', 'to-Part')}/$links/_AssociationEnd(Name='to-Item',_EntityType.Name='Part')",
            None,
        ),
        (
            "POST",
            f"{SCHEMA}EntityType('Item')/_Property",
            {"Name": "below", "_EntityType.Name": "Item", "Type": "Edm.String"},
        ),
    ],
}

EVERY = ["read", "read-properties", "read-acl", "write", "write-properties", "write-content", "bind", "unbind"]
EVERY += ["write-acl", "alter-schema", "p:exec", "p:stream-send", "p:stream-receive", "all"]


def furnish(od: Collection) -> Collection:
    """All that the calls above are about."""
    od.entity_type("Item", name="Edm.String")
    od.entity_type("Part")
    od.entity_type("Third")
    od.entity_type("Old")
    od.complex_type("C")
    od.complex_type("Gone")
    od.relate("Item", "*", "Part", "*")
    od.end("Item", "gone", "*")
    od.end("Item", "a", "*")
    od.end("Third", "b", "*")
    od.create("Item", __id="kept", name="secret name")
    od.create("Item", __id="gone")
    od.create("Part", __id="tied")
    od.create("Part", __id="loose")
    od.link("Item('kept')", "Part('tied')")
    return od


def ask(od: Collection, request: Request, token: str | None) -> httpx.Response:
    method, path, body = request
    options: dict[str, Any] = {"json": body} if body is not None else {}
    return od.call(method, path, token=token, headers=JSON, **options)


def someone(site: Site) -> str:
    """The token of an account with the role ``r``."""
    site.account("alice", roles=("r",))
    return site.token("alice")


class TestPrivileges:
    @pytest.mark.parametrize("granted", EVERY)
    def test_each_opens_its_calls_and_no_others(self, cell: Site, granted: str) -> None:
        token = someone(cell)
        od = furnish(Collection.make(cell))
        assert cell.acl(od.path, {"r": granted}).status_code == 200
        for needed, requests in CALLS.items():
            for request in requests:
                answer = ask(od, request, token)
                if granted in {needed, "all"}:
                    assert answer.status_code < 300, (granted, request, answer.text)
                elif request[0] == "HEAD":
                    assert answer.status_code == 403, (granted, request)
                else:
                    assert code(answer) == "PR403-AU-0002", (granted, request, answer.text)

    @pytest.mark.parametrize(
        ("granted", "statuses"),
        [("read", [200, 403]), ("write", [403, 201]), ("read write", [200, 201]), ("all", [200, 201])],
    )
    def test_a_batch_needs_one_of_two_and_each_part_its_own(
        self, cell: Site, granted: str, statuses: list[int]
    ) -> None:
        token = someone(cell)
        od = furnish(Collection.make(cell))
        cell.acl(od.path, {"r": granted})
        for body, status in zip((LISTING, MAKING), statuses, strict=True):
            answer = od.call("POST", "$batch", token=token, content=body, headers=BATCH)
            assert answer.status_code == 202
            assert f"HTTP/1.1 {status}" in answer.text
            assert ("PR403-AU-0002" in answer.text) == (status == 403)

    @pytest.mark.parametrize("granted", ["alter-schema", "read-properties", "bind", "read-acl"])
    def test_without_either_a_batch_is_refused_whole(self, cell: Site, granted: str) -> None:
        token = someone(cell)
        od = furnish(Collection.make(cell))
        cell.acl(od.path, {"r": granted})
        for body in (LISTING, MAKING, "", "rubbish"):
            answer = od.call("POST", "$batch", token=token, content=body, headers=BATCH)
            assert code(answer) == "PR403-AU-0002"

    def test_the_unit_may_do_all(self, cell: Site) -> None:
        od = furnish(Collection.make(cell))
        for requests in CALLS.values():
            for request in requests:
                answer = od.call(request[0], request[1], json=request[2] or {}, headers=JSON)
                assert answer.status_code < 300, (request, answer.text)

    def test_a_change_of_the_acl_counts_at_once(self, cell: Site) -> None:
        token = someone(cell)
        od = furnish(Collection.make(cell))
        for granted, status in [("read", 200), ("write", 403), ("read", 200), ("bind", 403)]:
            cell.acl(od.path, {"r": granted})
            assert od.call("GET", "Item", token=token).status_code == status
            assert od.call("GET", "Item('kept')", token=token).status_code == status


class TestWhereGrantsStand:
    @pytest.mark.parametrize("where", ["", "b", "b/folder", "b/folder/od"])
    @pytest.mark.parametrize("who", ["r", "all"])
    def test_a_grant_above_reaches_down(self, cell: Site, where: str, who: str) -> None:
        token = someone(cell)
        cell.call("POST", "__ctl/Box", json={"Name": "b"})
        cell.call("MKCOL", "b/folder")
        od = furnish(Collection.make(cell, "b/folder/od"))
        assert od.call("GET", "Item", token=token).status_code == 403
        assert cell.acl(where, {who: "read write alter-schema"}).status_code == 200
        for requests in CALLS.values():
            for request in requests:
                assert ask(od, request, token).status_code < 300, request
        answer = od.call("POST", "$batch", token=token, content=LISTING, headers=BATCH)
        assert "HTTP/1.1 200" in answer.text
        anonymous = od.call("GET", "Item", token=None)
        assert anonymous.status_code == (200 if who == "all" else 401)

    @pytest.mark.parametrize("where", ["b/other", "b/folder/other", "__"])
    def test_a_grant_elsewhere_does_not(self, cell: Site, where: str) -> None:
        token = someone(cell)
        cell.call("POST", "__ctl/Box", json={"Name": "b"})
        for path in ("b/folder", "b/other", "b/folder/other"):
            cell.call("MKCOL", path)
        od = furnish(Collection.make(cell, "b/folder/od"))
        assert cell.acl(where, {"r": "all"}).status_code == 200
        assert code(od.call("GET", "Item", token=token, headers=JSON)) == "PR403-AU-0002"

    def test_entries_are_taken_together_whatever_their_order(self, cell: Site) -> None:
        token = someone(cell)
        cell.call("POST", "__ctl/Role", json={"Name": "other"})
        od = furnish(Collection.make(cell))
        cell.acl(od.path, {"other": "write", "all": "read", "r": "alter-schema"})
        assert od.call("GET", "Item", token=None).status_code == 200
        assert od.call("GET", "Item", token=token).status_code == 200
        assert od.call("POST", f"{SCHEMA}EntityType", token=token, json={"Name": "X"}).status_code == 201
        assert code(od.call("POST", "Item", token=token, json={})) == "PR403-AU-0002"
        assert code(od.call("POST", "Item", token=None, json={})) == "PR401-AU-0001"

    def test_data_written_by_one_is_read_by_another(self, cell: Site) -> None:
        token = someone(cell)
        cell.account("bob", roles=("w",))
        od = furnish(Collection.make(cell))
        cell.acl(od.path, {"r": "read", "w": "write"})
        made = od.call("POST", "Item", token=cell.token("bob"), json={"name": "値"}, headers=JSON)
        path = f"Item('{results(made)['__id']}')"
        assert results(od.call("GET", path, token=token, headers=JSON))["name"] == "値"
        assert code(od.call("GET", path, token=cell.token("bob"), headers=JSON)) == "PR403-AU-0002"
        assert code(od.call("DELETE", path, token=token)) == "PR403-AU-0002"


class TestApps:
    """What a box asks of apps holds for its collections too."""

    @pytest.fixture
    def od(self, cell: Site) -> Collection:
        cell.call("POST", "__ctl/Box", json={"Name": "app", "Schema": "https://app.example/"})
        od = furnish(Collection.make(cell, "app/od"))
        assert cell.acl("app", {"all": "all"}, authz="public").status_code == 200
        return od

    def test_a_token_of_no_app_does_nothing_where_one_is_asked_for(self, cell: Site, od: Collection) -> None:
        token = someone(cell)
        for requests in CALLS.values():
            for request in requests:
                if request[0] not in {"HEAD", "OPTIONS"}:
                    assert code(ask(od, request, token)) == "PR403-AU-0005", request
                    assert code(ask(od, request, None)) == "PR401-AU-0001", request
        answer = od.call("POST", "$batch", token=token, content=LISTING, headers=BATCH)
        assert code(answer) == "PR403-AU-0005"

    def test_none_further_down_opens_a_collection_again(self, cell: Site, od: Collection) -> None:
        token = someone(cell)
        assert cell.acl(od.path, {}, authz="none").status_code == 200
        assert ask(od, ("GET", "Item", None), token).status_code == 200
        answer = od.call("POST", "$batch", token=token, content=LISTING, headers=BATCH)
        assert "HTTP/1.1 200" in answer.text

    @pytest.mark.parametrize(("box", "status"), [("__", 200), ("plain", 200), ("app", 401)])
    def test_basic_will_do_where_the_box_has_no_schema(self, cell: Site, box: str, status: int) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "plain"})
        cell.call("POST", "__ctl/Box", json={"Name": "app", "Schema": "https://app.example/"})
        cell.account("alice", roles=("r",))
        od = furnish(Collection.make(cell, f"{box}/od"))
        assert cell.acl(box, {"r": "read"}).status_code == 200
        basic = {"Authorization": f"Basic {base64.b64encode(b'alice:password-1').decode()}"}
        assert od.call("GET", "Item", token=None, headers={**JSON, **basic}).status_code == status


# What would tell something: each beside what is there.
PROBES: list[Request] = [
    ("GET", "Item", None),
    ("GET", "Nothing", None),
    ("GET", "Item('kept')", None),
    ("GET", "Item('nobody')", None),
    ("GET", "Item(bad)", None),
    ("GET", "Item()", None),
    ("GET", "Nothing('kept')", None),
    ("GET", "Item('kept')/name", None),
    ("GET", "Item('kept')/nothing", None),
    ("GET", "Item('kept')/name/$value", None),
    ("GET", "Item('kept')/_Part", None),
    ("GET", "Item('kept')/_Nothing", None),
    ("GET", "Item('nobody')/_Part", None),
    ("GET", "Item('kept')/_Part('tied')", None),
    ("GET", "Item('kept')/$links/_Part", None),
    ("GET", "Item('kept')/$links/_Nothing", None),
    ("GET", "Item('kept')/$links/_Part('tied')", None),
    ("GET", "Item('kept')/$links", None),
    ("GET", "Item/$count", None),
    ("GET", "Nothing/$count", None),
    ("GET", "Item/x/y", None),
    ("GET", "$nothing", None),
    ("GET", "Item?$filter=nothing%20eq%201", None),
    ("GET", "Item?$filter=name%20eq%20'secret%20name'", None),
    ("GET", "Item?$filter=", None),
    ("GET", "Item?$expand=_Part", None),
    ("GET", "Item?$expand=_Nothing", None),
    ("GET", "Item?$expand=x", None),
    ("GET", "Item?$orderby=nothing,,", None),
    ("GET", "Item?$skiptoken=x", None),
    ("GET", "Item?$top=x", None),
    ("GET", "Item?$top=-1", None),
    ("GET", "Item?$format=x", None),
    ("GET", "Item?$select=", None),
    ("GET", "Item?q=", None),
    ("GET", "", None),
    ("GET", "?$format=x", None),
    ("GET", "$metadata", None),
    ("GET", "$metadata?$format=x", None),
    ("GET", "$metadata/$metadata", None),
    ("GET", f"{SCHEMA}EntityType", None),
    ("GET", f"{SCHEMA}Nothing", None),
    ("GET", f"{SCHEMA}EntityType('Item')", None),
    ("GET", f"{SCHEMA}EntityType('Nothing')", None),
    ("OPTIONS", "Item", None),
    ("OPTIONS", "Nothing", None),
    ("OPTIONS", "Item('nobody')", None),
    ("OPTIONS", "Item('kept')/_Nothing", None),
    ("POST", "Item", {"name": "x"}),
    ("POST", "Item", {"name": []}),
    ("POST", "Item", {"__id": "kept"}),
    ("POST", "Item?$format=x", {}),
    ("POST", "Nothing", {}),
    ("PUT", "Item('kept')", {}),
    ("PUT", "Item('nobody')", {}),
    ("PUT", "Item(bad)", {}),
    ("MERGE", "Item('kept')", {"name": []}),
    ("DELETE", "Item('kept')", None),
    ("DELETE", "Item('nobody')", None),
    ("POST", "Item('kept')/$links/_Part", {"uri": "Part('loose')"}),
    ("POST", "Item('kept')/$links/_Part", {"uri": "Part('nobody')"}),
    ("POST", "Item('kept')/$links/_Nothing", {"uri": "x"}),
    ("POST", "Item('kept')/$links/_Part('tied')", {}),
    ("PUT", "Item('kept')/$links/_Part('tied')", {}),
    ("DELETE", "Item('kept')/$links/_Part", None),
    ("DELETE", "Item('kept')/$links/_Part('tied')", None),
    ("DELETE", "Item('kept')/$links/_Part('nobody')", None),
    ("DELETE", "Item('kept')/$links/_Part(bad)", None),
    ("POST", "Item('kept')/_Part", {"__id": "tied"}),
    ("POST", "Item('kept')/_Nothing", {}),
    ("POST", f"{SCHEMA}EntityType", {"Name": "Item"}),
    ("POST", f"{SCHEMA}EntityType", {"Name": "_"}),
    ("POST", f"{SCHEMA}Nothing", {}),
    ("DELETE", f"{SCHEMA}EntityType('Item')", None),
    ("DELETE", f"{SCHEMA}EntityType('Nothing')", None),
    ("MERGE", f"{SCHEMA}ComplexType('C')", {}),
    ("DELETE", "Item", None),
    ("PROPFIND", "Item", None),
    ("POST", "$metadata", {}),
    ("GET", "$batch", None),
    ("POST", "$batch", {}),
]


ASKING = {"other": "PR403-AU-0002", "no role": "PR403-AU-0002", "anonymous": "PR401-AU-0001", "forged": "PR401-AU-"}
"""Who asks, and how each is refused."""


class TestNothingIsTold:
    @pytest.fixture(scope="class")
    @staticmethod
    def od(unit: RunningUnit) -> Collection:
        """A collection that the role ``r`` may do nothing of use with."""
        cell = unit.cell()
        cell.account("alice", roles=("r",))
        made = furnish(Collection.make(cell))
        cell.acl(made.path, {"r": "read-properties write-properties bind unbind write-content read-acl write-acl"})
        return made

    @pytest.fixture(scope="class")
    @staticmethod
    def tokens(od: Collection) -> dict[str, str | None]:
        od.site.account("bob")
        return {"other": od.site.token("alice"), "no role": od.site.token("bob"), "anonymous": None, "forged": "x"}

    @pytest.mark.parametrize(
        ("who", "refusal", "request_"),
        [
            pytest.param(who, refusal, each, id=f"{who} {each[0]} {each[1]} {each[2] or ''}")
            for who, refusal in ASKING.items()
            for each in PROBES
            if (who, each[0]) != ("anonymous", "OPTIONS")  # a preflight is answered whatever it is about
        ],
    )
    def test_what_is_there_looks_like_what_is_not(
        self, od: Collection, tokens: dict[str, str | None], who: str, refusal: str, request_: Request
    ) -> None:
        told = ask(od, request_, tokens[who])
        usual = ask(od, ("GET", "Item", None), tokens[who])
        assert told.json() == usual.json(), told.text
        assert code(told).startswith(refusal)
        if told.status_code == 401:
            assert "www-authenticate" in told.headers
        assert "allow" not in told.headers

    def test_a_collection_that_is_not_there_looks_the_same(
        self, od: Collection, tokens: dict[str, str | None]
    ) -> None:
        missing = Collection(od.site, "__/nothing")
        for who, token in tokens.items():
            for request in [("GET", "Item", None), ("POST", "Item", {}), ("GET", "Item('kept')", None)]:
                assert ask(missing, request, token).json() == ask(od, request, token).json(), (who, request)

    def test_and_nothing_was_changed(self, od: Collection) -> None:
        assert od.get("Item/$count").text == "2"
        assert results(od.get("Item('kept')"))["name"] == "secret name"
        assert od.related("Item('kept')", "_Part") == ["tied"]

    def test_who_may_only_write_is_not_told_what_is_read(self, cell: Site) -> None:
        token = someone(cell)
        od = furnish(Collection.make(cell))
        cell.acl(od.path, {"r": "write"})
        usual = ask(od, ("GET", "Item", None), token).json()
        for request in PROBES:
            if request[0] in {"GET", "OPTIONS"} and "?" not in request[1] and request[1] != "$batch":
                answer = ask(od, request, token)
                if answer.status_code != 404 or "MC" not in answer.text:
                    assert answer.json() == usual, request

    def test_who_may_only_read_is_refused_before_the_body_is(self, cell: Site) -> None:
        token = someone(cell)
        od = furnish(Collection.make(cell))
        cell.acl(od.path, {"r": "read"})
        for method, path in [("POST", "Item"), ("PUT", "Item('kept')"), ("POST", "Item('kept')/$links/_Part")]:
            answer = od.call(method, path, token=token, content=b"{rubbish")
            assert code(answer) == "PR403-AU-0002"
        assert code(od.call("POST", f"{SCHEMA}Property", token=token, content=b"{")) == "PR403-AU-0002"
