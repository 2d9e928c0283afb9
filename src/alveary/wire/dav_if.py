"""The If header of WebDAV (RFC 4918, section 10.4): lists of conditions, one of which must hold whole.

What belongs here: its grammar. What does not: what is locked, and which tag a resource has.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Final, Self

from alveary.errors import BAD_HEADER, Refusal
from alveary.model.values import frozen

_URI: Final = r"[A-Za-z][A-Za-z0-9+.-]*:[^<>\s]+"
_OPEN: Final = re.compile(r"[ \t]*\(")
_CLOSE: Final = re.compile(r"[ \t]*\)")
_TAG: Final = re.compile(rf"[ \t]*<({_URI}|/[^<>\s]*)>")
_CONDITION: Final = re.compile(rf'[ \t]*([Nn][Oo][Tt][ \t]*)?(?:<({_URI})>|\[[ \t]*((?:W/)?"[^"]*")[ \t]*\])')


@frozen
class Condition:
    """That a resource is locked by the lock of that token, or has that entity tag; ``negated``: that it is not so.

    ``state`` is the token's URI, or the tag with its quotes.
    """

    state: str
    is_token: bool
    negated: bool = False

    def __str__(self) -> str:
        """In the form that :meth:`If.parse` reads."""
        return ("Not " if self.negated else "") + (f"<{self.state}>" if self.is_token else f"[{self.state}]")

    def holds(self, tokens: Set[str], opaque_tag: str | None) -> bool:
        """Whether it is so of a resource with those locks and that tag, strength left out (None: it is not there).

        The strength counts for nothing, as in ``If-Match``: Personium's clients write ``W/`` before any tag.
        """
        found = self.state in tokens if self.is_token else self.state.removeprefix("W/") == opaque_tag
        return found is not self.negated


@frozen
class StateList:
    """Conditions that must all hold of one resource: that of the URL ``resource``, None for the request's own."""

    conditions: tuple[Condition, ...]
    resource: str | None = None

    def __str__(self) -> str:
        """In the form that :meth:`If.parse` reads."""
        tag = "" if self.resource is None else f"<{self.resource}> "
        return f"{tag}({' '.join(map(str, self.conditions))})"


@dataclass(frozen=True, slots=True)
class If:
    """The value of the header."""

    lists: tuple[StateList, ...]

    def __str__(self) -> str:
        """In the form that :meth:`parse` reads."""
        return " ".join(map(str, self.lists))

    @classmethod
    def parse(cls, raw: str, *, max_conditions: int) -> Self:
        """The lists of *raw*: all of them with the URL that stands before, or none.

        Raises:
            Refusal: BAD_HEADER when it is malformed or has more than *max_conditions* conditions.
        """
        text = _Text(raw)
        lists: list[StateList] = []
        tag: str | None = None
        count = 0
        while not text.ended:
            # A URL may stand before the first list, and then before any other; never only further on.
            if (tag is not None or not lists) and (found := text.take(_TAG)) is not None:
                tag = found[1]
            conditions = _conditions(text)
            count += len(conditions)
            if count > max_conditions:
                raise text.malformed
            lists.append(StateList(conditions, tag))
        if not lists:
            raise text.malformed
        return cls(tuple(lists))


def _conditions(text: _Text) -> tuple[Condition, ...]:
    """One list, parentheses included."""
    text.expect(_OPEN)
    found: list[Condition] = []
    while (each := text.take(_CONDITION)) is not None:
        negation, token, tag = each.groups()
        found.append(Condition(token or tag, token is not None, negation is not None))
    text.expect(_CLOSE)
    if not found:
        raise text.malformed
    return tuple(found)


class _Text:
    """A header's value as it is read from left to right."""

    def __init__(self, raw: str) -> None:
        self._raw = raw.rstrip(" \t")
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at == len(self._raw)

    @property
    def malformed(self) -> Refusal:
        return Refusal(BAD_HEADER, name="If", value=self._raw)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._raw, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def expect(self, pattern: re.Pattern[str]) -> None:
        if self.take(pattern) is None:
            raise self.malformed
