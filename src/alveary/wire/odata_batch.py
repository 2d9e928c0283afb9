"""The bytes of ``$batch``: a body of many requests parsed, and the body that answers them written.

What does not belong here: keys and query options of the single requests, which are raw text here, and what becomes of
a request (``api``). Bodies are scanned once for each level of boundaries, whatever is in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from alveary.errors import (
    BATCH_METHOD,
    BATCH_NESTED,
    BATCH_PART_HEADER,
    BATCH_PATH,
    BATCH_TOO_MANY,
    BATCH_TOP,
    BATCH_UNREADABLE,
    Refusal,
)
from alveary.model.values import frozen
from alveary.wire.media_types import essence

ON_SETS: Final = frozenset({"GET", "POST"})
ON_ENTITIES: Final = frozenset({"GET", "PUT", "MERGE", "PATCH", "DELETE"})
METHODS: Final = ON_SETS | ON_ENTITIES
"""The methods of requests in a batch: those to a set, and those to an entity of it; all go beyond an entity."""

MULTIPART: Final = "multipart/mixed"
REQUEST: Final = "application/http"

_TUNNELS: Final = ("x-http-method", "x-http-method-override")
_MAX_HEAD_BYTES: Final = 16_384
"""The longest request line, and the longest block of headers, of a part."""
_SHOWN_CHARS: Final = 200

_MOST_LOOKALIKES: Final = 4
"""How many lines per request may begin with a boundary and go on: a longer boundary's do where it begins alike."""
_CR: Final = b"\r"

_DELIMITER_END: Final = re.compile(rb"(--)?[ \t]*(?=\r?\n|\Z)")
_BLOCK: Final = re.compile(rb"(?:[^\r\n]+(?:\r?\n|\Z))*")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_VERSION: Final = re.compile(r"HTTP/1\.[01]")
_BOUNDARY: Final = re.compile(
    r";[ \t]*boundary[ \t]*=[ \t]*(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))[ \t]*(?=;|\Z)", re.IGNORECASE
)
_BOUNDARY_CHARS: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]")
_TOKEN: Final = re.compile(r"[0-9A-Za-z'+_.-]+")
_NOT_IN_NAME: Final = r"/?#\s\x00-\x1f\x7f"
_NAME: Final = rf"[^(){_NOT_IN_NAME}]+"
_KEY: Final = rf"\([^{_NOT_IN_NAME}]*\)"
_PATH: Final = re.compile(rf"(?!\$){_NAME}(?:({_KEY})(/(?:_|\$links/){_NAME}(?:{_KEY})?)?)?")
_ESCAPED_MARK: Final = re.compile("%2[4789]")
"""The ``$``, quotes and parentheses of a path, which many clients escape."""
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_TOP: Final = re.compile(r"(?:^|&)(?:\$|%24)top=([0-9]{1,9})(?=&|\Z)")
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")

_REASONS: Final[Mapping[int, str]] = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}


@frozen
class BatchRequest:
    """A request of a batch.

    ``path`` is relative to the service root and begins with a set's name; neither it nor ``query`` is
    percent-decoded. ``headers`` are those of the request by their lower-case names.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_id: str | None = None

    @property
    def verb(self) -> str:
        """The method, or the one that a POST stands for by ``X-HTTP-Method``."""
        if self.method != "POST":
            return self.method
        for name in _TUNNELS:
            if name in self.headers:
                return self.headers[name].upper()
        return self.method


@dataclass(frozen=True, slots=True)
class Changeset:
    """Requests that stand together, with the boundary that the client put between them."""

    boundary: str
    requests: tuple[BatchRequest, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests and changesets in the order of the client, with the boundary that it put between them."""

    boundary: str
    items: tuple[BatchRequest | Changeset, ...]


@frozen
class BatchAnswer:
    """The answer to a request of a batch; ``content_id`` is the request's."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChangesetAnswer:
    """The answers to the requests of a changeset, with its boundary."""

    boundary: str
    answers: Sequence[BatchAnswer]


# Reading


@dataclass(frozen=True, slots=True)
class _Target:
    """What a request line says, and the methods that its path takes."""

    method: str
    path: str
    query: str
    verbs: frozenset[str]


def parse_batch(body: bytes, content_type: str | None, *, service_url: str, most: int, top_max: int) -> Batch:
    """The requests in *body*: at most *most*, with a ``$top`` of at most *top_max* together.

    Paths are relative to *service_url*, which ends in ``/``, or begin with it or with its path.

    Raises:
        Refusal: BATCH_UNREADABLE, BATCH_PART_HEADER, BATCH_NESTED, BATCH_TOO_MANY, BATCH_METHOD, BATCH_PATH,
            BATCH_TOP.
    """
    if content_type is None or _media_type(content_type) != MULTIPART:
        raise _unreadable(f"its Content-Type is not {MULTIPART}")
    # The line end before a delimiter is part of it; so that the first has one too, it gets one.
    reader = _Reader(b"\n" + body, service_url, most, top_max)
    return reader.read(_boundary(content_type))


class _Reader:
    """One batch on its way from bytes to requests, and what is counted on that way."""

    def __init__(self, text: bytes, service_url: str, most: int, top_max: int) -> None:
        self._text = text
        origin = _origin(service_url)
        self._origin = origin.lower()
        self._service_path = service_url[len(origin) :]
        self._most = most
        self._top_max = top_max
        self._requests = 0
        self._changesets = 0
        self._lookalikes = 0
        self._top = 0
        # What was read of a text: most parts say the same, as a whole or line by line.
        self._blocks: dict[bytes, Mapping[str, str]] = {}
        self._header_lines: dict[bytes, tuple[str, str]] = {}
        self._request_lines: dict[bytes, _Target] = {}

    def read(self, boundary: str) -> Batch:
        items: list[BatchRequest | Changeset] = []
        for headers, start, end in self._parts(boundary, 0, len(self._text)):
            if _media_type(headers.get("content-type")) == MULTIPART:
                items.append(self._changeset(_boundary(headers["content-type"]), start, end))
            else:
                items.append(self._request(headers, start, end))
        return Batch(boundary, tuple(items))

    def _changeset(self, boundary: str, start: int, end: int) -> Changeset:
        self._changesets += 1
        if self._changesets > self._most:
            raise Refusal(BATCH_TOO_MANY, limit=self._most)
        # The first delimiter may follow the empty line at once, whose end is its own then.
        parts = self._parts(boundary, start - 1, end)
        return Changeset(boundary, tuple(self._request_in_changeset(*part) for part in parts))

    def _request_in_changeset(self, headers: Mapping[str, str], start: int, end: int) -> BatchRequest:
        if _media_type(headers.get("content-type")) == MULTIPART:
            raise Refusal(BATCH_NESTED)
        return self._request(headers, start, end)

    def _parts(self, boundary: str, start: int, end: int) -> Iterator[tuple[Mapping[str, str], int, int]]:
        """The parts between the delimiters from *start* to *end*: their headers, where the rest begins and ends."""
        text = self._text
        begin = None
        for stop, after, is_last in self._delimiters(boundary, start, end):
            if begin is not None:
                begin = text.find(b"\n", begin, stop) + 1 or stop
                content_end = stop - 1 if begin < stop and text[stop - 1] in _CR else stop
                yield (*self._headers(begin, content_end), content_end)
            if is_last:
                return
            begin = after
        raise _unreadable("it holds no part" if begin is None else "it ends before its last boundary")

    def _delimiters(self, boundary: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """The delimiters from *start* to *end*: where the line end before each is, its end, and if it is the last."""
        mark = b"\n--" + boundary.encode()
        at = self._text.find(mark, start, end)
        while at >= 0:
            after = at + len(mark)
            found = _DELIMITER_END.match(self._text, after, end)
            if found:
                yield at, found.end(), found[1] is not None
            else:
                self._lookalikes += 1
                if self._lookalikes > _MOST_LOOKALIKES * self._most:
                    raise _unreadable("its boundary begins too many lines")
            at = self._text.find(mark, after, end)

    def _headers(self, start: int, end: int) -> tuple[Mapping[str, str], int]:
        """The headers from *start* on, by their lower-case names, and where what follows the empty line begins."""
        text = self._text
        found = _BLOCK.match(text, start, min(end, start + _MAX_HEAD_BYTES + 1))
        stop = found.end() if found else start
        if stop - start > _MAX_HEAD_BYTES:
            raise _unreadable("the headers of a part are too long")
        block = text[start:stop]
        headers = self._blocks.get(block)
        if headers is None:
            headers = self._blocks[block] = self._read_block(block)
        if stop == end:
            return headers, end
        line_end = text.find(b"\n", stop, min(end, stop + 2)) + 1
        if not line_end or (line_end == stop + 2 and text[stop] not in _CR):
            raise _unreadable("a header of a part cannot be read")
        return headers, line_end

    def _read_block(self, block: bytes) -> Mapping[str, str]:
        headers: dict[str, str] = {}
        known = self._header_lines
        for line in block.splitlines():
            name, value = known.get(line) or known.setdefault(line, _read_header(line))
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def _request(self, part: Mapping[str, str], start: int, end: int) -> BatchRequest:
        if _media_type(part.get("content-type")) != REQUEST:
            raise Refusal(BATCH_PART_HEADER, name="Content-Type")
        self._requests += 1
        if self._requests > self._most:
            raise Refusal(BATCH_TOO_MANY, limit=self._most)
        limit = min(end, start + _MAX_HEAD_BYTES)
        line_end = self._text.find(b"\n", start, limit) + 1 or limit
        if line_end == limit < end:
            raise _unreadable("a request line is too long")
        line = self._text[start:line_end]
        headers, begin = self._headers(line_end, end)
        target = self._request_lines.get(line)
        if target is None:
            target = self._request_lines[line] = self._target(line)
        request = BatchRequest(
            target.method,
            target.path,
            target.query,
            headers,
            self._text[begin:end],
            part.get("content-id", headers.get("content-id")),
        )
        self._check(request, target.verbs)
        return request

    def _target(self, line: bytes) -> _Target:
        """What a request line says."""
        method, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
        if method not in METHODS:
            raise Refusal(BATCH_METHOD, method=method[:_SHOWN_CHARS])
        target, _, version = rest.rpartition(" ")
        if not _VERSION.fullmatch(version):
            target = rest
        target = target.strip()
        path, _, query = target.partition("?")
        if "\ufffd" in target or (query and _CONTROLS.search(query)):
            raise Refusal(BATCH_PATH, path=target[:_SHOWN_CHARS])
        path = self._relative(path)
        return _Target(method, path, query, _verbs(path))

    def _relative(self, path: str) -> str:
        """*path* below the service root; what lies elsewhere stays as it is, and is no path of a batch then."""
        origin = _origin(path)
        if origin and origin.lower() != self._origin:
            return path
        path = path[len(origin) :]
        if path.startswith(self._service_path):
            return path[len(self._service_path) :]
        return path if origin else path.removeprefix("/")

    def _check(self, request: BatchRequest, verbs: frozenset[str]) -> None:
        """Pass when the request is one of *verbs*, and no list of it is too long."""
        verb = request.verb
        if verb not in METHODS:
            raise Refusal(BATCH_METHOD, method=verb[:_SHOWN_CHARS])
        if verb not in verbs:
            raise Refusal(BATCH_PATH, path=request.path[:_SHOWN_CHARS])
        if verb == "GET" and request.query and (top := _TOP.search(request.query)):
            # One that is too large by itself is refused when its own request is answered.
            self._top += int(top[1]) if int(top[1]) <= self._top_max else 0
            if self._top > self._top_max:
                raise Refusal(BATCH_TOP, limit=self._top_max)


def _verbs(path: str) -> frozenset[str]:
    """The methods that *path* takes, none when it is no path of a batch."""
    found = _PATH.fullmatch(_ESCAPED_MARK.sub(lambda each: unquote(each[0]), path))
    if found is None:
        return frozenset()
    return ON_SETS if not found[1] else METHODS if found[2] else ON_ENTITIES


def _read_header(line: bytes) -> tuple[str, str]:
    found = _HEADER.fullmatch(line)
    if found is None:
        raise _unreadable("a header of a part cannot be read")
    return found[1].decode("latin-1").lower(), found[2].strip(b" \t").decode("latin-1")


_media_type: Final = lru_cache(maxsize=16)(essence)


def _boundary(content_type: str) -> str:
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2]) if found else ""
    if not _BOUNDARY_CHARS.fullmatch(boundary):
        raise _unreadable("its boundary is missing or not valid")
    return boundary


def _origin(url: str) -> str:
    """Scheme and authority of *url*, empty when it is relative."""
    found = _ORIGIN.match(url) if "://" in url else None
    return found[0] if found else ""


def _unreadable(cause: str) -> Refusal:
    return Refusal(BATCH_UNREADABLE, cause=cause)


# Writing


def multipart_type(boundary: str) -> str:
    """The Content-Type of a body with that boundary."""
    return f"{MULTIPART}; boundary=" + (boundary if _TOKEN.fullmatch(boundary) else f'"{boundary}"')


def render_batch(boundary: str, answers: Sequence[BatchAnswer | ChangesetAnswer], *, line_end: str = "\n") -> bytes:
    """The body that holds *answers*, with *line_end* between its lines; strict readers take CR and LF alone."""
    pieces: list[bytes] = []
    end = line_end
    for each in answers:
        pieces.append(f"--{boundary}{end}".encode())
        if isinstance(each, BatchAnswer):
            _write(pieces, each, "", end)
            continue
        pieces.append(f"Content-Type: {multipart_type(each.boundary)}{end}{end}".encode())
        for one in each.answers:
            pieces.append(f"--{each.boundary}{end}".encode())
            _write(pieces, one, f"Content-Transfer-Encoding: binary{end}", end)
        pieces.append(f"--{each.boundary}--{end}".encode())
    pieces.append(f"--{boundary}--{end}".encode())
    return b"".join(pieces)


def _write(pieces: list[bytes], answer: BatchAnswer, further: str, end: str) -> None:
    content_id = "" if answer.content_id is None else f"Content-ID: {answer.content_id}{end}"
    headers = "".join(f"{name}: {value}{end}" for name, value in answer.headers.items())
    status = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, '')}{end}"
    head = f"Content-Type: {REQUEST}{end}{further}{content_id}{end}{status}{headers}{end}"
    pieces += (head.encode("latin-1"), answer.body, end.encode())
