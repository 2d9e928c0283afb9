"""A cell's own URL, and what holds for every request: overrides, request keys, CORS, cell states."""

from __future__ import annotations

import httpx
import pytest
from lxml import etree

from tests.running import MASTER, RunningUnit, Site


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


class TestCellRoot:
    def test_json_and_xml_describe_the_cell_to_anyone(self, unit: RunningUnit, cell: Site) -> None:
        body = cell.call("GET", "", token=None, headers={"Accept": "application/json"}).json()
        assert body == {
            "cell": {"name": cell.name, "url": cell.url},
            "unit": {"url": unit.url, "path_based_cellurl_enabled": True},
        }
        text = cell.call("GET", "", token=None, headers={"Accept": "application/xml"}).content
        assert etree.fromstring(text).findtext("{urn:x-personium:xmlns}ctl") == f"{cell.url}__ctl/"

    def test_html_is_412_while_no_page_is_set(self, cell: Site) -> None:
        for accept in ("*/*", "text/html"):
            assert code(cell.call("GET", "", token=None, headers={"Accept": accept})) == (412, "PR412-UI-0001")

    def test_propfind_shows_the_status_and_needs_no_depth(self, cell: Site) -> None:
        answer = cell.call("PROPFIND")
        assert answer.status_code == 207
        assert etree.fromstring(answer.content).findtext(".//{urn:x-personium:xmlns}cellstatus") == "normal"

    def test_proppatch_is_for_unit_users_and_survives(self, cell: Site) -> None:
        cell.account("alice", roles=("r",))
        cell.acl("", {"r": "p:root"})
        body = (
            '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
            "<p:hoge>piyo</p:hoge></D:prop></D:set></D:propertyupdate>"
        )
        answer = cell.call("PROPPATCH", "", token=cell.token("alice"), content=body)
        assert code(answer) == (403, "PR403-AU-0001")
        assert cell.call("PROPPATCH", "", content=body).status_code == 207
        assert "piyo" in cell.call("PROPFIND").text

    def test_a_cell_goes_with_all_it_held_and_its_name_is_free(self, unit: RunningUnit) -> None:
        cell = unit.cell("shortlived")
        cell.call("PUT", "__/a", content=b"x" * 100_000)
        assert code(cell.call("DELETE")) == (412, "PR412-MC-0001")
        assert cell.call("DELETE", headers={"X-Personium-Recursive": "true"}).status_code == 204
        assert code(cell.call("GET", "__/a")) == (404, "PR404-DV-0003")
        again = unit.cell("shortlived")
        assert again.call("GET", "__/a").status_code == 404

    def test_unknown_methods_and_paths_have_their_codes(self, cell: Site) -> None:
        assert code(cell.call("PUT", "")) == (405, "PR405-MC-0001")
        assert code(cell.call("GET", "__nothing")) == (404, "PR404-MC-0001")


class TestEveryRequest:
    def test_a_post_with_a_method_override_is_that_method(self, cell: Site) -> None:
        made = cell.call("POST", "__/a", content=b"1", headers={"X-HTTP-Method-Override": "PUT"})
        assert made.status_code == 201
        listed = cell.call("POST", "__", headers={"X-HTTP-Method-Override": "PROPFIND", "Depth": "0"})
        assert listed.status_code == 207

    @pytest.mark.parametrize("form", ['If-Match:"0-0"', 'If-Match: "0-0"'])
    def test_x_override_replaces_a_header(self, cell: Site, form: str) -> None:
        cell.call("PUT", "__/a", content=b"1")
        answer = cell.call("PUT", "__/a", content=b"2", headers={"X-Override": form, "If-Match": "*"})
        assert code(answer) == (412, "PR412-DV-0001")

    def test_a_request_key_is_checked(self, cell: Site) -> None:
        for key, good in (("a" * 128, True), ("a-_9", True), ("a" * 129, False), ("a b", False), ("日", False)):
            headers = {b"X-Personium-RequestKey": key.encode()}
            answer = cell.http.get(cell.url, headers={b"Accept": b"application/json", **headers})
            assert (answer.status_code == 200) is good, key
            if not good:
                assert code(answer) == (400, "PR400-EV-0002")

    def test_cors_is_a_star_without_origin_and_an_echo_with_one(self, cell: Site) -> None:
        plain = cell.call("GET", "__")
        assert plain.headers["access-control-allow-origin"] == "*"
        answer = cell.call("GET", "__", headers={"Origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "X-Personium-Version" in answer.headers["access-control-expose-headers"]

    def test_a_preflight_is_answered_whatever_it_is_about(self, cell: Site) -> None:
        headers = {"Origin": "https://app.example", "Access-Control-Request-Headers": "authorization,x-a"}
        answer = cell.call("OPTIONS", "nobox/none", token=None, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-headers"] == "authorization,x-a"
        assert "PROPFIND" in answer.headers["access-control-allow-methods"]

    def test_no_secret_reaches_the_log(self, unit: RunningUnit, cell: Site) -> None:
        cell.account("alice", "a-very-secret-word")
        cell.grant("alice", "another-secret-word")
        token = cell.token("alice", "a-very-secret-word")
        cell.call("GET", "__/none", token=token)
        cell.call("GET", f"__/none?p_cookie_peer={token}", token=None)
        text = unit.log.getvalue()
        for secret in ("a-very-secret-word", "another-secret-word", token, MASTER):
            assert secret not in text
