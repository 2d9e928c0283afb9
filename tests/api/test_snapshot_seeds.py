"""The four pages that define the unit, line by line: snapshot files, export, import, sources of services.

Each test bears the number of the line that it shows: SEED-C1 to SEED-C8 hold for all four pages.
"""

from __future__ import annotations

import io
import re
import socket
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.running import MASTER, RunningUnit, Site, running

FIXTURE = Path(__file__).parents[1] / "fixtures" / "personium-snapshot.zip"
NS = {"D": "DAV:"}
MAX_WAIT_S = 20
ERROR_FILE = b'{"code":"PR503-SV-0001","message":{"lang":"en","value":"Too many concurrent requests."}}'


def put(cell: Site, name: str = "some.zip", content: Any = b"bytes", **headers: str) -> httpx.Response:
    return cell.call("PUT", f"__snapshot/{name}", content=content, headers=headers)


def names(cell: Site) -> list[str]:
    """The files in the area, as a PROPFIND lists them."""
    answer = cell.call("PROPFIND", "__snapshot", headers={"Depth": "1"})
    assert answer.status_code == 207
    hrefs = etree.fromstring(answer.content).xpath("D:response/D:href/text()", namespaces=NS)
    return [href.rpartition("/")[2] for href in hrefs[1:]]


def ended(cell: Site, path: str) -> dict[str, Any]:
    """Poll until what *path* tells is no longer under way."""
    deadline = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < deadline:
        status: dict[str, Any] = cell.call("GET", path).json()
        if not status["status"].endswith("in progress"):
            return status
        time.sleep(0.005)
    raise AssertionError("it never ends")


def export(cell: Site, name: str = "made") -> None:
    assert cell.call("POST", "__export", json={"Name": name}).status_code == 202
    assert ended(cell, "__export") == {"status": "ready"}


def load(cell: Site, archive: bytes) -> dict[str, Any]:
    """Upload and import *archive*; what the status says at the end."""
    assert put(cell, "there.zip", archive).status_code in {201, 204}
    answer = cell.call("POST", "__import", json={"Name": "there"})
    assert answer.status_code == 202, answer.text
    return ended(cell, "__import")


def broken() -> bytes:
    """The fixture, one of its files without its bytes: what only the import itself finds."""
    held = io.BytesIO()
    with zipfile.ZipFile(FIXTURE) as source, zipfile.ZipFile(held, "w") as target:
        for name in source.namelist():
            if not name.endswith(("/", "top.html/content")):
                target.writestr(name, source.read(name))
    return held.getvalue()


def cell_status(cell: Site) -> str:
    return re.search(r"<p:cellstatus[^>]*>([^<]*)<", cell.call("PROPFIND", headers={"Depth": "0"}).text)[1]  # type: ignore[index]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


@pytest.fixture
def failed(cell: Site) -> Site:
    """A cell whose last import failed."""
    assert cell.call("PUT", "__/old.txt", content=b"old").status_code == 201
    assert load(cell, broken())["status"] == "import failed"
    return cell


@pytest.fixture
def service(cell: Site) -> Site:
    """A cell with a service collection in its main box."""
    body = (
        '<D:mkcol xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns"><D:set><D:prop><D:resourcetype>'
        "<D:collection/><p:service/></D:resourcetype></D:prop></D:set></D:mkcol>"
    )
    assert cell.call("MKCOL", "__/svc", content=body).status_code == 201
    return cell


def put_source(cell: Site, name: str = "hello.js", content: bytes = b"js", **headers: str) -> httpx.Response:
    return cell.call("PUT", f"__/svc/__src/{name}", content=content, headers=headers)


class TestAllPages:
    def test_seed_c1_the_cookie_peer_counts_only_without_an_authorization_header(self, cell: Site) -> None:
        cell.account("alice", roles=("admin",))
        cell.acl("", {"admin": "p:root"})
        granted = cell.grant("alice", p_cookie="true")
        peer = granted.json()["p_cookie_peer"]
        cookie = granted.headers["set-cookie"].partition(";")[0]

        def ask(**headers: str) -> int:
            return httpx.get(f"{cell.url}__export?p_cookie_peer={peer}", headers=headers).status_code

        assert ask(Cookie=cookie) == 200
        assert ask() == 401
        assert ask(Cookie=cookie, Authorization="Bearer nonsense") == 401

    def test_seed_c2_a_post_may_stand_for_any_method(self, cell: Site) -> None:
        headers = {"X-HTTP-Method-Override": "PUT"}
        assert cell.call("POST", "__snapshot/x.zip", content=b"1", headers=headers).status_code == 201
        assert names(cell) == ["x.zip"]

    def test_seed_c3_headers_are_overridden_one_by_one(self, cell: Site) -> None:
        put(cell)
        overrides = [("X-Override", 'If-Match:"9-9"'), ("X-Override", "Content-Type:text/x")]
        bearer = ("Authorization", f"Bearer {MASTER}")
        url = f"{cell.url}__snapshot/some.zip"
        assert cell.http.put(url, content=b"2", headers=[bearer, *overrides]).status_code == 412
        assert cell.http.put(url, content=b"2", headers=[bearer, overrides[1]]).status_code == 204
        assert cell.call("GET", "__snapshot/some.zip").headers["content-type"] == "text/x"

    def test_seed_c4_a_request_key_has_its_alphabet_and_128_characters(self, cell: Site) -> None:
        assert put(cell, **{"X-Personium-RequestKey": "aZ09-_" + "x" * 122}).status_code == 201
        for bad in ("x" * 129, "a b", "a.b"):
            assert code(put(cell, **{"X-Personium-RequestKey": bad})) == (400, "PR400-EV-0002")

    def test_seed_c5_without_a_token_it_is_401_with_a_challenge(self, cell: Site) -> None:
        calls = (("PUT", "__snapshot/x"), ("POST", "__export"), ("POST", "__import"), ("PUT", "__/svc/__src/x"))
        for method, path in calls:
            answer = cell.call(method, path, token=None, content=b"{}")
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_seed_c6_every_answer_names_the_version_and_whom_it_may_be_shown(self, cell: Site) -> None:
        for answer in (put(cell), cell.call("POST", "__export"), cell.call("POST", "__import")):
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["x-personium-version"]
        ended(cell, "__export")

    def test_seed_c7_errors_are_json_and_successes_have_no_content_type(self, cell: Site) -> None:
        wrong = put(cell, **{"If-Match": '"9-9"'})
        assert wrong.headers["content-type"] == "application/json"
        assert wrong.json().keys() == {"code", "message"}
        assert wrong.json()["message"].keys() == {"lang", "value"}
        right = put(cell)
        assert "content-type" not in right.headers
        assert right.content == b""

    def test_seed_c8_a_cell_may_be_a_label_before_the_host(self, tmp_path: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        options = {"bind": f"127.0.0.1:{port}", "base_url": "http://unit.example/", "path_style": False}
        with running(tmp_path / "data", **options) as unit:
            ask = {"Host": "unit.example", "Authorization": f"Bearer {MASTER}"}
            made = unit.http.post(f"http://127.0.0.1:{port}/__ctl/Cell", json={"Name": "cell1"}, headers=ask)
            assert made.status_code == 201, made.text
            at_cell = {**ask, "Host": "cell1.unit.example", "Accept": "application/json"}
            url = f"http://127.0.0.1:{port}/__export"
            answer = unit.http.post(url, headers=at_cell)
            assert answer.headers["location"] == "http://cell1.unit.example/__export"
            assert unit.http.get(url, headers=at_cell).status_code == 200


class TestSnapshotFiles:
    def test_seed_1_a_put_creates_and_replaces_the_file_of_that_name(self, cell: Site) -> None:
        put(cell, content=b"one")
        put(cell, content=b"two")
        assert cell.call("GET", "__snapshot/some.zip").content == b"two"
        assert names(cell) == ["some.zip"]

    def test_seed_2_it_takes_the_privilege_root(self, cell: Site) -> None:
        _asks_for_root(cell, "PUT", "__snapshot/some.zip", 201)

    def test_seed_3_if_match_must_name_what_is_there(self, cell: Site) -> None:
        etag = put(cell).headers["etag"]
        assert code(put(cell, **{"If-Match": '"9-9"'})) == (412, "PR412-DV-0001")
        assert put(cell, **{"If-Match": "*"}).status_code == 204
        assert put(cell, **{"If-Match": etag}).status_code == 412
        assert put(cell, "other.zip", **{"If-Match": "*"}).status_code == 201

    def test_seed_4_the_content_type_is_kept(self, cell: Site) -> None:
        put(cell, **{"Content-Type": "application/zip"})
        assert cell.call("GET", "__snapshot/some.zip").headers["content-type"] == "application/zip"
        listed = cell.call("PROPFIND", "__snapshot/some.zip", headers={"Depth": "0"})
        assert "<getcontenttype>application/zip</getcontenttype>" in listed.text

    def test_seed_5_the_bytes_of_the_body_are_the_file(self, cell: Site) -> None:
        body = bytes(range(256)) * 1000
        put(cell, content=body)
        answer = cell.call("GET", "__snapshot/some.zip")
        assert answer.content == body
        assert answer.headers["accept-ranges"] == "bytes"
        part = cell.call("GET", "__snapshot/some.zip", headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, body[1000:2000])
        assert cell.call("HEAD", "__snapshot/some.zip").headers["content-length"] == str(len(body))

    def test_seed_6_created_is_201_and_replaced_204(self, cell: Site) -> None:
        assert [put(cell).status_code, put(cell).status_code] == [201, 204]

    def test_seed_7_success_tells_the_etag_and_failure_the_error(self, cell: Site) -> None:
        etag = put(cell).headers["etag"]
        assert re.fullmatch(r'"1-\d+"', etag)
        assert cell.call("GET", "__snapshot/some.zip").headers["etag"] == etag
        unchanged = cell.call("GET", "__snapshot/some.zip", headers={"If-None-Match": etag})
        assert unchanged.status_code == 304
        wrong = put(cell, **{"If-Match": '"9-9"'})
        assert "etag" not in wrong.headers
        assert wrong.headers["content-type"] == "application/json"

    def test_seed_8_any_content_type_will_do_and_none(self, cell: Site) -> None:
        form = put(cell, "form.zip", b"a=1&b=%41", **{"Content-Type": "application/x-www-form-urlencoded"})
        chunked = put(cell, "chunked.zip", iter([b"one ", b"two"]))
        assert (form.status_code, chunked.status_code) == (201, 201)
        assert cell.call("GET", "__snapshot/form.zip").content == b"a=1&b=%41"
        assert cell.call("GET", "__snapshot/chunked.zip").content == b"one two"

    def test_seed_9_the_name_includes_its_extension(self, cell: Site) -> None:
        assert put(cell, "CellExport_2017_01.zip", FIXTURE.read_bytes()).status_code == 201
        assert cell.call("POST", "__import", json={"Name": "CellExport_2017_01"}).status_code == 202
        assert ended(cell, "__import") == {"status": "ready"}


def _asks_for_root(cell: Site, method: str, path: str, success: int, **options: Any) -> None:
    """That an account with every privilege of a cell but root may not, and one with root may."""
    cell.account("alice", roles=("admin",))
    cell.account("bob", roles=("other",))
    cell.acl("", {"admin": "p:root", "other": "p:auth p:message p:box p:social p:acl p:event p:log"})
    refused = cell.call(method, path, token=cell.token("bob", scope="root"), **options)
    assert code(refused) == (403, "PR403-AU-0002")
    assert cell.call(method, path, token=cell.token("alice", scope="root"), **options).status_code == success


class TestExport:
    def test_seed_10_all_data_of_the_cell_become_one_file(self, cell: Site) -> None:
        assert load(cell, FIXTURE.read_bytes()) == {"status": "ready"}
        export(cell)
        made = zipfile.ZipFile(io.BytesIO(cell.call("GET", "__snapshot/made.zip").content))
        with zipfile.ZipFile(FIXTURE) as original:
            held = {name for name in original.namelist() if not name.endswith("/")}
        assert held <= set(made.namelist())
        assert len(made.read("10_odata/70_userdata.pjson").splitlines()) == 200

    def test_seed_11_success_leaves_a_zip_and_takes_the_error_away(self, cell: Site) -> None:
        put(cell, "made.error", ERROR_FILE)
        export(cell)
        assert names(cell) == ["made.zip"]
        answer = cell.call("GET", "__snapshot/made.zip")
        assert answer.headers["content-type"] == "application/zip"

    def test_seed_12_the_snapshot_area_is_no_part_of_it(self, cell: Site) -> None:
        put(cell, "other.zip", b"a needle in the area")
        export(cell)
        made = zipfile.ZipFile(io.BytesIO(cell.call("GET", "__snapshot/made.zip").content))
        assert not [name for name in made.namelist() if b"needle" in made.read(name)]

    def test_seed_13_it_is_accepted_at_once(self, cell: Site) -> None:
        assert cell.call("POST", "__export", json={"Name": "made"}).status_code == 202
        ended(cell, "__export")
        taken = cell.call("POST", "__export", json={"Name": "made"})
        assert code(taken) == (409, "PR409-DV-0002")

    def test_seed_14_the_location_tells_where_the_status_is(self, cell: Site) -> None:
        answer = cell.call("POST", "__export")
        assert answer.headers["location"] == f"{cell.url}__export"
        ended(cell, "__export")

    def test_seed_15_the_status_is_polled_and_the_outcome_listed(self, cell: Site) -> None:
        for number in range(40):
            cell.call("PUT", f"__/{number}", content=b"x" * 100_000)
        cell.call("POST", "__export", json={"Name": "made"})
        first = cell.call("GET", "__export")
        assert first.headers["content-type"] == "application/json"
        if first.json() != {"status": "ready"}:
            assert first.json()["status"] == "exportation in progress"
            assert first.json()["exportation_name"] == "made"
            assert re.fullmatch(r"\d{1,2}%", first.json()["progress"])
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.json()["started_at"])
        assert ended(cell, "__export") == {"status": "ready"}
        assert names(cell) == ["made.zip"]

    def test_seed_16_it_takes_the_privilege_root(self, cell: Site) -> None:
        _asks_for_root(cell, "POST", "__export", 202)
        ended(cell, "__export")

    def test_seed_17_the_body_is_json_whatever_its_content_type_says(self, cell: Site) -> None:
        for number, kind in enumerate(("text/plain", "application/xml", "application/x-www-form-urlencoded")):
            body = b'{"Name":"made%d"}' % number
            answer = cell.call("POST", "__export", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 202
            ended(cell, "__export")
        assert names(cell) == ["made0.zip", "made1.zip", "made2.zip"]
        for bad in (b"Name=made", b"<Name/>", b"[1]", b"{"):
            assert code(cell.call("POST", "__export", content=bad)) == (400, "PR400-CM-0004")

    def test_seed_18_a_name_has_its_alphabet_and_192_characters_and_a_default(self, cell: Site) -> None:
        for bad in ("", "x" * 193, "a.zip", "a b", "ä", "../a", 7, ["a"]):
            assert code(cell.call("POST", "__export", json={"Name": bad})) == (400, "PR400-CM-0002")
        export(cell, "aZ09-_" + "x" * 186)
        assert cell.call("POST", "__export", content=b"").status_code == 202
        ended(cell, "__export")
        assert any(re.fullmatch(cell.name + r"_\d{8}_\d{6}\.zip", name) for name in names(cell))

    def test_seed_19_an_error_file_tells_code_and_message(self, cell: Site, unit: RunningUnit) -> None:
        told = _failed_export(cell, unit).json()
        assert told.keys() == {"code", "message"}
        assert isinstance(told["code"], str)
        assert told["message"].keys() == {"lang", "value"}
        assert all(isinstance(each, str) for each in told["message"].values())

    def test_seed_20_success_has_no_body_and_failure_has(self, cell: Site) -> None:
        accepted = cell.call("POST", "__export", json={"Name": "made"})
        assert accepted.content == b""
        assert "content-type" not in accepted.headers
        ended(cell, "__export")
        refused = cell.call("POST", "__export", json={"Name": "made"})
        assert refused.headers["content-type"] == "application/json"
        assert refused.json()["code"]

    def test_seed_21_the_error_file_is_read_like_any_other(self, cell: Site, unit: RunningUnit) -> None:
        answer = _failed_export(cell, unit)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert names(cell) == ["made.error"]


def _failed_export(cell: Site, unit: RunningUnit) -> httpx.Response:
    """The file that an export leaves for which the bytes of a file are missing on the disk."""
    cell.call("PUT", "__/large.bin", content=b"x" * 1_000_000)
    uuid = re.search("<uuid>([^<]*)<", cell.call("GET", headers={"Accept": "application/xml"}).text)[1]  # type: ignore[index]
    (blob,) = (unit.data / "cells" / uuid / "contents").glob("*/blobs/*/*")
    blob.unlink()
    export(cell)
    return cell.call("GET", "__snapshot/made.error")


class TestImport:
    def test_seed_22_a_snapshot_file_of_the_area_becomes_the_cell(self, cell: Site) -> None:
        assert load(cell, FIXTURE.read_bytes()) == {"status": "ready"}
        assert cell.call("GET", "box1/docs/readme.txt").content == b"hello personium\n"
        assert cell.grant("alice", "passAlice01").status_code == 200
        none = cell.call("POST", "__import", json={"Name": "none"})
        assert code(none) == (404, "PR404-DV-0001")

    def test_seed_23_failure_sets_the_status_of_the_cell(self, failed: Site) -> None:
        assert cell_status(failed) == "import failed"
        told = failed.call("GET", "__import").json()
        assert told["status"] == "import failed"
        assert told["importation_name"] == "there"
        assert told["message"]["code"] == "PR400-MC-0005"
        assert "top.html" in told["message"]["message"]["value"]

    def test_seed_24_success_makes_the_status_normal_again(self, failed: Site) -> None:
        assert load(failed, FIXTURE.read_bytes()) == {"status": "ready"}
        assert cell_status(failed) == "normal"

    def test_seed_25_meanwhile_the_cell_takes_only_what_can_heal_it(self, failed: Site) -> None:
        for method, path in (("GET", "__/old.txt"), ("GET", "__ctl/Role"), ("POST", "__ctl/Role"), ("MKCOL", "__/x")):
            assert code(failed.call(method, path, json={})) == (409, "PR409-CM-0001")
        assert failed.call("GET", "__import").status_code == 200
        assert failed.call("GET", "__export").status_code == 200
        assert failed.call("GET", "__snapshot/there.zip").status_code == 200
        assert failed.grant("nobody").status_code == 400
        assert failed.call("OPTIONS").status_code == 200
        assert failed.call("DELETE", "__import").status_code == 204
        assert cell_status(failed) == "normal"
        assert failed.call("GET", "__/old.txt").content == b"old"

    def test_seed_26_it_is_accepted_at_once_and_polled(self, cell: Site) -> None:
        put(cell, "there.zip", FIXTURE.read_bytes())
        answer = cell.call("POST", "__import", json={"Name": "there"})
        assert (answer.status_code, answer.headers["location"]) == (202, f"{cell.url}__import")
        status = cell.call("GET", "__import").json()
        if status != {"status": "ready"}:
            assert status["status"] == "importation in progress"
            assert status["importation_name"] == "there"
        assert ended(cell, "__import") == {"status": "ready"}

    def test_seed_27_it_takes_the_privilege_root(self, cell: Site) -> None:
        export(cell)
        _asks_for_root(cell, "POST", "__import", 202, json={"Name": "made"})
        ended(cell, "__import")

    def test_seed_28_the_body_is_json_whatever_its_content_type_says(self, cell: Site) -> None:
        export(cell)
        headers = {"Content-Type": "application/xml"}
        assert cell.call("POST", "__import", content=b'{"Name":"made"}', headers=headers).status_code == 202
        ended(cell, "__import")
        for bad in (b"", b"Name=made", b"[]"):
            assert code(cell.call("POST", "__import", content=bad)) == (400, "PR400-CM-0004")

    def test_seed_29_a_name_must_be_there_and_fit_its_grammar(self, cell: Site) -> None:
        assert code(cell.call("POST", "__import", json={})) == (400, "PR400-CM-0001")
        for bad in ("", "x" * 193, "made.zip", 7):
            assert code(cell.call("POST", "__import", json={"Name": bad})) == (400, "PR400-CM-0002")
        for good in ("x" * 192, "aZ09-_"):
            assert code(cell.call("POST", "__import", json={"Name": good})) == (404, "PR404-DV-0001")

    def test_seed_30_what_fails_in_the_middle_leaves_what_was_there(self, failed: Site) -> None:
        assert failed.call("DELETE", "__import").status_code == 204
        assert failed.call("GET", "__/old.txt").content == b"old"
        assert failed.call("GET", "box1/docs/readme.txt").status_code == 404
        assert failed.call("PUT", "__/new.txt", content=b"new").status_code == 201

    def test_seed_31_success_has_no_body_and_failure_has(self, cell: Site) -> None:
        export(cell)
        accepted = cell.call("POST", "__import", json={"Name": "made"})
        assert accepted.content == b""
        assert "content-type" not in accepted.headers
        ended(cell, "__import")
        put(cell, "text.zip", b"no zip")
        refused = cell.call("POST", "__import", json={"Name": "text"})
        assert code(refused) == (400, "PR400-MC-0004")
        assert refused.headers["content-type"] == "application/json"


class TestSources:
    def test_seed_32_a_put_creates_and_replaces_a_source(self, service: Site) -> None:
        put_source(service, content=b"one")
        put_source(service, content=b"two")
        assert service.call("GET", "__/svc/__src/hello.js").content == b"two"

    def test_seed_33_it_takes_the_privilege_write(self, service: Site) -> None:
        service.account("alice", roles=("writer",))
        service.account("bob", roles=("reader",))
        service.acl("__", {"writer": "write", "reader": "read"})
        body = {"content": b"js"}
        path = "__/svc/__src/hello.js"
        assert service.call("PUT", path, token=service.token("bob"), **body).status_code == 403
        assert service.call("PUT", path, token=service.token("alice"), **body).status_code == 201

    def test_seed_34_names_have_1_to_256_characters(self, service: Site) -> None:
        assert put_source(service, "x" * 256).status_code == 201
        assert put_source(service, "x" * 257).status_code == 403

    def test_seed_35_if_match_and_content_type_are_heeded(self, service: Site) -> None:
        etag = put_source(service, **{"Content-Type": "text/javascript"}).headers["etag"]
        assert put_source(service, **{"If-Match": '"9-9"'}).status_code == 412
        assert put_source(service, **{"If-Match": etag, "Content-Type": "text/x"}).status_code == 204
        assert service.call("GET", "__/svc/__src/hello.js").headers["content-type"] == "text/x"

    def test_seed_36_created_is_201_replaced_204_with_an_etag_and_no_body(self, service: Site) -> None:
        created, replaced = put_source(service), put_source(service)
        assert (created.status_code, replaced.status_code) == (201, 204)
        for answer in (created, replaced):
            assert answer.headers["etag"]
            assert answer.content == b""
            assert "content-type" not in answer.headers

    def test_seed_37_the_source_collection_comes_with_its_service_and_is_listed(self, service: Site) -> None:
        put_source(service)
        listed = service.call("PROPFIND", "__/svc/__src", headers={"Depth": "1"})
        hrefs = etree.fromstring(listed.content).xpath("D:response/D:href/text()", namespaces=NS)
        assert [href.rpartition("/")[2] for href in hrefs] == ["__src", "hello.js"]
        assert service.call("GET", "__/svc/__src/hello.js").status_code == 200
        assert service.call("DELETE", "__/svc/__src/hello.js").status_code == 204


class TestTheFaceBesideThePages:
    def test_what_is_not_served_is_refused(self, cell: Site) -> None:
        assert cell.call("REPORT", "__snapshot/some.zip").status_code == 501
        assert cell.call("GET", "__snapshot").status_code == 405
        assert cell.call("POST", "__snapshot/some.zip").status_code == 405
        assert cell.call("PUT", "__export").status_code == 405
        assert cell.call("GET", "__export/more").status_code == 404
        assert cell.call("GET", "__snapshot/a/b").status_code == 404
        assert code(cell.call("GET", "__snapshot/some.zip")) == (404, "PR404-DV-0001")

    def test_options_tell_the_methods(self, cell: Site) -> None:
        allowed = {
            path: cell.call("OPTIONS", path).headers["allow"] for path in ("__snapshot", "__export", "__import")
        }
        assert allowed["__snapshot"] == "OPTIONS, PROPFIND"
        assert set(allowed["__export"].split(", ")) == {"OPTIONS", "GET", "HEAD", "POST"}
        assert set(allowed["__import"].split(", ")) == {"OPTIONS", "GET", "HEAD", "POST", "DELETE"}

    def test_a_propfind_needs_a_depth_it_can_serve(self, cell: Site) -> None:
        for path in ("__snapshot", "__snapshot/some.zip"):
            put(cell)
            assert code(cell.call("PROPFIND", path)) == (400, "PR400-DV-0003")
            assert code(cell.call("PROPFIND", path, headers={"Depth": "infinity"})) == (403, "PR403-DV-0001")
            assert cell.call("PROPFIND", path, headers={"Depth": "0"}).status_code == 207
            bad = cell.call("PROPFIND", path, headers={"Depth": "0"}, content="<!DOCTYPE x><x/>")
            assert code(bad) == (400, "PR400-DV-0001")
