"""What the endpoints of OAuth2 share: forms, their one method, headers of answers that nobody may keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from alveary.errors import METHOD_NOT_ALLOWED, PARAMETER_REQUIRED, Refusal
from alveary.http.call import Call

_MAX_FIELDS: Final = 64

NO_STORE: Final[Mapping[str, str]] = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "pragma": "no-cache",
}


def require_method(call: Call, segments: tuple[str, ...], *methods: str) -> None:
    """Return when the request has one of *methods*, and nothing follows its endpoint.

    Raises:
        Refusal: METHOD_NOT_ALLOWED.
    """
    if len(segments) != 1 or call.request.method not in methods:
        raise Refusal(METHOD_NOT_ALLOWED)


async def form_of(call: Call, wanted: str) -> dict[str, str]:
    """The fields of the request's form; *wanted* is named when there is none to read.

    Raises:
        Refusal: PARAMETER_REQUIRED when it is no form, or names a field twice (RFC 6749, 3.2).
    """
    text = await call.request.read(call.ports.config.limits.form_bytes)
    try:
        return fields_of(text.decode())
    except UnicodeDecodeError:
        raise Refusal(PARAMETER_REQUIRED, name=wanted) from None
    except ValueError:
        raise Refusal(PARAMETER_REQUIRED, name=wanted) from None


def fields_of(text: str) -> dict[str, str]:
    """The fields of a form or a query.

    Raises:
        Refusal: PARAMETER_REQUIRED when one is named twice.
        ValueError: there are too many.
    """
    fields: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS):
        if name in fields:
            raise Refusal(PARAMETER_REQUIRED, name=name)
        fields[name] = value
    return fields
