"""Cells under host names of their own, other names of the unit, and what proxies in front of it are believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from lxml import etree

from tests.hosts import Named, as_master, named
from tests.running import Site
from tests.services import make_service, returning

ELSEWHERE = "203.0.113.7"


@pytest.fixture(scope="module")
def host_style(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    """A unit whose cells are ``{cell}.unit.example``, and which has a second name."""
    with named(tmp_path_factory.mktemp("host") / "data", path_style=False, aliases="other.example") as unit:
        yield unit


@pytest.fixture(scope="module")
def cell(host_style: Named) -> Site:
    return host_style.cell("alice")


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def hrefs(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 207
    return [str(each.text) for each in etree.fromstring(answer.content).iterfind("{DAV:}response/{DAV:}href")]


class TestFaces:
    def test_the_unit_itself_is_at_its_own_name(self, host_style: Named) -> None:
        answer = host_style.http.get("http://unit.example/", headers={"Accept": "application/json"})
        assert answer.json()["unit"] == {"url": "http://unit.example/", "path_based_cellurl_enabled": False}

    def test_the_cell_describes_itself_by_its_own_name(self, cell: Site) -> None:
        described = cell.call("GET", "", headers={"Accept": "application/json"}).json()
        assert described["cell"] == {"name": "alice", "url": "http://alice.unit.example/"}
        assert hrefs(cell.call("PROPFIND"))[0].rstrip("/") == "http://alice.unit.example"

    def test_files_are_written_listed_and_moved_under_it(self, cell: Site) -> None:
        assert cell.call("PUT", "__/a%E6%97%A5.txt", content="text").status_code == 201
        listed = hrefs(cell.call("PROPFIND", "__", headers={"Depth": "1"}))
        assert listed[0] == "http://alice.unit.example/__"
        assert "http://alice.unit.example/__/a%E6%97%A5.txt" in listed
        assert cell.call("GET", "__/a%E6%97%A5.txt").text == "text"
        target = "http://alice.unit.example/__/b.txt"
        moved = cell.call("MOVE", "__/a%E6%97%A5.txt", headers={"Destination": target})
        assert (moved.status_code, moved.headers["location"]) == (201, target)

    def test_a_move_to_the_path_style_spelling_is_400(self, cell: Site) -> None:
        cell.call("PUT", "__/c.txt", content="text")
        answer = cell.call("MOVE", "__/c.txt", headers={"Destination": "http://unit.example/alice/__/d.txt"})
        assert code(answer) == (400, "PR400-DV-0009")

    def test_control_objects_are_made_and_linked_under_it(self, cell: Site) -> None:
        made = cell.call("POST", "__ctl/Role", json={"Name": "made"})
        assert made.headers["location"] == "http://alice.unit.example/__ctl/Role(Name='made',_Box.Name=null)"
        uri = made.json()["d"]["results"]["__metadata"]["uri"]
        assert uri == made.headers["location"]
        cell.account("linked", roles=("made",))
        links = cell.call("GET", "__ctl/Account('linked')/$links/_Role").json()
        assert links == {"d": {"results": [{"uri": uri}]}}

    def test_accounts_log_in_and_reach_what_their_roles_may(self, cell: Site) -> None:
        cell.account("bob", roles=("reader",))
        cell.call("PUT", "__/open.txt", content="text")
        assert cell.acl("__/open.txt", {"reader": "read"}).status_code == 200
        token = cell.token("bob")
        assert cell.call("GET", "__/open.txt", token=token).text == "text"
        assert code(cell.call("PUT", "__/open.txt", token=token, content="x")) == (403, "PR403-AU-0002")
        refused = cell.call("GET", "__/open.txt", token=None)
        assert 'realm="http://alice.unit.example/"' in refused.headers["www-authenticate"]

    def test_a_cookie_is_for_the_whole_host(self, cell: Site) -> None:
        cell.account("carol")
        answer = cell.grant("carol", p_cookie="true")
        cookie = answer.headers["set-cookie"]
        assert "Path=/;" in cookie and "Domain" not in cookie
        cell.http.cookies.clear()

    def test_a_token_of_one_cell_is_worth_nothing_at_another(self, host_style: Named, cell: Site) -> None:
        cell.account("dave", roles=("everything",))
        cell.acl("", {"everything": "p:root"})
        other = host_style.cell("bob")
        token = cell.token("dave")
        assert cell.call("GET", "__ctl/Role", token=token).status_code == 200
        assert other.call("GET", "__ctl/Role", token=token).status_code == 401

    def test_snapshots_come_and_go_under_it(self, cell: Site) -> None:
        began = cell.call("POST", "__export", json={"Name": "snap"})
        assert (began.status_code, began.headers["location"]) == (202, "http://alice.unit.example/__export")
        deadline = time.monotonic() + 20
        while cell.call("GET", "__export").json()["status"] != "ready":
            assert time.monotonic() < deadline
        listed = hrefs(cell.call("PROPFIND", "__snapshot", headers={"Depth": "1"}))
        assert listed[-1] == "http://alice.unit.example/__snapshot/snap.zip"
        archive = cell.call("GET", "__snapshot/snap.zip")
        assert archive.content.startswith(b"PK")

    def test_services_run_under_it_and_see_its_name(self, cell: Site) -> None:
        make_service(cell, {"run": returning("[request.scriptName, _p.localbox().getPath()]")})
        told = cell.call("GET", "__/svc/run?a=b").json()
        assert told == ["http://alice.unit.example/__/svc/run", "http://alice.unit.example/__/"]


class TestNames:
    def test_path_style_is_refused(self, host_style: Named, cell: Site) -> None:
        answer = host_style.http.get("http://unit.example/alice/__/a", headers=as_master())
        assert code(answer) == (400, "PR400-MC-0002")

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "alice.evil.example", "a.b.unit.example", "unit.example.evil.example", "A_.unit.example"],
    )
    def test_a_foreign_name_is_refused(self, host_style: Named, host: str) -> None:
        answer = host_style.http.get(f"http://{host}/__/a", headers=as_master())
        assert code(answer) == (400, "PR400-CM-0005")

    def test_a_name_of_no_cell_is_404(self, host_style: Named) -> None:
        answer = host_style.http.get("http://nobody.unit.example/__/a", headers=as_master())
        assert code(answer) == (404, "PR404-DV-0003")

    def test_names_are_one_in_any_case_and_with_their_default_port(self, host_style: Named, cell: Site) -> None:
        cell.call("PUT", "__/case.txt", content="text")
        for host in ("ALICE.Unit.Example", "alice.unit.example:80"):
            answer = host_style.http.get("http://x/__/case.txt", headers=as_master(Host=host))
            assert answer.text == "text", host

    def test_cells_are_below_every_alias_and_speak_of_themselves_by_their_first_name(
        self, host_style: Named, cell: Site
    ) -> None:
        described = host_style.http.get("http://alice.other.example/", headers={"Accept": "application/json"}).json()
        assert described["cell"]["url"] == "http://alice.unit.example/"
        near = host_style.http.get(
            "http://x/", headers={"Accept": "application/json", "Host": f"localhost:{host_style.port}"}
        )
        assert near.json()["unit"]["url"] == "http://unit.example/"

    def test_no_host_header_means_the_unit(self, host_style: Named) -> None:
        answer = host_style.says("GET / HTTP/1.0\r\nAccept: application/json\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ") and b'"http://unit.example/"' in answer
        assert b"PR400-MC-0002" in host_style.says("GET /alice/__/a HTTP/1.0\r\n\r\n")

    def test_host_style_names_are_foreign_to_a_unit_of_path_style(self, tmp_path: Path) -> None:
        with named(tmp_path / "data") as unit:
            unit.cell("alice")
            answer = unit.http.get("http://alice.unit.example/__/a", headers=as_master())
            assert code(answer) == (400, "PR400-CM-0005")


@pytest.fixture(scope="module", params=["127.0.0.0/8", "198.51.100.0/24"], ids=["trusted", "stranger"])
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Named, bool]]:
    """A unit, and whether it trusts the address that all requests here come from."""
    options = {"path_style": False, "trusted_proxies": request.param}
    with named(tmp_path_factory.mktemp("proxied") / "data", **options) as unit:
        unit.cell("alice")
        yield unit, request.param.startswith("127")


class TestProxies:
    def test_the_forwarded_host_names_the_cell(self, proxied: tuple[Named, bool]) -> None:
        unit, trusted = proxied
        headers = {"Accept": "application/json", "X-Forwarded-Host": "alice.unit.example"}
        described = unit.http.get("http://unit.example/", headers=headers).json()
        assert ("cell" in described) is trusted

    def test_the_forwarded_scheme_is_the_one_that_clients_use(self, proxied: tuple[Named, bool]) -> None:
        unit, trusted = proxied
        url = "http://alice.unit.example/__/moving"
        assert unit.http.put(url, content="text", headers=as_master()).status_code == 201
        headers = as_master(**{"X-Forwarded-Proto": "https", "Destination": "https://alice.unit.example/__/moved"})
        assert unit.http.request("MOVE", url, headers=headers).status_code == (201 if trusted else 400)

    @pytest.mark.parametrize("chain", [ELSEWHERE, f"192.0.2.1, {ELSEWHERE}", f"{ELSEWHERE}, 127.0.0.9"])
    def test_the_last_address_that_is_no_proxy_is_the_clients(self, proxied: tuple[Named, bool], chain: str) -> None:
        unit, trusted = proxied
        cell = Site(unit.http, "alice", "http://alice.unit.example/")
        cell.call("DELETE", "__ctl/Account('far')")
        cell.account("far", IPAddressRange=ELSEWHERE)
        form = {"grant_type": "password", "username": "far", "password": "password-1"}
        answer = cell.call("POST", "__token", token=None, data=form, headers={"X-Forwarded-For": chain})
        assert answer.status_code == (200 if trusted else 400)

    def test_an_address_that_the_client_made_up_is_not_believed(self, proxied: tuple[Named, bool]) -> None:
        unit, _ = proxied
        cell = Site(unit.http, "alice", "http://alice.unit.example/")
        cell.call("DELETE", "__ctl/Account('near')")
        cell.account("near", IPAddressRange=ELSEWHERE)
        form = {"grant_type": "password", "username": "near", "password": "password-1"}
        headers = {"X-Forwarded-For": f"{ELSEWHERE}, 192.0.2.1"}
        assert cell.call("POST", "__token", token=None, data=form, headers=headers).status_code == 400
