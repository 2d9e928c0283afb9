"""Range headers against a size, and the answers made of them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import ETAG_MISMATCH, RANGE_NOT_SATISFIABLE, Refusal
from alveary.http.ranges import Download, file_response
from alveary.http.response import Response
from alveary.wire.etags import ETag
from alveary.wire.ranges import ByteRange, parse_ranges

DATA = b"0123456789"
ETAG = ETag(2, 784111777500)
SHA256 = hashlib.sha256(DATA).digest()
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-4", [(0, 5)]),
        ("bytes=2-", [(2, 10)]),
        ("bytes=-3", [(7, 10)]),
        ("bytes=-30", [(0, 10)]),
        ("bytes=8-99", [(8, 10)]),
        ("BYTES = 0-0 , -1", [(0, 1), (9, 10)]),
        ("bytes=0-1,20-30", [(0, 2)]),
        ("bytes=0-1,", [(0, 2)]),
        ("bytes=,0-1, ,-1", [(0, 2), (9, 10)]),
        (f"bytes=8-{10**30}", [(8, 10)]),
    ],
)
def test_satisfiable_ranges_are_cut_at_the_end(header: str, spans: list[tuple[int, int]]) -> None:
    assert parse_ranges(header, 10) == tuple(ByteRange(*span) for span in spans)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "lines=0-1",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=-",
        "bytes=-0",
        "bytes=+1-2",
        "bytes=0-1-2",
        "bytes=" + ",".join(["0-0"] * 14),
        "bytes=0-9,0-0",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_cannot_be_read_or_only_wears_out_is_ignored(header: str) -> None:
    assert parse_ranges(header, 10) == ()


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=99-,50-60", f"bytes={10**30}-"])
def test_ranges_beyond_the_end_are_416_and_name_the_size(header: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_ranges(header, 10)
    assert caught.value.kind is RANGE_NOT_SATISFIABLE
    assert caught.value.params["headers"] == {"content-range": "bytes */10"}


def test_an_empty_file_is_always_whole() -> None:
    assert parse_ranges("bytes=0-", 0) == parse_ranges("bytes=-1", 0) == ()


@given(st.binary(max_size=64), st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=6))
def test_a_range_has_the_bytes_that_it_names(data: bytes, pairs: list[tuple[int, int]]) -> None:
    header = "bytes=" + ",".join(f"{first}-{last}" for first, last in pairs)
    try:
        spans = parse_ranges(header, len(data))
    except Refusal:
        assert all(first >= len(data) for first, _ in pairs)
        return
    wanted = [data[first : last + 1] for first, last in pairs if first < len(data)]
    assert not spans or [data[span.start : span.end] for span in spans] == wanted


@given(st.text(), st.integers(0, 10))
def test_no_text_breaks_the_parser(text: str, size_bytes: int) -> None:
    try:
        parse_ranges(f"bytes={text}", size_bytes)
    except Refusal as refusal:
        assert refusal.kind is RANGE_NOT_SATISFIABLE


def answer(method: str = "GET", **headers: str) -> Response:
    by_name = {name.replace("_", "-"): value for name, value in headers.items()}
    return file_response(by_name, Download(ETAG, "text/plain", 10, SHA256, DATA, {}), lambda: "edge", method=method)


def streamed(**headers: str) -> Response:
    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        for at in range(start, end):
            yield DATA[at : at + 1]

    return file_response(headers, Download(ETAG, "text/plain", 10, SHA256, read, {}), lambda: "edge")


async def drained(response: Response) -> bytes:
    assert not isinstance(response.body, bytes)
    assert response.body is not None
    return b"".join([piece async for piece in response.body])


def test_a_whole_file_says_what_it_is() -> None:
    response = answer()
    assert (response.status, response.body) == (200, DATA)
    assert response.headers == {
        "etag": '"2-784111777500"',
        "last-modified": DATE,
        "accept-ranges": "bytes",
        "content-type": "text/plain",
        "content-length": "10",
    }


def test_one_range_is_206() -> None:
    response = answer(range="bytes=2-3,50-60")
    assert (response.status, response.body) == (206, b"23")
    assert response.headers["content-range"] == "bytes 2-3/10"
    assert response.headers["content-length"] == "2"


async def test_several_ranges_are_multipart_of_the_stated_length() -> None:
    for response in (answer(range="bytes=0-1,-2"), streamed(range="bytes=0-1,-2")):
        body = await drained(response)
        assert response.status == 206
        assert response.headers["content-type"] == "multipart/byteranges; boundary=edge"
        assert response.headers["content-length"] == str(len(body))
        assert body == (
            b"\r\n--edge\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-1/10\r\n\r\n01"
            b"\r\n--edge\r\ncontent-type: text/plain\r\ncontent-range: bytes 8-9/10\r\n\r\n89"
            b"\r\n--edge--\r\n"
        )


async def test_a_streamed_range_reads_no_more_than_it_needs() -> None:
    response = streamed(range="bytes=4-6")
    assert await drained(response) == b"456"


def test_head_has_no_body_and_ignores_ranges() -> None:
    response = answer("HEAD", range="bytes=0-1")
    assert (response.status, response.body, response.headers["content-length"]) == (200, None, "10")


def test_a_reader_that_has_it_already_gets_304_with_the_tag() -> None:
    for response in (
        answer(if_none_match='W/"2-784111777500"'),
        answer(if_none_match="*"),
        answer(if_modified_since=DATE),
    ):
        assert (response.status, response.body) == (304, None)
        assert response.headers["etag"] == str(ETAG)


def test_if_none_match_outweighs_if_modified_since() -> None:
    assert answer(if_none_match='"1-1"', if_modified_since=DATE).status == 200
    assert answer(if_modified_since="Sat, 05 Nov 1994 08:49:37 GMT").status == 200
    assert answer(if_modified_since="yesterday").status == 200


def test_if_match_on_another_version_is_412() -> None:
    with pytest.raises(Refusal) as caught:
        answer(if_match='"1-1"')
    assert caught.value.kind is ETAG_MISMATCH


@pytest.mark.parametrize(
    ("condition", "status"),
    [(str(ETAG), 206), (f"W/{ETAG}", 200), ('"1-1"', 200), (DATE, 206), ("Sat, 05 Nov 1994 08:49:37 GMT", 200)],
)
def test_if_range_decides_between_part_and_whole(condition: str, status: int) -> None:
    assert answer(range="bytes=0-1", if_range=condition).status == status


TAG, OTHER = str(ETAG), '"1-1"'
EARLIER = "Sat, 05 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_match": TAG, "if_unmodified_since": EARLIER}, 200),
        ({"if_match": OTHER, "if_unmodified_since": DATE}, 412),
        ({"if_match": OTHER, "if_none_match": TAG}, 412),
        ({"if_match": TAG, "if_none_match": TAG}, 304),
        ({"if_unmodified_since": EARLIER, "if_none_match": TAG}, 412),
        ({"if_unmodified_since": DATE, "if_modified_since": DATE}, 304),
        ({"if_none_match": OTHER, "if_modified_since": DATE}, 200),
        ({"if_none_match": TAG, "range": "bytes=0-1"}, 304),
        ({"if_none_match": TAG, "range": "bytes=90-"}, 304),
        ({"if_match": TAG, "range": "bytes=0-1", "if_range": TAG}, 206),
        ({"if_match": OTHER, "range": "bytes=0-1", "if_range": TAG}, 412),
        ({"range": "bytes=90-", "if_range": OTHER}, 200),
    ],
)
def test_conditions_are_weighed_in_the_order_of_rfc_9110_13_2_2(headers: dict[str, str], status: int) -> None:
    for method in ("GET", "HEAD"):
        try:
            found = answer(method, **headers).status
        except Refusal as refusal:
            found = refusal.kind.status
        assert found == (200 if (method, status) == ("HEAD", 206) else status)


def test_who_asks_for_the_digest_is_told_that_of_the_whole_file() -> None:
    wanted = {"want_repr_digest": "sha-512=9, sha-256=1"}
    told = f"sha-256=:{base64.b64encode(SHA256).decode()}:"
    for headers in ({}, {"range": "bytes=0-1"}, {"range": "bytes=0-1,4-5"}, {"if_none_match": TAG}):
        assert answer(**wanted, **headers).headers["repr-digest"] == told
    assert answer("HEAD", **wanted).headers["repr-digest"] == told
    for unwanted in ("sha-256=0", "sha-512=9", "", "sha-256", "md5=1"):
        assert "repr-digest" not in answer(want_repr_digest=unwanted).headers
