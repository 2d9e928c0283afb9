"""Who may what with the control entity sets, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.running import MASTER, Site

READS = [
    ("Box", "box-read"),
    ("Account", "auth-read"),
    ("Role", "auth-read"),
]

EVERY_ROW = [
    *(("GET", path) for path in ("{}", "{}('none')", "{}('none')/$links/{nav}", "{}('none')/{nav}")),
    *(("POST", path) for path in ("{}", "{}('none')/$links/{nav}", "{}('none')/{nav}")),
    *(("OPTIONS", path) for path in ("{}", "{}('none')", "{}('none')/$links/{nav}", "{}('none')/{nav}")),
    *((method, "{}('none')") for method in ("PUT", "MERGE", "PATCH", "DELETE")),
    *((method, "{}('none')/$links/{nav}('none')") for method in ("PUT", "DELETE")),
]


def rows(entity_set: str) -> Iterator[tuple[str, str]]:
    nav = "_Account" if entity_set == "Role" else "_Role"
    for method, path in EVERY_ROW:
        yield method, path.replace("{nav}", nav).format(entity_set)


def log_in(cell: Site, *privileges: str) -> str:
    """The token of a new account with a new role, to which the cell grants *privileges*."""
    cell.account("alice", roles=("granted",))
    assert cell.acl("", {"granted": " ".join(f"p:{each}" for each in privileges)}).status_code == 200
    return cell.token("alice")


def ask(cell: Site, method: str, path: str, token: str | None) -> httpx.Response:
    return cell.call(method, f"__ctl/{path}", token=token, content=b"no json")


def refused(answer: httpx.Response, code: str) -> bool:
    assert answer.status_code == int(code[2:5]), answer.text
    return bool(answer.json()["code"] == code)


class TestPrivileges:
    @pytest.mark.parametrize("entity_set", [each for each, _ in READS])
    def test_strangers_are_told_nothing(self, cell: Site, entity_set: str) -> None:
        for method, path in rows(entity_set):
            assert refused(ask(cell, method, path, "rubbish"), "PR401-AU-0006"), (method, path)
            if method != "OPTIONS":
                assert refused(ask(cell, method, path, None), "PR401-AU-0001"), (method, path)

    @pytest.mark.parametrize("entity_set", [each for each, _ in READS])
    def test_an_account_without_privileges_is_told_nothing(self, cell: Site, entity_set: str) -> None:
        token = log_in(cell, "rule")
        for method, path in rows(entity_set):
            assert refused(ask(cell, method, path, token), "PR403-AU-0002"), (method, path)

    @pytest.mark.parametrize(("entity_set", "privilege"), READS)
    def test_the_reading_privilege_reads_and_no_more(self, cell: Site, entity_set: str, privilege: str) -> None:
        token = log_in(cell, privilege)
        for method, path in rows(entity_set):
            if "/" in path:
                continue
            answer = ask(cell, method, path, token)
            assert (answer.status_code == 403) == (method not in {"GET", "OPTIONS"}), (method, path)

    def test_links_need_the_privileges_of_both_ends(self, cell: Site) -> None:
        token = log_in(cell, "box")
        for method, path in rows("Box"):
            if "/" in path and method != "OPTIONS":
                assert refused(ask(cell, method, path, token), "PR403-AU-0002"), (method, path)

    def test_options_with_credentials_tell_the_methods(self, cell: Site) -> None:
        allowed = {
            "Role": "GET, HEAD, POST, OPTIONS",
            "Role('none')": "GET, HEAD, PUT, MERGE, PATCH, DELETE, OPTIONS",
            "Role('none')/$links/_Account": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
            "Role('none')/_Account": "GET, HEAD, POST, OPTIONS",
        }
        for path, methods in allowed.items():
            answer = ask(cell, "OPTIONS", path, MASTER)
            assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (200, set(methods.split(", ")))

    def test_the_service_document_is_for_those_who_may_read_something(self, cell: Site) -> None:
        assert refused(cell.call("GET", "__ctl/", token=None), "PR401-AU-0001")
        told = cell.call("GET", "__ctl/", token=log_in(cell, "box-read"), headers={"Accept": "application/json"})
        assert "Role" in told.json()["d"]["EntitySets"]

    def test_the_schema_is_for_anyone(self, cell: Site) -> None:
        told = cell.call("GET", "__ctl/$metadata", token=None)
        assert (told.status_code, told.headers["content-type"]) == (200, "application/xml;charset=utf-8")
        assert 'Namespace="CellCtl"' in told.text

    def test_the_account_itself_is_not_of_the_unit(self, cell: Site) -> None:
        token = log_in(cell, "root")
        unit_url = cell.url.removesuffix(f"{cell.name}/")
        answer = cell.http.get(f"{unit_url}__ctl/Cell", headers={"Authorization": f"Bearer {token}"})
        assert refused(answer, "PR403-AU-0001")
