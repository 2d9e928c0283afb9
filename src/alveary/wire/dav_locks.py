"""The XML and the headers of WebDAV locks: LOCK bodies, Timeout, Lock-Token, lockdiscovery, conditions not met.

What does not belong here: the If header (``dav_if``), and what a lock does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from lxml import etree

from alveary.errors import BAD_HEADER, BODY_TOO_LARGE, HEADER_MISSING, XML_CONTENT, Refusal
from alveary.model.locks import Lock, LockScope, Trail
from alveary.model.privileges import PERSONIUM_NAMESPACE
from alveary.wire import xml
from alveary.wire.xml import DAV

_DECLARATION: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
_TOKEN: Final = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]*:[^<>\s]+)>")
_SECONDS: Final = re.compile(r"Second-([0-9]{1,18})")
_DEPTHS: Final = {False: "0", True: "infinity"}

SUPPORTED: Final = (
    "<supportedlock>"
    + "".join(
        f"<lockentry><lockscope><{scope.value}/></lockscope><locktype><write/></locktype></lockentry>"
        for scope in LockScope
    )
    + "</supportedlock>"
)
"""The property ``supportedlock``, the same of every resource."""


# What comes


def parse_lock(text: bytes, *, max_depth: int, max_owner_bytes: int) -> tuple[LockScope, str]:
    """The scope that the body of a LOCK asks for, and the XML of its ``owner``, empty when there is none.

    Raises:
        Refusal: XML_UNREADABLE, XML_CONTENT, BODY_TOO_LARGE (the owner).
    """
    root = xml.parse(text, max_depth=max_depth)
    kinds = [each.tag for each in root.iterfind(f"{DAV}locktype/*")]
    scopes = [scope for scope in LockScope if root.find(f"{DAV}lockscope/{DAV}{scope.value}") is not None]
    if root.tag != f"{DAV}lockinfo" or kinds != [f"{DAV}write"] or len(scopes) != 1:
        raise Refusal(XML_CONTENT)
    element = root.find(f"{DAV}owner")
    owner = "" if element is None else etree.tostring(element, encoding="unicode", with_tail=False)
    if len(owner.encode()) > max_owner_bytes:
        raise Refusal(BODY_TOO_LARGE, limit=max_owner_bytes)
    return scopes[0], owner


def parse_timeout(raw: str | None, *, longest_s: int) -> int:
    """How long a lock may live: the first of the wishes in *raw* that is understood, at most *longest_s* seconds."""
    for wish in (raw or "").split(","):
        if found := _SECONDS.fullmatch(wish.strip()):
            return max(1, min(int(found[1]), longest_s))
    return longest_s


def parse_lock_token(raw: str | None) -> str:
    """The URI in a Lock-Token header.

    Raises:
        Refusal: HEADER_MISSING, BAD_HEADER.
    """
    if raw is None:
        raise Refusal(HEADER_MISSING, name="Lock-Token")
    found = _TOKEN.fullmatch(raw.strip())
    if found is None:
        raise Refusal(BAD_HEADER, name="Lock-Token", value=raw)
    return found[1]


# What goes


def discovery(locks: Iterable[Lock], href: Callable[[Trail], str], now_ms: int) -> str:
    """The property ``lockdiscovery`` of a resource with those *locks*; *href* makes URLs of their roots."""
    return f"<lockdiscovery>{''.join(_active(lock, href(lock.trail), now_ms) for lock in locks)}</lockdiscovery>"


def _active(lock: Lock, root: str, now_ms: int) -> str:
    left_s = -((now_ms - lock.until_ms) // 1000)
    return (
        f"<activelock><locktype><write/></locktype><lockscope><{lock.scope.value}/></lockscope>"
        f"<depth>{_DEPTHS[lock.deep]}</depth>{lock.owner}<timeout>Second-{left_s}</timeout>"
        f"<locktoken><href>{xml.escape(lock.token)}</href></locktoken>"
        f"<lockroot><href>{xml.escape(root)}</href></lockroot></activelock>"
    )


def granted(property_xml: str) -> bytes:
    """The body of a LOCK's answer: the resource's ``lockdiscovery``."""
    return f'{_DECLARATION}<prop xmlns="DAV:">{property_xml}</prop>'.encode()


def hindered(href: str, members: Sequence[str]) -> bytes:
    """The multistatus of a deep LOCK of *href* that locks on *members* prevent."""
    told = [(each, "423 Locked") for each in members] + [(href, "424 Failed Dependency")]
    rows = "".join(
        f"<response><href>{xml.escape(each)}</href><status>HTTP/1.1 {status}</status></response>"
        for each, status in told
    )
    return f'{_DECLARATION}<multistatus xmlns="DAV:">{rows}</multistatus>'.encode()


def unmet(condition: str, hrefs: Iterable[str], refusal: Refusal) -> bytes:
    """The body of a refusal for a *condition* of WebDAV that was not met, with the catalogue's code and text."""
    urls = "".join(f"<href>{xml.escape(each)}</href>" for each in hrefs)
    return (
        f'{_DECLARATION}<error xmlns="DAV:" xmlns:p="{PERSONIUM_NAMESPACE}"><{condition}>{urls}</{condition}>'
        f"<p:code>{refusal.kind.code}</p:code><p:message>{xml.escape(refusal.text)}</p:message></error>"
    ).encode()
