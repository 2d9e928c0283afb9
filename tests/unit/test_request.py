"""What is read off a request: overrides, proxies, keys, bodies."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from alveary.errors import BAD_REQUEST_KEY, BODY_TOO_LARGE, HEADER_NOT_ASCII, MALFORMED_REQUEST, Kind, Refusal
from alveary.http.request import ClientGone, Request

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def request(
    *headers: tuple[str, str],
    method: str = "GET",
    url: bytes = b"/a?b=c",
    client: str = "192.0.2.1",
    version: str = "1.1",
    proxies: Any = (),
    body: tuple[bytes, ...] = (),
    breaks_off: bool = False,
) -> Request:
    pieces = iter(body)

    async def receive() -> bytes:
        piece = next(pieces, b"")
        if breaks_off and not piece:
            raise ClientGone
        return piece

    fields = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request(method, url, fields, receive, http_version=version, peer=client, trusted_proxies=proxies)


def test_the_first_cookie_of_a_name_counts() -> None:
    call = request(("Cookie", "a=1; p_cookie=x=y ; p_cookie=z"), ("Cookie", "b=2"))
    assert (call.cookie("a"), call.cookie("p_cookie"), call.cookie("b"), call.cookie("c")) == ("1", "x=y", "2", None)


def refused(call: Request) -> Kind:
    with pytest.raises(Refusal) as caught:
        call.check()
    return caught.value.kind


def test_post_takes_its_method_from_the_override_and_others_do_not() -> None:
    override = ("X-HTTP-Method-Override", "MERGE")
    assert request(override, method="POST").method == "MERGE"
    assert request(override, method="POST").wire_method == "POST"
    assert request(override, method="PUT").method == "PUT"


def test_override_replaces_headers_in_both_spellings() -> None:
    call = request(
        ("Accept", "text/html"),
        ("If-Match", "*"),
        ("X-Override", "Accept:application/json"),
        ("X-Override", 'If-Match: W/"1:2"'),
        ("X-Override", "Depth: 1"),
        ("X-Override", "no colon"),
    )
    assert call.headers["accept"] == "application/json"
    assert call.headers["if-match"] == 'W/"1:2"'
    assert call.headers["depth"] == "1"


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Content-Length", "transfer-encoding", "X-Forwarded-For"),
        *("Origin", "Cookie", "Referer", "Sec-Fetch-Site", "sec-fetch-mode"),
    ],
)
def test_override_never_changes_how_the_message_travels_nor_who_sent_it(name: str) -> None:
    call = request((name, "old"), ("X-Override", f"{name}: 10.0.0.1"))
    assert call.headers[name.lower()] == "old"
    assert name.lower() not in request(("X-Override", f"{name}: 10.0.0.1")).headers


def test_repeated_headers_are_joined() -> None:
    call = request(("If-Match", '"1"'), ("If-Match", '"2"'), ("Cookie", "a=1"), ("Cookie", "b=2"))
    assert call.headers["if-match"] == '"1", "2"'
    assert call.headers["cookie"] == "a=1; b=2"


def test_a_stranger_cannot_say_where_a_request_came_from() -> None:
    call = request(
        ("Host", "unit"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Host", "evil"),
        ("X-Forwarded-Proto", "https"),
        proxies=PROXIES,
    )
    assert (call.peer, call.authority, call.scheme) == ("192.0.2.1", "unit", "http")


@pytest.mark.parametrize(
    ("forwarded", "peer"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("garbage, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("", "10.0.0.1"),
    ],
)
def test_a_trusted_proxy_is_believed_up_to_the_first_stranger(forwarded: str, peer: str) -> None:
    call = request(("X-Forwarded-For", forwarded), client="10.0.0.1", proxies=PROXIES)
    assert call.peer == peer


def test_a_trusted_proxy_tells_scheme_and_host() -> None:
    call = request(
        ("Host", "inner"),
        ("X-Forwarded-Host", "unit.example, x"),
        ("X-Forwarded-Proto", "HTTPS"),
        client="::1",
        proxies=PROXIES,
    )
    assert (call.authority, call.scheme) == ("unit.example", "https")


def test_a_client_without_address_is_nobody() -> None:
    assert request(client="", proxies=PROXIES).peer == ""


@pytest.mark.parametrize("key", ["a b", "x" * 129, "ä", "a,b", "a/b"])
def test_a_bad_request_key_is_refused(key: str) -> None:
    assert refused(request(("Host", "u"), ("X-Personium-RequestKey", key))) is BAD_REQUEST_KEY


def test_a_request_key_is_kept_or_made_once() -> None:
    keys = iter(["0" * 32, "1" * 32])
    assert request(("X-Personium-RequestKey", "My-key_1")).request_key(lambda: next(keys)) == "My-key_1"
    call = request()
    assert call.request_key(lambda: next(keys)) == "PCS-" + "0" * 32
    assert call.request_key(lambda: next(keys)) == "PCS-" + "0" * 32


def test_accept_beyond_ascii_is_refused() -> None:
    assert refused(request(("Host", "u"), ("Accept", "text/ü"))) is HEADER_NOT_ASCII


def test_only_old_clients_may_leave_out_the_host() -> None:
    assert refused(request()) is MALFORMED_REQUEST
    request(version="1.0").check()
    assert refused(request(("Host", "u"), version="2.0")) is MALFORMED_REQUEST


@pytest.mark.parametrize("url", [b"/frag/#ment", b"/?a=b#c", b"/#"])
def test_a_fragment_is_no_part_of_what_is_requested(url: bytes) -> None:
    assert refused(request(("Host", "u"), url=url)) is MALFORMED_REQUEST


def test_transfer_codings_beside_chunked_are_refused() -> None:
    request(("Host", "u"), ("Transfer-Encoding", "Chunked")).check()
    assert refused(request(("Host", "u"), ("Transfer-Encoding", "gzip, chunked"))) is MALFORMED_REQUEST
    assert refused(request(("Transfer-Encoding", "chunked"), version="1.0")) is MALFORMED_REQUEST


async def test_a_body_comes_in_pieces_and_is_read_whole() -> None:
    call = request(("Transfer-Encoding", "chunked"), body=(b"ab", b"c"))
    assert call.has_body
    assert await call.read(3) == b"abc"


async def test_a_request_without_body_waits_for_nothing() -> None:
    for call in (request(), request(("Content-Length", "0"))):
        assert not call.has_body
        assert await call.read(0) == b""


async def test_a_body_that_says_it_is_too_large_is_not_asked_for() -> None:
    call = request(("Content-Length", "4"))
    with pytest.raises(Refusal) as caught:
        await call.read(3)
    assert caught.value.kind is BODY_TOO_LARGE
    assert not call.body_begun


async def test_a_body_that_turns_out_too_large_is_refused_at_once() -> None:
    call = request(("Transfer-Encoding", "chunked"), body=(b"abcd",))
    with pytest.raises(Refusal) as caught:
        await call.read(3)
    assert caught.value.kind is BODY_TOO_LARGE


async def test_a_body_that_breaks_off_is_no_body() -> None:
    call = request(("Content-Length", "9"), body=(b"abcd",), breaks_off=True)
    with pytest.raises(ClientGone):
        await call.read(100)
