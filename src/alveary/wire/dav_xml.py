"""The XML of WebDAV: multistatus answers, the bodies of PROPFIND, PROPPATCH and MKCOL.

Answers are put together as text, for speed: every value that came from outside goes through :func:`xml.escape`, and
stored properties are XML that was parsed when it came. What does not belong here: which
properties there are (``dav_properties``), and what may be seen or set.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from lxml import etree

from alveary.errors import XML_CONTENT, XML_UNREADABLE, Refusal
from alveary.model.privileges import PERSONIUM_NAMESPACE
from alveary.model.tree import NodeKind
from alveary.wire import xml
from alveary.wire.xml import DAV, XML_LANG, XML_NAMESPACE

OPEN: Final = '<?xml version="1.0" encoding="utf-8"?>\n<multistatus xmlns="DAV:">'
CLOSE: Final = "</multistatus>"

COLLECTION_KINDS: Final[dict[str, NodeKind]] = {
    f"{{{PERSONIUM_NAMESPACE}}}odata": NodeKind.ODATA,
    f"{{{PERSONIUM_NAMESPACE}}}service": NodeKind.SERVICE,
    f"{{{PERSONIUM_NAMESPACE}}}stream": NodeKind.STREAM,
}


# Answers


def response(href: str, propstats: str) -> str:
    """One resource of a multistatus, with its rendered *propstats*."""
    return f"<response><href>{xml.escape(href)}</href>{propstats}</response>"


def propstat(properties: str, status: str = "200 OK") -> str:
    """Rendered *properties* that share a status, said by the tail of its line."""
    return f"<propstat><prop>{properties}</prop><status>HTTP/1.1 {status}</status></propstat>"


@lru_cache(maxsize=1024)
def empty(key: str) -> str:
    """The element of that key (``localName@namespace``) without a value, where ``DAV:`` is the default namespace."""
    name, _, namespace = key.partition("@")
    if namespace == XML_NAMESPACE:  # which no element may declare
        return f"<xml:{name}/>"
    return f"<{name}/>" if namespace == "DAV:" else f'<{name} xmlns="{xml.escape(namespace)}"/>'


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one property that a PROPPATCH named: its key, its element as it came, a status line's tail."""

    key: str
    element: str
    status: str


def patched(href: str, outcomes: Sequence[Outcome], *, values: bool) -> bytes:
    """The answer to a PROPPATCH: a propstat for each status, in the order of their first appearance.

    *values*: elements are repeated as they came; else their names alone are told.
    """
    groups: dict[str, list[str]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.status, []).append(outcome.element if values else empty(outcome.key))
    stats = "".join(propstat("".join(elements), status) for status, elements in groups.items())
    return f"{OPEN}{response(href, stats)}{CLOSE}".encode()


# Bodies


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property that a PROPPATCH names: its key, its element, and whether it is to go."""

    key: str
    element: str
    removed: bool = False


def parse_property_update(text: bytes, *, max_depth: int) -> tuple[PropertyChange, ...]:
    """What the body of a PROPPATCH asks for, in the order of the document.

    Raises:
        Refusal: XML_UNREADABLE, XML_CONTENT (also where it asks for nothing).
    """
    root = xml.parse(text, max_depth=max_depth)
    if root.tag != f"{DAV}propertyupdate":
        raise Refusal(XML_CONTENT)
    parts = [part for part in root if part.tag in _REMOVES]
    changes = tuple(change for part in parts for change in _changes(part, removed=_REMOVES[part.tag]))
    if not changes:
        raise Refusal(XML_CONTENT)
    return changes


_REMOVES: Final = {f"{DAV}set": False, f"{DAV}remove": True}


def _changes(part: etree._Element, *, removed: bool) -> Iterator[PropertyChange]:
    properties = part.find(f"{DAV}prop")
    if properties is None:
        raise Refusal(XML_CONTENT)
    for element in properties:
        _keep_language(element)
        yield PropertyChange(_key(element), _standing_alone(element), removed)


def _key(element: etree._Element) -> str:
    name = etree.QName(element)
    return f"{name.localname}@{name.namespace or ''}"


def _keep_language(element: etree._Element) -> None:
    """Write the language of the text into *element* itself, when it is said further up."""
    above = next((each.get(XML_LANG) for each in element.iterancestors() if each.get(XML_LANG) is not None), None)
    if above is not None and element.get(XML_LANG) is None:
        element.set(XML_LANG, above)


def _standing_alone(element: etree._Element) -> str:
    """The element's XML with every namespace it uses declared in it, a missing one undeclared."""
    text = etree.tostring(copy.deepcopy(element), encoding="unicode", with_tail=False)
    if None not in element.nsmap and any(etree.QName(each).namespace is None for each in element.iter()):
        end = re.search(r"[\s/>]", text)
        at = end.start() if end else len(text)
        text = f'{text[:at]} xmlns=""{text[at:]}'
    return text


class Form(Enum):
    """Which properties a PROPFIND asks for."""

    ALL = auto()
    NAMES = auto()
    THESE = auto()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a PROPFIND asks for: all properties, those of ``keys`` beside them; names alone; or those of ``keys``."""

    form: Form = Form.ALL
    keys: tuple[str, ...] = ()

    def wants(self, key: str) -> bool:
        """Whether the property of that key, or its name, is among what is asked for."""
        return self.form is not Form.THESE or key in self.keys


_FORMS: Final = {f"{DAV}allprop": Form.ALL, f"{DAV}propname": Form.NAMES, f"{DAV}prop": Form.THESE}


def parse_propfind(text: bytes, *, max_depth: int) -> Asked:
    """What the body of a PROPFIND asks for; all when it is empty, or says nothing that is known.

    Raises:
        Refusal: XML_UNREADABLE.
    """
    if not text.strip():
        return Asked()
    root = xml.parse(text, max_depth=max_depth)
    if root.tag != f"{DAV}propfind":
        raise Refusal(XML_UNREADABLE)
    asked = next((element for element in root if element.tag in _FORMS), None)
    if asked is None or _FORMS[asked.tag] is Form.ALL:
        beside = root.find(f"{DAV}include")
        return Asked(Form.ALL, () if beside is None else tuple(map(_key, beside)))
    return Asked(_FORMS[asked.tag], tuple(dict.fromkeys(map(_key, asked))))


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
