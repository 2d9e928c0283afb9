"""Control entity sets and the unit's own paths over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import pytest

from tests import running
from tests.running import RunningUnit

PATIENCE_S = 30.0
MASTER = {"Authorization": f"Bearer {running.MASTER}"}
OWNER = {**MASTER, "X-Personium-Unit-User": "https://unit.example/#owner"}
OTHER = {**MASTER, "X-Personium-Unit-User": "https://unit.example/#other"}
NOBODY: dict[str, str] = {}
RUBBISH = {"Authorization": "Bearer rubbish"}

JSON = "application/json"
ETAG = re.compile(r'W/"\d+-\d+"')
DATE = re.compile(r"/Date\(\d{13}\)/")


@pytest.fixture(scope="module")
def unit(unit: RunningUnit) -> Iterator[httpx.Client]:
    """A client of the unit."""
    with httpx.Client(base_url=unit.url, headers={"Accept": JSON}, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def unit_url(unit: httpx.Client) -> str:
    return str(unit.base_url)


names = map("c{}".format, count())


@pytest.fixture
def cell(unit: httpx.Client) -> str:
    """The path of a new cell of the owner's."""
    name = next(names)
    assert unit.post("__ctl/Cell", headers=OWNER, json={"Name": name}).status_code == 201
    return f"{name}/"


Make = Callable[..., str]


@pytest.fixture
def make(unit: httpx.Client, cell: str) -> Make:
    """Makes an entity and gives its URL."""

    def post(entity_set: str, **members: str | None) -> str:
        answer = unit.post(f"{cell}__ctl/{entity_set}", headers=MASTER, json=members)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    return post


def results(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["d"]["results"]


def refused(answer: httpx.Response, code: str) -> bool:
    """Whether *answer* says no in that way, in Personium's form."""
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (int(code[2:5]), JSON), answer.text
    assert body["message"]["lang"] == "en"
    return bool(body["code"] == code)


class TestUnit:
    def test_the_root_tells_the_url_to_anyone(self, unit: httpx.Client, unit_url: str) -> None:
        answer = unit.get("", headers={"Accept": "text/html"})
        assert answer.json() == {"unit": {"url": unit_url, "path_based_cellurl_enabled": True}}

    @pytest.mark.parametrize("path", ["healthz", "readyz"])
    def test_it_tells_that_it_is_well(self, unit: httpx.Client, path: str) -> None:
        assert unit.get(path).status_code == unit.head(path).status_code == 200

    def test_crossdomain_lets_everyone_in(self, unit: httpx.Client) -> None:
        assert 'domain="*"' in unit.get("crossdomain.xml").text

    @pytest.mark.parametrize("path", ["", "healthz", "crossdomain.xml"])
    def test_nothing_there_can_be_changed(self, unit: httpx.Client, path: str) -> None:
        answer = unit.post(path, headers=MASTER)
        assert refused(answer, "PR405-MC-0001")
        assert answer.headers["allow"] == "GET, HEAD"

    def test_its_service_document_is_for_its_own_users_and_its_schema_for_anyone(self, unit: httpx.Client) -> None:
        assert refused(unit.get("__ctl/"), "PR401-AU-0001")
        assert unit.get("__ctl/", headers=OWNER).json() == {"d": {"EntitySets": ["Cell"]}}
        schema = unit.get("__ctl/$metadata")
        assert (schema.status_code, schema.headers["content-type"]) == (200, "application/xml;charset=utf-8")
        assert 'Namespace="UnitCtl"' in schema.text

    @pytest.mark.parametrize(
        ("path", "methods"),
        [
            ("", "GET, HEAD, OPTIONS"),
            ("$metadata", "GET, HEAD, OPTIONS"),
            ("Cell", "GET, HEAD, POST, OPTIONS"),
            ("Cell('none')", "GET, HEAD, PUT, MERGE, PATCH, DELETE, OPTIONS"),
        ],
    )
    def test_options_name_the_methods_to_its_own_users(self, unit: httpx.Client, path: str, methods: str) -> None:
        answer = unit.options(f"__ctl/{path}", headers=MASTER)
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (200, set(methods.split(", ")))
        if path != "$metadata":
            assert refused(unit.options(f"__ctl/{path}", headers=RUBBISH), "PR401-AU-0006")

    @pytest.mark.parametrize("path", ["__ctl/$batch", "__ctl/Cell/x", "__status", "healthz/x"])
    def test_what_is_not_served_is_404(self, unit: httpx.Client, path: str) -> None:
        assert refused(unit.get(path, headers=MASTER), "PR404-MC-0001")


class TestCells:
    def test_create_answers_the_cell(self, unit: httpx.Client, unit_url: str) -> None:
        name = next(names)
        answer = unit.post("__ctl/Cell", headers=OWNER, json={"Name": name})
        entity = answer.json()["d"]["results"]
        url = f"{unit_url}__ctl/Cell('{name}')"
        assert answer.status_code == 201
        assert (answer.headers["location"], answer.headers["dataserviceversion"]) == (url, "2.0")
        assert ETAG.fullmatch(answer.headers["etag"])
        assert entity.pop("__metadata") == {
            "uri": url,
            "etag": answer.headers["etag"],
            "type": "UnitCtl.Cell",
        }
        assert DATE.fullmatch(entity.pop("__published"))
        assert DATE.fullmatch(entity.pop("__updated"))
        assert entity == {"Name": name}

    @pytest.mark.parametrize("form", ["Cell('{}')", "Cell(Name='{}')", "Cell(Name%3D%27{}%27)"])
    def test_retrieve_by_any_form_of_the_key(self, unit: httpx.Client, cell: str, form: str) -> None:
        assert results(unit.get("__ctl/" + form.format(cell[:-1]), headers=OWNER))["Name"] == cell[:-1]

    def test_a_unit_user_lists_their_own(self, unit: httpx.Client, cell: str) -> None:
        listed = unit.get("__ctl/Cell?$inlinecount=allpages&$top=1000", headers=OWNER)
        assert cell[:-1] in [each["Name"] for each in results(listed)]
        assert listed.json()["d"]["__count"] == str(len(results(listed)))
        assert listed.headers["content-type"] == "application/json;charset=utf-8"
        assert results(unit.get("__ctl/Cell", headers=OTHER)) == []

    def test_rename_by_put_and_merge(self, unit: httpx.Client, cell: str) -> None:
        url, second, third = f"__ctl/Cell('{cell[:-1]}')", next(names), next(names)
        put = unit.put(url, headers=OWNER, json={"Name": second})
        assert (put.status_code, put.content) == (204, b"")
        assert ETAG.fullmatch(put.headers["etag"])
        assert refused(unit.get(url, headers=OWNER), "PR404-OD-0002")
        merge = unit.request("MERGE", f"__ctl/Cell('{second}')", headers=OWNER, json={"Name": third})
        assert merge.status_code == 204
        assert unit.get(f"{third}/").status_code == 200

    def test_a_plain_delete_wants_an_empty_cell(self, unit: httpx.Client, cell: str, make: Make) -> None:
        role = make("Role", Name="r")
        url = f"__ctl/Cell('{cell[:-1]}')"
        assert refused(unit.delete(url, headers=OWNER), "PR409-OD-0001")
        assert unit.delete(role, headers=MASTER).status_code == 204
        assert unit.delete(url, headers=OWNER).status_code == 204
        assert refused(unit.get(cell), "PR404-DV-0003")

    @pytest.mark.parametrize("confirmation", [None, "false", "True"])
    def test_a_recursive_delete_wants_its_header(
        self, unit: httpx.Client, cell: str, confirmation: str | None
    ) -> None:
        header = {} if confirmation is None else {"X-Personium-Recursive": confirmation}
        assert refused(unit.delete(cell, headers=OWNER | header), "PR412-MC-0001")
        assert unit.get(cell).status_code == 200

    def test_a_recursive_delete_takes_all(self, unit: httpx.Client, cell: str, make: Make) -> None:
        make("Role", Name="r")
        assert refused(unit.delete(cell, headers=OTHER), "PR403-AU-0003")
        assert unit.delete(cell, headers=OWNER | {"X-Personium-Recursive": "true"}).status_code == 204
        assert refused(unit.get(cell), "PR404-DV-0003")

    @pytest.mark.parametrize("method", ["GET", "PUT", "MERGE", "PATCH", "DELETE"])
    def test_another_unit_users_cell_is_theirs(self, unit: httpx.Client, cell: str, method: str) -> None:
        answer = unit.request(method, f"__ctl/Cell('{cell[:-1]}')", headers=OTHER, json={"Name": "x"})
        assert refused(answer, "PR403-AU-0003")

    @pytest.mark.parametrize(("headers", "code"), [(NOBODY, "PR401-AU-0001"), (RUBBISH, "PR401-AU-0006")])
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "Cell"), ("POST", "Cell"), *((m, "Cell('none')") for m in ("GET", "PUT", "MERGE", "DELETE"))],
    )
    def test_strangers_are_told_nothing(
        self, unit: httpx.Client, headers: dict[str, str], code: str, method: str, path: str
    ) -> None:
        answer = unit.request(method, f"__ctl/{path}", headers=headers, content=b"no json")
        assert refused(answer, code)
        assert "www-authenticate" in answer.headers

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "PR400-OD-0001"),
            (b"[]", "PR400-OD-0001"),
            (b"{}", "PR400-OD-0009"),
            (b'{"Name":"_"}', "PR400-OD-0006"),
            (b'{"Name":"readyz"}', "PR400-OD-0006"),
            (b'{"Name":"ok","Owner":"me"}', "PR400-OD-0007"),
            (b'{"Name":"ok","__published":"/Date(0)/"}', "PR400-OD-0007"),
        ],
    )
    def test_a_bad_body_makes_no_cell(self, unit: httpx.Client, body: bytes, code: str) -> None:
        assert refused(unit.post("__ctl/Cell", headers=OWNER, content=body), code)

    def test_an_etag_guards_a_cell(self, unit: httpx.Client, cell: str) -> None:
        url = f"__ctl/Cell('{cell[:-1]}')"
        etag = unit.get(url, headers=OWNER).headers["etag"]
        unchanged = unit.get(url, headers=OWNER | {"If-None-Match": etag})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        for method in ("PUT", "MERGE", "PATCH", "DELETE"):
            for stale in ('W/"9-9"', etag.removeprefix("W/")):
                answer = unit.request(method, url, headers=OWNER | {"If-Match": stale}, json={"Name": cell[:-1]})
                assert refused(answer, "PR412-OD-0002"), (method, stale)
        assert unit.delete(url, headers=OWNER | {"If-Match": etag}).status_code == 204

    def test_a_name_is_taken_once(self, unit: httpx.Client, cell: str) -> None:
        assert refused(unit.post("__ctl/Cell", headers=OTHER, json={"Name": cell[:-1]}), "PR409-OD-0003")

    def test_of_many_at_once_one_is_made(self, unit: httpx.Client) -> None:
        name = next(names)

        def post(_: int) -> int:
            return unit.post("__ctl/Cell", headers=OWNER, json={"Name": name}).status_code

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(post, range(24))) == [201] + [409] * 23

    def test_cells_have_no_links(self, unit: httpx.Client, cell: str) -> None:
        url = f"__ctl/Cell('{cell[:-1]}')"
        assert refused(unit.get(f"{url}/$links/_Box", headers=MASTER), "PR400-OD-0008")
        assert refused(unit.get(f"{url}/_Box", headers=MASTER), "PR404-OD-0003")


class TestEntities:
    @pytest.mark.parametrize(
        ("entity_set", "given", "shown"),
        [
            ("Box", {"Name": "b"}, {"Name": "b", "Schema": None}),
            ("Box", {"Name": "b", "Schema": "urn:app"}, {"Name": "b", "Schema": "urn:app"}),
            (
                "Account",
                {"Name": "a@b.example"},
                {
                    "Name": "a@b.example",
                    "Type": "basic",
                    "Cell": None,
                    "IPAddressRange": None,
                    "Status": "active",
                },
            ),
            ("Role", {"Name": "r"}, {"Name": "r", "_Box.Name": None}),
        ],
    )
    def test_create_and_retrieve_answer_the_entity(
        self, unit: httpx.Client, cell: str, entity_set: str, given: dict[str, str], shown: dict[str, str | None]
    ) -> None:
        made = unit.post(f"{cell}__ctl/{entity_set}", headers=MASTER, json=given)
        assert made.status_code == 201
        url = made.headers["location"]
        again = unit.get(url, headers=MASTER)
        assert results(again) == made.json()["d"]["results"]
        entity = results(again)
        assert entity["__metadata"] == {
            "uri": url,
            "etag": again.headers["etag"],
            "type": f"CellCtl.{entity_set}",
        }
        assert {name: entity[name] for name in shown} == shown
        assert entity["_Account" if entity_set == "Role" else "_Role"]["__deferred"]["uri"].startswith(url)

    def test_a_box_is_there_for_webdav_at_once(self, unit: httpx.Client, cell: str, make: Make) -> None:
        make("Box", Name="b")
        assert unit.request("PROPFIND", f"{cell}b", headers=MASTER | {"Depth": "0"}).status_code == 207

    def test_a_schema_on_this_unit_may_be_local_and_is_shown_as_url(
        self, unit: httpx.Client, unit_url: str, cell: str, make: Make
    ) -> None:
        url = make("Box", Name="b", Schema="personium-localunit:app:/")
        assert results(unit.get(url, headers=MASTER))["Schema"] == f"{unit_url}app/"
        again = unit.post(f"{cell}__ctl/Box", headers=MASTER, json={"Name": "c", "Schema": f"{unit_url}app/"})
        assert refused(again, "PR409-OD-0003")

    @pytest.mark.parametrize("form", ["Role('r')", "Role(Name='r')", "Role(Name='r',_Box.Name=null)"])
    def test_an_unbound_role_by_any_form_of_its_key(
        self, unit: httpx.Client, cell: str, make: Make, form: str
    ) -> None:
        make("Box", Name="b")
        make("Role", **{"Name": "r", "_Box.Name": "b"})
        assert refused(unit.get(f"{cell}__ctl/{form}", headers=MASTER), "PR404-OD-0002")
        make("Role", Name="r")
        assert results(unit.get(f"{cell}__ctl/{form}", headers=MASTER))["_Box.Name"] is None

    def test_a_list_is_paged_and_counted(self, unit: httpx.Client, cell: str, make: Make) -> None:
        for number in range(27):
            make("Role", Name=f"r{number}")
        assert len(results(unit.get(f"{cell}__ctl/Role", headers=MASTER))) == 25
        page = unit.get(f"{cell}__ctl/Role?$top=3&$skip=25&$inlinecount=allpages", headers=MASTER)
        assert (len(results(page)), page.json()["d"]["__count"]) == (2, "27")

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("$top=x", "PR400-OD-0036"),
            ("$top=10001", "PR400-OD-0029"),
            ("$skip=-1", "PR400-OD-0029"),
            ("$inlinecount=all", "PR400-OD-0013"),
            ("$format=yaml", "PR400-OD-0005"),
            ("$filter=", "PR400-OD-0003"),
            ("$filter=Colour%20eq%20'r'", "PR400-OD-0045"),
            ("$filter=Name%20eq%201", "PR400-OD-0046"),
            ("$orderby=", "PR400-OD-0015"),
            ("$select=", "PR400-OD-0017"),
            ("$expand=Box", "PR400-OD-0026"),
            ("$expand=_Nothing", "PR400-OD-0025"),
            ("q=", "PR400-OD-0029"),
            ("$skiptoken=x", "PR400-OD-0029"),
        ],
    )
    def test_options_that_cannot_be_heeded_are_refused(
        self, unit: httpx.Client, cell: str, query: str, code: str
    ) -> None:
        assert refused(unit.get(f"{cell}__ctl/Role?{query}", headers=MASTER), code)

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("$filter=Name%20ne%20'b'&$orderby=Name", ["a", "c"]),
            ("$filter=startswith(Name,'c')", ["c"]),
            ("$orderby=Name%20desc&$top=2", ["c", "b"]),
            ("q=b", ["b"]),
        ],
    )
    def test_options_that_are_heeded(
        self, unit: httpx.Client, cell: str, make: Make, query: str, names: list[str]
    ) -> None:
        for name in ("b", "a", "c"):
            make("Role", Name=name)
        listed = unit.get(f"{cell}__ctl/Role?{query}", headers=MASTER)
        assert [each["Name"] for each in results(listed)] == names

    @pytest.mark.parametrize(
        ("query", "accept", "media_type"),
        [
            ("", "*/*", JSON),
            ("", JSON, JSON),
            ("", "application/atom+xml", "application/atom+xml"),
            ("?$format=atom", JSON, "application/atom+xml"),
            ("?$format=JSON", "application/atom+xml", JSON),
        ],
    )
    def test_json_is_answered_unless_atom_is_asked_for(
        self, unit: httpx.Client, cell: str, query: str, accept: str, media_type: str
    ) -> None:
        answer = unit.get(f"{cell}__ctl/Role{query}", headers=MASTER | {"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, media_type)

    def test_what_is_neither_is_not_answered(self, unit: httpx.Client, cell: str) -> None:
        answer = unit.get(f"{cell}__ctl/Role", headers=MASTER | {"Accept": "text/html"})
        assert refused(answer, "PR406-OD-0001")

    @pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", None])
    def test_a_body_is_json_whatever_its_content_type_says(
        self, unit: httpx.Client, cell: str, media_type: str | None
    ) -> None:
        headers = MASTER | {"Accept": "application/xml"} | ({"Content-Type": media_type} if media_type else {})
        answer = unit.post(f"{cell}__ctl/Role", headers=headers, content=b'{"Name":"r"}')
        assert (answer.status_code, answer.headers["content-type"]) == (201, JSON)

    def test_an_etag_spares_the_body(self, unit: httpx.Client, make: Make) -> None:
        url = make("Account", Name="a")
        etag = unit.get(url, headers=MASTER).headers["etag"]
        answer = unit.get(url, headers=MASTER | {"If-None-Match": etag})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)

    @pytest.mark.parametrize("method", ["PUT", "MERGE", "PATCH", "DELETE"])
    def test_an_etag_guards_every_change(self, unit: httpx.Client, make: Make, method: str) -> None:
        url = make("Account", Name="a")
        etag = unit.get(url, headers=MASTER).headers["etag"]
        for bad in ('W/"1-1"', "x"):
            answer = unit.request(method, url, headers=MASTER | {"If-Match": bad}, json={"Name": "a"})
            assert refused(answer, "PR412-OD-0002")
        assert unit.get(url, headers=MASTER).headers["etag"] == etag
        answer = unit.request(method, url, headers=MASTER | {"If-Match": etag}, json={"Name": "a"})
        assert answer.status_code == 204
        assert answer.headers["dataserviceversion"] == "2.0"

    def test_put_resets_and_merge_keeps(self, unit: httpx.Client, make: Make) -> None:
        url = make("Account", Name="a", Status="deactivated", IPAddressRange="192.0.2.0/24")
        unit.request("MERGE", url, headers=MASTER, json={"IPAddressRange": None})
        merged = results(unit.get(url, headers=MASTER))
        assert (merged["Status"], merged["IPAddressRange"]) == ("deactivated", None)
        unit.put(url, headers=MASTER, json={"Name": "a"})
        assert results(unit.get(url, headers=MASTER))["Status"] == "active"

    def test_an_account_logs_in_with_its_password(self, unit: httpx.Client, cell: str) -> None:
        headers = MASTER | {"X-Personium-Credential": "passAlice01"}
        made = unit.post(f"{cell}__ctl/Account", headers=headers, json={"Name": "alice"})
        assert made.status_code == 201
        assert "Hash" not in made.text
        form = {"grant_type": "password", "username": "alice", "password": "passAlice01"}
        assert unit.post(f"{cell}__token", data=form).status_code == 200
        url = made.headers["location"]
        change = unit.put(url, headers=MASTER | {"X-Personium-Credential": "passAlice02"}, json={"Name": "alice"})
        assert change.status_code == 204
        assert unit.post(f"{cell}__token", data={**form, "password": "passAlice02"}).status_code == 200

    @pytest.mark.parametrize("password", ["short", "p" * 33])
    def test_a_password_out_of_form_is_refused(self, unit: httpx.Client, cell: str, password: str) -> None:
        headers = MASTER | {"X-Personium-Credential": password}
        answer = unit.post(f"{cell}__ctl/Account", headers=headers, json={"Name": "alice"})
        assert refused(answer, "PR400-AU-0001")

    @pytest.mark.parametrize(
        ("entity_set", "given", "code"),
        [
            ("Box", {}, "PR400-OD-0009"),
            ("Box", {"Name": "__"}, "PR400-OD-0006"),
            ("Box", {"Name": "b", "Schema": "app"}, "PR400-OD-0050"),
            ("Account", {"Name": "a", "Type": "oidc:google"}, "PR400-OD-0006"),
            ("Account", {"Name": "a", "IPAddressRange": "0.0.0.0/0"}, "PR400-OD-0006"),
            ("Account", {"Name": "a", "Status": "gone"}, "PR400-OD-0006"),
            ("Account", {"Name": "a", "__published": "/Date(0)/"}, "PR400-OD-0007"),
            ("Role", {"Name": "r", "_Box.Name": "none"}, "PR400-OD-0024"),
            ("Role", {"Name": "r", "Colour": "red"}, "PR400-OD-0007"),
        ],
    )
    def test_a_bad_field_makes_no_entity(
        self, unit: httpx.Client, cell: str, entity_set: str, given: dict[str, str], code: str
    ) -> None:
        assert refused(unit.post(f"{cell}__ctl/{entity_set}", headers=MASTER, json=given), code)
        assert results(unit.get(f"{cell}__ctl/{entity_set}", headers=MASTER)) == []

    def test_a_body_beyond_the_limit_is_refused(self, unit: httpx.Client, cell: str) -> None:
        body = b'{"Name":"' + b"r" * 9_000_000 + b'"}'
        assert refused(unit.post(f"{cell}__ctl/Role", headers=MASTER, content=body), "PR413-CM-0001")

    def test_a_box_in_use_is_not_deleted(self, unit: httpx.Client, cell: str, make: Make) -> None:
        box, role = make("Box", Name="b"), make("Role", **{"Name": "r", "_Box.Name": "b"})
        assert refused(unit.delete(box, headers=MASTER), "PR409-OD-0001")
        assert unit.delete(role, headers=MASTER).status_code == 204
        assert unit.put(f"{cell}b/f.txt", headers=MASTER, content=b"f").status_code == 201
        assert refused(unit.delete(box, headers=MASTER), "PR409-OD-0001")
        assert unit.delete(f"{cell}b/f.txt", headers=MASTER).status_code == 204
        assert unit.delete(box, headers=MASTER).status_code == 204
        assert refused(unit.get(f"{cell}b/f.txt", headers=MASTER), "PR404-DV-0002")

    @pytest.mark.parametrize(
        ("method", "path", "code"),
        [
            ("POST", "", "PR405-MC-0001"),
            ("POST", "$metadata", "PR405-MC-0001"),
            ("GET", "$nothing", "PR404-MC-0001"),
            ("GET", "Role/x", "PR404-MC-0001"),
            ("GET", "Role('r')/$links", "PR404-MC-0001"),
            ("GET", "Nothing", "PR404-OD-0001"),
            ("GET", "Cell", "PR404-OD-0001"),
            ("GET", "Role('r'", "PR400-OD-0004"),
            ("GET", "Role(r)", "PR400-OD-0004"),
            ("GET", "Role()", "PR400-OD-0004"),
            ("GET", "Role(null)", "PR400-OD-0016"),
            ("GET", "Role('none')", "PR404-OD-0002"),
            ("DELETE", "Role", "PR405-MC-0001"),
            ("POST", "Role('r')", "PR405-MC-0001"),
            ("PROPFIND", "Role", "PR405-MC-0001"),
        ],
    )
    def test_what_is_not_there_and_what_is_not_done(
        self, unit: httpx.Client, cell: str, method: str, path: str, code: str
    ) -> None:
        assert refused(unit.request(method, f"{cell}__ctl/{path}", headers=MASTER), code)


class TestLinks:
    @pytest.fixture
    def ends(self, make: Make) -> tuple[str, str]:
        make("Box", Name="b")
        return make("Account", Name="a@b.example"), make("Role", **{"Name": "r", "_Box.Name": "b"})

    def test_a_link_is_made_shown_and_taken_away(self, unit: httpx.Client, ends: tuple[str, str]) -> None:
        account, role = ends
        made = unit.post(f"{account}/$links/_Role", headers=MASTER, json={"uri": role})
        assert (made.status_code, made.headers["dataserviceversion"]) == (204, "2.0")
        assert refused(unit.post(f"{role}/$links/_Account", headers=MASTER, json={"uri": account}), "PR409-OD-0002")
        assert results(unit.get(f"{account}/$links/_Role", headers=MASTER)) == [{"uri": role}]
        assert results(unit.get(f"{role}/$links/_Account", headers=MASTER)) == [{"uri": account}]
        assert [each["Name"] for each in results(unit.get(f"{account}/_Role", headers=MASTER))] == ["r"]
        link = f"{account}/$links/_Role(Name='r',_Box.Name='b')"
        assert unit.delete(link, headers=MASTER).status_code == 204
        assert refused(unit.delete(link, headers=MASTER), "PR404-OD-0000")
        assert results(unit.get(f"{account}/$links/_Role", headers=MASTER)) == []

    def test_a_role_is_shown_with_its_box(self, unit: httpx.Client, ends: tuple[str, str]) -> None:
        (linked,) = results(unit.get(f"{ends[1]}/$links/_Box", headers=MASTER))
        assert linked["uri"].endswith("/__ctl/Box('b')")

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "PR400-OD-0001"),
            (b"{}", "PR400-OD-0006"),
            (b'{"uri":"Role(\'none\')"}', "PR400-OD-0006"),
            (b'{"uri":"Account(\'a@b.example\')"}', "PR400-OD-0006"),
        ],
    )
    def test_a_bad_body_links_nothing(
        self, unit: httpx.Client, ends: tuple[str, str], body: bytes, code: str
    ) -> None:
        assert refused(unit.post(f"{ends[0]}/$links/_Role", headers=MASTER, content=body), code)

    @pytest.mark.parametrize(
        ("method", "way", "code"),
        [
            ("POST", "$links/_Role('r')", "PR400-OD-0010"),
            ("GET", "$links/_Role('r')", "PR400-OD-0010"),
            ("GET", "_Role('r')", "PR400-OD-0010"),
            ("DELETE", "$links/_Role", "PR400-OD-0011"),
            ("PUT", "$links/_Role", "PR400-OD-0011"),
            ("PUT", "$links/_Role('r')", "PR501-MC-0001"),
            ("DELETE", "$links/_Role(r)", "PR400-OD-0028"),
            ("GET", "$links/_Nothing", "PR400-OD-0008"),
            ("GET", "_Nothing", "PR404-OD-0003"),
            ("POST", "_Role('r')", "PR400-OD-0010"),
            ("POST", "_Role", "PR400-OD-0001"),
            ("POST", "_Nothing", "PR404-OD-0003"),
            ("PUT", "_Role", "PR405-MC-0001"),
            ("GET", "$links/_Role/x", "PR404-MC-0001"),
            ("GET", "$links/_Role?$top=x", "PR400-OD-0036"),
        ],
    )
    def test_links_that_make_no_sense(
        self, unit: httpx.Client, ends: tuple[str, str], method: str, way: str, code: str
    ) -> None:
        assert refused(unit.request(method, f"{ends[0]}/{way}", headers=MASTER), code)

    def test_what_is_made_through_a_navigation_property_is_linked(
        self, unit: httpx.Client, ends: tuple[str, str]
    ) -> None:
        made = unit.post(f"{ends[0]}/_Role", headers=MASTER, json={"Name": "new", "_Box.Name": "b"})
        assert made.status_code == 201
        new = made.headers["location"]
        assert results(unit.get(f"{ends[0]}/$links/_Role", headers=MASTER)) == [{"uri": new}]
        again = unit.post(f"{ends[0]}/_Role", headers=MASTER, json={"Name": "new", "_Box.Name": "b"})
        assert refused(again, "PR409-OD-0002")

    def test_links_of_what_is_not_there_are_404(self, unit: httpx.Client, cell: str, ends: tuple[str, str]) -> None:
        missing = f"{cell}__ctl/Account('x')"
        assert refused(unit.get(f"{missing}/$links/_Role", headers=MASTER), "PR404-OD-0002")
        assert refused(unit.get(f"{missing}/_Role", headers=MASTER), "PR404-OD-0002")
        linking = unit.post(f"{missing}/$links/_Role", headers=MASTER, json={"uri": ends[1]})
        assert refused(linking, "PR404-OD-0000")
