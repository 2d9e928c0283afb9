"""Running the scripts of service collections, and all that a script can reach while it runs.

A script reaches the cell through the same use cases as HTTP does, under its caller's rights. What does not
belong here: how a script is run (the engine) and how frames look (``wire.script_frames``).
"""

from __future__ import annotations

import codecs
import html
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from alveary.errors import BAD_HEADER, BODY_TOO_LARGE, METHOD_NOT_ALLOWED, NO_SUCH_RESOURCE, Refusal
from alveary.model.entities import JsonValue
from alveary.model.privileges import BoxPrivilege
from alveary.model.script import HostCall, ScriptAnswer, ScriptJob, ScriptRequest, Stream, Tenant
from alveary.model.tree import SOURCE_COLLECTION, Box, Node, NodeKind
from alveary.ports import Ports
from alveary.ports.engine import BadCall, ScriptFailed, ScriptTimedOut
from alveary.ports.store import Contents, ReadTx
from alveary.usecases import files, properties
from alveary.usecases.access import Access, BoxPath, Need
from alveary.wire.etags import Precondition
from alveary.wire.script_frames import MEDIA_TYPE, REQUEST_BODY, text_encoding
from alveary.wire.service_routes import PROPERTY, BadRoute, ServiceConfig
from alveary.wire.urls import decode_path, encode_segment

EXECUTE: Final = Need(BoxPrivilege.EXEC, BoxPrivilege.EXEC)
WITHOUT_BODY: Final = frozenset({204, 304})
OPEN_FILES: Final = 16
"""How many streams of files one run may open."""

Console = Callable[[str, str], object]
"""Takes what a script says on its console: a level (debug, info, warn, error) and a text."""


@dataclass(frozen=True, slots=True)
class ScriptReply:
    """What goes back to the client: a script's answer, or why there is none. ``body`` may be read once."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | AsyncIterator[bytes]


async def execute(
    ports: Ports,
    access: Access,
    path: BoxPath,
    request: ScriptRequest,
    body: AsyncIterator[bytes],
    console: Console,
) -> ScriptReply:
    """The answer of the script that *path*, below a service collection, is routed to.

    A missing route or source is 404, a script that fails 500, one killed at its deadline 503, each in HTML.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, METHOD_NOT_ALLOWED (the
            collection itself is not executed), SCRIPT_FAILED (its property is no XML), SCRIPT_ENGINE_DOWN,
            TOO_MANY_REQUESTS.
    """
    place = await access.require_at(ports, path, EXECUTE)
    if place.box is None or place.node is not None or place.nearest.kind is not NodeKind.SERVICE:
        files.existing(place)
        raise Refusal(METHOD_NOT_ALLOWED)
    service = BoxPath(path.box, path.segments[: len(path.segments) - len(place.rest)])
    sources = _Sources(ports, access, service)
    try:
        name = _route(place.nearest, "/".join(place.rest))
        source = await sources.read(name) if name else None
        if source is None:
            return _page(404, "404 Not Found")
        job = _job(ports, access, place.box, source.text, request)
        host = _Host(ports, access, sources, body, console)
        return await _run(ports, job, host)
    except BadRoute as bad:
        return _page(503, f"Server Error : {bad}")
    except ScriptFailed as failed:
        return _page(500, f"Server Error : {failed}")
    except ScriptTimedOut:
        return _page(503, "Script TimeOut")


def _route(service: Node, below: str) -> str | None:
    element = service.properties.get(PROPERTY)
    return ServiceConfig.parse(element).source_for(below) if element else None


def _job(ports: Ports, access: Access, box: Box, source: str, request: ScriptRequest) -> ScriptJob:
    return ScriptJob(
        tenant=Tenant(access.here.id, box.id),
        source=source,
        request=request,
        cell_name=access.here.name,
        cell_url=ports.urls.cell_url(access.here.name),
        box_name=box.name,
        box_schema=box.schema,
        server_version=ports.config.api_version,
    )


async def _run(ports: Ports, job: ScriptJob, host: _Host) -> ScriptReply:
    try:
        answer = await ports.engine.run(job, host)
        streamed = [host.take(piece) if isinstance(piece, Stream) else piece for piece in answer.body]
    except BadCall as unknown:
        await host.close()
        raise ScriptFailed(str(unknown)) from None
    except BaseException:
        await host.close()
        raise
    if answer.status in WITHOUT_BODY or all(isinstance(piece, bytes) for piece in streamed):
        await host.close()
        return ScriptReply(answer.status, answer.headers, _joined(answer))
    return ScriptReply(answer.status, answer.headers, _Flow(streamed, host))


def _joined(answer: ScriptAnswer) -> bytes:
    if answer.status in WITHOUT_BODY:
        return b""
    return b"".join(piece for piece in answer.body if isinstance(piece, bytes))


class _Flow:
    """A body with streams in it. Closing it closes them, also when nobody ever asked for a piece."""

    def __init__(self, pieces: list[bytes | AsyncIterator[bytes]], host: _Host) -> None:
        self._parts = _parts(pieces)
        self._host = host

    def __aiter__(self) -> _Flow:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._parts)
        except BaseException:
            await self._host.close()
            raise

    async def aclose(self) -> None:
        """Let go of all that is still open."""
        await self._host.close()


async def _parts(pieces: list[bytes | AsyncIterator[bytes]]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            async for part in piece:
                yield part


def _page(status: int, text: str) -> ScriptReply:
    return ScriptReply(
        status, (("Content-Type", "text/html;charset=UTF-8"),), html.escape(text).encode("utf-8", "replace")
    )


@dataclass(frozen=True, slots=True)
class _Source:
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class _Sources:
    """The source collection of a service. Who may execute a script needs no right to read it."""

    ports: Ports
    access: Access
    service: BoxPath

    async def read(self, name: str) -> _Source | None:
        """The source of that file name, its key its alone among all versions of all sources; or None."""
        path = (*self.service.segments, SOURCE_COLLECTION, name)

        async def locate(tx: ReadTx) -> Node | None:
            return (await tx.nodes.locate(self.service.box, path)).node

        contents = self.ports.store.contents(self.access.here)
        node = await contents.read(locate)
        if node is None or node.content is None:
            return None
        if node.content.size_bytes > self.ports.config.script.frame_bytes:
            raise ScriptFailed(f"The source [{name}] is too large.")
        text = b"".join([piece async for piece in contents.blobs.read(node.content)])
        return _Source(f"{node.id}-{node.version}-{node.updated_ms}", text.decode("utf-8-sig", "replace"))


class _Input:
    """The request's body: passed on as a stream, or read as text, whose first read fixes the encoding."""

    def __init__(self, body: AsyncIterator[bytes], max_bytes: int) -> None:
        self._body = body
        self._left_bytes = max_bytes
        self._max_bytes = max_bytes
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text = ""
        self._ended = False

    async def read_all(self, encoding: str) -> str:
        """All text that is left; at most so many bytes of it as a frame holds."""
        while await self._more(encoding):
            pass
        text, self._text = self._text, ""
        return text

    async def read_line(self, encoding: str) -> str | None:
        """The next line without its end; None after the last."""
        while "\n" not in self._text and await self._more(encoding):
            pass
        if not self._text:
            return None
        line, _, self._text = self._text.partition("\n")
        return line.removesuffix("\r")

    async def _more(self, encoding: str) -> bool:
        if self._ended:
            return False
        self._decoder = self._decoder or codecs.getincrementaldecoder(encoding)("replace")
        piece = await anext(self._body, None)
        self._ended = piece is None
        self._left_bytes -= len(piece or b"")
        if self._left_bytes < 0:
            raise Refusal(BODY_TOO_LARGE, limit=self._max_bytes)
        self._text += self._decoder.decode(piece or b"", final=self._ended)
        return True


class _Host:
    """The server's side of one run. Its streams have numbers; each can be read once."""

    def __init__(
        self,
        ports: Ports,
        access: Access,
        sources: _Sources,
        body: AsyncIterator[bytes],
        console: Console,
    ) -> None:
        self._ports = ports
        self._access = access
        self._sources = sources
        self._console = console
        self._max_bytes = ports.config.script.frame_bytes
        self._input = _Input(body, self._max_bytes)
        self._streams: dict[int, AsyncIterator[bytes]] = {REQUEST_BODY: body}
        self._opened: list[AsyncIterator[bytes]] = []

    async def call(self, call: HostCall) -> JsonValue:
        """As ``ports.engine.Host`` says: the one door from a script to the unit."""
        operation = _OPERATIONS.get(call.op)
        if operation is None:
            raise BadCall(f"There is no operation [{call.op}].")
        return await operation(self, call)

    def take(self, stream: Stream) -> AsyncIterator[bytes]:
        """The bytes of *stream*, once.

        Raises:
            BadCall: there is none of that number, or no longer.
        """
        taken = self._streams.pop(stream.number, None)
        if taken is None:
            raise BadCall("A stream can be read once only.")
        return taken

    async def close(self) -> None:
        """Let go of all streams that were opened."""
        for stream in self._opened:
            close: Callable[[], Awaitable[None]] | None = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    async def get_text(self, call: HostCall) -> JsonValue:
        """The text of a file."""
        found = await self._file(call)
        if found.content.size_bytes > self._max_bytes:
            raise BadCall(f"The file is larger than {self._max_bytes} bytes.")
        data = b"".join([piece async for piece in self._contents.blobs.read(found.content)])
        return data.decode(_encoding(call, "charset"), "replace")

    async def get_stream(self, call: HostCall) -> JsonValue:
        """The number of a stream of a file's bytes as they are now."""
        found = await self._file(call)
        if len(self._opened) == OPEN_FILES:
            raise BadCall(f"No more than {OPEN_FILES} streams can be opened.")
        stream = self._contents.blobs.read(found.content)
        self._opened.append(stream)
        self._streams[len(self._opened)] = stream
        return len(self._opened)

    async def put(self, call: HostCall) -> JsonValue:
        """Store a text or a stream as a file."""
        if call.data is None:
            raise BadCall("put needs data.")
        charset, media_type = _encoding(call, "charset"), _text(call, "contentType")
        if not MEDIA_TYPE.fullmatch(media_type):
            raise Refusal(BAD_HEADER, name="Content-Type", value=media_type)
        body = self.take(call.data) if isinstance(call.data, Stream) else _once(call.data.encode(charset, "replace"))
        await files.put(self._ports, self._access, files.Put(_path(call), media_type, _expected(call)), body)
        return None

    async def delete(self, call: HostCall) -> JsonValue:
        """Remove a file or an empty collection."""
        await files.delete(self._ports, self._access, _path(call), recursive=False, expect=_expected(call))
        return None

    async def make_collection(self, call: HostCall) -> JsonValue:
        """Make a WebDAV collection."""
        await files.make_collection(self._ports, self._access, _path(call), NodeKind.COLLECTION)
        return None

    async def list(self, call: HostCall) -> JsonValue:
        """The URLs of the files and of the collections directly in a collection."""
        _, batches = await properties.find(self._ports, self._access, _path(call), levels=1)
        files_found: list[JsonValue] = []
        collections: list[JsonValue] = []
        cell_url = self._ports.urls.cell_url(self._access.here.name)
        shown = [each async for batch in batches for each in batch]
        for each in shown[1:]:  # the first is the collection itself
            url = cell_url + "/".join(encode_segment(name) for name in each.segments)
            (files_found if each.node.kind is NodeKind.FILE else collections).append(url)
        return {"files": files_found, "collections": collections}

    async def module(self, call: HostCall) -> JsonValue:
        """A module's text and its key; no text when the script has the one of that key."""
        name = _text(call, "name")
        source = await self._sources.read(f"{name}.js")
        if source is None:
            raise Refusal(NO_SUCH_RESOURCE, url=f"{SOURCE_COLLECTION}/{name}.js")
        return {"key": source.key, "text": None if call.args.get("have") == source.key else source.text}

    async def read_all(self, call: HostCall) -> JsonValue:
        """The text of the request's body."""
        return await self._input.read_all(_encoding(call, "encoding"))

    async def read_line(self, call: HostCall) -> JsonValue:
        """The next line of the request's body."""
        return await self._input.read_line(_encoding(call, "encoding"))

    async def decode(self, call: HostCall) -> JsonValue:
        """A percent-encoded text in the clear."""
        return unquote(_data(call), encoding=_encoding(call, "charset"), errors="replace")

    async def log(self, call: HostCall) -> JsonValue:
        """Pass on what the script says on its console."""
        self._console(_text(call, "level"), _data(call))
        return None

    @property
    def _contents(self) -> Contents:
        return self._ports.store.contents(self._access.here)

    async def _file(self, call: HostCall) -> files.OpenFile:
        found = await files.get(self._ports, self._access, _path(call))
        if not isinstance(found, files.OpenFile):
            raise Refusal(METHOD_NOT_ALLOWED)
        return found


_OPERATIONS: Final[dict[str, Callable[[_Host, HostCall], Awaitable[JsonValue]]]] = {
    "dav.get": _Host.get_text,
    "dav.stream": _Host.get_stream,
    "dav.put": _Host.put,
    "dav.delete": _Host.delete,
    "dav.mkcol": _Host.make_collection,
    "dav.list": _Host.list,
    "module": _Host.module,
    "input.readAll": _Host.read_all,
    "input.readLine": _Host.read_line,
    "text.decode": _Host.decode,
    "log": _Host.log,
}


def _text(call: HostCall, name: str) -> str:
    value = call.args.get(name)
    if not isinstance(value, str):
        raise BadCall(f"{call.op} needs a text as its {name}.")
    return value


def _data(call: HostCall) -> str:
    if not isinstance(call.data, str):
        raise BadCall(f"{call.op} needs a text.")
    return call.data


def _encoding(call: HostCall, name: str) -> str:
    try:
        return text_encoding(_text(call, name))
    except ValueError as unknown:
        raise BadCall(str(unknown)) from None


def _path(call: HostCall) -> BoxPath:
    segments = decode_path(_text(call, "path").encode("utf-8", "replace"))
    return BoxPath(_text(call, "box"), segments)


def _expected(call: HostCall) -> Precondition:
    return Precondition.parse(_text(call, "etag"))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
