"""Names and URIs that clients choose, each with its own grammar.

Every name is a ``str`` that has been parsed once at the edge: holding one proves that it fits its grammar. What does
not belong here: whether a thing of that name exists, and how the unit spells its own URLs (``wire.urls``).
"""

from __future__ import annotations

import re
from typing import ClassVar, Final, Self

from alveary.errors import BAD_RESOURCE_NAME, FIELD_FORMAT, JSON_VALUE_FORMAT, NO_SUCH_RESOURCE, Refusal

MAIN_BOX = "__"
"""The name of the box that every cell has."""


class _Field(str):
    """A control object's name: one regular expression, refused as an entity field."""

    __slots__ = ()
    PATTERN: ClassVar[re.Pattern[str]]
    FIELD: ClassVar[str] = "Name"

    @classmethod
    def parse(cls, raw: object) -> Self:
        """*raw* as a name.

        Raises:
            Refusal: FIELD_FORMAT.
        """
        if not isinstance(raw, str) or not cls.PATTERN.fullmatch(raw):
            raise Refusal(FIELD_FORMAT, field=cls.FIELD)
        return cls(raw)


class CellName(_Field):
    """A cell's name: 1 to 128 of ``a-z 0-9 -``, the first no hyphen, and no path the unit keeps for itself."""

    __slots__ = ()
    PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
    RESERVED: ClassVar[frozenset[str]] = frozenset({"healthz", "readyz", "metrics"})

    @classmethod
    def parse(cls, raw: object) -> Self:
        """*raw* as a cell name.

        Raises:
            Refusal: FIELD_FORMAT.
        """
        name = super().parse(raw)
        if name in cls.RESERVED:
            raise Refusal(FIELD_FORMAT, field=cls.FIELD)
        return name


class BoxName(_Field):
    """A box's name: 1 to 128 of ``A-Z a-z 0-9 - _``, the first a letter or digit. The main box is not an entity."""

    __slots__ = ()
    PATTERN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,127}")


class RoleName(BoxName):
    """A role's name: the grammar of a box's."""

    __slots__ = ()


class AccountName(_Field):
    """An account's name: 1 to 128 characters, mail addresses among them."""

    __slots__ = ()
    PATTERN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_!$*=^`{|}~.@]{0,127}")


class RelationName(_Field):
    """A relation's name: 1 to 128 of ``A-Z a-z 0-9 - _ + :``, the first a letter, digit, ``-`` or ``+``."""

    __slots__ = ()
    PATTERN = re.compile(r"[a-zA-Z0-9\-+][a-zA-Z0-9\-_+:]{0,127}")


class EntityId(_Field):
    """The id of an entity of user data, and a rule's name: 1 to 200 of ``A-Z a-z 0-9 - _ :``."""

    __slots__ = ()
    PATTERN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_:]{0,199}")
    FIELD = "__id"


class SchemaName(BoxName):
    """The name of an entity type, complex type, property or association end: the grammar of a box's."""

    __slots__ = ()


_MAX_URI_CHARS: Final = 1024
_NOT_IN_URI: Final = r"\s\x00-\x20\x7f\"<>\\^`{|}"
_AUTHORITY: Final = rf"[^{_NOT_IN_URI}/?#@]+"
_FOLDERS: Final = rf"/(?:(?!\.{{1,2}}/)[^{_NOT_IN_URI}/?#]+/)*"
_PATH: Final = rf"(?:/(?!\.{{1,2}}(?:[/?#]|\Z))[^{_NOT_IN_URI}/?#]+)*/?"
_TAIL: Final = rf"(?:\?[^{_NOT_IN_URI}#]*)?(?:#[^{_NOT_IN_URI}#]*)?"
_CELL: Final = CellName.PATTERN.pattern

_URN: Final = rf"urn:[^{_NOT_IN_URI}]+"
_HTTP_CELL: Final = rf"https?://{_AUTHORITY}{_FOLDERS}"
_SCHEMA_URI: Final = re.compile(rf"{_URN}|{_HTTP_CELL}|personium-localunit:{_CELL}:{_FOLDERS}")
_CELL_URL: Final = re.compile(rf"{_HTTP_CELL}|personium-localunit:(?:{_CELL}:/|/{_CELL}/)")
_URI: Final = re.compile(
    rf"{_URN}|https?://{_AUTHORITY}(?:[/?#][^{_NOT_IN_URI}]*)?|personium-localunit:[^{_NOT_IN_URI}]+"
)
_URLS: Final = {
    "http": re.compile(rf"https?://{_AUTHORITY}{_PATH}{_TAIL}"),
    "localunit": re.compile(rf"personium-localunit:(?:{_CELL}:|/{_CELL}){_PATH}{_TAIL}"),
    "localcell": re.compile(rf"personium-localcell:(?=/){_PATH}{_TAIL}"),
    "localbox": re.compile(rf"personium-localbox:(?=/){_PATH}{_TAIL}"),
}


def is_uri(text: str) -> bool:
    """Whether *text* is an http, https, urn or personium-localunit URI of at most 1024 characters."""
    return len(text) <= _MAX_URI_CHARS and _URI.fullmatch(text) is not None


def is_schema_uri(text: str) -> bool:
    """Whether *text* is a URN, or the URL of a cell in normal form, which ends in ``/``; at most 1024 characters."""
    return len(text) <= _MAX_URI_CHARS and _SCHEMA_URI.fullmatch(text) is not None


def is_cell_url(text: str) -> bool:
    """Whether *text* is the URL of a cell in normal form, which ends in ``/``; at most 1024 characters."""
    return len(text) <= _MAX_URI_CHARS and _CELL_URL.fullmatch(text) is not None


def url_form(text: str) -> str | None:
    """Which of ``http``, ``localunit``, ``localcell``, ``localbox`` *text* is; None when no such URL, normalized."""
    if len(text) > _MAX_URI_CHARS:
        return None
    return next((form for form, pattern in _URLS.items() if pattern.fullmatch(text)), None)


_FORBIDDEN_IN_RESOURCE = re.compile(r'[\\/:*?"<>| \x00-\x1f\x7f-\x9f]')
_UNSAFE_IN_RESOURCE = re.compile(r"[/\x00]")


def utf16_length(text: str) -> int:
    """How many UTF-16 units *text* takes: what Personium counts as characters."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


class ResourceName(str):
    r"""The name of a WebDAV resource: 1 to *longest* UTF-16 units, none of ``\ / : * ? " < > |``, space, controls."""

    __slots__ = ()

    @classmethod
    def parse(cls, raw: str, *, longest: int = 255, strict: bool = True) -> Self:
        """*raw* as a resource name; not *strict* (RFC 4918 semantics) refuses only what no tree can hold.

        Raises:
            Refusal: BAD_RESOURCE_NAME.
        """
        forbidden = _FORBIDDEN_IN_RESOURCE if strict else _UNSAFE_IN_RESOURCE
        if not 1 <= utf16_length(raw) <= longest or raw in {".", ".."} or forbidden.search(raw):
            raise Refusal(BAD_RESOURCE_NAME, name=raw)
        return cls(raw)


class SnapshotFileName(str):
    """The name of a file in the snapshot area, its extension included: one safe path segment, 1 to 255 units."""

    __slots__ = ()

    @classmethod
    def parse(cls, raw: str) -> Self:
        """*raw* as a snapshot file name; a name that no file can have is simply not there.

        Raises:
            Refusal: NO_SUCH_RESOURCE.
        """
        if not 1 <= utf16_length(raw) <= 255 or raw in {".", ".."} or _FORBIDDEN_IN_RESOURCE.search(raw):
            raise Refusal(NO_SUCH_RESOURCE, url=raw)
        return cls(raw)


class SnapshotName(str):
    """The name of a snapshot without its extension, as export and import take it: 1 to 192 of ``A-Z a-z 0-9 - _``."""

    __slots__ = ()
    FORM: ClassVar[str] = "^[a-zA-Z0-9-_]{1,192}$"
    _PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"[a-zA-Z0-9\-_]{1,192}")

    @classmethod
    def parse(cls, raw: object) -> Self:
        """*raw* as a snapshot name.

        Raises:
            Refusal: JSON_VALUE_FORMAT.
        """
        if not isinstance(raw, str) or not cls._PATTERN.fullmatch(raw):
            raise Refusal(JSON_VALUE_FORMAT, key="Name", form=cls.FORM)
        return cls(raw)

    @property
    def archive(self) -> SnapshotFileName:
        """The snapshot file of this name."""
        return SnapshotFileName(f"{self}.zip")

    @property
    def failure(self) -> SnapshotFileName:
        """The file that tells why an export of this name failed."""
        return SnapshotFileName(f"{self}.error")
