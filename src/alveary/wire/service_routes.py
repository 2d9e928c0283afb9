"""The property that configures a service collection: language, subject, and the routes to its scripts.

A route's name is a URI template as in JAX-RS: ``items/{id}``, ``{rest: .+}``. Templates come from users and
are matched on the event loop, so they are matched in one pass, never by backtracking. What does not belong
here: running what a route leads to (``usecases.scripts``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from alveary.errors import SCRIPT_FAILED
from alveary.wire import xml
from alveary.wire.xml import PERSONIUM

PROPERTY: Final = "service@urn:x-personium:xmlns"
"""The key of the property among the dead properties of a node."""

PATH_CHARS: Final = 1024
TEMPLATE_CHARS: Final = 8192
"""What is matched at most: of one path; of all templates with variables together."""

_ONE_SEGMENT: Final = "[^/]+"
_VARIABLE: Final = re.compile(r"\{\s*[\w.\-]+\s*(?::\s*(?P<pattern>[^{}]*?)\s*)?\}", re.ASCII)
_PART: Final = re.compile(
    r"(?P<chars>\\[dDwWsS]|\\[^\w\s]|\.|\[(?:\\.|[^\\\[\]&~|])+\]|[^\\\[\]{}()|^$*+?])(?P<many>[*+?]?)"
)


class BadRoute(Exception):  # noqa: N818 - what it is
    """The name of a route is no URI template, or one of a form that is not supported."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a variable: at least ``least`` of the characters that the expression ``chars`` stands for."""

    chars: str
    least: int
    many: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A URI template, and the name of the script it leads to."""

    name: str
    source: str

    def matches(self, path: str) -> bool:
        """Whether the template fits the whole of *path*.

        Raises:
            BadRoute: the name is no template.
        """
        ends = 1  # bit n: what was looked at so far can end before character n
        for part in parse_template(self.name):
            ends = _after_text(path, ends, part) if isinstance(part, str) else _after_part(path, ends, part)
            if not ends:
                return False
        return bool(ends >> len(path) & 1)


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """What the property says; ``subject`` is the account that the service may act as."""

    language: str
    subject: str | None
    routes: tuple[Route, ...]

    @classmethod
    def parse(cls, element: str) -> Self:
        """The configuration in the XML text of the element; paths without name or src are left out.

        Raises:
            Refusal: SCRIPT_FAILED when it is no XML that could have been stored here.
        """
        root = xml.parse(element.encode("utf-8", "replace"), max_depth=8, refusal=SCRIPT_FAILED)
        routes = (Route(path.get("name", ""), path.get("src", "")) for path in root.iterfind(f"{PERSONIUM}path"))
        return cls(
            root.get("language", "JavaScript"),
            root.get("subject") or None,
            tuple(route for route in routes if route.name and route.source),
        )

    def source_for(self, path: str) -> str | None:
        """The script of the first route, in document order, that fits *path*, which begins with no slash.

        Raises:
            BadRoute: a route before it is not valid, or all of them together are too long.
        """
        if len(path) > PATH_CHARS:
            return None
        if sum(len(route.name) for route in self.routes if "{" in route.name) > TEMPLATE_CHARS:
            raise BadRoute(f"The routes with variables have more than {TEMPLATE_CHARS} characters.")
        return next((route.source for route in self.routes if route.matches(path)), None)


def parse_template(name: str) -> Iterator[str | Part]:
    """The texts and the parts of variables in the template *name*; a slash at its start is left out.

    Raises:
        BadRoute: a lone brace; groups, alternatives, counts or anchors in a variable's pattern.
    """
    rest = name.removeprefix("/")
    at = 0
    for variable in _VARIABLE.finditer(rest):
        if text := _text(rest[at : variable.start()], name):
            yield text
        yield from _parts(variable["pattern"] or _ONE_SEGMENT, name)
        at = variable.end()
    if text := _text(rest[at:], name):
        yield text


def _text(text: str, name: str) -> str:
    if "{" in text or "}" in text:
        raise BadRoute(f"The route [{name}] is not a URI template.")
    return text


def _parts(pattern: str, name: str) -> Iterator[Part]:
    at = 0
    while at < len(pattern):
        part = _PART.match(pattern, at)
        if part is None or "--" in part["chars"]:
            raise BadRoute(f"The route [{name}] has a pattern that is not supported.")
        yield Part(part["chars"], 0 if part["many"] in {"*", "?"} else 1, part["many"] in {"*", "+"})
        at = part.end()


def _after_text(path: str, ends: int, text: str) -> int:
    found, at = 0, path.find(text)
    while at >= 0:
        found |= (ends >> at & 1) << at + len(text)
        at = path.find(text, at + 1)
    return found


def _after_part(path: str, ends: int, part: Part) -> int:
    try:
        fitting_runs = re.finditer(f"{part.chars}+", path)
    except re.error as cause:
        raise BadRoute(f"The pattern [{part.chars}] is not valid.") from cause
    fits = sum((1 << run.end()) - (1 << run.start()) for run in fitting_runs)
    once = (ends & fits) << 1
    if not part.many:
        return once | (0 if part.least else ends)
    starts = once if part.least else ends
    # The sum carries each start through the fitting characters behind it; what changed, it has come through.
    return starts | ((fits + (starts & fits)) ^ fits)
