"""Frames between the server and a script worker. All that comes from a worker is hostile input.

A frame is a length (four bytes, big-endian), a kind (one byte) and that many bytes. The two sides take
turns, so a worker never has more than one frame on its way. What a worker sends has one line of JSON,
small, and then lines of bulk, each a JSON string or the number of a stream: it can make us hold little more
than it sent. What does not belong here: processes and sockets (``adapters.engine``).
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from encodings.aliases import aliases
from typing import Final, Never

from alveary.errors import Refusal
from alveary.model.entities import JsonValue
from alveary.model.script import HostCall, ScriptAnswer, ScriptJob, Stream

JOB: Final = b"J"
SOURCE: Final = b"S"
REPLY: Final = b"R"
HELLO: Final = b"H"
CALL: Final = b"C"
ANSWER: Final = b"A"
ERROR: Final = b"E"

FROM_WORKER: Final = frozenset({HELLO, CALL, ANSWER, ERROR})
HEADER_BYTES: Final = 5
HEAD_LINE_BYTES: Final = 64 * 1024
BODY_PIECES: Final = 1000
REQUEST_BODY: Final = 0
"""The stream number of the request's body."""

DROPPED_HEADERS: Final = frozenset(
    {"connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""What the server alone says about its answer."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
MEDIA_TYPE: Final = re.compile(r"\s*[\w!#$&^.+\-]+/[\w!#$&^.+\-]+\s*(;[\t\x20-\x7e]*)?", re.ASCII)
"""A media type, with or without parameters, that a header can carry."""

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)
_ENCODINGS = {
    **{name: name for name in aliases.values()},
    **aliases,
    "windows_31j": "cp932",
    "x_sjis": "cp932",
}


class FrameError(Exception):
    """The worker broke the protocol; its process is not to be trusted any further."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A kind and its payload."""

    kind: bytes
    payload: bytes


class FrameReader:
    """Puts one frame at a time together, of at most *max_bytes*."""

    def __init__(self, max_bytes: int) -> None:
        """A reader at the start of a frame."""
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Frame | None:
        """The frame that *data* completes, None while some of it is missing.

        Raises:
            FrameError: too large, of no known kind, or more than the worker may say before its next turn.
        """
        self._buffer += data
        if len(self._buffer) < HEADER_BYTES:
            return None
        size_bytes = int.from_bytes(self._buffer[:4], "big")
        kind = bytes(self._buffer[4:HEADER_BYTES])
        if size_bytes > self._max_bytes or kind not in FROM_WORKER:
            raise FrameError(f"a frame of kind {kind!r} and {size_bytes} bytes")
        missing_bytes = HEADER_BYTES + size_bytes - len(self._buffer)
        if missing_bytes > 0:
            return None
        if missing_bytes < 0:
            raise FrameError("more than one frame")
        payload = bytes(memoryview(self._buffer)[HEADER_BYTES:])
        self._buffer = bytearray()
        return Frame(kind, payload)


def frame(kind: bytes, payload: bytes) -> bytes:
    """*payload* as a frame of *kind*."""
    return len(payload).to_bytes(4, "big") + kind + payload


def render_job(job: ScriptJob) -> bytes:
    """The payload of a JOB: the request and the place, as the prelude reads them."""
    request = job.request
    return _ascii(
        {
            "request": {
                "method": request.method,
                "scheme": request.scheme,
                "host": request.host,
                "port": request.port,
                "scriptName": request.script_name,
                "pathInfo": request.path_info,
                "queryString": request.query_string,
                "headers": dict(request.headers),
            },
            "requestUri": request.request_uri,
            "cellName": job.cell_name,
            "cellUrl": job.cell_url,
            "boxName": job.box_name,
            "boxSchema": job.box_schema,
            "serverVersion": job.server_version,
        }
    )


def value_reply(value: JsonValue) -> bytes:
    """The payload of a REPLY: the call went well."""
    return _ascii({"ok": True, "value": value})


def refusal_reply(refusal: Refusal) -> bytes:
    """The payload of a REPLY: the call was refused. The script sees the status and body of an HTTP client."""
    body = {"code": refusal.kind.code, "message": {"lang": "en", "value": refusal.text}}
    return _ascii({"ok": False, "code": refusal.kind.status, "message": json.dumps(body)})


def error_reply(message: str) -> bytes:
    """The payload of a REPLY: the call made no sense; a plain error in the script."""
    return _ascii({"ok": False, "error": message})


def parse_text(payload: bytes) -> str:
    """The text of a HELLO or an ERROR; what is not UTF-8 in it is replaced."""
    return payload.decode("utf-8", "replace")


def parse_call(payload: bytes) -> HostCall:
    """The call in the payload of a CALL.

    Raises:
        FrameError: it has another form.
    """
    head, bulk = _parse(payload, max_pieces=1)
    op, args = head.get("op"), head.get("args")
    if not isinstance(op, str) or not isinstance(args, dict):
        raise FrameError("a call without op and args")
    return HostCall(op, args, bulk[0] if bulk else None)


def parse_answer(payload: bytes) -> ScriptAnswer:
    """The answer in the payload of an ANSWER, its text encoded in its Content-Type's charset (default UTF-8).

    Raises:
        FrameError: it has another form than any script's answer.
        ValueError: the script's answer is not a valid one; the text says why.
    """
    head, bulk = _parse(payload, max_pieces=BODY_PIECES)
    status, headers = head.get("status"), head.get("headers")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 999:
        raise ValueError("The status is not a number from 200 to 999.")
    if not isinstance(headers, dict):
        raise FrameError("an answer without headers")
    kept = tuple(_header(name, value) for name, value in headers.items() if name.lower() not in DROPPED_HEADERS)
    charset = _charset(next((value for name, value in kept if name.lower() == "content-type"), "text/plain"))
    return ScriptAnswer(
        status,
        kept,
        tuple(each if isinstance(each, Stream) else each.encode(charset, "replace") for each in bulk),
    )


def text_encoding(name: str) -> str:
    """The text encoding called *name*, never one of Python's transforms.

    Raises:
        ValueError: there is none.
    """
    # The table is asked first: Python remembers every unknown name it was ever asked for.
    encoding = _ENCODINGS.get(re.sub(r"[^a-z0-9.]+", "_", name.lower()))
    if encoding is not None:
        with contextlib.suppress(LookupError):
            "".encode(encoding)  # refuses zip and its like, which are encodings to Python
            return encoding
    raise ValueError(f"The charset [{name}] is not supported.")


def _ascii(value: JsonValue) -> bytes:
    # ASCII escapes NUL and lone surrogates, which the engine's binding would cut or refuse.
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)


def _parse(payload: bytes, *, max_pieces: int) -> tuple[dict[str, JsonValue], list[str | Stream]]:
    if payload.count(b"\n") > max_pieces:
        raise FrameError(f"more than {max_pieces} pieces")
    head_line, *bulk_lines = payload.split(b"\n")
    if len(head_line) > HEAD_LINE_BYTES:
        raise FrameError(f"a head line of {len(head_line)} bytes")
    try:
        head = json.loads(head_line, parse_constant=_refuse_constant)
        bulk = [_piece(line) for line in bulk_lines]
    except (ValueError, RecursionError) as cause:
        raise FrameError("not JSON") from cause
    if not isinstance(head, dict):
        raise FrameError("a head line that is no object")
    return head, bulk


def _piece(line: bytes) -> str | Stream:
    if line[:1] == b'"':
        text: str = json.loads(line)
        return text
    if not line.isdigit() or len(line) > 9:
        raise ValueError("a piece is a JSON string or a stream's number")
    return Stream(int(line))


def _header(name: str, value: JsonValue) -> tuple[str, str]:
    if not isinstance(value, str) or not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"The header [{name}] is not valid.")
    return name, value


def _charset(media_type: str) -> str:
    if not MEDIA_TYPE.fullmatch(media_type):
        raise ValueError(f"The Content-Type [{media_type}] is not valid.")
    named = _CHARSET.search(media_type)
    return text_encoding(named[1]) if named else "utf-8"
