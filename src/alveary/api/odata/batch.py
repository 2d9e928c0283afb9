"""``{service}/$batch``: many requests in one, each answered as it would be by itself.

A changeset is one transaction: all of its requests or none (Personium's way, each by itself, is an option). What does
not belong here: the bytes of a batch (``wire.odata_batch``), and what the single requests do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from alveary.api.odata.bodies import Site
from alveary.errors import (
    KEY_AFTER_NAVIGATION,
    NOT_IMPLEMENTED,
    QUERY_TOO_LARGE,
    REQUEST_TIMEOUT,
    UNEXPECTED,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.refusals import render
from alveary.http.request import Request
from alveary.http.response import Response
from alveary.ports import Ports
from alveary.usecases.access import Doing
from alveary.usecases.joint import JointRefusal, together
from alveary.usecases.services import CONTROL
from alveary.wire.odata_batch import (
    BatchAnswer,
    BatchRequest,
    Changeset,
    ChangesetAnswer,
    multipart_type,
    parse_batch,
    render_batch,
)
from alveary.wire.odata_json import V2
from alveary.wire.odata_keys import split_segment
from alveary.wire.odata_options import answer_shape
from alveary.wire.urls import decode_path

Serve = Callable[[Call, Site, tuple[str, ...]], Awaitable[Response]]
"""Answers a request on what the segments lead to below a service."""

_AT_ONCE: Final = 200
"""How many writes that follow one another are under way at once: they share commits."""

_SPELLED: Final = {
    "content-type": "Content-Type",
    "location": "Location",
    "dataserviceversion": "DataServiceVersion",
    "etag": "ETag",
    "allow": "Allow",
}
"""The headers that an answer within a batch has."""

Answer = BatchAnswer | ChangesetAnswer


async def run(call: Call, site: Site, serve: Serve) -> Response:
    """POST {service}/$batch: 202 with the answer to each request.

    Source: API reference 368. Deviation: docs/deviations.md#changesets.
    """
    await call.access.require_any(call.ports, site.service, Doing.READ, Doing.WRITE)
    limits = call.ports.config.limits
    body = await call.request.read(limits.batch_bytes)
    content_type = call.request.headers.get("content-type")
    batch = parse_batch(body, content_type, service_url=site.url, most=limits.batch_requests, top_max=limits.top_max)
    answers = [each async for each in _Run(call, site, serve, _Room(limits.answer_bytes)).answers(batch.items)]
    head = {"content-type": multipart_type(batch.boundary), "dataserviceversion": "2.0"}
    line_end = "\r\n" if _is_v2(call, batch.items) else "\n"
    return Response(202, head, render_batch(batch.boundary, answers, line_end=line_end))


def _is_v2(call: Call, items: Sequence[BatchRequest | Changeset]) -> bool:
    """Whether the batch, or any request of it, is to be answered as OData V2 has it."""
    requests = (each for item in items for each in (item.requests if isinstance(item, Changeset) else (item,)))
    accepts = {call.request.headers.get("accept", ""), *(each.headers.get("accept", "") for each in requests)}
    return any(answer_shape(accept, call.ports.config.odata.shape) == V2 for accept in accepts)


class _Room:
    """How much the requests that read may still be answered, all of a batch together: it waits in memory."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = self._left_bytes = size_bytes

    def check(self) -> None:
        """Pass while there is any.

        Raises:
            Refusal: QUERY_TOO_LARGE.
        """
        if self._left_bytes <= 0:
            raise Refusal(QUERY_TOO_LARGE, limit=self._size_bytes)

    def take(self, response: Response) -> None:
        """Have *response* in it."""
        self._left_bytes -= response.size_bytes or 0


@dataclass(frozen=True, slots=True)
class _Run:
    """One batch being answered."""

    call: Call
    site: Site
    serve: Serve
    room: _Room

    async def answers(self, items: Sequence[BatchRequest | Changeset]) -> AsyncIterator[Answer]:
        """The answers to *items*, in their order."""
        pace = _Pace(self.call)
        for run in _runs(items, 1 if self.site.service is CONTROL else _AT_ONCE):
            if not pace.late:
                await pace.step()
            if pace.late:
                for item in run:
                    yield _refused_whole(item, self._refused(Refusal(REQUEST_TIMEOUT)))
                continue
            for answer in await asyncio.gather(*map(self._item, run)):
                yield answer

    async def _item(self, item: BatchRequest | Changeset) -> Answer:
        return await (self._changeset(item) if isinstance(item, Changeset) else self._request(item))

    async def _changeset(self, changeset: Changeset) -> Answer:
        if self.call.ports.config.odata.changesets == "personium":
            each = [await self._request(request) for request in changeset.requests]
            return ChangesetAnswer(changeset.boundary, each)
        writes = [request for request in changeset.requests if request.verb != "GET"]
        calls = [self._joint(request) for request in writes]
        try:
            responses = await together(self.call.ports, self.call.here, calls)
        except JointRefusal as refused:
            failed = writes[refused.index]
            return _answer(failed, self._refused(refused.refusal))
        except Exception as problem:  # of the transaction, which is no single request's
            return _answer(writes[0], self._failed(problem))
        answered = {id(request): _answer(request, each) for request, each in zip(writes, responses, strict=True)}
        reads = {id(each): await self._request(each) for each in changeset.requests if each.verb == "GET"}
        return ChangesetAnswer(changeset.boundary, [(answered | reads)[id(each)] for each in changeset.requests])

    def _joint(self, request: BatchRequest) -> Callable[[Ports], Awaitable[Response]]:
        return lambda ports: self._serve(request, replace(self.call, ports=ports))

    async def _request(self, request: BatchRequest) -> BatchAnswer:
        reads = request.verb == "GET"
        try:
            if reads:
                self.room.check()
            response = await self._serve(request, self.call)
        except Exception as problem:
            response = self._failed(problem)
        if reads:
            self.room.take(response)
        return _answer(request, response)

    def _failed(self, problem: Exception) -> Response:
        """What is answered to a request that ended so; what should never be is logged."""
        if isinstance(problem, Refusal):
            return self._refused(problem)
        trace = self.call.ports.ids.hex()
        self.call.ports.log.error("a request of a batch failed", trace=trace, exc_info=problem)
        return self._refused(Refusal(UNEXPECTED, trace=trace))

    async def _serve(self, request: BatchRequest, call: Call) -> Response:
        segments = decode_path(request.path.encode())
        self._check_served(request, segments)
        return await self.serve(replace(call, request=_as_request(request)), self.site, segments)

    def _check_served(self, request: BatchRequest, segments: tuple[str, ...]) -> None:
        """Pass what Personium answers within a batch; what else OData has is served in the shape of V2 alone."""
        shape = answer_shape(request.headers.get("accept", ""), self.call.ports.config.odata.shape)
        if len(segments) == 1 or shape == V2:
            return
        if request.verb == "POST":
            return
        match segments:
            case (_, end) if split_segment(end)[1] is not None:
                raise Refusal(KEY_AFTER_NAVIGATION)
            case _:
                raise Refusal(NOT_IMPLEMENTED)

    def _refused(self, refusal: Refusal) -> Response:
        return render(refusal, self.call.urls.cell_url(self.call.here.name))


class _Pace:
    """How long a batch may take, and its pauses: one of low priority lets others go first now and then."""

    def __init__(self, call: Call) -> None:
        limits = call.ports.config.limits
        self._clock = call.ports.clock
        self._begin_s = self._rested_s = self._clock.ticks_s()
        self._limit_s = limits.batch_timeout_s
        self._interval_s = limits.batch_pause_interval_ms / 1000
        urgent = call.request.headers.get("x-personium-priority", "low").lower() == "high"
        self._pause_s = 0 if urgent else limits.batch_pause_ms / 1000

    @property
    def late(self) -> bool:
        """Whether what is left is not begun any more."""
        return self._clock.ticks_s() - self._begin_s > self._limit_s

    async def step(self) -> None:
        """Let others go first."""
        if self._clock.ticks_s() - self._rested_s < self._interval_s:
            await asyncio.sleep(0)
            return
        await asyncio.sleep(self._pause_s)
        self._rested_s = self._clock.ticks_s()


def _runs(items: Sequence[BatchRequest | Changeset], most: int) -> Iterator[list[BatchRequest | Changeset]]:
    """*items* in their order: writes that follow one another together, at most that many, all else alone."""
    for is_write, group in groupby(items, lambda each: isinstance(each, BatchRequest) and each.verb != "GET"):
        each = list(group)
        step = most if is_write else 1
        for start in range(0, len(each), step):
            yield each[start : start + step]


def _as_request(request: BatchRequest) -> Request:
    pieces = [request.body]

    async def receive() -> bytes:
        return pieces.pop() if pieces else b""

    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    fields = [field for field in fields if field[0] not in {b"content-length", b"transfer-encoding"}]
    fields.append((b"content-length", str(len(request.body)).encode()))
    url = request.path.encode() + (b"?" + request.query.encode("utf-8", "replace") if request.query else b"")
    return Request(request.verb, url, fields, receive)


def _answer(request: BatchRequest, response: Response) -> BatchAnswer:
    headers = {
        spelled: value for name, spelled in _SPELLED.items() if isinstance(value := response.headers.get(name), str)
    }
    body = response.body if isinstance(response.body, bytes) else b""
    return BatchAnswer(response.status, headers, body, request.content_id)


def _refused_whole(item: BatchRequest | Changeset, response: Response) -> Answer:
    if isinstance(item, BatchRequest):
        return _answer(item, response)
    return ChangesetAnswer(item.boundary, [_answer(each, response) for each in item.requests])
