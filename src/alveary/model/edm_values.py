"""The primitive types of the entity data model, and what a value in JSON must be to be one of them.

A stored value is JSON too: an Edm.DateTime is its milliseconds since 1970, all else what it looks like. What does not
belong here: how values are answered (``wire``), properties (``edm``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from alveary.errors import FIELD_FORMAT, Refusal
from alveary.model.entities import MAX_STRING_BYTES, JsonValue


class EdmType(StrEnum):
    """The primitive types."""

    STRING = "Edm.String"
    BOOLEAN = "Edm.Boolean"
    INT32 = "Edm.Int32"
    SINGLE = "Edm.Single"
    DOUBLE = "Edm.Double"
    DATETIME = "Edm.DateTime"


NUMERIC: Final = frozenset({EdmType.INT32, EdmType.SINGLE, EdmType.DOUBLE})

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1
EARLIEST_MS: Final = -6_847_804_800_000
"""The first moment of 1753."""
LATEST_MS: Final = 253_402_300_799_999
"""The last moment of 9999."""
NOW: Final = "SYSUTCDATETIME()"
"""What stands for the time of the request."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SINGLE: Final = re.compile(r"-?[0-9]{1,5}\.[0-9]{1,5}")
_DATE: Final = re.compile(r"/Date\((-?[0-9]{1,15})\)/")
_MAX_SINGLE: Final = 3.4028235e38
_MIN_DOUBLE: Final = 2.23e-308
_MAX_DOUBLE: Final = 1.79e308


def parse_scalar(
    kind: EdmType, raw: JsonValue, name: str, now_ms: int, max_bytes: int | None = None
) -> str | bool | int | float:
    """*raw*, the value of the property *name*, as a stored value of type *kind*.

    Numbers and truth values may be spelled as texts, and texts as either. *max_bytes* bounds a text where its own
    bound is another than that of all texts.

    Raises:
        Refusal: FIELD_FORMAT.
    """
    if kind is EdmType.STRING:
        value: str | bool | int | float | None = _string(raw, MAX_STRING_BYTES if max_bytes is None else max_bytes)
    else:
        value = _PARSERS[kind](raw, now_ms)
    if value is None:
        raise Refusal(FIELD_FORMAT, field=name)
    return value


def _string(raw: JsonValue, max_bytes: int) -> str | None:
    if not isinstance(raw, str):
        if isinstance(raw, bool):
            return "true" if raw else "false"
        return repr(raw) if isinstance(raw, int | float) else None
    if len(raw) * 4 <= max_bytes:
        return raw
    return raw if len(raw.encode("utf-8", "replace")) <= max_bytes else None


def _boolean(raw: JsonValue, _: int) -> bool | None:
    if isinstance(raw, bool):
        return raw
    return {"true": True, "false": False}.get(raw) if isinstance(raw, str) else None


def _int32(raw: JsonValue, _: int) -> int | None:
    if isinstance(raw, str) and _INTEGER.fullmatch(raw):
        raw = int(raw)
    if type(raw) is not int:
        return None
    return raw if INT32_MIN <= raw <= INT32_MAX else None


def _float(raw: JsonValue) -> float | None:
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str):
        if not _NUMBER.fullmatch(raw):
            return None
    elif not isinstance(raw, int | float):
        return None
    try:
        value = float(raw)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _single(raw: JsonValue, _: int) -> float | None:
    value = _float(raw)
    if value is None or abs(value) > _MAX_SINGLE:
        return None
    text = raw if isinstance(raw, str) else repr(raw)
    # With a fraction Personium takes five digits on either side of the point, without one whatever fits.
    has_fraction = "." in text and (isinstance(raw, str) or "e" in text or not value.is_integer())
    return value if not has_fraction or _SINGLE.fullmatch(text) else None


def _double(raw: JsonValue, _: int) -> float | None:
    value = _float(raw)
    if value is None or (value and not _MIN_DOUBLE <= abs(value) <= _MAX_DOUBLE):
        return None
    return value


def _datetime(raw: JsonValue, now_ms: int) -> int | None:
    if raw == NOW:
        return now_ms
    found = _DATE.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        return None
    value = int(found[1])
    return value if EARLIEST_MS <= value <= LATEST_MS else None


_PARSERS: Final[dict[EdmType, Callable[[JsonValue, int], bool | int | float | None]]] = {
    EdmType.BOOLEAN: _boolean,
    EdmType.INT32: _int32,
    EdmType.SINGLE: _single,
    EdmType.DOUBLE: _double,
    EdmType.DATETIME: _datetime,
}
