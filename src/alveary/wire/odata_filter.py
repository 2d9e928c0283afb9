"""The grammar of ``$filter``: from a text to what must be true of an entity, its names bound and its types checked.

From loose to tight, operators are ``or``, ``and``, ``not``, comparisons, ``add sub``, ``mul div mod`` and the sign.
What does not belong here: literals (``odata_literals``), and what a store makes of it all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alveary.config import Limits
from alveary.errors import (
    FILTER_FUNCTION,
    FILTER_OPERATOR,
    FILTER_PROPERTY,
    FILTER_TYPE,
    FILTER_UNREADABLE,
    Refusal,
)
from alveary.model.columns import find_column
from alveary.model.edm import EntitySet
from alveary.model.edm_values import NUMERIC, EdmType
from alveary.model.functions import FUNCTIONS, OPERATORS, Function
from alveary.model.queries import (
    All,
    Call,
    Column,
    Compare,
    Comparison,
    Contains,
    Expression,
    Holds,
    Literal,
    Not,
    Some,
    Term,
)
from alveary.wire.odata_literals import (
    MOMENT,
    NUMBER,
    TEXT,
    WORDS,
    Constant,
    Form,
    fit,
    free,
    read_moment,
    read_number,
    read_text,
)

NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*+"
"""The pattern of a name; in a path, names are joined by slashes."""

_OPERAND: Final = re.compile(
    rf"\s*+(?:(?P<text>{TEXT})|(?P<moment>{MOMENT})|(?P<number>{NUMBER})"
    rf"|(?P<name>{NAME}(?:/{NAME})*+(?!'))(?P<call>\s*+\()?|(?P<open>\()|(?P<minus>-))"
)
_NOT: Final = re.compile(r"\s*+not(?:\s++|(?=\())")
_SIGN: Final = re.compile(
    r"\s++(?P<operator>or|and|eq|ne|gt|ge|lt|le|add|sub|mul|div|mod)\s++|\s*+(?P<mark>[),])|\s*+(?P<end>\Z)"
)

_POWERS: Final = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(Comparison, 4),
    **dict.fromkeys(("add", "sub"), 5),
    **dict.fromkeys(("mul", "div", "mod"), 6),
}
"""How tightly each operator binds."""
_POWER_OF_NOT: Final = 3
_POWER_OF_SIGN: Final = 7

_RANGES: Final = frozenset(Comparison) - {Comparison.EQ, Comparison.NE}
_WIDTHS: Final = {EdmType.INT32: 0, EdmType.SINGLE: 1, EdmType.DOUBLE: 2}
_LAMBDAS: Final = frozenset({"any", "all"})
_CALLABLE: Final = FUNCTIONS.keys() - OPERATORS


def parse_filter(text: str, entity_set: EntitySet, limits: Limits, to_local: Callable[[str], str]) -> Expression:
    """What *text*, a ``$filter`` on *entity_set*, asks to be true of an entity.

    Texts beside a property that is a URL go through *to_local*. Comparisons, calls and arithmetic count as terms.

    Raises:
        Refusal: FILTER_UNREADABLE also for more terms or deeper nesting than *limits* allow, FILTER_OPERATOR,
            FILTER_FUNCTION, FILTER_PROPERTY, FILTER_TYPE, FILTER_VALUE, FILTER_ESCAPE.
    """
    return _Parser(text, entity_set, limits, to_local).whole()


@dataclass(frozen=True, slots=True)
class _Operand:
    """What has a value and is no literal; ``type`` and ``term`` are None for a complex value.

    ``height`` is how deeply calls are nested in it, ``url`` whether it is a property whose values are URLs.
    """

    name: str
    term: Column | Call | None
    type: EdmType | None
    height: int = 0
    url: bool = False

    @property
    def is_list(self) -> bool:
        return isinstance(self.term, Column) and self.term.is_list


_Node = Constant | _Operand | Expression


class _Parser:
    """One filter on its way: ``_at`` is where reading goes on, ``_sign`` what was read after the last operand.

    A sign is an operator, a comma or closing parenthesis, or empty at the end.
    """

    def __init__(self, text: str, entity_set: EntitySet, limits: Limits, to_local: Callable[[str], str]) -> None:
        self._text = text
        self._set = entity_set
        self._to_local = to_local
        self._deepest = limits.filter_depth
        self._most = limits.filter_terms
        self._at = 0
        self._sign = ""
        self._depth = 0
        self._terms = 0

    def whole(self) -> Expression:
        node = self._parse(0)
        if self._sign:
            raise self._unreadable()
        return self._predicate(node)

    def _unreadable(self, start: int | None = None) -> Refusal:
        at = self._at if start is None else start
        return Refusal(FILTER_UNREADABLE, place=f" at character {at + 1}")

    # Reading

    def _parse(self, floor: int) -> _Node:
        """What follows, as far as its operators bind tighter than *floor*."""
        left = self._operand()
        while (power := _POWERS.get(self._sign, 0)) > floor:
            operator = self._sign
            if operator in {"and", "or"}:
                left = self._joined(left, operator, power)
                continue
            self._count()
            right = self._parse(power)
            if operator in OPERATORS:
                left = self._call(operator, [left, right])
            else:
                left = self._compare(Comparison(operator), left, right)
        return left

    def _joined(self, first: _Node, operator: str, power: int) -> Expression:
        kind = All if operator == "and" else Some
        parts: list[Expression] = []
        node = first
        while True:
            part = self._predicate(node)
            parts += part.parts if isinstance(part, kind) else (part,)
            if self._sign != operator:
                return kind(tuple(parts))
            node = self._parse(power)

    def _operand(self) -> _Node:
        if found := _NOT.match(self._text, self._at):
            return Not(self._predicate(self._nested(found.end(), _POWER_OF_NOT)))
        found = _OPERAND.match(self._text, self._at)
        if found is None:
            raise self._unreadable()
        match found.lastgroup:
            case "open":
                node = self._nested(found.end(), 0)
                self._close()
                return node
            case "minus":
                self._count()
                return self._call("negate", [self._nested(found.end(), _POWER_OF_SIGN)])
            case "call":
                return self._called(found["name"], found.end())
            case _:
                # What follows comes first: a text that is no filter is refused as such, whatever it names.
                self._read_sign(found.end())
                return self._leaf(found)

    def _leaf(self, found: re.Match[str]) -> _Node:
        match found.lastgroup:
            case "text":
                return read_text(found["text"])
            case "number":
                return read_number(found["number"])
            case "moment":
                return read_moment(found["moment"])
            case _:
                return WORDS.get(found["name"]) or self._property(found["name"], found.start("name"))

    def _property(self, name: str, start: int) -> _Operand:
        found = find_column(self._set, tuple(name.split("/")))
        if found is None:
            if name[0].isdigit():  # a number that is none rather than the name of a property
                raise self._unreadable(start)
            raise Refusal(FILTER_PROPERTY, name=name)
        column = found.column
        return _Operand(name, column, column.type if column else None, url=found.property.url)

    def _called(self, name: str, start: int) -> _Node:
        if name.rpartition("/")[2] in _LAMBDAS:
            raise Refusal(FILTER_PROPERTY, name=name)
        if name == "cast":
            raise Refusal(FILTER_OPERATOR, operator=name)
        if name == "isof":
            raise Refusal(FILTER_FUNCTION, function=name)
        if name not in _CALLABLE:
            raise self._unreadable()
        self._count()
        arguments = [self._nested(start, 0)]
        while self._sign == ",":
            arguments.append(self._nested(self._at, 0))
        self._close()
        return self._call(name, arguments)

    def _nested(self, start: int, floor: int) -> _Node:
        """What begins at *start*, one layer further in."""
        self._at = start
        self._depth += 1
        if self._depth > self._deepest:
            raise self._unreadable()
        node = self._parse(floor)
        self._depth -= 1
        return node

    def _close(self) -> None:
        """Read on after a closing parenthesis, which must have been read."""
        if self._sign != ")":
            raise self._unreadable()
        self._read_sign(self._at)

    def _read_sign(self, start: int) -> None:
        self._at = start
        found = _SIGN.match(self._text, start)
        if found is None:
            raise self._unreadable()
        self._sign = found[found.lastgroup or 0]
        self._at = found.end()

    def _count(self) -> None:
        self._terms += 1
        if self._terms > self._most:
            raise self._unreadable()

    # Checking

    def _predicate(self, node: _Node) -> Expression:
        """*node* as what is true or not.

        A property alone is none, even one of type Edm.Boolean: Personium refuses it.
        """
        if isinstance(node, Constant):
            raise self._unreadable()
        if not isinstance(node, _Operand):
            return node
        if isinstance(node.term, Call):
            if node.type is EdmType.BOOLEAN:
                return Holds(node.term)
            if node.name not in OPERATORS:
                raise Refusal(FILTER_FUNCTION, function=node.name)
        raise Refusal(FILTER_OPERATOR, operator=node.name)

    def _compare(self, comparison: Comparison, left: _Node, right: _Node) -> Expression:
        if not isinstance(left, _Operand) or left.type is None or left.term is None:
            raise self._unreadable()
        if comparison in _RANGES and (left.is_list or left.type is EdmType.BOOLEAN):
            raise self._unreadable()
        if isinstance(right, Constant):
            return self._compare_constant(comparison, left, left.type, right)
        if not isinstance(right, _Operand) or right.type is None or right.term is None:
            raise self._unreadable()
        if left.is_list or right.is_list or not (left.type is right.type or {left.type, right.type} <= NUMERIC):
            raise Refusal(FILTER_TYPE, name=left.name)
        return Compare(comparison, left.term, right.term)

    def _compare_constant(self, comparison: Comparison, left: _Operand, kind: EdmType, right: Constant) -> Expression:
        if comparison in _RANGES and right.form in {Form.NULL, Form.BOOLEAN}:
            raise self._unreadable()
        assert left.term is not None
        if isinstance(left.term, Call) and right.form is not Form.NULL:
            literal, type_ = free(right, left.name)
            if not (type_ is kind or {type_, kind} <= NUMERIC):
                raise Refusal(FILTER_TYPE, name=left.name)
        else:
            literal = self._localized(fit(right, kind, left.name), left.url)
        if left.is_list and isinstance(left.term, Column) and literal.value is not None:
            contains = Contains(left.term, literal)
            return contains if comparison is Comparison.EQ else Not(contains)
        return Compare(comparison, left.term, literal)

    def _localized(self, literal: Literal, is_url: bool) -> Literal:
        return Literal(self._to_local(literal.value)) if is_url and isinstance(literal.value, str) else literal

    def _call(self, name: str, arguments: list[_Node]) -> _Operand:
        function = FUNCTIONS[name]
        most = len(function.parameters)
        if not most - function.optional <= len(arguments) <= most:
            raise self._unreadable()
        is_url = any(isinstance(each, _Operand) and each.url for each in arguments)
        height = 1 + max(each.height if isinstance(each, _Operand) else 0 for each in arguments)
        if height > self._deepest:
            raise self._unreadable()
        terms: list[Term] = []
        types: list[EdmType] = []
        for argument, allowed in zip(arguments, function.parameters, strict=False):
            term, kind = self._argument(name, argument)
            if kind not in allowed:
                raise Refusal(FILTER_TYPE, name=name)
            terms.append(self._localized(term, is_url) if isinstance(term, Literal) else term)
            types.append(kind)
        kind = _result(function, types)
        # Whole numbers may be stored where fractions are allowed.
        computed = "ratio" if name == "div" and kind is not EdmType.INT32 else name
        return _Operand(name, Call(computed, tuple(terms)), kind, height)

    def _argument(self, name: str, node: _Node) -> tuple[Term, EdmType]:
        if isinstance(node, Constant):
            return free(node, name)
        if not isinstance(node, _Operand):
            raise self._unreadable()
        if node.term is None or node.type is None or node.is_list:
            raise Refusal(FILTER_TYPE, name=node.name)
        return node.term, node.type


def _result(function: Function, types: list[EdmType]) -> EdmType:
    return function.result or max(types, key=lambda kind: _WIDTHS[kind])
