"""The JSON of streams: the messages of a queue, and the frames of a subscriber's WebSocket.

What does not belong here: who may hear what.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson


def render_messages(bodies: Sequence[str]) -> bytes:
    """What a receiver of a queue gets: an array of objects."""
    return orjson.dumps([_as_object(body) for body in bodies])


def _as_object(body: str) -> object:
    """*body* letter by letter when it is a JSON object, else an object that holds it as ``content``."""
    try:
        is_object = isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        is_object = False
    return orjson.Fragment(body) if is_object else {"content": body}
