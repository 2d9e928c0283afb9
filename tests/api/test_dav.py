"""Boxes, collections and files over HTTP: the method and resource matrix, preconditions, properties, moves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from lxml import etree

from tests.running import MASTER, RunningUnit, Site, running

PERSONIUM = "urn:x-personium:xmlns"
NS = {"D": "DAV:", "p": PERSONIUM}


def mkcol(kind: str) -> str:
    return (
        f'<D:mkcol xmlns:D="DAV:" xmlns:p="{PERSONIUM}"><D:set><D:prop><D:resourcetype>'
        f"<D:collection/>{kind}</D:resourcetype></D:prop></D:set></D:mkcol>"
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def hrefs(answer: httpx.Response) -> list[str]:
    return etree.fromstring(answer.content).xpath("//D:href[parent::D:response]/text()", namespaces=NS)


@pytest.fixture
def tree(cell: Site) -> Site:
    """A cell with one resource of each kind in its main box."""
    cell.call("MKCOL", "__/col")
    cell.call("PUT", "__/file.txt", content=b"hello", headers={"Content-Type": "text/plain"})
    for kind in ("odata", "service", "stream"):
        assert cell.call("MKCOL", f"__/{kind}", content=mkcol(f"<p:{kind}/>")).status_code == 201
    return cell


MATRIX = {
    "GET": {"": 200, "col": 200, "file.txt": 200, "odata": 200, "service": 405, "stream": 405, "none": 404},
    "PUT": {"": 405, "col": 405, "file.txt": 204, "odata": 405, "service": 405, "stream": 405, "none": 201},
    "POST": {"": 405, "col": 405, "file.txt": 405, "odata": 405, "service": 405, "stream": 405, "none": 404},
    "DELETE": {"": 412, "col": 204, "file.txt": 204, "odata": 204, "service": 204, "stream": 204, "none": 404},
    "MKCOL": {"": 405, "col": 405, "file.txt": 405, "odata": 405, "service": 405, "stream": 405, "none": 201},
    "PROPFIND": {"": 207, "col": 207, "file.txt": 207, "odata": 207, "service": 207, "stream": 207, "none": 404},
    "ACL": {"": 200, "col": 200, "file.txt": 200, "odata": 200, "service": 200, "stream": 200, "none": 404},
    "REPORT": {"": 501, "col": 501, "file.txt": 501, "odata": 501, "service": 501, "stream": 501, "none": 501},
    "COPY": {"": 400, "col": 201, "file.txt": 201, "odata": 201, "service": 201, "stream": 201, "none": 404},
    "LOCK": {"none": 201, "col": 200, "file.txt": 200, "odata": 200, "service": 200, "stream": 200, "": 200},
    "UNLOCK": {"": 400, "col": 400, "file.txt": 400, "odata": 400, "service": 400, "stream": 400, "none": 400},
}
BODIES = {
    "ACL": '<D:acl xmlns:D="DAV:"/>',
    "PUT": "new",
    "LOCK": '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>'
    "</D:lockinfo>",
}


class TestTheMatrix:
    @pytest.mark.parametrize("method", MATRIX)
    def test_each_kind_of_resource_answers_as_the_table_says(self, tree: Site, method: str) -> None:
        found = {
            name: tree.call(
                method,
                f"__/{name}" if name else "__",
                content=BODIES.get(method),
                headers={"Depth": "0", "Destination": f"{tree.url}__/copy-of-{name}"},
            )
            for name in MATRIX[method]
        }
        assert {name: answer.status_code for name, answer in found.items()} == MATRIX[method]

    @pytest.mark.parametrize("who", [None, "stranger"])
    @pytest.mark.parametrize(
        ("method", "headers"),
        [
            *((each, {"If": "("}) for each in ("PUT", "DELETE", "MKCOL", "MOVE", "COPY", "LOCK", "PROPPATCH", "ACL")),
            ("PUT", {"Content-Type": "nonsense"}),
            ("PUT", {"Content-Range": "bytes 0-0/1"}),
            ("PUT", {"Repr-Digest": "sha-256=z"}),
            ("DELETE", {"X-Personium-Recursive": "q"}),
            ("PROPFIND", {"Depth": "q"}),
            ("MERGE", {}),
            ("REPORT", {}),
        ],
    )
    def test_a_stranger_does_not_learn_by_what_is_wrong_which_collections_there_are(
        self, tree: Site, method: str, headers: dict[str, str], who: str | None
    ) -> None:
        token = None
        if who is not None:
            tree.account(who)
            token = tree.token(who)
        places = ("col", "file.txt", "odata", "service", "stream", "none")
        answers = [
            tree.call(method, f"__/{name}/below", token=token, content=BODIES.get(method, ""), headers=headers)
            for name in places
        ]
        expected = (401, "PR401-AU-0001") if who is None else (403, "PR403-AU-0002")
        assert {(each.status_code, each.json()["code"]) for each in answers} == {expected}

    def test_an_error_is_json_with_code_and_message(self, cell: Site) -> None:
        answer = cell.call("GET", "__/none")
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert body["code"] == "PR404-DV-0001"
        assert body["message"]["lang"] == "en"
        assert "none" in body["message"]["value"]

    def test_every_answer_names_the_api_version(self, cell: Site) -> None:
        assert cell.call("GET", "__/none").headers["x-personium-version"] == "1.8.4"

    def test_options_with_credentials_names_the_methods_of_the_resource(self, tree: Site) -> None:
        allowed = {name: tree.call("OPTIONS", f"__/{name}").headers["allow"] for name in ("file.txt", "service")}
        assert "PUT" in allowed["file.txt"] and "MKCOL" not in allowed["file.txt"]
        assert "PUT" not in allowed["service"] and "DELETE" in allowed["service"]


class TestFiles:
    def test_put_creates_with_201_then_replaces_with_204_and_counts_versions(self, cell: Site) -> None:
        first = cell.call("PUT", "__/a.txt", content=b"1", headers={"Content-Type": "text/plain"})
        second = cell.call("PUT", "__/a.txt", content=b"22", headers={"Content-Type": "text/html"})
        assert (first.status_code, second.status_code) == (201, 204)
        assert re.fullmatch(r'"1-\d+"', first.headers["etag"]) and re.fullmatch(r'"2-\d+"', second.headers["etag"])
        assert (first.content, second.content) == (b"", b"")
        read = cell.call("GET", "__/a.txt")
        assert (read.content, read.headers["content-type"], read.headers["etag"]) == (
            b"22",
            "text/html",
            second.headers["etag"],
        )

    @pytest.mark.parametrize("size_bytes", [0, 1, 16_384, 16_385, 3_000_000])
    def test_bytes_come_back_as_they_went_in_at_every_size(self, cell: Site, size_bytes: int) -> None:
        body = bytes(index * 7 % 251 for index in range(size_bytes))
        assert cell.call("PUT", "__/b", content=body).status_code == 201
        read = cell.call("GET", "__/b")
        assert read.content == body
        assert read.headers["content-length"] == str(size_bytes)
        head = cell.call("HEAD", "__/b")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size_bytes))

    def test_a_large_file_that_is_replaced_leaves_no_blob_behind(self, unit: RunningUnit, cell: Site) -> None:
        for _ in range(3):
            cell.call("PUT", "__/big", content=b"x" * 100_000)
        cell.call("DELETE", "__/big")
        cell.call("PUT", "__/other", content=b"y" * 100_000)
        assert cell.call("GET", "__/other").content == b"y" * 100_000

    def test_a_file_without_content_type_is_octet_stream_and_javascript_by_its_name(self, cell: Site) -> None:
        cell.call("PUT", "__/x.bin", content=b"1")
        cell.call("PUT", "__/x.js", content=b"1")
        assert cell.call("GET", "__/x.bin").headers["content-type"] == "application/octet-stream"
        assert cell.call("GET", "__/x.js").headers["content-type"] == "text/javascript"

    def test_a_content_type_without_a_slash_is_400(self, cell: Site) -> None:
        answer = cell.call("PUT", "__/x", content=b"1", headers={"Content-Type": "nonsense"})
        assert code(answer) == (400, "PR400-DV-0009")

    def test_if_match_mismatch_is_412_and_keeps_the_old_file(self, cell: Site) -> None:
        cell.call("PUT", "__/a", content=b"old")
        for method, content in (("PUT", b"new"), ("DELETE", None)):
            answer = cell.call(method, "__/a", content=content, headers={"If-Match": '"9-9"'})
            assert code(answer) == (412, "PR412-DV-0001")
        assert cell.call("GET", "__/a").content == b"old"

    def test_if_match_accepts_the_etag_its_weak_spelling_a_list_and_a_star(self, cell: Site) -> None:
        etag = cell.call("PUT", "__/a", content=b"0").headers["etag"]
        for spelling in ("{}", "W/{}", '"1-1", {}', "*"):
            answer = cell.call("PUT", "__/a", content=b"1", headers={"If-Match": spelling.format(etag)})
            assert answer.status_code == 204, spelling
            etag = answer.headers["etag"]

    def test_a_concrete_etag_on_a_file_that_is_not_there_is_412_and_a_star_creates(self, cell: Site) -> None:
        assert code(cell.call("PUT", "__/a", content=b"1", headers={"If-Match": '"1-1"'})) == (412, "PR412-DV-0001")
        assert cell.call("PUT", "__/a", content=b"1", headers={"If-Match": "*"}).status_code == 201

    def test_if_none_match_star_creates_once(self, cell: Site) -> None:
        found = [cell.call("PUT", "__/a", content=b"1", headers={"If-None-Match": "*"}) for _ in range(2)]
        assert [answer.status_code for answer in found] == [201, 412]

    def test_a_condition_that_cannot_be_read_is_412_and_keeps_the_old_file(self, cell: Site) -> None:
        etag = cell.call("PUT", "__/a", content=b"old").headers["etag"]
        for condition in ({"If-Match": f"{etag}x"}, {"If-None-Match": "x"}, {"If-None-Match": '"1-1";q=1'}):
            answer = cell.call("PUT", "__/a", content=b"new", headers=condition)
            assert code(answer) == (412, "PR412-DV-0001"), condition
        assert cell.call("GET", "__/a", headers={"If-None-Match": f"{etag}x"}).content == b"old"

    def test_if_none_match_on_get_is_304_with_the_etag(self, cell: Site) -> None:
        etag = cell.call("PUT", "__/a", content=b"1").headers["etag"]
        answer = cell.call("GET", "__/a", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.headers["etag"], answer.content) == (304, etag, b"")

    def test_of_sixteen_writers_with_one_etag_exactly_one_wins(self, cell: Site) -> None:
        etag = cell.call("PUT", "__/a", content=b"0").headers["etag"]

        def write(number: int) -> int:
            return cell.call("PUT", "__/a", content=b"%d" % number, headers={"If-Match": etag}).status_code

        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(write, range(16)))
        assert sorted(found) == [204] + [412] * 15

    def test_of_a_hundred_creates_of_one_name_exactly_one_is_201(self, cell: Site) -> None:
        with ThreadPoolExecutor(16) as pool:
            puts = list(pool.map(lambda _: cell.call("PUT", "__/one", content=b"x").status_code, range(100)))
            collections = list(pool.map(lambda _: cell.call("MKCOL", "__/col").status_code, range(100)))
        assert (puts.count(201), puts.count(204)) == (1, 99)
        assert (collections.count(201), collections.count(405)) == (1, 99)

    def test_ranges_single_suffix_several_and_unsatisfiable(self, cell: Site) -> None:
        cell.call("PUT", "__/r", content=b"0123456789")

        def ranged(value: str) -> httpx.Response:
            return cell.call("GET", "__/r", headers={"Range": value})

        one = ranged("bytes=2-4")
        assert (one.status_code, one.content, one.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
        assert ranged("bytes=-3").content == b"789"
        assert ranged("bytes=7-99").content == b"789"
        several = ranged("bytes=0-1,8-")
        assert several.status_code == 206
        assert several.headers["content-type"].startswith("multipart/byteranges")
        assert b"01" in several.content and b"89" in several.content
        for past in ("bytes=20-30", "bytes=20-"):
            assert code(ranged(past)) == (416, "PR416-DV-0001")
            assert ranged(past).headers["content-range"] == "bytes */10"
        assert ranged("bytes=4-2").content == b"0123456789"

    def test_a_range_of_a_large_file_is_read_from_the_blob(self, cell: Site) -> None:
        body = bytes(range(256)) * 4096
        cell.call("PUT", "__/r", content=body)
        answer = cell.call("GET", "__/r", headers={"Range": "bytes=500000-900000"})
        assert (answer.status_code, answer.content) == (206, body[500_000:900_001])

    def test_below_a_file_nothing_is_served(self, cell: Site) -> None:
        cell.call("PUT", "__/a", content=b"1")
        for method in ("GET", "PUT", "MKCOL", "DELETE"):
            assert code(cell.call(method, "__/a/b")) == (404, "PR404-MC-0001")

    def test_a_missing_parent_is_409(self, cell: Site) -> None:
        assert code(cell.call("PUT", "__/no/a", content=b"1")) == (409, "PR409-DV-0001")
        assert code(cell.call("MKCOL", "__/no/a")) == (409, "PR409-DV-0001")


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "日本語.txt",
            unicodedata.normalize("NFD", "がぎ.txt"),
            "%41.txt",
            "a+b~c'd#e;f&g[h]{i}^j!@,k`",
            "😀",
            "no\u00a0break",
            "n" * 255,
            "content",
        ],
    )
    def test_odd_names_are_kept_as_they_are_and_listed_so_that_one_can_follow(self, cell: Site, name: str) -> None:
        path = f"__/{quote(name, safe='')}"
        assert cell.call("PUT", path, content=name.encode()).status_code == 201
        assert cell.call("GET", path).content == name.encode()
        listed = hrefs(cell.call("PROPFIND", "__", headers={"Depth": "1"}))[1:]
        assert len(listed) == 1
        assert cell.call("GET", listed[0].removeprefix(cell.url)).content == name.encode()

    def test_nfc_and_nfd_are_two_names(self, cell: Site) -> None:
        for form in ("NFC", "NFD"):
            name = quote(unicodedata.normalize(form, "が"))
            assert cell.call("PUT", f"__/{name}", content=form.encode()).status_code == 201

    @pytest.mark.parametrize(
        "name", ["a b", "a:b", "a*", "a?", 'a"', "a<", "a>", "a|", "a\\b", "a\x01", "n" * 256, "a/b"]
    )
    def test_forbidden_names_are_403(self, cell: Site, name: str) -> None:
        path = f"__/{quote(name, safe='')}"
        assert code(cell.call("PUT", path, content=b"1")) == (403, "PR403-DV-0004")
        assert code(cell.call("MKCOL", path)) == (403, "PR403-DV-0004")

    @pytest.mark.parametrize("path", ["__/%2e%2e/secret", "__/..%2fsecret", "__/%00", "__/%c0%ae", "__/a%zz"])
    def test_path_tricks_never_leave_the_box(self, cell: Site, path: str) -> None:
        connection = cell.http.build_request("GET", cell.url, headers={"Authorization": f"Bearer {MASTER}"})
        connection.url = connection.url.copy_with(raw_path=f"/{cell.name}/{path}".encode())
        assert cell.http.send(connection).status_code in {400, 403, 404}


class TestCollections:
    def test_extended_mkcol_makes_each_kind_and_a_service_has_its_source_collection(self, tree: Site) -> None:
        listed = tree.call("PROPFIND", "__/service", headers={"Depth": "1"})
        assert hrefs(listed)[1].endswith("/__/service/__src")
        kinds = etree.fromstring(tree.call("PROPFIND", "__", headers={"Depth": "1"}).content)
        for kind in ("odata", "service", "stream"):
            assert len(kinds.findall(f".//{{DAV:}}resourcetype/{{{PERSONIUM}}}{kind}")) == 1

    @pytest.mark.parametrize("kind", ["<p:link/>", "<p:odata/><p:service/>", "<D:other/>"])
    def test_a_kind_that_there_is_not_is_403_in_xml_and_makes_nothing(self, cell: Site, kind: str) -> None:
        answer = cell.call("MKCOL", "__/c", content=mkcol(kind))
        assert answer.status_code == 403
        root = etree.fromstring(answer.content)
        assert root.tag == "{DAV:}mkcol-response"
        assert root.find(".//{DAV:}valid-resourcetype") is not None
        assert cell.call("PROPFIND", "__/c", headers={"Depth": "0"}).status_code == 404

    @pytest.mark.parametrize("body", ["<a", "<!DOCTYPE a><a/>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
    def test_broken_xml_and_a_dtd_are_400(self, cell: Site, body: str) -> None:
        assert code(cell.call("MKCOL", "__/c", content=body)) == (400, "PR400-DV-0001")
        answer = cell.call("PROPFIND", "__", content=body, headers={"Depth": "0"})
        assert code(answer) == (400, "PR400-DV-0001")

    def test_a_full_collection_is_deleted_only_recursively(self, cell: Site) -> None:
        cell.call("MKCOL", "__/c")
        cell.call("MKCOL", "__/c/d")
        cell.call("PUT", "__/c/d/e", content=b"x" * 20_000)
        assert code(cell.call("DELETE", "__/c")) == (403, "PR403-DV-0003")
        bad = cell.call("DELETE", "__/c", headers={"X-Personium-Recursive": "maybe"})
        assert code(bad) == (400, "PR400-DV-0009")
        assert cell.call("DELETE", "__/c", headers={"X-Personium-Recursive": "TRUE"}).status_code == 204
        assert cell.call("GET", "__/c/d/e").status_code == 404

    def test_a_file_made_again_never_repeats_an_etag(self, cell: Site) -> None:
        seen = set()
        for _ in range(50):
            seen.add(cell.call("PUT", "__/a", content=b"1").headers["etag"])
            cell.call("DELETE", "__/a")
        assert len(seen) == 50


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A cell of a unit whose limits are within reach."""
    options = {"limits.children": 3, "limits.depth": 2, "limits.upload_bytes": 1000, "limits.xml_bytes": 1024}
    with running(tmp_path_factory.mktemp("small") / "data", **options) as unit:
        yield unit.cell()


class TestLimits:
    def test_the_last_child_that_fits_is_made_and_the_next_refused(self, small: Site) -> None:
        small.call("MKCOL", "__/full")
        made = [small.call("PUT", f"__/full/{number}", content=b"1").status_code for number in range(3)]
        assert made == [201] * 3
        assert code(small.call("PUT", "__/full/4", content=b"1")) == (400, "PR400-DV-0007")
        assert code(small.call("MKCOL", "__/full/5")) == (400, "PR400-DV-0007")
        assert small.call("PUT", "__/full/1", content=b"2").status_code == 204
        small.call("DELETE", "__/full/1")
        assert small.call("PUT", "__/full/4", content=b"1").status_code == 201

    def test_collections_nest_as_deep_as_allowed_and_no_deeper(self, small: Site) -> None:
        small.call("MKCOL", "__/one")
        assert small.call("MKCOL", "__/one/two").status_code == 201
        assert code(small.call("MKCOL", "__/one/two/three")) == (400, "PR400-DV-0008")
        assert small.call("PUT", "__/one/two/file", content=b"1").status_code == 201

    def test_an_upload_of_the_largest_size_is_taken_and_one_byte_more_is_413(self, small: Site) -> None:
        assert small.call("PUT", "__/full2", content=b"x" * 1000).status_code == 201
        assert code(small.call("PUT", "__/full2", content=b"x" * 1001)) == (413, "PR413-CM-0001")
        assert small.call("GET", "__/full2").content == b"x" * 1000

    def test_xml_beyond_its_limit_is_413(self, small: Site) -> None:
        answer = small.call("PROPFIND", "__", content="<a>" + " " * 1100 + "</a>", headers={"Depth": "0"})
        assert code(answer) == (413, "PR413-CM-0001")


class TestProperties:
    def test_propfind_needs_a_depth_of_0_or_1(self, cell: Site) -> None:
        found = {
            depth: code(cell.call("PROPFIND", "__", headers={} if depth is None else {"Depth": depth}))
            for depth in (None, "2", "infinity")
        }
        assert found == {
            None: (400, "PR400-DV-0003"),
            "2": (400, "PR400-DV-0003"),
            "infinity": (403, "PR403-DV-0001"),
        }
        assert "The Depth [] is not valid." in cell.call("PROPFIND", "__").text

    def test_propfind_shows_what_each_resource_has(self, tree: Site) -> None:
        answer = tree.call("PROPFIND", "__/file.txt", headers={"Depth": "0"})
        properties = etree.fromstring(answer.content).find(".//{DAV:}prop")
        shown = {etree.QName(each).localname: each.text for each in properties}
        assert shown["getcontentlength"] == "5"
        assert shown["getcontenttype"] == "text/plain"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", shown["creationdate"])
        assert shown["getlastmodified"].endswith("GMT")
        assert answer.headers["etag"] == tree.call("GET", "__/file.txt").headers["etag"]
        assert hrefs(answer) == [f"{tree.url}__/file.txt"]

    def test_a_listing_of_more_than_one_batch_is_complete_and_in_order(self, unit: RunningUnit, cell: Site) -> None:
        names = [f"f{number:04}" for number in range(700)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: cell.call("PUT", f"__/{name}", content=b"1"), names))
        listed = hrefs(cell.call("PROPFIND", "__", headers={"Depth": "1"}))
        assert [href.rpartition("/")[2] for href in listed[1:]] == names

    def test_proppatch_sets_and_removes_and_tells_what_was_missing(self, cell: Site) -> None:
        cell.call("PUT", "__/a", content=b"1")
        body = (
            '<D:propertyupdate xmlns:D="DAV:" xmlns:p="urn:x-personium:xmlns" xmlns:Z="http://example.com/">'
            "<D:set><D:prop><Z:Author>猫 &amp; co<Z:sub/></Z:Author><p:hoge>x</p:hoge></D:prop></D:set>"
            "<D:remove><D:prop><Z:none/></D:prop></D:remove></D:propertyupdate>"
        )
        answer = cell.call("PROPPATCH", "__/a", content=body.encode())
        assert answer.status_code == 207
        assert re.findall(rb"HTTP/1.1 (\d+)", answer.content) == [b"200", b"404"]
        shown = etree.fromstring(cell.call("PROPFIND", "__/a", headers={"Depth": "0"}).content)
        assert shown.findtext(".//{http://example.com/}Author") == "猫 & co"
        assert cell.call("GET", "__/a").headers["etag"].startswith('"2-')
        remove = body.replace("<D:set>", "<D:remove>").replace("</D:set>", "</D:remove>")
        cell.call("PROPPATCH", "__/a", content=remove.encode())
        assert b"Author" not in cell.call("PROPFIND", "__/a", headers={"Depth": "0"}).content

    def test_a_protected_property_is_403_and_nothing_else_is_changed(self, cell: Site) -> None:
        cell.call("PUT", "__/a", content=b"1")
        body = (
            '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:getcontentlength>9</D:getcontentlength>'
            '<x xmlns="urn:x">y</x></D:prop></D:set></D:propertyupdate>'
        )
        answer = cell.call("PROPPATCH", "__/a", content=body)
        assert re.findall(rb"HTTP/1.1 (\d+)", answer.content) == [b"403", b"424"]
        assert b'urn:x"' not in cell.call("PROPFIND", "__/a", headers={"Depth": "0"}).content

    @pytest.mark.parametrize("body", ["", "<D:set/>", "<D:set><D:prop/></D:set>", "<D:remove><D:prop/></D:remove>"])
    def test_proppatch_without_properties_is_400(self, cell: Site, body: str) -> None:
        etag = cell.call("PROPFIND", "__", headers={"Depth": "0"}).headers["etag"]
        for path in ("__", ""):
            text = f'<D:propertyupdate xmlns:D="DAV:">{body}</D:propertyupdate>'
            assert code(cell.call("PROPPATCH", path, content=text)) == (400, "PR400-DV-0002")
            assert code(cell.call("PROPPATCH", path, content="<x/>")) == (400, "PR400-DV-0002")
        assert cell.call("PROPFIND", "__", headers={"Depth": "0"}).headers["etag"] == etag


class TestMove:
    def move(self, cell: Site, source: str, destination: str, **headers: str) -> httpx.Response:
        return cell.call("MOVE", source, headers={"Destination": f"{cell.url}{destination}", **headers})

    def test_a_file_moves_with_its_bytes_and_properties(self, cell: Site) -> None:
        etag = cell.call("PUT", "__/a", content=b"1").headers["etag"]
        cell.call("MKCOL", "__/col")
        answer = self.move(cell, "__/a", "__/col/b")
        assert (answer.status_code, answer.headers["location"]) == (201, f"{cell.url}__/col/b")
        assert answer.headers["etag"] == etag
        assert cell.call("GET", "__/col/b").content == b"1"
        assert cell.call("GET", "__/a").status_code == 404

    def test_a_collection_moves_with_all_below_it(self, cell: Site) -> None:
        cell.call("MKCOL", "__/c")
        cell.call("PUT", "__/c/f", content=b"1")
        assert self.move(cell, "__/c", "__/d").status_code == 201
        assert cell.call("GET", "__/d/f").content == b"1"

    def test_overwriting_needs_overwrite_t_and_gives_a_new_etag(self, cell: Site) -> None:
        etags = {cell.call("PUT", f"__/{name}", content=name.encode()).headers["etag"] for name in "ab"}
        assert code(self.move(cell, "__/a", "__/b")) == (412, "PR412-DV-0002")
        answer = self.move(cell, "__/a", "__/b", Overwrite="T")
        assert answer.status_code == 204
        assert answer.headers["etag"] not in etags
        assert cell.call("GET", "__/b").content == b"a"

    @pytest.mark.parametrize(
        ("source", "destination", "expected"),
        [
            ("__", "__/x", (400, "PR400-DV-0015")),
            ("__/none", "__/x", (404, "PR404-DV-0001")),
            ("__/file.txt", "__/file.txt", (403, "PR403-DV-0005")),
            ("__/file.txt", "__/no/x", (409, "PR409-DV-0001")),
            ("__/file.txt", "__/odata/x", (400, "PR400-DV-0013")),
            ("__/file.txt", "__/service/x", (400, "PR400-DV-0016")),
            ("__/col", "__/file.txt/x", (400, "PR400-DV-0014")),
            ("__/col", "__/service/__src/x", (400, "PR400-DV-0018")),
            ("__/service/__src", "__/x", (400, "PR400-DV-0011")),
            ("__/col", "__/col/inside", (400, "PR400-DV-0009")),
            ("__/file.txt", "__/a%20b", (403, "PR403-DV-0004")),
        ],
    )
    def test_moves_that_cannot_be(self, tree: Site, source: str, destination: str, expected: tuple[int, str]) -> None:
        assert code(self.move(tree, source, destination)) == expected

    @pytest.mark.parametrize(
        ("destination", "expected"),
        [("__/col", (400, "PR400-DV-0012")), ("__/service/__src", (400, "PR400-DV-0017"))],
    )
    def test_collections_are_not_overwritten(self, tree: Site, destination: str, expected: tuple[int, str]) -> None:
        assert code(self.move(tree, "__/file.txt", destination, Overwrite="T")) == expected

    def test_headers_missing_foreign_or_odd_are_400(self, tree: Site) -> None:
        assert code(tree.call("MOVE", "__/file.txt")) == (400, "PR400-DV-0010")
        foreign = {"Destination": "http://elsewhere.example/__/x"}
        assert code(tree.call("MOVE", "__/file.txt", headers=foreign)) == (400, "PR400-DV-0009")
        assert code(self.move(tree, "__/file.txt", "__/x", Overwrite="X")) == (400, "PR400-DV-0009")
        assert code(self.move(tree, "__/file.txt", "__/x", Depth="1")) == (400, "PR400-DV-0003")


class TestBoxes:
    def test_a_box_describes_itself(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "box1", "Schema": "https://app.example/"})
        body = cell.call("GET", "box1").json()
        assert body["box"]["name"] == "box1"
        assert body["box"]["schema"] == "https://app.example/"
        assert body["box"]["status"] == "ready"
        assert body["cell"] == {"name": cell.name, "url": cell.url}

    def test_a_box_goes_with_its_files_and_roles_only_when_the_header_says_so(self, cell: Site) -> None:
        cell.call("POST", "__ctl/Box", json={"Name": "box1"})
        cell.call("POST", "__ctl/Role", json={"Name": "r", "_Box.Name": "box1"})
        cell.call("PUT", "box1/a", content=b"1")
        assert code(cell.call("DELETE", "box1")) == (412, "PR412-MC-0001")
        assert cell.call("DELETE", "box1", headers={"X-Personium-Recursive": "true"}).status_code == 204
        assert code(cell.call("GET", "box1")) == (404, "PR404-DV-0002")
        assert cell.call("GET", "__ctl/Role(Name='r',_Box.Name='box1')").status_code == 404
        cell.call("POST", "__ctl/Box", json={"Name": "box1"})
        assert cell.call("GET", "box1/a").status_code == 404

    @pytest.mark.parametrize("path", ["none", "none/a", "none/a/b"])
    def test_a_box_that_is_not_there_is_told_by_its_name(self, cell: Site, path: str) -> None:
        headers = {"Depth": "0", "X-Personium-Recursive": "true", "Destination": f"{cell.url}none/b"}
        of_boxes = ("GET", "DELETE", "PROPFIND", "ACL", "LOCK")
        for method in of_boxes if path == "none" else (*of_boxes, "PUT", "MKCOL", "COPY"):
            answer = cell.call(method, path, content=BODIES.get(method), headers=headers)
            assert code(answer) == (404, "PR404-DV-0002"), method
            assert answer.json()["message"]["value"] == "The box [none] does not exist.", method

    def test_the_main_box_is_not_deleted_and_not_installed(self, cell: Site) -> None:
        headers = {"X-Personium-Recursive": "true"}
        assert cell.call("DELETE", "__", headers=headers).status_code in {404, 405}
        assert code(cell.call("MKCOL", "__")) == (405, "PR405-MC-0001")


class TestServiceSources:
    def test_sources_are_files_but_for_acl_and_collections(self, tree: Site) -> None:
        made = tree.call("PUT", "__/service/__src/a.js", content=b"1", headers={"Content-Type": "text/javascript"})
        assert made.status_code == 201
        assert tree.call("GET", "__/service/__src/a.js").content == b"1"
        acl = tree.call("ACL", "__/service/__src/a.js", content='<D:acl xmlns:D="DAV:"/>')
        assert code(acl) == (405, "PR405-DV-0001")
        assert code(tree.call("MKCOL", "__/service/__src/sub")) == (405, "PR405-DV-0001")
        for method in ("GET", "DELETE", "MKCOL"):
            assert tree.call(method, "__/service/__src").status_code == 405
        assert code(tree.call("DELETE", "__/service")) == (403, "PR403-DV-0003")

    @pytest.mark.parametrize("length", [1, 255, 256])
    def test_names_of_services_and_sources_reach_256(self, cell: Site, length: int) -> None:
        name = "s" * length
        assert cell.call("MKCOL", f"__/{name}", content=mkcol("<p:service/>")).status_code == 201
        assert cell.call("PUT", f"__/{name}/__src/{'r' * length}", content=b"1").status_code == 201
        assert code(cell.call("PUT", f"__/{name}/__src/{'r' * 257}", content=b"1")) == (403, "PR403-DV-0004")


def test_an_upload_goes_on_while_its_cell_gives_way_to_others(tmp_path: Path) -> None:
    with running(tmp_path / "data", **{"limits.open_cells": 2}) as unit:
        slow = unit.cell()
        others = [unit.cell() for _ in range(4)]

        def body() -> Iterator[bytes]:
            yield b"x" * 100_000
            for other in others:
                with httpx.Client() as http:
                    answer = http.put(f"{other.url}__/a", content=b"1", headers={"Authorization": f"Bearer {MASTER}"})
                    assert answer.status_code == 201
            yield b"y"

        assert slow.call("PUT", "__/slow", content=body()).status_code == 201
        assert slow.call("GET", "__/slow").content == b"x" * 100_000 + b"y"
        assert [other.call("GET", "__/a").content for other in others] == [b"1"] * 4
