"""The JSON of streams: the messages of a queue, and the frames of a subscriber's WebSocket.

What does not belong here: who may hear what.

Source: the guide to streams of Personium, and its server where that says otherwise (times are milliseconds).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

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


class Asked(StrEnum):
    """What a frame of the unit answers."""

    ACCESS_TOKEN = "AccessToken"  # noqa: S105  # nosec B105 - a word of the protocol
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why a subscriber is let go."""

    INVALID_MESSAGE = "Invalid message"
    SESSION_EXPIRED = "Session expired"
    TOKEN_INACTIVE = "Token inactive"  # noqa: S105  # nosec B105 - a text of the protocol


def parse_token(text: str) -> str | None:
    """The token in a subscriber's frame ``{"AccessToken": "..."}``; None when it is no such frame."""
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    token = said.get("AccessToken") if isinstance(said, dict) else None
    return token if isinstance(token, str) else None


def render_welcome(expires_in_s: int, now_ms: int) -> bytes:
    """The answer to a token that is accepted."""
    return orjson.dumps(
        {"Response": Asked.ACCESS_TOKEN, "Result": "Success", "ExpiresIn": expires_in_s, "Timestamp": now_ms}
    )


def render_farewell(asked: Asked, reason: Reason, now_ms: int) -> bytes:
    """What a subscriber hears last."""
    return orjson.dumps({"Response": asked, "Result": "Error", "Reason": reason, "Timestamp": now_ms})


def render_published(sender: str, body: str) -> bytes:
    """A message to a topic, as its subscribers get it; *sender* is the URL of the cell that it comes from."""
    return orjson.dumps({"From": sender, "Body": _as_object(body)})
