"""The unit's URLs: which cell a request is for, how cells, boxes and resources are spelt, the local forms.

What belongs here: the grammar of addresses, in both styles, and the conversion between http URLs and the
forms ``personium-localunit:``, ``personium-localcell:`` and ``personium-localbox:``. What does not: whether a
cell, a box or a resource of that name exists, and which names are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote_to_bytes

from alveary.errors import BAD_AUTHORITY, MALFORMED_REQUEST, NO_SUCH_URI, PATH_STYLE_DISABLED, Refusal
from alveary.model.names import CellName

UNIT_PATHS: Final = CellName.RESERVED | {"crossdomain.xml"}
"""First segments that are the unit's own; those that begin with ``__`` are too."""

LOCAL_UNIT: Final = "personium-localunit:"
LOCAL_CELL: Final = "personium-localcell:/"
LOCAL_BOX: Final = "personium-localbox:/"

_CELL: Final = CellName.PATTERN.pattern
_LOCAL_UNIT: Final = re.compile(rf"{LOCAL_UNIT}(?:/({_CELL})|({_CELL}):)(/.*)?", re.DOTALL)
_ABSOLUTE: Final = re.compile(r"(https?)://([^/?#@\s]+)((?:[/?#].*)?)", re.IGNORECASE | re.DOTALL)
_FIRST: Final = re.compile(rf"({_CELL})(?=[/?#]|\Z)(.*)", re.DOTALL)
_HOST_LABEL: Final = re.compile(_CELL)
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]*")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORT: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a request's URL names: a cell (None: the unit itself), and the decoded segments below its root.

    A segment may hold any character, ``/`` among them when it came as ``%2F``; none is empty, ``.`` or
    ``..``.
    """

    cell: str | None
    segments: tuple[str, ...]
    trailing_slash: bool


@dataclass(frozen=True, slots=True)
class Urls:
    """How the unit spells its URLs.

    A cell's is ``{scheme}://{authority}{path}{cell}/`` in path style, ``{scheme}://{cell}.{authority}/`` in
    host style. ``aliases`` are further authorities under which requests reach the unit.
    """

    scheme: str
    authority: str
    path: str
    path_style: bool
    aliases: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, base_url: str, *, path_style: bool, aliases: Iterable[str] = ()) -> Self:
        """The URLs of the unit at *base_url*; ValueError when that is no http or https URL."""
        found = _split(base_url)
        if found is None or "?" in found[2] or "#" in found[2]:
            raise ValueError(f"not the URL of a unit: {base_url}")
        scheme, authority, path = found
        own = frozenset(_authority(alias, scheme) for alias in aliases)
        return cls(scheme, authority, path.rstrip("/") + "/", path_style, own)

    @property
    def unit_url(self) -> str:
        """The unit's own URL, which ends in ``/``."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def cell_url(self, cell: str) -> str:
        """The URL of the cell of that name, which ends in ``/``."""
        return f"{self.unit_url}{cell}/" if self.path_style else f"{self.scheme}://{cell}.{self.authority}/"

    def box_url(self, cell: str, box: str) -> str:
        """The URL of the box of that name, which ends in ``/``."""
        return f"{self.resource_url(cell, box)}/"

    def resource_url(self, cell: str, box: str, segments: Iterable[str] = ()) -> str:
        """The URL, percent-encoded and without a final ``/``, of what is in that box under *segments*."""
        return self.cell_url(cell) + "/".join(encode_segment(name) for name in (box, *segments))

    def target(self, authority: str | None, raw_path: bytes) -> Target:
        """What a request to *raw_path* is for; *authority* is its Host header, None for the unit itself.

        Raises:
            Refusal: BAD_AUTHORITY, PATH_STYLE_DISABLED, NO_SUCH_URI, MALFORMED_REQUEST.
        """
        trailing_slash = raw_path.endswith(b"/")
        cell = None if authority is None else self._cell_of(_authority(authority, self.scheme))
        if cell is not None:
            return Target(cell, decode_path(raw_path), trailing_slash)
        segments = decode_path(self._below_base(raw_path))
        if not segments or segments[0] in UNIT_PATHS or segments[0].startswith("__"):
            return Target(None, segments, trailing_slash)
        if not self.path_style:
            raise Refusal(PATH_STYLE_DISABLED)
        return Target(segments[0], segments[1:], trailing_slash)

    def _cell_of(self, authority: str) -> str | None:
        """The cell that *authority* names in host style, None when it is the unit's own."""
        if self._is_own(authority):
            return None
        label, _, parent = authority.partition(".")
        if self.path_style or not self._is_own(parent) or not _HOST_LABEL.fullmatch(label):
            raise Refusal(BAD_AUTHORITY, authority=authority, unit=self.authority)
        return label

    def _is_own(self, authority: str) -> bool:
        return authority == self.authority or authority in self.aliases

    def _below_base(self, raw_path: bytes) -> bytes:
        base = self.path.encode()
        if not (raw_path + b"/").startswith(base):
            raise Refusal(NO_SUCH_URI)
        return raw_path[len(base) :]

    def locate(self, url: str) -> tuple[str, str] | None:
        """The name of the unit's cell that *url* is of, and what follows the cell's URL, from its ``/`` on.

        Both local forms of the unit are understood beside http URLs; None for any other URL.
        """
        if local := _LOCAL_UNIT.fullmatch(url):
            return local[1] or local[2], local[3] or "/"
        if (found := _split(url)) is None:
            return None
        scheme, authority, rest = found
        if (authority == self.authority and scheme == self.scheme) or authority in self.aliases:
            first = _FIRST.fullmatch(rest, len(self.path)) if rest.startswith(self.path) else None
            if first is None or not self.path_style or first[1] in UNIT_PATHS:
                return None
            return first[1], _rooted(first[2])
        label, _, parent = authority.partition(".")
        if self.path_style or parent != self.authority or scheme != self.scheme:
            return None
        return (label, _rooted(rest)) if _HOST_LABEL.fullmatch(label) else None

    def to_local(self, url: str) -> str:
        """*url* as it is stored: ``personium-localunit:{cell}:/...`` when of this unit, else unchanged."""
        place = self.locate(url)
        return f"{LOCAL_UNIT}{place[0]}:{place[1]}" if place else url

    def canonical(self, url: str) -> str:
        """*url* as the unit itself spells it, when it is of one of its cells under any of its names."""
        return self.to_http(self.to_local(url))

    def to_http(self, url: str, *, cell: str | None = None, box: str | None = None) -> str:
        """*url* as clients see it: the local forms as http URLs, any other unchanged.

        What is relative to a cell or box stays as it is unless *cell*, or *cell* and *box*, say which one.
        """
        if local := _LOCAL_UNIT.fullmatch(url):
            return self.cell_url(local[1] or local[2]) + (local[3] or "/")[1:]
        if cell is not None and url.startswith(LOCAL_CELL):
            return self.cell_url(cell) + url[len(LOCAL_CELL) :]
        if cell is not None and box is not None and url.startswith(LOCAL_BOX):
            return self.box_url(cell, box) + url[len(LOCAL_BOX) :]
        return url


def decode_path(raw: bytes) -> tuple[str, ...]:
    """The segments of *raw*, each percent-decoded exactly once; empty ones count for nothing.

    Raises:
        Refusal: MALFORMED_REQUEST when an escape is cut, a segment is no UTF-8, holds NUL, or is ``.`` or
        ``..``.
    """
    return tuple(_decode_segment(segment) for segment in raw.split(b"/") if segment)


def _decode_segment(raw: bytes) -> str:
    if b"%" in raw:
        if _BAD_ESCAPE.search(raw):
            raise Refusal(MALFORMED_REQUEST, cause="the path holds a broken percent escape")
        raw = unquote_to_bytes(raw)
    try:
        segment = raw.decode()
    except UnicodeDecodeError:
        raise Refusal(MALFORMED_REQUEST, cause="the path is not UTF-8") from None
    if segment in {".", ".."} or "\0" in segment:
        raise Refusal(MALFORMED_REQUEST, cause="the path holds a segment that names nothing")
    return segment


def encode_segment(name: str) -> str:
    """*name* as one segment of a path: percent-encoded but for what RFC 3986 allows there."""
    return name if _PLAIN_SEGMENT.fullmatch(name) else quote(name, safe="!$&'()*+,;=:@")


def _split(url: str) -> tuple[str, str, str] | None:
    """Scheme, authority and the rest of an absolute URL, the first two in normal form."""
    found = _ABSOLUTE.fullmatch(url)
    if found is None:
        return None
    scheme = found[1].lower()
    return scheme, _authority(found[2], scheme), found[3]


def _authority(raw: str, scheme: str) -> str:
    return raw.strip().lower().removesuffix(_DEFAULT_PORT[scheme])


def _rooted(rest: str) -> str:
    return rest if rest.startswith("/") else f"/{rest}"
