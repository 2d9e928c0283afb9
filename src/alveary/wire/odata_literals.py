"""The literals of ``$filter``: how they are spelled, and what each is worth beside a value of some type.

What does not belong here: the grammar around them (``odata_filter``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Final

from alveary.errors import FIELD_FORMAT, FILTER_ESCAPE, FILTER_TYPE, FILTER_UNREADABLE, FILTER_VALUE, Refusal
from alveary.model.edm_values import EARLIEST_MS, INT32_MAX, INT32_MIN, LATEST_MS, EdmType, parse_scalar
from alveary.model.queries import Literal


class Form(Enum):
    """The forms of literals."""

    TEXT = auto()
    INTEGER = auto()
    DECIMAL = auto()
    """A number with a fraction or an exponent, or with the suffix of a double."""
    SINGLE = auto()
    EXACT = auto()
    """A number with the suffix of an Edm.Decimal, a type that no property has."""
    MOMENT = auto()
    BOOLEAN = auto()
    NULL = auto()


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: its form and value, a moment's in milliseconds since 1970; ``digits`` is how a number is spelled."""

    form: Form
    value: str | bool | int | float | None
    digits: str = ""


TEXT: Final = r"'[^']*+(?:''[^']*+)*+'"
MOMENT: Final = r"datetime(?:offset)?'[^']*+'"
NUMBER: Final = r"-?[0-9]{1,400}+(?:\.[0-9]{1,400}+)?(?:E\+[0-9]{1,3}+)?[LlFfMmDd]?(?![A-Za-z0-9_./'-])"
"""Patterns of literals; what they match is what the functions below read."""

WORDS: Final = {
    "true": Constant(Form.BOOLEAN, True),
    "false": Constant(Form.BOOLEAN, False),
    "null": Constant(Form.NULL, None),
}
"""The literals that are words."""

_SUFFIXES: Final = {"l": Form.INTEGER, "f": Form.SINGLE, "m": Form.EXACT, "d": Form.DECIMAL}
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([^u]|\Z)|u)", re.DOTALL)
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "": "\\"}
_MOMENT: Final = re.compile(
    r"(?P<kind>datetime|datetimeoffset)'"
    r"(?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<part>[0-9]{1,7}))?)?"
    r"(?P<zone>Z|(?P<sign>[+-])(?P<hours>[0-9]{2}):(?P<minutes>[0-5][0-9]))?'"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SINGLE: Final = re.compile(r"-?[0-9]{1,5}(\.[0-9]{1,5})?")
_INT64: Final = range(-(2**63), 2**63)

_ACCEPTED: Final = {
    EdmType.STRING: frozenset({Form.TEXT}),
    EdmType.BOOLEAN: frozenset({Form.BOOLEAN}),
    EdmType.INT32: frozenset({Form.INTEGER}),
    EdmType.SINGLE: frozenset({Form.INTEGER, Form.DECIMAL, Form.SINGLE}),
    EdmType.DOUBLE: frozenset({Form.INTEGER, Form.DECIMAL}),
    EdmType.DATETIME: frozenset({Form.INTEGER, Form.MOMENT}),
}
_TYPES: Final = {
    Form.TEXT: EdmType.STRING,
    Form.INTEGER: EdmType.INT32,
    Form.DECIMAL: EdmType.DOUBLE,
    Form.SINGLE: EdmType.DOUBLE,
    Form.EXACT: EdmType.DOUBLE,
    Form.MOMENT: EdmType.DATETIME,
    Form.BOOLEAN: EdmType.BOOLEAN,
}


def read_text(spelled: str) -> Constant:
    """The text that *spelled*, with its quotes, stands for: quotes are doubled, and then JavaScript's escapes count.

    Raises:
        Refusal: FILTER_ESCAPE.
    """
    text = spelled[1:-1].replace("''", "'")
    if "\\" not in text:
        return Constant(Form.TEXT, text)
    plain = _ESCAPE.sub(lambda found: _unescape(found, text), text)
    try:
        # Two escapes may be the halves of one character.
        return Constant(Form.TEXT, plain.encode("utf-16", "surrogatepass").decode("utf-16"))
    except UnicodeDecodeError:
        raise Refusal(FILTER_ESCAPE, value=text) from None


def _unescape(found: re.Match[str], text: str) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    if found[2] is None:
        raise Refusal(FILTER_ESCAPE, value=text)
    return _ESCAPED.get(found[2], found[2])


def read_number(spelled: str) -> Constant:
    """The number that *spelled* stands for.

    Raises:
        Refusal: FILTER_UNREADABLE for a fraction with the suffix of an integer.
    """
    form = _SUFFIXES.get(spelled[-1].lower())
    digits = spelled if form is None else spelled[:-1]
    has_fraction = "." in digits or "E" in digits
    if form is None:
        form = Form.DECIMAL if has_fraction else Form.INTEGER
    if form is not Form.INTEGER:
        return Constant(form, float(digits), digits)
    if has_fraction:
        raise Refusal(FILTER_UNREADABLE, place="")
    return Constant(form, int(digits), digits)


def read_moment(spelled: str) -> Constant:
    """The moment that *spelled* stands for; without a zone it is in UTC.

    Raises:
        Refusal: FILTER_UNREADABLE.
    """
    found = _MOMENT.fullmatch(spelled)
    if found is None or (found["zone"] and found["kind"] == "datetime"):
        raise Refusal(FILTER_UNREADABLE, place="")
    try:
        moment = datetime.fromisoformat(f"{found['minute']}:{found['second'] or '00'}+00:00")
    except ValueError:
        raise Refusal(FILTER_UNREADABLE, place="") from None
    value_ms = (moment - _EPOCH) // _MILLISECOND + int((found["part"] or "").ljust(3, "0")[:3])
    if found["sign"]:
        ahead_ms = (int(found["hours"]) * 60 + int(found["minutes"])) * 60_000
        value_ms -= ahead_ms if found["sign"] == "+" else -ahead_ms
    return Constant(Form.MOMENT, value_ms)


def fit(constant: Constant, kind: EdmType, name: str) -> Literal:
    """*constant* as a stored value of type *kind*, which it stands beside in a comparison with *name*.

    Raises:
        Refusal: FILTER_TYPE, FILTER_VALUE.
    """
    value = constant.value
    if value is None:
        return Literal(None)
    if constant.form not in _ACCEPTED[kind]:
        raise Refusal(FILTER_TYPE, name=name)
    if not _fits(constant, kind):
        raise Refusal(FILTER_VALUE, name=name)
    return Literal(float(value) if kind in {EdmType.SINGLE, EdmType.DOUBLE} else value)


def _fits(constant: Constant, kind: EdmType) -> bool:
    value, digits = constant.value, constant.digits
    match kind:
        case EdmType.INT32:
            return isinstance(value, int) and INT32_MIN <= value <= INT32_MAX
        case EdmType.DATETIME:
            return isinstance(value, int) and EARLIEST_MS <= value <= LATEST_MS
        case EdmType.SINGLE:
            return _SINGLE.fullmatch(repr(value) if "E" in digits else digits) is not None
        case EdmType.DOUBLE:
            return _is_double(digits)
        case _:
            return True


def _is_double(digits: str) -> bool:
    try:
        parse_scalar(EdmType.DOUBLE, digits, "", 0)
    except Refusal as refusal:
        assert refusal.kind is FIELD_FORMAT
        return False
    return True


def free(constant: Constant, name: str) -> tuple[Literal, EdmType]:
    """*constant* and its own type, where it is an operand of *name*, which takes values of several types.

    Raises:
        Refusal: FILTER_TYPE for a null, FILTER_VALUE.
    """
    value, form = constant.value, constant.form
    if form is Form.NULL:
        raise Refusal(FILTER_TYPE, name=name)
    if form is Form.MOMENT:
        return fit(constant, EdmType.DATETIME, name), EdmType.DATETIME
    if form is Form.INTEGER and value not in _INT64:
        raise Refusal(FILTER_VALUE, name=name)
    if isinstance(value, float) and not math.isfinite(value):
        raise Refusal(FILTER_VALUE, name=name)
    return Literal(value), _TYPES[form]
