"""Files compressed on their way, where the unit does so at all."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.running import RunningUnit, Site, running

TEXT = b"a line of text\n" * 100
LONG = b"a line of text\n" * 200_000
PLAIN = {"Content-Type": "text/plain"}
GZIP = {"Accept-Encoding": "br, gzip"}


@pytest.fixture(scope="module")
def packing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that compresses."""
    with running(tmp_path_factory.mktemp("packing") / "data", **{"dav.compress": True}) as unit:
        yield unit


@pytest.fixture
def packed(packing: RunningUnit) -> Site:
    """A cell of that unit with texts in it."""
    cell = packing.cell()
    for name, data, media_type in (
        ("text", TEXT, "text/plain"),
        ("long", LONG, "application/json"),
        ("image", TEXT, "image/png"),
        ("short", b"x", "text/plain"),
    ):
        assert cell.call("PUT", f"__/{name}", content=data, headers={"Content-Type": media_type}).status_code == 201
    return cell


def raw(cell: Site, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
    """Headers and bytes as they came over the line."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = cell.http.build_request(
        "GET", cell.url + path, headers={"Authorization": "Bearer a-master-token-for-tests", **named}
    )
    answer = cell.http.send(request, stream=True)
    try:
        return dict(answer.headers), b"".join(answer.iter_raw())
    finally:
        answer.close()


@pytest.mark.parametrize(("name", "data"), [("text", TEXT), ("long", LONG)])
def test_texts_are_smaller_on_their_way_and_the_same_at_their_end(packed: Site, name: str, data: bytes) -> None:
    headers, body = raw(packed, f"__/{name}", **{"Accept_Encoding": "gzip"})
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Origin, Accept-Encoding")
    assert len(body) < len(data) / 10
    assert gzip.decompress(body) == data


@pytest.mark.parametrize("accepted", ["gzip;q=0", "identity", "br", "*;q=0", "gzip;q=0.000"])
def test_who_does_not_take_gzip_gets_the_file_as_it_is(packed: Site, accepted: str) -> None:
    headers, body = raw(packed, "__/text", **{"Accept_Encoding": accepted})
    assert "content-encoding" not in headers
    assert headers["vary"] == "Origin, Accept-Encoding"
    assert (body, headers["etag"][:2]) == (TEXT, '"1')


@pytest.mark.parametrize("accepted", ["*", "GZIP", "deflate, gzip;q=0.5"])
def test_gzip_may_be_said_in_several_ways(packed: Site, accepted: str) -> None:
    headers, body = raw(packed, "__/text", **{"Accept_Encoding": accepted})
    assert headers["content-encoding"] == "gzip" and gzip.decompress(body) == TEXT


@pytest.mark.parametrize("name", ["image", "short"])
def test_what_would_not_shrink_is_sent_as_it_is(packed: Site, name: str) -> None:
    headers, _ = raw(packed, f"__/{name}", **{"Accept_Encoding": "gzip"})
    assert "content-encoding" not in headers
    assert headers["vary"] == "Origin"


def test_ranges_are_of_the_file_as_it_is(packed: Site) -> None:
    headers, body = raw(packed, "__/text", **{"Accept_Encoding": "gzip", "Range": "bytes=2-5"})
    assert "content-encoding" not in headers
    assert (body, headers["content-range"]) == (b"line", f"bytes 2-5/{len(TEXT)}")


def test_the_weak_tag_tells_versions_apart_and_goes_with_a_put(packed: Site) -> None:
    tag = packed.call("GET", "__/text", headers=GZIP).headers["etag"]
    assert tag.startswith("W/")
    same = packed.call("GET", "__/text", headers={**GZIP, "If-None-Match": tag})
    assert (same.status_code, same.headers["vary"]) == (304, "Origin, Accept-Encoding")
    in_part = packed.call("GET", "__/text", headers={**GZIP, "Range": "bytes=0-1", "If-Range": tag})
    assert in_part.status_code == 200
    assert packed.call("PUT", "__/text", content=b"new", headers={**PLAIN, "If-Match": tag}).status_code == 204
    assert packed.call("PUT", "__/text", content=b"new", headers={**PLAIN, "If-Match": tag}).status_code == 412


def test_head_tells_the_coding_and_no_wrong_length(packed: Site) -> None:
    head = packed.call("HEAD", "__/text", headers=GZIP)
    assert head.headers["content-encoding"] == "gzip"
    assert "content-length" not in head.headers
    assert packed.call("GET", "__/text", headers=GZIP).content == TEXT


def test_the_digest_of_other_bytes_is_not_told(packed: Site) -> None:
    asked = {"Want-Repr-Digest": "sha-256=1"}
    assert "repr-digest" not in packed.call("GET", "__/text", headers={**GZIP, **asked}).headers
    assert "repr-digest" in packed.call("GET", "__/text", headers={"Accept-Encoding": "identity", **asked}).headers


def test_a_unit_does_not_compress_by_itself(cell: Site) -> None:
    cell.call("PUT", "__/text", content=TEXT, headers=PLAIN)
    headers, body = raw(cell, "__/text", **{"Accept_Encoding": "gzip"})
    assert "content-encoding" not in headers
    assert headers["vary"] == "Origin"
    assert body == TEXT
