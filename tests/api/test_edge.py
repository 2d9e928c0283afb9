"""The edge over real connections: raw bytes in, raw bytes out."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from alveary.adapters.machine import SystemIds
from alveary.errors import AUTH_REQUIRED, LACKS_PRIVILEGE, Refusal
from alveary.http.app import Edge
from alveary.http.exchange import Exchange
from alveary.http.request import ClientGone, Request
from alveary.http.response import METHODS, Response
from alveary.http.server import Stop, listen, serve
from alveary.http.settings import EdgeSettings
from alveary.http.websocket import WebSocket, handshake
from alveary.obs import open_log
from alveary.wire.urls import Target, Urls

PATIENCE_S = 20.0
"""Far more than anything here takes: it only ends tests that would hang."""

BIG = b"x" * 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        code: str = json.loads(self.body)["code"]
        return code


class Client:
    """One connection, spoken in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, text: str | bytes) -> Answer:
        await self.send(text)
        return await self.answer(head=text[:4] in ("HEAD", b"HEAD"))

    async def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def answer(self, *, head: bool = False) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers: dict[str, str] = {}
            for line in lines[1:-2]:
                name, _, value = line.partition(": ")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            status = int(lines[0].split()[1])
            if head or status in (100, 101, 204, 304):
                body = b""
            elif headers.get("transfer-encoding") == "chunked":
                body = await self._chunks()
            else:
                body = await self.reader.readexactly(int(headers["content-length"]))
            return Answer(status, headers, body)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return body

    async def closed(self) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@dataclass
class Unit:
    """A running edge whose handlers note what happens to them."""

    port: int = 0
    log: io.StringIO = field(default_factory=io.StringIO)
    events: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    stop: Stop = lambda: None
    done: asyncio.Task[None] | None = None
    tls: ssl.SSLContext | None = None
    clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls))
        self.clients.append(client)
        return client

    async def ask(self, text: str | bytes) -> Answer:
        return await (await self.connect()).ask(text)

    async def event(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            return await self.events.get()

    async def dispatch(self, request: Request, target: Target) -> Response:
        name = target.segments[-1] if target.segments else ""
        return await HANDLERS.get(name, echo)(self, request, target)


async def echo(unit: Unit, request: Request, target: Target) -> Response:
    said = {
        "method": request.method,
        "cell": target.cell,
        "segments": target.segments,
        "query": request.query_string,
        "headers": request.headers,
    }
    return Response(200, {"content-type": "application/json"}, json.dumps(said).encode())


async def upload(unit: Unit, request: Request, target: Target) -> Response:
    try:
        size = 0
        async for piece in request.body:
            size += len(piece)
            unit.events.put_nowait("piece")
    except ClientGone:
        unit.events.put_nowait("gone")
        raise
    return Response(201, {"etag": '"1-1"'}, str(size).encode())


async def parrot(unit: Unit, request: Request, target: Target) -> Response:
    async def talk(socket: WebSocket) -> None:
        while (said := await socket.receive()) != "bug":
            await socket.send(str(said).encode())
        raise RuntimeError("the inside of the unit")

    return Response(101, handshake(request), talk=talk)


async def refuse(unit: Unit, request: Request, target: Target) -> Response:
    raise Refusal(LACKS_PRIVILEGE)


async def challenge(unit: Unit, request: Request, target: Target) -> Response:
    raise Refusal(AUTH_REQUIRED, challenge=("Bearer", "Basic"))


async def bug(unit: Unit, request: Request, target: Target) -> Response:
    raise RuntimeError("the inside of the unit")


async def small(unit: Unit, request: Request, target: Target) -> Response:
    return Response(200, {"content-length": "3", "set-cookie": ("a=1", "b=2"), "vary": "Accept"}, b"abc")


async def nothing(unit: Unit, request: Request, target: Target) -> Response:
    return Response(int(request.query_string or 204))


async def stream(unit: Unit, request: Request, target: Target) -> Response:
    async def body() -> AsyncIterator[bytes]:
        try:
            for _ in range(3):
                yield b"abc"
        finally:
            unit.events.put_nowait("closed")

    return Response(200, {"content-type": "text/plain"}, body())


async def endless(unit: Unit, request: Request, target: Target) -> Response:
    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield BIG
        finally:
            unit.events.put_nowait("closed")

    return Response(200, {}, body())


async def broken(unit: Unit, request: Request, target: Target) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        raise OSError("the disk of the unit")

    return Response(200, {}, body())


async def slow(unit: Unit, request: Request, target: Target) -> Response:
    unit.events.put_nowait("begun")
    await unit.release.wait()
    return Response(200, {}, b"slow")


async def split(unit: Unit, request: Request, target: Target) -> Response:
    return Response(200, {"x-a": "b\r\nset-cookie: c=d"}, b"abc")


async def mislabelled(unit: Unit, request: Request, target: Target) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"

    return Response(200, {"content-length": request.query_string}, body())


async def mirror(unit: Unit, request: Request, target: Target) -> Response:
    return Response(200, {}, request.body)


HANDLERS: dict[str, Callable[[Unit, Request, Target], Any]] = {
    handler.__name__: handler
    for handler in (
        upload,
        parrot,
        refuse,
        challenge,
        bug,
        small,
        nothing,
        stream,
        endless,
        broken,
        slow,
        split,
        mislabelled,
        mirror,
    )
}


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Unit]:
    unit = Unit()
    listener = listen("127.0.0.1", 0)
    unit.port = listener.getsockname()[1]
    urls = Urls.parse("http://unit.example/", path_style=True, aliases=options.pop("aliases", ()))
    settings = EdgeSettings(urls, **options)
    log = open_log(level="debug", form="json", stream=unit.log)
    ready = asyncio.Event()

    def on_ready(stop: Stop) -> None:
        unit.stop = stop
        ready.set()

    edge = Edge(unit.dispatch, settings, SystemIds(), log)
    unit.done = asyncio.create_task(serve(edge, listener, settings, on_ready))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
        yield unit
    finally:
        unit.release.set()
        for client in unit.clients:
            await client.close()
        unit.stop()
        async with asyncio.timeout(PATIENCE_S):
            await unit.done


@pytest.fixture
async def unit() -> AsyncIterator[Unit]:
    async with running() as unit:
        yield unit


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> str:
    return "\r\n".join((f"{method} {path} HTTP/{version}", "Host: unit.example", *headers, "", ""))


# Requests


async def test_a_request_reaches_its_handler_with_its_target(unit: Unit) -> None:
    said = json.loads((await unit.ask(get("/cell/box/a%2Fb%20c?x=%20"))).body)
    assert said["cell"] == "cell"
    assert said["segments"] == ["box", "a/b c"]
    assert said["query"] == "x=%20"


async def test_the_request_target_may_be_absolute_and_names_the_host(unit: Unit) -> None:
    said = json.loads((await unit.ask(get("http://UNIT.example?x"))).body)
    assert (said["cell"], said["segments"], said["query"]) == (None, [], "x")
    answer = await unit.ask(get("http://evil.example/cell/"))
    assert answer.code == "PR400-CM-0005"


async def test_a_post_becomes_what_its_override_says(unit: Unit) -> None:
    answer = await unit.ask(get("/cell/a", "X-HTTP-Method-Override: PROPFIND", method="POST"))
    assert json.loads(answer.body)["method"] == "PROPFIND"


async def test_a_post_that_becomes_head_is_still_framed_as_a_post(unit: Unit) -> None:
    answer = await unit.ask(get("/cell/small", "X-HTTP-Method-Override: HEAD", method="POST"))
    assert (answer.headers["content-length"], answer.body) == ("0", b"")


async def test_http_1_0_without_host_is_for_the_unit_and_closes(unit: Unit) -> None:
    client = await unit.connect()
    answer = await client.ask("GET / HTTP/1.0\r\n\r\n")
    assert json.loads(answer.body)["cell"] is None
    assert await client.closed() == b""


@pytest.mark.parametrize("hosts", ["", "Host: evil.example\r\n", "Host: unit.example\r\nHost: unit.example\r\n"])
async def test_a_missing_foreign_or_repeated_host_is_400(unit: Unit, hosts: str) -> None:
    answer = await unit.ask(f"GET / HTTP/1.1\r\n{hosts}\r\n")
    assert answer.status == 400
    assert answer.code in {"PR400-CM-0005", "PR400-CM-0006"}


async def test_a_bad_request_key_is_400(unit: Unit) -> None:
    answer = await unit.ask(get("/", "X-Personium-RequestKey: a b"))
    assert answer.code == "PR400-EV-0002"


@pytest.mark.parametrize("path", ["/cell/box/../x", "/cell/%2e%2e/x", "/cell/a%00", "/cell/%c0%ae", "/cell/%"])
async def test_path_tricks_end_at_the_edge(unit: Unit, path: str) -> None:
    answer = await unit.ask(get(path))
    assert answer.code == "PR400-CM-0006"


async def test_many_requests_share_a_connection(unit: Unit) -> None:
    client = await unit.connect()
    for number in range(5):
        assert json.loads((await client.ask(get(f"/cell/{number}"))).body)["segments"] == [str(number)]
    await client.send(get("/cell/a") + get("/cell/b"))
    assert [json.loads((await client.answer()).body)["segments"] for _ in "ab"] == [["a"], ["b"]]


async def test_requests_in_one_piece_are_answered_in_their_order(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(
        get("/cell/small") + get("/cell/slow") + get("/cell/stream") + get("/cell/small", method="HEAD")
    )
    assert (await client.answer()).body == b"abc"
    assert await unit.event() == "begun"
    unit.release.set()
    assert (await client.answer()).body == b"slow"
    assert (await client.answer()).body == b"abcabcabc"
    assert (await client.answer(head=True)).headers["content-length"] == "3"
    assert (await client.ask(get("/cell/small"))).body == b"abc"


async def test_of_thousands_of_requests_in_one_piece_few_are_read_before_their_turn(unit: Unit) -> None:
    client = await unit.connect()
    count = 5_000
    size_bytes = 100_000
    await client.send(get("/cell/slow"))
    assert await unit.event() == "begun"
    upload = get("/cell/upload", f"Content-Length: {size_bytes}", method="PUT") + "x" * size_bytes
    rest = "".join(get(f"/cell/{number}") for number in range(count)) + upload + get("/cell/small")
    sending = asyncio.create_task(client.send(rest))
    for _ in range(100):  # whatever the unit would read of them it reads in these turns
        await asyncio.sleep(0)
    assert sum(isinstance(each, Exchange) for each in gc.get_objects()) < 1_000
    unit.release.set()
    assert (await client.answer()).body == b"slow"
    for number in range(count):
        assert json.loads((await client.answer()).body)["segments"] == [str(number)]
    assert (await client.answer()).body == str(size_bytes).encode()
    assert (await client.answer()).body == b"abc"
    await sending
    assert (await client.ask(get("/cell/small"))).body == b"abc"


async def test_a_client_that_asks_and_hangs_up_has_its_answer(unit: Unit) -> None:
    client = await unit.connect()
    client.writer.write(get("/cell/small").encode())
    client.writer.write_eof()
    assert (await client.answer()).body == b"abc"


async def test_a_connection_goes_on_after_an_answer_that_had_to_wait(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/slow"))
    assert await unit.event() == "begun"
    unit.release.set()
    assert (await client.answer()).body == b"slow"
    assert (await client.ask(get("/cell/small"))).body == b"abc"


async def test_a_request_to_close_is_answered_and_what_follows_ignored(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/small", "Connection: close") + get("/cell/slow"))
    answer = await client.answer()
    assert (answer.body, answer.headers["connection"]) == (b"abc", "close")
    assert await client.closed() == b""
    assert unit.events.empty()


async def test_an_upgrade_is_ignored(unit: Unit) -> None:
    client = await unit.connect()
    answer = await client.ask(get("/cell/a", "Connection: Upgrade", "Upgrade: websocket"))
    assert answer.status == 200
    assert await client.closed() == b""


# Answers


async def test_every_answer_names_the_version_and_lets_any_origin_read(unit: Unit) -> None:
    for path in ("/cell/small", "/cell/refuse", "/cell/bug"):
        answer = await unit.ask(get(path))
        assert answer.headers["x-personium-version"] == "1.8.4"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Origin" in answer.headers["vary"].split(", ")
        assert "date" in answer.headers
        assert "server" not in answer.headers


async def test_an_origin_is_echoed_with_credentials(unit: Unit) -> None:
    answer = await unit.ask(
        get("/cell/small", "Origin: https://app.example", "Access-Control-Request-Headers: x-a, x-b")
    )
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "x-a, x-b"
    assert "X-Personium-Version" in answer.headers["access-control-expose-headers"]
    assert sorted(answer.headers["vary"].split(", ")) == ["Accept", "Origin"]


async def test_a_preflight_is_answered_before_everything_else(unit: Unit) -> None:
    answer = await unit.ask(get("/nocell/nobox", "Origin: https://app.example", method="OPTIONS"))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["allow"] == answer.headers["access-control-allow-methods"] == METHODS
    said = await unit.ask(get("/cell/", "Authorization: Bearer x", method="OPTIONS"))
    assert json.loads(said.body)["method"] == "OPTIONS"
    assert (await unit.ask(get("*", method="OPTIONS"))).status == 200


async def test_head_has_the_headers_of_get_and_no_body(unit: Unit) -> None:
    client = await unit.connect()
    for path in ("/cell/small", "/cell/stream"):
        whole, head = await client.ask(get(path)), await client.ask(get(path, method="HEAD"))
        assert head.status == whole.status
        assert head.headers.keys() >= whole.headers.keys() - {"transfer-encoding"}
        assert head.headers.get("content-length") == whole.headers.get("content-length")


async def test_answers_without_body_are_framed_as_such(unit: Unit) -> None:
    client = await unit.connect()
    assert (await client.ask(get("/cell/nothing?201"))).headers["content-length"] == "0"
    for status in (204, 304):
        assert "content-length" not in (await client.ask(get(f"/cell/nothing?{status}"))).headers
    assert (await client.ask(get("/cell/small"))).headers["set-cookie"] == "a=1, b=2"


async def test_a_stream_is_sent_whole_and_closed(unit: Unit) -> None:
    assert (await unit.ask(get("/cell/stream"))).body == b"abcabcabc"
    assert await unit.event() == "closed"


async def test_a_stream_ends_when_its_reader_leaves(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/endless"))
    await client.reader.readexactly(100_000)
    client.writer.transport.abort()
    assert await unit.event() == "closed"


async def test_a_stream_that_fails_is_cut_and_never_looks_complete(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/broken"))
    everything = await client.closed()
    assert b"abc" in everything
    assert not everything.endswith(b"0\r\n\r\n")


async def test_a_stream_to_http_1_0_ends_with_the_connection(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/stream", version="1.0"))
    head, _, body = (await client.closed()).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body == b"abcabcabc"


async def test_a_stream_may_be_made_of_the_body_that_it_answers(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/mirror", f"Content-Length: {len(BIG)}", method="PUT").encode() + BIG)
    assert (await client.answer()).body == BIG


@pytest.mark.parametrize("length", [2, 4])
async def test_a_stream_that_is_not_as_long_as_it_says_is_cut(unit: Unit, length: int) -> None:
    client = await unit.connect()
    await client.send(get(f"/cell/mislabelled?{length}") + get("/cell/small"))
    assert (await client.closed()).count(b"HTTP/1.1") <= 1
    assert "answer cut" in unit.log.getvalue()


async def test_a_header_never_becomes_two(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/split"))
    assert await client.closed() == b""
    assert "answer cut" in unit.log.getvalue()


async def test_a_refusal_is_rendered_and_logged(unit: Unit) -> None:
    answer = await unit.ask(get("/cell/refuse?p_cookie_peer=secret", "X-Personium-RequestKey: key-1"))
    assert (answer.status, answer.code) == (403, "PR403-AU-0002")
    line = json.loads(unit.log.getvalue())
    assert (line["level"], line["code"], line["path"], line["request_key"]) == (
        "info",
        "PR403-AU-0002",
        "/cell/refuse",
        "key-1",
    )


async def test_a_challenge_names_the_cell(unit: Unit) -> None:
    answer = await unit.ask(get("/cell/challenge"))
    realm = 'realm="http://unit.example/cell/"'
    assert answer.headers["www-authenticate"] == f"Bearer {realm}, Basic {realm}"


async def test_a_bug_is_a_500_that_tells_nothing_but_a_trace(unit: Unit) -> None:
    answer = await unit.ask(get("/cell/bug"))
    assert (answer.status, answer.code) == (500, "PR500-SV-9999")
    assert b"inside" not in answer.body
    line = json.loads(unit.log.getvalue())
    assert line["level"] == "error"
    assert "the inside of the unit" in line["exception"]
    assert json.loads(answer.body)["message"]["value"] == line["reason"]


# Bodies


async def test_a_body_arrives_whole_in_both_framings(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/upload", f"Content-Length: {len(BIG)}", method="PUT").encode() + BIG)
    assert (await client.answer()).body == b"1000000"
    await client.send(get("/cell/upload", "Transfer-Encoding: chunked", method="PUT"))
    await client.send("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    assert (await client.answer()).body == b"5"


async def test_fields_behind_a_body_are_not_headers(unit: Unit) -> None:
    said = await unit.ask(
        get("/cell/a", "Transfer-Encoding: chunked", method="PUT")
        + "3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\nHost: evil\r\n\r\n"
    )
    headers = json.loads(said.body)["headers"]
    assert headers == {"host": "unit.example", "transfer-encoding": "chunked"}


async def test_an_upload_that_is_cut_is_told_to_its_handler_and_not_answered(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/upload", "Content-Length: 100", method="PUT") + "abc")
    assert await unit.event() == "piece"
    client.writer.transport.abort()
    assert await unit.event() == "gone"


async def test_100_continue_is_sent_when_the_body_is_wanted(unit: Unit) -> None:
    client = await unit.connect()
    answer = await client.ask(get("/cell/upload", "Content-Length: 3", "Expect: 100-continue", method="PUT"))
    assert answer.status == 100
    assert (await client.ask("abc")).body == b"3"


async def test_a_refusal_comes_instead_of_100_continue(unit: Unit) -> None:
    client = await unit.connect()
    answer = await client.ask(get("/cell/refuse", "Content-Length: 3", "Expect: 100-continue", method="PUT"))
    assert (answer.status, answer.headers["connection"]) == (403, "close")
    assert await client.closed() == b""


async def test_a_body_that_nobody_wanted_does_not_become_a_request(unit: Unit) -> None:
    client = await unit.connect()
    hidden = get("/cell/hidden")
    await client.send(get("/cell/refuse", f"Content-Length: {len(hidden) + 1}", method="PUT"))
    assert (await client.answer()).status == 403
    await client.send(hidden + "x" + get("/cell/next"))
    assert json.loads((await client.answer()).body)["segments"] == ["next"]


# What is refused before it is a request

SMUGGLED = {
    "two lengths": "POST / HTTP/1.1\r\nHost: unit.example\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "one length twice": "POST / HTTP/1.1\r\nHost: unit.example\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": "POST / HTTP/1.1\r\nHost: unit.example\r\nContent-Length: 3, 3\r\n\r\nabc",
    "a signed length": "POST / HTTP/1.1\r\nHost: unit.example\r\nContent-Length: +3\r\n\r\nabc",
    "length and chunks": "POST / HTTP/1.1\r\nHost: unit.example\r\nContent-Length: 3\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": "POST / HTTP/1.1\r\nHost: unit.example\r\nTransfer-Encoding: chunked\r\n"
    "Content-Length: 3\r\n\r\n0\r\n\r\n",
    "an unknown coding": "POST / HTTP/1.1\r\nHost: unit.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding twice": "POST / HTTP/1.1\r\nHost: unit.example\r\nTransfer-Encoding: chunked\r\n"
    "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a coding before chunked": "POST / HTTP/1.1\r\nHost: unit.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    "0\r\n\r\n",
    "chunks in HTTP 1.0": "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": "GET / HTTP/1.1\nHost: unit.example\n\n",
    "a bare line feed after a header": "GET / HTTP/1.1\r\nHost: unit.example\nX: y\r\n\r\n",
    "a space before the colon": "GET / HTTP/1.1\r\nHost: unit.example\r\nX : y\r\n\r\n",
    "a folded header": "GET / HTTP/1.1\r\nHost: unit.example\r\nX: y\r\n z\r\n\r\n",
    "NUL in a header": "GET / HTTP/1.1\r\nHost: unit.example\r\nX: y\0z\r\n\r\n",
    "a bare return in a header": "GET / HTTP/1.1\r\nHost: unit.example\r\nX: y\rz\r\n\r\n",
    "HTTP 0.9": "GET /\r\n\r\n",
    "HTTP 2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP 2.0 spelt like 1.1": "GET / HTTP/2.0\r\nHost: unit.example\r\n\r\n",
    "a method that does not exist": "FROBNICATE / HTTP/1.1\r\nHost: unit.example\r\n\r\n",
    "CONNECT": "CONNECT unit.example:80 HTTP/1.1\r\nHost: unit.example\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01",
    "characters beyond ASCII in the path": "GET /\xe9 HTTP/1.1\r\nHost: unit.example\r\n\r\n",
}


@pytest.mark.parametrize("form", SMUGGLED)
async def test_ambiguous_messages_are_400_and_end_the_connection(unit: Unit, form: str) -> None:
    client = await unit.connect()
    await client.send(SMUGGLED[form])
    answer = await client.answer()
    assert (answer.status, answer.code) == (400, "PR400-CM-0006")
    if answer.headers.get("connection") != "close":  # framed well after all, so the next request is another's
        await client.send(get("/cell/next"))
        assert json.loads((await client.answer()).body)["segments"] == ["next"]
    else:
        assert await client.closed() == b""


@pytest.mark.parametrize(
    "chunks", ["3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "0x3\r\nabc\r\n", "f" * 20 + "\r\n", "3;a\nb\r\nabc\r\n"]
)
async def test_a_broken_chunk_is_refused_and_its_handler_told(unit: Unit, chunks: str) -> None:
    client = await unit.connect()
    await client.send(get("/cell/upload", "Transfer-Encoding: chunked", method="PUT") + "1\r\na\r\n")
    assert await unit.event() == "piece"
    await client.send(chunks)
    assert (await client.answer()).code == "PR400-CM-0006"
    while (event := await unit.event()) == "piece":
        pass
    assert event == "gone"
    assert await client.closed() == b""


async def test_requests_before_a_faulty_one_are_answered_first(unit: Unit) -> None:
    client = await unit.connect()
    await client.send(get("/cell/slow") + "garbage\r\n\r\n")
    assert await unit.event() == "begun"
    unit.release.set()
    assert (await client.answer()).body == b"slow"
    assert await client.closed() == b""


@pytest.mark.parametrize("pieces", [1, 5])
async def test_headers_above_the_limit_are_431(pieces: int) -> None:
    async with running(header_bytes=2000) as unit:
        client = await unit.connect()
        await client.send(get("/")[:-2])
        for number in range(pieces):
            await client.send(f"X-{number}: {'y' * (2500 // pieces)}\r\n")
        await client.send("\r\n")
        answer = await client.answer()
        assert (answer.status, answer.code) == (431, "PR431-CM-0001")
        assert await client.closed() == b""
        assert (await unit.ask(get("/", f"X: {'y' * 1500}"))).status == 200


async def test_one_endless_header_is_431_and_so_are_endless_trailers() -> None:
    async with running(header_bytes=2000) as unit:
        for begin in (
            get("/")[:-2] + "X: ",
            get("/cell/upload", "Transfer-Encoding: chunked", method="PUT") + "0\r\nX: y\r\nX: ",
        ):
            client = await unit.connect()
            await client.send(begin)
            for _ in range(100):
                if client.reader.at_eof() or client.writer.transport.get_write_buffer_size():
                    break
                await client.send("y" * 1000)
            assert (await client.answer()).status == 431


async def test_a_large_body_in_one_piece_with_its_head_is_no_large_head() -> None:
    async with running(header_bytes=2000) as unit:
        text = get("/cell/upload", "Content-Length: 9000", method="PUT") + "x" * 9000 + get("/cell/next")
        client = await unit.connect()
        assert (await client.ask(text)).body == b"9000"
        assert (await client.answer()).status == 200


async def test_a_request_target_above_the_limit_is_414() -> None:
    async with running(url_bytes=500) as unit:
        assert (await unit.ask(get("/" + "x" * 600))).code == "PR414-CM-0001"


# Time


async def test_a_head_that_takes_too_long_is_408() -> None:
    async with running(header_timeout_s=0.1) as unit:
        client = await unit.connect()
        await client.send(get("/cell/a"))
        assert (await client.answer()).status == 200
        await client.send("GET / HTTP/1.1\r\nHost: un")
        answer = await client.answer()
        assert (answer.status, answer.code) == (408, "PR408-MC-0001")
        assert await client.closed() == b""


async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word() -> None:
    async with running(header_timeout_s=0.1) as unit:
        client = await unit.connect()
        assert await client.closed() == b""


async def test_an_upload_that_stalls_is_408_and_its_handler_told() -> None:
    async with running(body_idle_s=0.1) as unit:
        client = await unit.connect()
        await client.send(get("/cell/upload", "Content-Length: 100", method="PUT") + "abc")
        assert (await client.answer()).code == "PR408-MC-0001"
        assert await unit.event() == "piece"
        assert await unit.event() == "gone"


async def test_an_upload_may_take_longer_than_a_head() -> None:
    async with running(header_timeout_s=0.1) as unit:
        client = await unit.connect()
        await client.send(get("/cell/upload", "Content-Length: 6", method="PUT") + "abc")
        assert await unit.event() == "piece"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.reader.read(1)
        assert (await client.ask("def")).body == b"6"


async def test_a_handler_may_take_longer_than_a_client() -> None:
    async with running(body_idle_s=0.05, header_timeout_s=0.05) as unit:
        client = await unit.connect()
        await client.send(get("/cell/slow"))
        assert await unit.event() == "begun"
        asyncio.get_running_loop().call_later(0.3, unit.release.set)
        assert (await client.answer()).body == b"slow"


async def test_the_rest_of_an_unwanted_body_is_not_waited_for_long() -> None:
    async with running(header_timeout_s=0.1, body_idle_s=0.1) as unit:
        client = await unit.connect()
        await client.send(get("/cell/refuse", "Content-Length: 100", method="PUT") + "abc")
        assert (await client.answer()).status == 403
        await client.send("abc")
        assert await client.closed() == b""


async def test_a_reader_that_does_not_read_is_dropped() -> None:
    async with running(body_idle_s=0.1) as unit:
        client = await unit.connect()
        client.writer.transport.pause_reading()
        await client.send(get("/cell/endless"))
        assert await unit.event() == "closed"


@pytest.mark.parametrize("rest", ["", "\r\n", "abc"])
async def test_an_idle_connection_is_closed_whatever_dribbles_in(rest: str) -> None:
    async with running(keep_alive_s=0.1) as unit:
        client = await unit.connect()
        body = f"Content-Length: {len(rest.strip())}"
        assert (await client.ask(get("/cell/small", body, method="PUT"))).status == 200
        await client.send(rest)
        assert await client.closed() == b""


# Load and the end


async def test_requests_above_the_limit_are_503_and_told_to_come_back() -> None:
    async with running(concurrent_requests=1) as unit:
        first = await unit.connect()
        await first.send(get("/cell/slow"))
        assert await unit.event() == "begun"
        answer = await unit.ask(get("/cell/a"))
        assert (answer.status, answer.code) == (503, "PR503-SV-0001")
        assert answer.headers["retry-after"] == "1"
        unit.release.set()
        assert (await first.answer()).status == 200
        assert (await unit.ask(get("/cell/a"))).status == 200


async def test_a_stop_lets_requests_finish_and_accepts_no_more(unit: Unit) -> None:
    busy, idle = await unit.connect(), await unit.connect()
    assert (await idle.ask(get("/"))).status == 200
    await busy.send(get("/cell/slow"))
    assert await unit.event() == "begun"
    unit.stop()
    assert await idle.closed() == b""
    unit.release.set()
    assert (await busy.answer()).body == b"slow"
    assert unit.done is not None
    async with asyncio.timeout(PATIENCE_S):
        await unit.done
    with pytest.raises(ConnectionRefusedError):
        await unit.connect()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_server_and_not_its_process(unit: Unit, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert unit.done is not None
    async with asyncio.timeout(PATIENCE_S):
        await unit.done


async def test_requests_that_outlast_the_stop_are_503() -> None:
    async with running(shutdown_s=0.1) as unit:
        client = await unit.connect()
        await client.send(get("/cell/slow"))
        assert await unit.event() == "begun"
        unit.stop()
        assert (await client.answer()).code == "PR503-SV-0002"


async def test_tls_is_spoken_when_there_is_a_certificate(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60
    )
    async with running(certificate=certificate, key=key) as unit:
        unit.tls = ssl.create_default_context(cafile=certificate)
        unit.tls.check_hostname = False
        assert (await unit.ask(get("/cell/small"))).body == b"abc"
        client = await unit.connect()
        assert (await client.ask("garbage\r\n\r\n")).status == 400
        await talk_with_a_parrot(await unit.connect())


async def talk_with_a_parrot(client: Client) -> None:
    """Begin a talk, and see a text come back."""
    answer = await client.ask(
        get(
            "/cell/parrot",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
    )
    assert answer.status == 101
    await client.send(Frame(Opcode.TEXT, b"hello").serialize(mask=True))
    assert await client.reader.readexactly(7) == b"\x81\x05hello"


async def test_a_talk_goes_on_where_the_request_ended(unit: Unit) -> None:
    client = await unit.connect()
    await talk_with_a_parrot(client)
    await client.send(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
    assert await client.closed() == b"\x88\x02\x03\xe8"


async def test_a_bug_in_a_talk_ends_it_and_is_logged(unit: Unit) -> None:
    client = await unit.connect()
    await talk_with_a_parrot(client)
    await client.send(Frame(Opcode.TEXT, b"bug").serialize(mask=True))
    assert await client.reader.readexactly(4) == b"\x88\x02\x03\xf3"
    assert "the inside of the unit" in unit.log.getvalue()
