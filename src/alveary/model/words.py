"""The words in the texts of an entity, as full-text search finds them.

Letters of scripts that put spaces between words make whole words; a run of others (Japanese, Chinese, ...) is cut
into pairs of characters, each beginning where the last one's second is, so that any part of it is found. Case does
not count. What does not belong here: which entities are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from alveary.model.entities import JsonValue

_RUN: Final = re.compile(
    r"(?P<paired>[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff]+)"
    r"|(?P<spaced>[^\W_\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff]+)"
)


def tokens(text: str) -> Iterator[str]:
    """What *text* is found by, in its order: whole words, and pairs of characters with the last one alone."""
    for run in _RUN.finditer(text.casefold()):
        found = run[0]
        if run.lastgroup == "spaced":
            yield found
        else:
            yield from map("".join, pairwise(found))
            yield found[-1]


def texts(value: JsonValue | Mapping[str, JsonValue]) -> Iterator[str]:
    """Every text and number in *value*, at whatever depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def phrase(word: str) -> tuple[tuple[str, ...], bool]:
    """The tokens that must follow one another where *word* is, and whether the last one may be a beginning."""
    found = list(tokens(word))
    last = next(reversed(list(_RUN.finditer(word.casefold()))), None)
    if last is None or last.lastgroup == "spaced":
        return tuple(found), False
    # The pair before says that the last character is there; alone it may be the first of a pair.
    return (tuple(found[:-1]), False) if len(last[0]) > 1 else (tuple(found), True)


def holds(document: Mapping[str, JsonValue], words: Sequence[str]) -> bool:
    """Whether every one of *words* is in the texts of *document*."""
    found = [[*tokens(text)] for text in texts(document)]
    return all(any(_follows(each, *phrase(word)) for each in found) for word in words)


def _follows(found: list[str], wanted: tuple[str, ...], is_open: bool) -> bool:
    if not wanted:
        return False
    count = len(wanted)
    for start in range(len(found) - count + 1):
        part = found[start : start + count]
        if part[:-1] == [*wanted[:-1]] and (part[-1].startswith(wanted[-1]) if is_open else part[-1] == wanted[-1]):
            return True
    return False
