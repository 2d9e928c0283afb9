"""The properties of WebDAV resources: which the unit keeps itself, and what of them a PROPFIND is shown.

A resource's properties are a mapping from keys (``localName@namespace``) to rendered elements, in which ``DAV:`` is
the default namespace. What does not belong here: the XML around them (``dav_xml``), and who may see them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alveary.model.privileges import PERSONIUM_NAMESPACE
from alveary.model.tree import Node, NodeKind
from alveary.wire import xml
from alveary.wire.dav_xml import Asked, Form, empty, propstat
from alveary.wire.etags import ETag
from alveary.wire.http_dates import http_date, iso_date

Properties = Mapping[str, str]

ACL: Final = "acl@DAV:"
_CREATED: Final = "creationdate@DAV:"
_DISPLAY_NAME: Final = "displayname@DAV:"
_ETAG: Final = "getetag@DAV:"
_MODIFIED: Final = "getlastmodified@DAV:"
_MEDIA_TYPE: Final = "getcontenttype@DAV:"
_RESOURCE_TYPE: Final = "resourcetype@DAV:"
_SIZE: Final = "getcontentlength@DAV:"
USED_BYTES: Final = "quota-used-bytes@DAV:"
AVAILABLE_BYTES: Final = "quota-available-bytes@DAV:"
CELL_STATUS: Final = f"cellstatus@{PERSONIUM_NAMESPACE}"

PROTECTED: Final = frozenset(
    {
        ACL,
        _CREATED,
        _ETAG,
        _MODIFIED,
        _MEDIA_TYPE,
        _RESOURCE_TYPE,
        _SIZE,
        USED_BYTES,
        AVAILABLE_BYTES,
        "lockdiscovery@DAV:",
        "supportedlock@DAV:",
    }
)
"""The properties that the unit itself keeps: no client sets or removes them. Others may be set, known here or not."""

PROTECTED_OF_CELL: Final = PROTECTED | {CELL_STATUS}
"""Those that it keeps of a cell."""

_COLLECTION: Final = "<resourcetype><collection/></resourcetype>"
_OF_PERSONIUM: Final = {NodeKind.ODATA: "odata", NodeKind.SERVICE: "service", NodeKind.STREAM: "stream"}
_TYPES: Final[Mapping[NodeKind, str]] = {
    NodeKind.FILE: "<resourcetype/>",
    NodeKind.CELL: _COLLECTION,
    NodeKind.BOX: _COLLECTION,
    NodeKind.COLLECTION: _COLLECTION,
    **{
        kind: f'<resourcetype><collection/><p:{name} xmlns:p="{PERSONIUM_NAMESPACE}"/></resourcetype>'
        for kind, name in _OF_PERSONIUM.items()
    },
}
"""The property ``resourcetype`` of each kind of node."""


def of_node(node: Node, name: str, *, acl: str | None = None) -> dict[str, str]:
    """What *node* shows, called *name* unless it was given another display name; *acl* is rendered, None: not shown.

    A property that was stored, be it by another unit, never stands in for one that this unit keeps.
    """
    shown = _times(node.published_ms, node.updated_ms)
    if node.kind is NodeKind.FILE:
        shown |= _file(node.content.size_bytes if node.content else 0, node.media_type)
    shown[_RESOURCE_TYPE] = _TYPES[node.kind]
    shown[_ETAG] = f"<getetag>{ETag(node.version, node.updated_ms)}</getetag>"
    shown[_DISPLAY_NAME] = f"<displayname>{xml.escape(name)}</displayname>"
    if acl is not None:
        shown[ACL] = acl
    for key, element in node.properties.items():
        if key not in PROTECTED:
            shown[key] = element
    return shown


def of_area(published_ms: int, updated_ms: int, acl: str) -> dict[str, str]:
    """What a collection shows that is no node."""
    return {**_times(published_ms, updated_ms), _RESOURCE_TYPE: _COLLECTION, ACL: acl}


def of_file(published_ms: int, updated_ms: int, size_bytes: int, media_type: str, acl: str) -> dict[str, str]:
    """What a file shows that is no node."""
    return {
        **_times(published_ms, updated_ms),
        **_file(size_bytes, media_type),
        _RESOURCE_TYPE: _TYPES[NodeKind.FILE],
        ACL: acl,
    }


def _times(published_ms: int, updated_ms: int) -> dict[str, str]:
    return {
        _CREATED: f"<creationdate>{iso_date(published_ms)}</creationdate>",
        _MODIFIED: f"<getlastmodified>{http_date(updated_ms)}</getlastmodified>",
    }


def _file(size_bytes: int, media_type: str | None) -> dict[str, str]:
    shown_type = xml.escape(media_type or "application/octet-stream")
    return {
        _SIZE: f"<getcontentlength>{size_bytes}</getcontentlength>",
        _MEDIA_TYPE: f"<getcontenttype>{shown_type}</getcontenttype>",
    }


def propstats(properties: Properties, asked: Asked) -> str:
    """What is *asked* of *properties*: those that are there, then the names of those that are not."""
    if asked.form is Form.NAMES:
        return propstat("".join(map(empty, properties)))
    if asked.form is Form.ALL:
        found = "".join(properties.values())
    else:
        found = "".join([properties[key] for key in asked.keys if key in properties])
    missing = "".join([empty(key) for key in asked.keys if key not in properties])
    there = propstat(found) if found or not missing else ""
    return there + propstat(missing, "404 Not Found") if missing else there
