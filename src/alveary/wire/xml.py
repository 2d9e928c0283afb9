"""XML that came from outside, read with care: no DTD, no entities, bounded depth.

lxml accepts a DTD even when it resolves no entities, so one is refused before anything is parsed. What does not
belong here: what an element means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from lxml import etree

from alveary.errors import XML_UNREADABLE, Kind, Refusal

DAV: Final = "{DAV:}"
PERSONIUM: Final = "{urn:x-personium:xmlns}"
XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"
XML_BASE: Final = f"{{{XML_NAMESPACE}}}base"
XML_LANG: Final = f"{{{XML_NAMESPACE}}}lang"

_DOCTYPE: Final = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_ENCODED: Final = (("utf-16", (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")), ("utf-8", (b"",)))


_MOST_NAMESPACES: Final = 64
_MAX_NAMESPACE_CHARS: Final = 256
"""An element that is told alone is told with its namespaces: a few bytes of a body must not come to many."""


def parse(text: bytes, *, max_depth: int, refusal: Kind = XML_UNREADABLE) -> etree._Element:
    """The root element of *text*.

    Raises:
        Refusal: *refusal* when it is no well-formed XML, declares a DTD, nests deeper than *max_depth*, or has more
            namespaces, or longer ones, than any document needs.
    """
    encoding = next(name for name, starts in _ENCODED if text.startswith(starts))
    try:
        # A declaration of another encoding could hide a DTD from the search: what is searched is what is parsed.
        decoded = text.decode(encoding)
        if _DOCTYPE.search(decoded):
            raise Refusal(refusal)
        parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        root = etree.fromstring(_without_declaration(decoded).encode(), parser)
    except (UnicodeError, etree.XMLSyntaxError, ValueError):
        raise Refusal(refusal) from None
    if not _is_bounded(root, max_depth):
        raise Refusal(refusal)
    return root


def _without_declaration(text: str) -> str:
    text = text.lstrip("\ufeff \t\r\n")
    if text.startswith("<?xml") and "?>" in text:
        return text[text.index("?>") + 2 :]
    return text


def _is_bounded(root: etree._Element, max_depth: int) -> bool:
    """Whether *root* nests no deeper, and no element has too many namespaces to be told with it."""
    depth = namespaces = 0
    for event, what in etree.iterwalk(root, events=("start", "end", "start-ns", "end-ns")):
        if event == "start-ns":
            namespaces += 1
            if namespaces > _MOST_NAMESPACES or len(what[1]) > _MAX_NAMESPACE_CHARS:
                return False
        elif event == "end-ns":
            namespaces -= 1
        else:
            depth += 1 if event == "start" else -1
            if depth > max_depth:
                return False
    return True


@dataclass(frozen=True, slots=True)
class Form:
    """What an element may have: attributes, and each child so many times at most. Without children it has a text."""

    attributes: frozenset[str]
    children: Mapping[str, int]

    @classmethod
    def of(cls, namespace: str, attributes: str = "", **children: int) -> Self:
        """The form with *attributes*, blanks between, and *children* of *namespace* (in braces)."""
        return cls(frozenset(attributes.split()), {namespace + name: most for name, most in children.items()})


def has_form(root: etree._Element, forms: Mapping[str, Form]) -> bool:
    """Whether *root* and all below it are of *forms*, found by name, with only blanks between children."""
    return all(
        (form := forms.get(element.tag)) is not None
        and form.attributes.issuperset(element.keys())
        and all(many <= form.children.get(tag, 0) for tag, many in Counter(child.tag for child in element).items())
        and not (form.children and _has_text(element))
        for element in root.iter()
    )


def _has_text(element: etree._Element) -> bool:
    return any(text and text.strip() for text in (element.text, *(child.tail for child in element)))


def render(root: etree._Element) -> bytes:
    """*root* as a UTF-8 document with a declaration."""
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def escape(text: str) -> str:
    """*text* for the inside of an element or of an attribute in double quotes; what XML cannot hold is replaced."""
    if _SPECIAL.search(text) is None:
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return _UNREPRESENTABLE.sub("\ufffd", text)


_SPECIAL: Final = re.compile('[&<>"\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_UNREPRESENTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
