"""The XML of WebDAV: multistatus answers, PROPPATCH and MKCOL bodies.

Answers are put together as text, for speed: every value that came from outside goes through :func:`xml.escape`, and
stored properties are XML that was parsed when it came. What does not belong here: what may be seen or set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from alveary.errors import XML_CONTENT, XML_UNREADABLE, Refusal
from alveary.model.privileges import PERSONIUM_NAMESPACE
from alveary.model.tree import Node, NodeKind
from alveary.wire import xml
from alveary.wire.http_dates import http_date, iso_date
from alveary.wire.xml import DAV

OPEN: Final = '<?xml version="1.0" encoding="utf-8"?>\n<multistatus xmlns="DAV:">'
CLOSE: Final = "</multistatus>"

LIVE: Final = frozenset(
    f"{name}@DAV:"
    for name in (
        "acl",
        "creationdate",
        "getcontentlength",
        "getcontenttype",
        "getetag",
        "getlastmodified",
        "lockdiscovery",
        "resourcetype",
        "supportedlock",
    )
)
"""The properties that the unit itself keeps: no client sets or removes them."""

_RESOURCE_TYPE: Final[dict[NodeKind, str]] = {
    NodeKind.FILE: "",
    NodeKind.CELL: "<collection/>",
    NodeKind.BOX: "<collection/>",
    NodeKind.COLLECTION: "<collection/>",
    NodeKind.ODATA: f'<collection/><p:odata xmlns:p="{PERSONIUM_NAMESPACE}"/>',
    NodeKind.SERVICE: f'<collection/><p:service xmlns:p="{PERSONIUM_NAMESPACE}"/>',
    NodeKind.STREAM: f'<collection/><p:stream xmlns:p="{PERSONIUM_NAMESPACE}"/>',
}

COLLECTION_KINDS: Final[dict[str, NodeKind]] = {
    f"{{{PERSONIUM_NAMESPACE}}}odata": NodeKind.ODATA,
    f"{{{PERSONIUM_NAMESPACE}}}service": NodeKind.SERVICE,
    f"{{{PERSONIUM_NAMESPACE}}}stream": NodeKind.STREAM,
}


# Answers


def response(href: str, properties: str) -> str:
    """One resource of a multistatus with its properties."""
    return (
        f"<response><href>{xml.escape(href)}</href><propstat><prop>{properties}</prop>"
        "<status>HTTP/1.1 200 OK</status></propstat></response>"
    )


def node_properties(node: Node, *, acl: str = "", extra: str = "") -> str:
    """All properties of *node*; *acl* is the rendered ``acl`` property, *extra* others, both empty when not shown."""
    return (
        common_properties(node.published_ms, node.updated_ms)
        + (_file_properties(node) if node.kind is NodeKind.FILE else "")
        + f"<resourcetype>{_RESOURCE_TYPE[node.kind]}</resourcetype>"
        + acl
        + extra
        + "".join(node.properties.values())
    )


def common_properties(published_ms: int, updated_ms: int) -> str:
    """The times of a resource."""
    return (
        f"<creationdate>{iso_date(published_ms)}</creationdate>"
        f"<getlastmodified>{http_date(updated_ms)}</getlastmodified>"
    )


def _file_properties(node: Node) -> str:
    return file_properties(node.content.size_bytes if node.content else 0, node.media_type)


def file_properties(size_bytes: int, media_type: str | None) -> str:
    """What only files have."""
    return (
        f"<getcontentlength>{size_bytes}</getcontentlength>"
        f"<getcontenttype>{xml.escape(media_type or 'application/octet-stream')}</getcontenttype>"
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one property that a PROPPATCH named: the element as it came, and an HTTP status line's tail."""

    element: str
    status: str


def patched(href: str, outcomes: Sequence[Outcome]) -> bytes:
    """The answer to a PROPPATCH: a propstat for each status, in the order of their first appearance."""
    groups: dict[str, list[str]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.status, []).append(outcome.element)
    stats = "".join(
        f"<propstat><prop>{''.join(elements)}</prop><status>HTTP/1.1 {status}</status></propstat>"
        for status, elements in groups.items()
    )
    return f"{OPEN}<response><href>{xml.escape(href)}</href>{stats}</response>{CLOSE}".encode()


# Bodies


@dataclass(frozen=True, slots=True)
class PropertyUpdate:
    """What a PROPPATCH asks for: ``localName@namespace`` to the element's XML to set, and elements to remove."""

    to_set: Mapping[str, str]
    to_remove: Mapping[str, str]


def parse_property_update(text: bytes, *, max_depth: int) -> PropertyUpdate:
    """The body of a PROPPATCH. Within it, what is set is set first, then what is removed is removed.

    Raises:
        Refusal: XML_UNREADABLE, XML_CONTENT.
    """
    root = xml.parse(text, max_depth=max_depth)
    if root.tag != f"{DAV}propertyupdate":
        raise Refusal(XML_CONTENT)
    return PropertyUpdate(_named(root, f"{DAV}set"), _named(root, f"{DAV}remove"))


def _named(root: etree._Element, group: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in root.findall(group):
        properties = part.find(f"{DAV}prop")
        if properties is None:
            raise Refusal(XML_CONTENT)
        for element in properties:
            name = etree.QName(element)
            element.tail = None
            found[f"{name.localname}@{name.namespace or ''}"] = _standing_alone(element)
    return found


def _standing_alone(element: etree._Element) -> str:
    """The element's XML with every namespace it uses declared in it, a missing one undeclared."""
    text = etree.tostring(element, encoding="unicode", with_tail=False)
    if etree.QName(element).namespace is None and "xmlns=" not in text.split(">", 1)[0]:
        end = len(etree.QName(element).localname) + 1
        text = f'{text[:end]} xmlns=""{text[end:]}'
    return text


def check_propfind(text: bytes, *, max_depth: int) -> None:
    """Return when the body of a PROPFIND is empty or one; which properties it names makes no difference.

    Raises:
        Refusal: XML_UNREADABLE.
    """
    if text.strip() and xml.parse(text, max_depth=max_depth).tag != f"{DAV}propfind":
        raise Refusal(XML_UNREADABLE)


class InvalidResourceType(Exception):  # noqa: N818 - it has an answer of its own, in XML
    """A MKCOL asks for a kind of collection that there is not; ``answer`` is the body of the 403."""

    def __init__(self, answer: bytes) -> None:
        """With the body that tells so."""
        super().__init__("invalid resource type")
        self.answer = answer


def parse_mkcol(text: bytes, *, max_depth: int) -> NodeKind:
    """The kind of collection that the body of an extended MKCOL (RFC 5689) asks for.

    Raises:
        Refusal: XML_UNREADABLE.
        InvalidResourceType: the XML says something else.
    """
    root = xml.parse(text, max_depth=max_depth)
    path = "/".join(f"{DAV}{name}" for name in ("set", "prop", "resourcetype"))
    types = root.find(path)
    if root.tag != f"{DAV}mkcol" or types is None:
        raise InvalidResourceType(_refused_mkcol(root))
    tags = [element.tag for element in types]
    extensions = [tag for tag in tags if tag != f"{DAV}collection"]
    if f"{DAV}collection" not in tags or len(extensions) > 1:
        raise InvalidResourceType(_refused_mkcol(root))
    if not extensions:
        return NodeKind.COLLECTION
    kind = COLLECTION_KINDS.get(extensions[0])
    if kind is None:
        raise InvalidResourceType(_refused_mkcol(root))
    return kind


def _refused_mkcol(root: etree._Element) -> bytes:
    asked = root.find(f"{DAV}set/{DAV}prop")
    names = "" if asked is None else "".join(_standing_alone(element) for element in asked)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<mkcol-response xmlns="DAV:"><propstat>'
        f"<prop>{names}</prop><status>HTTP/1.1 403 Forbidden</status>"
        "<error><valid-resourcetype/></error>"
        "<responsedescription>The resource type is not supported.</responsedescription>"
        "</propstat></mkcol-response>"
    ).encode()
