"""The metadata of a node in a snapshot's tree: the ``.pmeta`` beside each file's bytes, in each collection.

What does not belong here: the bytes, and where the node stands (``layout``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from alveary.errors import Refusal
from alveary.model import acl as acls
from alveary.model.acl import Acl
from alveary.model.entities import JsonValue
from alveary.model.tree import NodeKind
from alveary.wire import xml
from alveary.wire.acl_json import parse_acl, render_acl
from alveary.wire.snapshot.fields import MAX_DEPTH, Fields, to_bytes

_MEDIA_TYPE: Final = re.compile(r"[\x20-\x7e]{0,1024}")
"""What fits a header line: a snapshot must not smuggle another header into later answers."""

_PLAIN: Final = "NONE"
_KINDS: Final = {kind.value: kind for kind in NodeKind}


@dataclass(frozen=True, slots=True)
class PMeta:
    """What ``.pmeta`` tells of a node.

    ``properties`` are dead properties, ``localName@namespace`` to the XML text of the element.
    ``media_type`` and ``size_bytes`` are there for files, ``cell_status`` for the cell's node. ``name`` is
    there when the path does not show it: an addition to the format, for names that Personium refuses.
    """

    id: str
    kind: NodeKind
    published_ms: int
    updated_ms: int
    version: int
    acl: Acl = acls.EMPTY
    properties: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None
    size_bytes: int | None = None
    cell_status: str | None = None
    name: str | None = None

    @classmethod
    def parse(cls, raw: bytes, entry: str) -> PMeta:
        """The metadata in *raw*, the contents of *entry*.

        Raises:
            SnapshotProblem: something is missing or of a wrong shape, a property is no XML element of its
                name, or the bytes beside it are encrypted.
        """
        fields = Fields.parse(raw, entry)
        kind = _parse_kind(fields)
        if fields.members.get("et") not in (None, _PLAIN):
            fields.refuse("the file's bytes are encrypted")
        return cls(
            id=fields.id("i"),
            kind=kind,
            published_ms=fields.number("p"),
            updated_ms=fields.number("u"),
            version=fields.number("v", 1),
            acl=_parse_acl(fields),
            properties=_parse_properties(fields),
            media_type=_parse_media_type(fields),
            size_bytes=fields.number("cl") if kind is NodeKind.FILE else None,
            cell_status=fields.optional_text("cs"),
            name=fields.optional_text("name"),
        )

    def render(self) -> bytes:
        """The contents of ``.pmeta``."""
        members: dict[str, JsonValue] = {
            "i": self.id,
            "t": self.kind.value,
            "p": self.published_ms,
            "u": self.updated_ms,
            "v": self.version,
            "a": render_acl(self.acl),
            "d": dict(self.properties),
        }
        optional = {"ct": self.media_type, "cl": self.size_bytes, "cs": self.cell_status, "name": self.name}
        members |= {key: value for key, value in optional.items() if value is not None}
        if self.kind is NodeKind.FILE:
            members["et"] = _PLAIN
        return to_bytes(members)


def _parse_kind(fields: Fields) -> NodeKind:
    word = fields.text("t")
    return _KINDS.get(word) or fields.refuse(f"there is no kind of node [{word}]")


def _parse_acl(fields: Fields) -> Acl:
    try:
        return parse_acl(fields.members.get("a"))
    except ValueError as problem:
        fields.refuse(f"the ACL is not valid: {problem}")


def _parse_media_type(fields: Fields) -> str | None:
    text = fields.optional_text("ct") or None
    if text is not None and not _MEDIA_TYPE.fullmatch(text):
        fields.refuse("ct is no media type")
    return text


def _parse_properties(fields: Fields) -> dict[str, str]:
    properties = fields.texts("d")
    for key, text in properties.items():
        if not _is_element(key, text):
            fields.refuse(f"the property {key} is not one XML element of that name")
    return properties


def _is_element(key: str, text: str) -> bool:
    """Whether *text* is one element, fit to stand in a document, whose ``localName@namespace`` is *key*."""
    if text.startswith("<?") or not text.startswith("<"):
        return False
    try:
        name = etree.QName(xml.parse(text.encode(), max_depth=MAX_DEPTH))
    except Refusal:
        return False
    return f"{name.localname}@{name.namespace or ''}" == key
