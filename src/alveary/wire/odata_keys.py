"""The keys of entities in URLs: ``('v')``, ``(Name='v')``, ``(Name='v',_Box.Name='b')``, ``(..,_Box.Name=null)``.

What does not belong here: percent-encoding on the way in, which the path's reader has undone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from alveary.errors import ENTITY_KEY_UNREADABLE, KEY_IS_NULL, Kind, Refusal
from alveary.model.edm import EntityKey, EntitySet

_LITERAL: Final = r"'((?:[^']|'')*)'"
_LONE: Final = re.compile(rf"\s*(?:{_LITERAL}|null)\s*")
_PAIR: Final = re.compile(rf"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(?:{_LITERAL}|null)\s*(,|\Z)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]*")
_SEGMENT: Final = re.compile(r"([^()]*)(?:\((.*)\))?", re.DOTALL)


def split_segment(segment: str, kind: Kind = ENTITY_KEY_UNREADABLE) -> tuple[str, str | None]:
    """The name in *segment*, and what stands between the parentheses after it, None without them.

    Raises:
        Refusal: ENTITY_KEY_UNREADABLE, or *kind* when given.
    """
    found = _SEGMENT.fullmatch(segment)
    if found is None:
        raise Refusal(kind)
    return found[1], found[2]


def parse_key(entity_set: EntitySet, raw: str, kind: Kind = ENTITY_KEY_UNREADABLE) -> EntityKey:
    """The key of an entity of *entity_set* that *raw*, without its parentheses, spells.

    A property that may be null is so when it is left out. The key of user data has no null to speak of: one is not
    read at all.

    Raises:
        Refusal: KEY_IS_NULL, ENTITY_KEY_UNREADABLE, or *kind* in place of the latter when given.
    """
    lone = _LONE.fullmatch(raw)
    given = {entity_set.key[0]: _unquote(lone[1])} if lone else _pairs(raw, kind)
    if not given.keys() <= set(entity_set.key) or entity_set.key[0] not in given:
        raise Refusal(kind)
    values = tuple(given.get(name) for name in entity_set.key)
    for at, (name, value) in enumerate(zip(entity_set.key, values, strict=True)):
        if value is None and (at == 0 or not entity_set.by_name[name].nullable):
            raise Refusal(kind if entity_set.is_open else KEY_IS_NULL)
    return EntityKey(values)


def _pairs(raw: str, kind: Kind) -> dict[str, str | None]:
    given: dict[str, str | None] = {}
    at = 0
    while pair := _PAIR.match(raw, at):
        if pair[1] in given:
            raise Refusal(kind)
        given[pair[1]] = _unquote(pair[2])
        if not pair[3]:
            return given
        at = pair.end()
    raise Refusal(kind)


def render_key(entity_set: EntitySet, key: EntityKey) -> str:
    """*key* with its parentheses, in the form that :func:`parse_key` reads between them."""
    return _render(entity_set, key, lambda text: text)


def encode_key(entity_set: EntitySet, key: EntityKey) -> str:
    """The same as part of a URL: the values percent-encoded."""
    alone = key.values[0] if len(key.values) == 1 else None
    if alone is not None and _PLAIN.fullmatch(alone):  # as ids are: nothing in them is encoded
        return f"('{alone}')"
    return _render(entity_set, key, lambda text: quote(text, safe="*"))


def _render(entity_set: EntitySet, key: EntityKey, encode: Callable[[str], str]) -> str:
    literals = ["null" if value is None else "'" + encode(value.replace("'", "''")) + "'" for value in key.values]
    if len(literals) == 1:
        return f"({literals[0]})"
    return f"({','.join(f'{name}={text}' for name, text in zip(entity_set.key, literals, strict=True))})"


def _unquote(literal: str | None) -> str | None:
    return None if literal is None else literal.replace("''", "'")
