"""The URLs of a cell that moves: which fields hold them, and what becomes of each.

A store keeps URLs of its own unit as ``personium-localunit:{cell}:/...``. The exported cell's own become
the new cell's; names local to the old unit would mean strangers on a new one, so they become absolute. What
does not belong here: free text, which may mention URLs and is nobody's to rewrite.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from alveary.model.entities import EntityKind, JsonValue
from alveary.wire.snapshot.lines import EntityLine

_EACH: Final = ","
"""The end of a path whose text holds several URLs with commas between them."""

_REQUEST: Final = tuple(("RequestObjects", name) for name in ("TargetUrl", "ClassUrl", "EventSubject", "EventObject"))

URL_FIELDS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    EntityKind.BOX: (("Schema",),),
    EntityKind.ACCOUNT: (("Cell",),),
    EntityKind.EXT_CELL: (("Url",),),
    EntityKind.EXT_ROLE: (("ExtRole",),),
    EntityKind.RULE: (("EventSubject",), ("EventObject",), ("TargetUrl",)),
    EntityKind.SENT_MESSAGE: (("To", _EACH), ("Result", "To"), *_REQUEST),
    EntityKind.RECEIVED_MESSAGE: (("From",), ("MulticastTo", _EACH), *_REQUEST),
}
"""The fields that hold URLs, kind by kind, each as the path to it; lists on the way are walked through."""

_CELL_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_LOCAL: Final = re.compile(rf"personium-localunit:(?:/({_CELL_NAME})|({_CELL_NAME}):)(/.*)?", re.DOTALL)
_ABSOLUTE: Final = re.compile(r"(https?)://([^/?#@\s]+)((?:[/?#].*)?)", re.IGNORECASE | re.DOTALL)
_IN_PATH: Final = re.compile(rf"({_CELL_NAME})(?=[/?#]|\Z)(.*)", re.DOTALL)
_NO_DOMAIN: Final = re.compile(r"[^.]+|[0-9.]+|\[.*\]")
"""Hosts under which there can be no ``cell.host``: single labels and addresses."""

_DEFAULT_PORT: Final = {"http": ":80", "https": ":443"}

_Convert = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class UnitUrls:
    """How a unit spells the URLs of its cells: ``{unit}/{cell}/``, or the cell as a label before the host."""

    scheme: str
    authority: str
    path: str
    path_style: bool

    @classmethod
    def parse(cls, url: str, path_style: bool | None = None) -> UnitUrls | None:
        """The unit at *url*, None when that is no URL.

        When the style is not known, it is host style, Personium's default, wherever the host has a domain.
        """
        found = _split(url)
        if found is None:
            return None
        scheme, authority, path = found
        if path_style is None:
            path_style = _NO_DOMAIN.fullmatch(re.sub(r":[0-9]+\Z", "", authority)) is not None
        return cls(scheme, authority, path.rstrip("/") + "/", path_style)

    def find_cell(self, url: str, *, path_style: bool) -> tuple[str, str] | None:
        """The unit's cell that *url* is of, and what follows the cell's URL, from its ``/`` on."""
        found = _split(url)
        if found is None or found[0] != self.scheme:
            return None
        _, authority, rest = found
        if not path_style:
            name, _, parent = authority.partition(".")
            is_cell = parent == self.authority and re.fullmatch(_CELL_NAME, name)
            return (name, _rooted(rest)) if is_cell else None
        if authority != self.authority or not rest.startswith(self.path):
            return None
        segment = _IN_PATH.match(rest, len(self.path))
        return (segment[1], _rooted(segment[2])) if segment else None

    def cell_url(self, cell: str, rest: str) -> str:
        """The URL of the unit's cell of that name with *rest*, which begins with ``/``, after it."""
        if self.path_style:
            return f"{self.scheme}://{self.authority}{self.path}{cell}{rest}"
        return f"{self.scheme}://{cell}.{self.authority}{rest}"


@dataclass(frozen=True, slots=True)
class UrlMapping:
    """From which cell of which unit to which cell of which unit a snapshot goes."""

    source: UnitUrls
    source_cell: str
    target: UnitUrls
    target_cell: str

    def url(self, url: str) -> str:
        """*url* as the target's store keeps it; what is no URL of either unit stays as it is."""
        local = _find_local(url)
        place = local or self.source.find_cell(url, path_style=self.source.path_style)
        for found in (place, self.source.find_cell(url, path_style=not self.source.path_style)):
            if found and found[0] == self.source_cell:
                return _local(self.target_cell, found[1])
        if self.source != self.target:
            if local:
                url = self.source.cell_url(*local)
            place = self.target.find_cell(url, path_style=self.target.path_style)
        return _local(*place) if place else url


def map_urls(line: EntityLine, mapping: UrlMapping) -> EntityLine:
    """*line* with the URLs in it as the target's store keeps them."""
    values = dict(line.values)
    for name, *path in URL_FIELDS.get(line.type, ()):
        if name in values:
            values[name] = _map_at(values[name], tuple(path), mapping.url)
    return replace(line, values=values)


def _map_at(value: JsonValue, path: tuple[str, ...], convert: _Convert) -> JsonValue:
    if isinstance(value, list):
        return [_map_at(each, path, convert) for each in value]
    if isinstance(value, dict) and path and path[0] in value:
        return {**value, path[0]: _map_at(value[path[0]], path[1:], convert)}
    if isinstance(value, str) and path in ((), (_EACH,)):
        return _EACH.join(map(convert, value.split(_EACH))) if path else convert(value)
    return value


def _split(url: str) -> tuple[str, str, str] | None:
    """Scheme, authority and the rest of an absolute URL, the first two in normal form."""
    found = _ABSOLUTE.fullmatch(url)
    if found is None:
        return None
    scheme = found[1].lower()
    return scheme, found[2].lower().removesuffix(_DEFAULT_PORT[scheme]), found[3]


def _find_local(url: str) -> tuple[str, str] | None:
    found = _LOCAL.fullmatch(url)
    return (found[1] or found[2], found[3] or "/") if found else None


def _local(cell: str, rest: str) -> str:
    return f"personium-localunit:{cell}:{rest}"


def _rooted(rest: str) -> str:
    return rest if rest.startswith("/") else f"/{rest}"
