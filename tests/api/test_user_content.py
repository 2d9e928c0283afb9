"""What users have stored is safe to open in a browser, and apps run as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests.running import RunningUnit, Site, running

PAGE = b"<script>steal()</script>"
ACTIVE = ("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml")
CSP = "content-security-policy"


def put(cell: Site, path: str, media_type: str = "text/html", body: bytes = PAGE) -> None:
    assert cell.call("PUT", path, content=body, headers={"Content-Type": media_type}).status_code in {201, 204}


def trust(cell: Site, box: str, value: str, *, token: str | None = None) -> int:
    body = (
        '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop>'
        f"<p:trustedcontent>{value}</p:trustedcontent></D:prop></D:set></D:propertyupdate>"
    )
    options = {} if token is None else {"token": token}
    return cell.call("PROPPATCH", box, content=body, **options).status_code


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that distrusts pages."""
    folder: Path = tmp_path_factory.mktemp("strict") / "data"
    with running(folder, **{"dav.active_content": "sandbox"}) as unit:
        yield unit


class TestTypes:
    @pytest.mark.parametrize("media_type", ["text/plain", "image/png", *ACTIVE])
    def test_no_browser_guesses_the_type_of_a_file(self, cell: Site, media_type: str) -> None:
        put(cell, "__/f", media_type)
        etag = cell.call("GET", "__/f").headers["etag"]
        for headers in ({}, {"Range": "bytes=0-3"}, {"Range": "bytes=0-1,4-5"}, {"If-None-Match": etag}):
            assert cell.call("GET", "__/f", headers=headers).headers["x-content-type-options"] == "nosniff"
        assert cell.call("HEAD", "__/f").headers["x-content-type-options"] == "nosniff"

    def test_scripts_of_services_and_snapshot_files_are_guarded_too(self, cell: Site) -> None:
        body = (
            '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype><D:collection/>'
            "<p:service/></D:resourcetype></D:prop></D:set></D:mkcol>"
        )
        cell.call("MKCOL", "__/service", content=body)
        for path in ("__/service/__src/a.js", "__snapshot/a.zip"):
            put(cell, path, "text/html")
            assert cell.call("GET", path).headers["x-content-type-options"] == "nosniff"
        assert cell.call("GET", "__snapshot/a.zip").headers[CSP].startswith("sandbox;")


class TestPages:
    @pytest.mark.parametrize("media_type", ACTIVE)
    def test_the_page_of_an_app_runs_as_it_is(self, cell: Site, media_type: str) -> None:
        put(cell, "__/index.html", media_type)
        cell.acl("__/index.html", {"all": "read"})
        assert CSP not in cell.call("GET", "__/index.html", token=None).headers
        assert CSP not in cell.call("GET", "__/index.html").headers

    @pytest.mark.parametrize("media_type", ACTIVE)
    def test_what_the_browser_reads_by_its_own_credentials_is_only_shown(self, cell: Site, media_type: str) -> None:
        put(cell, "__/index.html", media_type)
        cell.account("alice", roles=("reader",))
        cell.acl("__", {"reader": "read"})
        granted = cell.grant("alice", p_cookie="true")
        cookie = granted.headers["set-cookie"].partition(";")[0]
        peer = granted.json()["p_cookie_peer"]
        by_cookie = cell.call("GET", f"__/index.html?p_cookie_peer={peer}", token=None, headers={"Cookie": cookie})
        by_basic = cell.http.get(f"{cell.url}__/index.html", auth=("alice", "password-1"))
        for answer in (by_cookie, by_basic):
            assert (answer.status_code, answer.content) == (200, PAGE)
            policy = answer.headers[CSP]
            assert policy.startswith("sandbox; default-src 'none'") and "script" not in policy
        by_token = cell.call("GET", "__/index.html", token=cell.token("alice"))
        assert CSP not in by_token.headers

    def test_a_box_that_is_trusted_is_trusted_and_one_that_is_not_is_not(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "b"})
        put(cell, "b/a.html")
        put(cell, "__/a.html")
        assert trust(cell, "b", "false") == 207
        assert CSP in cell.call("GET", "b/a.html").headers
        assert CSP not in cell.call("GET", "__/a.html").headers
        assert trust(cell, "b", "true") == 207
        assert CSP not in cell.call("GET", "b/a.html").headers

    def test_only_who_may_write_properties_of_the_box_says_so(self, cell: Site) -> None:
        cell.account("alice", roles=("writer",))
        cell.account("bob", roles=("keeper",))
        cell.acl("__", {"writer": "read write-content bind", "keeper": "write-properties"})
        assert trust(cell, "__", "true", token=cell.token("alice")) == 403
        assert trust(cell, "__", "true", token=cell.token("bob")) == 207

    def test_the_property_of_a_collection_means_nothing(self, cell: Site) -> None:
        cell.call("MKCOL", "__/col")
        put(cell, "__/col/a.html")
        assert trust(cell, "__/col", "false") == 207
        assert CSP not in cell.call("GET", "__/col/a.html").headers


class TestAStrictUnit:
    def test_pages_are_only_shown_unless_their_box_is_trusted(self, strict: RunningUnit) -> None:
        cell = strict.cell()
        put(cell, "__/a.html")
        cell.acl("__", {"all": "read"})
        assert cell.call("GET", "__/a.html", token=None).headers[CSP].startswith("sandbox;")
        assert CSP in cell.call("GET", "__/a.html", headers={"Range": "bytes=0-3"}).headers
        trust(cell, "__", "true")
        assert CSP not in cell.call("GET", "__/a.html", token=None).headers

    def test_what_does_not_act_has_no_policy(self, strict: RunningUnit) -> None:
        cell = strict.cell()
        put(cell, "__/a.png", "image/png")
        assert CSP not in cell.call("GET", "__/a.png").headers


class TestDownloads:
    @pytest.mark.parametrize("name", ["a.txt", "日本語の.txt", "100%.txt", "a;b.txt", "it's.txt"])
    def test_a_file_is_saved_under_its_own_name(self, cell: Site, name: str) -> None:
        path = f"__/{quote(name)}"
        put(cell, path, "text/plain")
        value = cell.call("GET", f"{path}?download=1").headers["content-disposition"]
        assert value.startswith("attachment; filename=")
        assert unquote(value.partition("filename*=UTF-8''")[2]) == name

    @pytest.mark.parametrize(
        ("query", "saved"),
        [("", False), ("?download", True), ("?download=true", True), ("?download=0", False), ("?x=download", False)],
    )
    def test_it_is_saved_when_that_is_asked_for(self, cell: Site, query: str, saved: bool) -> None:
        put(cell, "__/a.html")
        assert ("content-disposition" in cell.call("GET", f"__/a.html{query}").headers) is saved
