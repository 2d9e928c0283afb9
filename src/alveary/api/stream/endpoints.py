"""Queues and topics over HTTP.

What does not belong here: the collection itself, which is WebDAV's, and subscribers of topics (``topics``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from alveary.errors import MALFORMED_REQUEST, METHOD_NOT_ALLOWED, NO_SUCH_URI, QUERY_VALUE, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.streams import StreamKind
from alveary.usecases import streams
from alveary.usecases.access import BoxPath, Need
from alveary.usecases.streams import StreamPath, Wish
from alveary.wire.stream_json import render_messages

_WITH_KEY: Final = re.compile(r"(.+?)\(.+\)", re.DOTALL)
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_UNSEEN: Final = frozenset({401, 403})
"""The statuses that tell no more than that something may not be done."""

_ALLOWED: Final[tuple[tuple[Need, tuple[str, ...]], ...]] = (
    (streams.SEND, ("POST", "PUT")),
    (streams.RECEIVE, ("GET",)),
)


async def serve(call: Call, path: BoxPath, depth: int) -> Response:
    """Any method below the stream collection that the first *depth* names of *path* lead to."""
    collection = BoxPath(path.box, path.segments[:depth])
    match path.segments[depth:]:
        case (StreamKind.QUEUE | StreamKind.TOPIC as kind, name):
            stream = StreamPath(collection, StreamKind(kind), name)
        case _:
            await call.access.require_at(call.ports, collection, streams.RECEIVE)
            raise Refusal(NO_SUCH_URI)
    handler = HANDLERS.get((stream.kind, call.request.method), _refuse)
    return await handler(call, stream)


async def _refuse(call: Call, stream: StreamPath) -> Response:
    """Nothing: there is no such method, which those hear who may receive."""
    await call.access.require_at(call.ports, stream.collection, streams.RECEIVE)
    raise Refusal(METHOD_NOT_ALLOWED)


async def _listen(call: Call, topic: StreamPath) -> Response:
    """Nothing: a topic is heard over a WebSocket alone."""
    await streams.find(call.ports, call.access, topic, streams.RECEIVE)
    raise Refusal(METHOD_NOT_ALLOWED)


async def receive(call: Call, queue: StreamPath) -> Response:
    """GET {stream}/queue/{name}: 200 with an array of the oldest messages, which are then gone.

    ``max`` of them, by default one, as soon as there is one, and an empty array after ``wait`` seconds.

    Source: API reference 387. Deviation: docs/deviations.md#queues-are-durable.
    """
    limits, request = call.ports.config.stream, call.request
    most = int(_number(call, "max", _COUNT, 1, limits.receive_messages) or 1)
    wait_s = _number(call, "wait", _SECONDS, 0, limits.receive_wait_max_s)
    wish = Wish(most, limits.receive_wait_s if wait_s is None else wait_s)
    bodies = await streams.receive(call.ports, call.access, queue, wish, request.on_leaving)
    return Response(200, {"content-type": "application/json"}, render_messages(bodies))


def _number(call: Call, name: str, form: re.Pattern[str], least: float, most: float) -> float | None:
    """The query option of that name, None when there is none."""
    raw = call.query.get(name)
    if raw is None:
        return None
    if not form.fullmatch(raw) or not least <= float(raw) <= most:
        raise Refusal(QUERY_VALUE, name=name, value=raw)
    return float(raw)


async def send(call: Call, queue: StreamPath) -> Response:
    """POST and PUT {stream}/queue/{name}, PUT {stream}/queue/{name}({key}): 200 once the message is on disk.

    Source: API reference 386.
    """
    queue = _without_key(call, queue)
    await streams.send(call.ports, call.access, queue, await _text(call, queue))
    return Response(200)


async def publish(call: Call, topic: StreamPath) -> Response:
    """POST and PUT {stream}/topic/{name}, PUT {stream}/topic/{name}({key}): 200; who listens hears the message.

    Source: API reference 388.
    """
    topic = _without_key(call, topic)
    text = await _text(call, topic)
    await streams.publish(call.ports, call.access, topic, text, call.request.headers.get("x-personium-via"))
    return Response(200)


def _without_key(call: Call, stream: StreamPath) -> StreamPath:
    """*stream* as a PUT means it: a rule that relays an entity appends that entity's key."""
    keyed = _WITH_KEY.fullmatch(stream.name) if call.request.method == "PUT" else None
    return StreamPath(stream.collection, stream.kind, keyed[1]) if keyed else stream


async def _text(call: Call, stream: StreamPath) -> str:
    """The message that the request brings, asked for only when its sender may send it."""
    await streams.find(call.ports, call.access, stream, streams.SEND)
    try:
        return (await call.request.read(call.ports.config.stream.message_bytes)).decode()
    except UnicodeDecodeError:
        raise Refusal(MALFORMED_REQUEST, cause="the message is not UTF-8") from None


async def options(call: Call, stream: StreamPath) -> Response:
    """OPTIONS {stream}/queue/{name} and {stream}/topic/{name}: 200 and what the subject may do there.

    Source: spec of the server. Deviation: docs/deviations.md#options-of-queues-and-topics.
    """
    allowed = ["OPTIONS"]
    for need, methods in _ALLOWED:
        try:
            await streams.find(call.ports, call.access, stream, need)
        except Refusal as refusal:
            if refusal.kind.status not in _UNSEEN:
                raise
        else:
            allowed += methods
    text = ", ".join(allowed)
    return Response(200, {"allow": text, "access-control-allow-methods": text})


Handler = Callable[[Call, StreamPath], Awaitable[Response]]

HANDLERS: Final[Mapping[tuple[StreamKind, str], Handler]] = {
    (StreamKind.QUEUE, "GET"): receive,
    (StreamKind.QUEUE, "POST"): send,
    (StreamKind.QUEUE, "PUT"): send,
    (StreamKind.QUEUE, "OPTIONS"): options,
    (StreamKind.TOPIC, "GET"): _listen,
    (StreamKind.TOPIC, "POST"): publish,
    (StreamKind.TOPIC, "PUT"): publish,
    (StreamKind.TOPIC, "OPTIONS"): options,
}
"""HEAD is not among them: what has no effect cannot stand for what takes messages away."""
