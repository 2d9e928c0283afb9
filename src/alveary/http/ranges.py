"""Answers that carry a file, whole or in parts (RFC 9110, sections 14 and 15.3.7).

What does not belong here: the grammar of ``Range``, and where the bytes come from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from alveary.http.compression import CODING, compress, compressed, takes_gzip
from alveary.http.conditional import is_unchanged, range_applies, read_condition
from alveary.http.digests import told_digest
from alveary.http.response import Response
from alveary.model.values import frozen
from alveary.wire.etags import ETag
from alveary.wire.http_dates import http_date
from alveary.wire.ranges import ByteRange, parse_ranges

Read = Callable[[int, int], AsyncIterator[bytes]]
"""The bytes from a start up to an end, in pieces."""


@frozen
class Download:
    """A file to be answered: its version, media type and size; ``source`` is its bytes or reads them.

    ``headers`` go with every answer about it. When it is ``shrinkable`` it may be compressed on its way.
    """

    etag: ETag
    media_type: str
    size_bytes: int
    sha256: bytes
    source: bytes | Read
    headers: Mapping[str, str]
    shrinkable: bool = False

    def whole(self) -> bytes | AsyncIterator[bytes]:
        """All its bytes."""
        return self.source if isinstance(self.source, bytes) else self.source(0, self.size_bytes)

    def part(self, span: ByteRange) -> bytes | AsyncIterator[bytes]:
        """The bytes of *span*."""
        if isinstance(self.source, bytes):
            return self.source[span.start : span.end]
        return self.source(span.start, span.end)


def file_response(
    headers: Mapping[str, str], file: Download, new_boundary: Callable[[], str], *, method: str = "GET"
) -> Response:
    """The answer to a GET or HEAD of *file* with those request *headers*: 200, 206 or 304.

    Range counts for GET alone, and for the file as it is. *new_boundary* gives a word that is not in the file.

    Raises:
        Refusal: ETAG_MISMATCH, RANGE_NOT_SATISFIABLE.
    """
    etag = file.etag
    read_condition(headers).check(etag)
    answer = {"etag": str(etag), "last-modified": http_date(etag.updated_ms), "accept-ranges": "bytes"}
    answer |= file.headers
    shrinks = file.shrinkable and "range" not in headers and takes_gzip(headers)
    if file.shrinkable:
        answer["vary"] = "Accept-Encoding"
    if shrinks:  # other bytes, so another strong tag: the weak one stands for both
        answer["etag"] = f"W/{etag.opaque}"
    elif "want-repr-digest" in headers:
        answer |= told_digest(headers, file.sha256)
    if is_unchanged(headers, etag):
        return Response(304, answer)
    if shrinks:
        return _compressed(file, answer, method)
    spans: tuple[ByteRange, ...] = ()
    if "range" in headers and method == "GET" and range_applies(headers, etag):
        spans = parse_ranges(headers["range"], file.size_bytes)
    if len(spans) > 1:
        return _multipart(file, spans, answer, new_boundary())
    answer["content-type"] = file.media_type
    if not spans:
        answer["content-length"] = str(file.size_bytes)
        return Response(200, answer, None if method == "HEAD" else file.whole())
    answer["content-range"] = spans[0].content_range(file.size_bytes)
    answer["content-length"] = str(spans[0].size_bytes)
    return Response(206, answer, file.part(spans[0]))


def _compressed(file: Download, answer: dict[str, str], method: str) -> Response:
    answer |= {"content-type": file.media_type, "content-encoding": CODING}
    if method == "HEAD":  # a body of unknown length, which is not sent
        return Response(200, answer, _nothing())
    source = file.whole()
    return Response(200, answer, compress(source) if isinstance(source, bytes) else compressed(source))


async def _nothing() -> AsyncIterator[bytes]:
    for piece in tuple[bytes, ...]():
        yield piece


def _multipart(file: Download, spans: tuple[ByteRange, ...], common: dict[str, str], boundary: str) -> Response:
    heads = [
        f"\r\n--{boundary}\r\ncontent-type: {file.media_type}\r\n"
        f"content-range: {span.content_range(file.size_bytes)}\r\n\r\n".encode("latin-1", "replace")
        for span in spans
    ]
    tail = f"\r\n--{boundary}--\r\n".encode()
    size_bytes = sum(map(len, heads)) + sum(span.size_bytes for span in spans) + len(tail)

    parts = [file.part(span) for span in spans]  # opened now: what comes later is of one version

    async def body() -> AsyncIterator[bytes]:
        for head, part in zip(heads, parts, strict=True):
            yield head
            if isinstance(part, bytes):
                yield part
                continue
            async for piece in part:
                yield piece
        yield tail

    common |= {
        "content-type": f"multipart/byteranges; boundary={boundary}",
        "content-length": str(size_bytes),
    }
    return Response(206, common, body())
