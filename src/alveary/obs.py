"""Log lines: how they are made, and what never stands in one.

What belongs here: the making of a log that its callers are given, and the removal of secrets from every line.
What does not: which events are worth a line.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterable, Mapping
from typing import Final, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Log = FilteringBoundLogger
"""What a function is given to write lines with: ``log.info("cell created", cell=name)``."""

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

REDACTED: Final = "[redacted]"

SECRET_NAMES: Final = frozenset(
    {
        "access_token",
        "assertion",
        "authorization",
        "client_assertion",
        "client_secret",
        "cookie",
        "credential",
        "hashedcredential",
        "id_token",
        "master_token",
        "newpassword",
        "p_cookie",
        "p_cookie_peer",
        "password",
        "proxy_authorization",
        "refresh_token",
        "passphrase",
        "secret",
        "set_cookie",
        "token",
        "x_personium_credential",
    }
)
"""Fields, headers and form parameters whose values are secrets, in lower case and with ``_`` for ``-``."""

_NAMES: Final = "|".join(sorted(SECRET_NAMES, key=len, reverse=True)).replace("_", "[-_]")

_FORMS: Final = (
    # A named value: a header, a form parameter, a field of JSON in a text; quoted (with escapes) or bare.
    (
        re.compile(
            rf"""(?i)\b((?:{_NAMES})(?:\\*["'])?\s*[:=]\s*)(?:(?:Bearer|Basic)\s+)?"""
            r"""(?:(\\*["']).*?\2|[^\s"'&;,\\]+)"""
        ),
        rf"\1\2{REDACTED}\2",
    ),
    (re.compile(r"(?i)\b(Bearer|Basic)\s+(?!authentication\b|credentials\b)[\w.~+/=-]+"), rf"\1 {REDACTED}"),
    # Local tokens by their prefixes, SAML assertions and JSON web tokens by how they begin.
    (re.compile(r"\b(?:A[APRUV]|R[ARV]|GC)~[\w.~+/=-]+"), REDACTED),
    (re.compile(r"\b(?:PEFzc2|PHNhbWw|eyJ)[\w.+/=-]{16,}"), REDACTED),
)
"""How secrets look inside longer texts, and what stands there instead."""


def open_log(*, level: str, form: str, stream: TextIO, secrets: Iterable[str] = ()) -> Log:
    """A log that writes one JSON object per line (*form* ``json``) or text for people (``console``).

    Values of secret names, whatever looks like a token, and each of *secrets* never reach the stream.
    """
    known = tuple(sorted(filter(None, secrets), key=len, reverse=True))

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: _clean(name, value, known) for name, value in event.items()}

    processors: list[Processor] = [
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _renderer(form, colors=stream.isatty()),
    ]
    wrapped = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
    return cast(Log, wrapped)


def _renderer(form: str, *, colors: bool) -> Processor:
    if form == "console":
        # The plain traceback, because the richer ones print local variables and whatever they hold.
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: EventDict, **_options: object) -> str:
    try:
        return orjson.dumps(event).decode()
    except orjson.JSONEncodeError:  # lone surrogates of an undecodable path, numbers beyond 64 bits
        return json.dumps(event)


def _clean(name: str, value: object, secrets: tuple[str, ...]) -> object:
    if name.lower().replace("-", "_") in SECRET_NAMES:
        return REDACTED
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(inner): _clean(str(inner), each, secrets) for inner, each in value.items()}
        case list() | tuple():
            return [_clean("", each, secrets) for each in value]
        case _:
            return mask(str(value), secrets)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """*text* without *secrets* and without anything that looks like a password or token."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


class Relay(logging.Handler):
    """Carries what libraries write to the standard ``logging`` into *log*, so that no line goes around it."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record* as a line of the log."""
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        fields = {"exception": trace} if trace else {}
        self._log.log(record.levelno, record.getMessage(), logger=record.name, **fields)
