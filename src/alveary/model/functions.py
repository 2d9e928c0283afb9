"""The functions and arithmetic of ``$filter``: what they take, what they give, and how they work.

Every store computes with these very functions, so that a filter means the same wherever it runs. Arguments are stored
values and never null. What does not belong here: the grammar of calls, and comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alveary.model.edm_values import NUMERIC, EdmType

Value = str | bool | int | float | None

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_INTEGER: Final = 2**63 - 1
_MAX_TEXT: Final = 1_000_000
"""The longest text that a function makes, in characters: what would be longer is null, and takes no memory."""
_TEXT: Final = frozenset({EdmType.STRING})
_WHOLE: Final = frozenset({EdmType.INT32})
_MOMENT: Final = frozenset({EdmType.DATETIME})


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the types that each argument may have, the type of its value, and how it comes to be.

    ``optional`` is how many of the last arguments may be left out. ``result`` None: the type of the first argument
    for one, the wider of two.
    """

    parameters: tuple[frozenset[EdmType], ...]
    result: EdmType | None
    compute: Callable[..., Value]
    optional: int = 0

    def of(self, *arguments: Value) -> Value:
        """Its value; null when an argument is, or is no value of its type, as documents from elsewhere may hold."""
        if None in arguments:
            return None
        try:
            return self.compute(*arguments)
        except (TypeError, AttributeError, ValueError, OverflowError):
            return None


def _part(name: str) -> Function:
    def compute(moment_ms: int) -> int:
        return int(getattr(_EPOCH + timedelta(milliseconds=moment_ms), name))

    return Function((_MOMENT,), EdmType.INT32, compute)


def _substring(text: str, start: int, count: int | None = None) -> str | None:
    if start < 0 or (count is not None and count < 0):
        return None
    first = int(start)  # what is larger than any whole number of a store is a float
    return text[first:] if count is None else text[first : first + int(count)]


def _replace(text: str, old: str, new: str) -> str | None:
    length = len(text) + text.count(old) * (len(new) - len(old))
    return text.replace(old, new) if length <= _MAX_TEXT else None


def _concat(one: str, other: str) -> str | None:
    return one + other if len(one) + len(other) <= _MAX_TEXT else None


def _round(number: int | float) -> Value:
    whole = math.floor(abs(number))
    whole += abs(number) - whole >= 0.5  # a half goes away from zero
    return _bounded(whole if number >= 0 else -whole, number)


def _bounded(value: int | float, like: int | float) -> Value:
    """*value* as a float when *like* is one, and when no store holds so large a whole number."""
    if isinstance(like, float) or abs(value) > _MAX_INTEGER:
        return float(value)
    return value


def _finite(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Value]:
    def computed(left: float, right: float) -> Value:
        try:
            value = compute(left, right)
        except (ZeroDivisionError, ValueError, OverflowError):
            return None
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        return value if abs(value) <= _MAX_INTEGER else float(value)

    return computed


def _divide(left: int | float, right: int | float) -> int | float:
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _remainder(left: int | float, right: int | float) -> int | float:
    if isinstance(left, int) and isinstance(right, int):
        remainder = abs(left) % abs(right)
        return remainder if left >= 0 else -remainder
    return math.fmod(left, right)


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Function:
    return Function((NUMERIC, NUMERIC), None, _finite(compute))


FUNCTIONS: Final[dict[str, Function]] = {
    "substringof": Function((_TEXT, _TEXT), EdmType.BOOLEAN, lambda part, text: part in text),
    "startswith": Function((_TEXT, _TEXT), EdmType.BOOLEAN, lambda text, part: text.startswith(part)),
    "endswith": Function((_TEXT, _TEXT), EdmType.BOOLEAN, lambda text, part: text.endswith(part)),
    "length": Function((_TEXT,), EdmType.INT32, len),
    "indexof": Function((_TEXT, _TEXT), EdmType.INT32, lambda text, part: text.find(part)),
    "replace": Function((_TEXT, _TEXT, _TEXT), EdmType.STRING, _replace),
    "substring": Function((_TEXT, _WHOLE, _WHOLE), EdmType.STRING, _substring, optional=1),
    "tolower": Function((_TEXT,), EdmType.STRING, str.lower),
    "toupper": Function((_TEXT,), EdmType.STRING, str.upper),
    "trim": Function((_TEXT,), EdmType.STRING, str.strip),
    "concat": Function((_TEXT, _TEXT), EdmType.STRING, _concat),
    "year": _part("year"),
    "month": _part("month"),
    "day": _part("day"),
    "hour": _part("hour"),
    "minute": _part("minute"),
    "second": _part("second"),
    "round": Function((NUMERIC,), None, _round),
    "floor": Function((NUMERIC,), None, lambda number: _bounded(math.floor(number), number)),
    "ceiling": Function((NUMERIC,), None, lambda number: _bounded(math.ceil(number), number)),
    "add": _arithmetic(lambda left, right: left + right),
    "sub": _arithmetic(lambda left, right: left - right),
    "mul": _arithmetic(lambda left, right: left * right),
    "div": _arithmetic(_divide),
    "mod": _arithmetic(_remainder),
    "negate": Function((NUMERIC,), None, lambda number: _bounded(-number, number)),
    "ratio": _arithmetic(lambda left, right: left / right),
}
"""By name; the last seven are written as operators."""

OPERATORS: Final = frozenset({"add", "sub", "mul", "div", "mod", "negate", "ratio"})
"""The functions that are written as operators, not as calls; ``ratio`` is the ``div`` of what need not be whole."""
