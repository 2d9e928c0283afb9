"""Entity tags and the conditions that clients put on them (RFC 9110, section 13).

What belongs here: their spelling and comparison. What does not: which of them a method heeds, and the answer
304.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from alveary.errors import ETAG_MISMATCH, Kind, Refusal
from alveary.model.values import frozen
from alveary.wire.http_dates import parse_http_date

_OURS: Final = re.compile(r'(W/)?"([0-9]{1,18})-([0-9]{1,18})"')
_TAG: Final = re.compile(r'(W/)?("[^"]*")')
_ITEM: Final = r'[ \t]*+(?:(?:W/)?"[^"]*+"[ \t]*+)?+'
_LIST: Final = re.compile(rf"{_ITEM}(?:,{_ITEM})*+")
"""Tags with commas between them, or commas alone. Nothing is tried twice, however long what a client sends is."""


@frozen
class ETag:
    """The version of a resource and when it came to be: strong for files, weak for entities."""

    version: int
    updated_ms: int
    weak: bool = False

    def __str__(self) -> str:
        """In the form that :meth:`parse` reads."""
        return f"W/{self.opaque}" if self.weak else self.opaque

    @property
    def opaque(self) -> str:
        """The tag without its strength, quotes included."""
        return f'"{self.version}-{self.updated_ms}"'

    @classmethod
    def parse(cls, raw: str) -> Self | None:
        """One tag as this unit writes it; None for any other text."""
        found = _OURS.fullmatch(raw.strip())
        return cls(int(found[2]), int(found[3]), weak=found[1] is not None) if found else None


@dataclass(frozen=True, slots=True)
class Tags:
    """The value of ``If-Match`` or ``If-None-Match``: a list of tags, or ``*`` for whatever there is.

    ``weak`` are those of the ``opaque`` tags that came with ``W/``. What is not ``readable`` is neither a list nor
    ``*``, and has no tags.
    """

    opaque: frozenset[str]
    any: bool = False
    weak: frozenset[str] = frozenset()
    readable: bool = True

    @classmethod
    def parse(cls, raw: str) -> Self:
        """*raw* as tags; with anything in it that is no tag it is not readable as a whole."""
        if raw.strip() == "*":
            return cls(frozenset(), any=True)
        if not _LIST.fullmatch(raw):
            return cls(frozenset(), readable=False)
        found = _TAG.findall(raw)
        weak = frozenset(opaque for mark, opaque in found if mark)
        return cls(frozenset(opaque for _, opaque in found), weak=weak)

    def match(self, current: ETag | None) -> bool:
        """Whether *current* (None: the resource is not there) is among them.

        The comparison is the weak one: Personium's clients send ``W/`` with the strong tags of files.
        """
        return current is not None and (self.any or current.opaque in self.opaque)

    def demand(self, current: ETag | None) -> bool:
        """The same for ``If-Match``: the tag of an entity counts only as it was given, with its ``W/``."""
        return self.match(current) and (
            current is None or not current.weak or self.any or current.opaque in self.weak
        )

    def forbid(self, current: ETag | None) -> bool:
        """Whether, as ``If-None-Match``, they keep *current* from being changed: what cannot be read does."""
        return not self.readable or self.match(current)


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of a resource as it is now before anything is done to it."""

    match: Tags | None = None
    none_match: Tags | None = None
    unmodified_since_ms: int | None = None

    @classmethod
    def parse(
        cls, if_match: str | None, if_none_match: str | None = None, if_unmodified_since: str | None = None
    ) -> Self:
        """The condition of these header values, each None when the header is not there."""
        return cls(
            match=None if if_match is None else Tags.parse(if_match),
            none_match=None if if_none_match is None else Tags.parse(if_none_match),
            unmodified_since_ms=None if if_unmodified_since is None else parse_http_date(if_unmodified_since),
        )

    def check(self, current: ETag | None, kind: Kind = ETAG_MISMATCH) -> None:
        """Pass when the resource as it is now (None: it is not there) meets the condition.

        ``If-Match: *`` means create or replace here, as if there were none.

        Raises:
            Refusal: ETAG_MISMATCH, or *kind* when given.
        """
        if self.match is not None:
            met = self.match.any or self.match.demand(current)
        elif self.unmodified_since_ms is not None and current is not None:
            met = current.updated_ms // 1000 * 1000 <= self.unmodified_since_ms
        else:
            met = True
        if not met or (self.none_match is not None and self.none_match.forbid(current)):
            raise Refusal(kind)
